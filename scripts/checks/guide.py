"""Reads the live coverage counters of an instrumented program, so that the fuzzer knows which case
reached code that none before it had reached.

The program runs with LLVM's continuous mode (`%c` in LLVM_PROFILE_FILE, and counters that can be
moved: see `instrumented` in scripts/test.sh), which maps its counters into a file.
"""

import mmap
import os
import struct

MAGIC = 0xFF6C70726F667281
VERSION = 10
HEADER_BYTES = 128
RECORD_BYTES = 64
# Each byte to 1 where it is not zero. A counter has eight, so a growing count is news now and then.
NOT_ZERO = bytes([0]) + bytes([1]) * 255


class Guide:
    """What of the program has run so far."""

    def __init__(self, path):
        self.counters = None
        self.seen = 0
        self.reached = 0
        if path is None or not os.path.exists(path):
            return
        with open(path, "rb") as file:
            self.file = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, version, ids, records, padding, count = struct.unpack("<6Q", self.file[:48])
        if (magic, version & 0xFFFFFF) != (MAGIC, VERSION):
            print(f"fuzz: profile version {version & 0xFFFFFF} is not known here, cases are not guided by coverage")
            return
        start = HEADER_BYTES + ids + records * RECORD_BYTES + padding
        self.counters = slice(start, start + count * 8)
        self.news()

    def news(self):
        """Whether code ran that had not run before."""
        if self.counters is None:
            return False
        now = int.from_bytes(self.file[self.counters].translate(NOT_ZERO), "little")
        fresh = now & ~self.seen
        if fresh:
            self.seen |= now
            self.reached = self.seen.bit_count()
        return bool(fresh)
