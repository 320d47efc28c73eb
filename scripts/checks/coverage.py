"""Reads llvm-cov's lcov file, prints line coverage by area, and holds the floor.

Counted are lines of code that ship: generated code, the domain's test support, and everything from
a file's `#[cfg(test)]` module on are left out, so that tests do not raise the figure by running.
The floor holds for the areas in GATED; the last line printed is the one the summary shows.

    coverage.py report LCOV --floor 90
    coverage.py objects FILE ... the paths of all programs in what `cargo nextest list` wrote as JSON
"""

import argparse
import json
import pathlib
import re
import sys

GATED = {"domain": "crates/domain/src/", "adapters/memory": "crates/adapters/src/memory/"}
AREAS = [
    *GATED.items(),
    ("adapters, the rest", "crates/adapters/src/"),
    ("app", "crates/app/src/"),
    ("codegen", "crates/codegen/src/"),
    ("benches", "benches/"),
]
LEFT_OUT = ("/generated/", "/src/testing/", "/tests/", "_tests.rs")


def records(path):
    """Yields (file, {line: hits}) of an lcov file."""
    name, lines = None, {}
    for row in path.read_text().splitlines():
        if row.startswith("SF:"):
            name, lines = row[3:], {}
        elif row.startswith("DA:"):
            line, hits = row[3:].split(",")[:2]
            lines[int(line)] = int(hits)
        elif row == "end_of_record":
            yield name, lines


def declared_for_tests(path):
    """Whether the module that holds this one has `#[cfg(test)]` before its declaration."""
    folder = path.parent
    holders = [folder.with_suffix(".rs"), folder / "lib.rs", folder / "main.rs", folder / "mod.rs"]
    wanted = re.compile(rf"^#\[cfg\(test\)\]\n(pub(\(crate\))? )?mod {path.stem};", re.MULTILINE)
    return any(wanted.search(holder.read_text()) for holder in holders if holder.exists())


def test_module_start(source):
    """The line of the file's test module, or one past its end."""
    rows = source.splitlines()
    for number, row in enumerate(rows, 1):
        follows = "".join(rows[number : number + 3])
        if row.strip() == "#[cfg(test)]" and row.startswith("#") and "mod " in follows and "{" in follows:
            return number
    return len(rows) + 1


def ranges(numbers):
    """`[1, 2, 3, 7]` as `1-3 7`."""
    out = []
    for number in sorted(numbers):
        if out and out[-1][1] == number - 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def objects(listing):
    """The test programs, and the programs that they start."""
    found = [binary["binary-path"] for binary in listing["rust-binaries"].values()]
    target = pathlib.Path(listing["rust-build-meta"]["target-directory"])
    for programs in listing["rust-build-meta"]["non-test-binaries"].values():
        found += [str(target / program["path"]) for program in programs if program["kind"] == "bin-exe"]
    return found


def report(lcov, floor):
    """Prints the table, and fails below the floor."""
    root = pathlib.Path.cwd()
    totals = {name: [0, 0] for name, _ in AREAS}
    missed = {}
    for name, lines in records(lcov):
        path = pathlib.Path(name)
        if not path.is_relative_to(root) or not path.exists():
            continue
        relative = str(path.relative_to(root))
        area = next((area for area, prefix in AREAS if relative.startswith(prefix)), None)
        if area is None or any(part in "/" + relative for part in LEFT_OUT) or declared_for_tests(path):
            continue
        end = test_module_start(path.read_text())
        counted = {line: hits for line, hits in lines.items() if line < end}
        totals[area][0] += sum(1 for hits in counted.values() if hits)
        totals[area][1] += len(counted)
        zero = [line for line, hits in counted.items() if not hits]
        if area in GATED and zero:
            missed[relative] = zero
    print("lines not run in the gated areas:" if missed else "every line of the gated areas ran")
    for relative, zero in sorted(missed.items()):
        print(f"  {relative}: {ranges(zero)}")
    share = {}
    for area, (hit, all_lines) in totals.items():
        share[area] = 100 * hit / all_lines if all_lines else 0.0
        print(f"  {area:20} {hit:6} of {all_lines:6} lines  {share[area]:6.2f} %")
    low = [area for area in GATED if share[area] < floor]
    figures = ", ".join(f"{area} {share[area]:.2f} %" for area in GATED)
    print(f"lines: {figures} (floor {floor:g} %{', MISSED' if low else ''})")
    sys.exit(1 if low else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["report", "objects"])
    parser.add_argument("files", type=pathlib.Path, nargs="+")
    parser.add_argument("--floor", type=float, default=0)
    options = parser.parse_args()
    if options.what == "objects":
        print(*sorted(set().union(*(objects(json.loads(file.read_text())) for file in options.files))), sep="\n")
    else:
        report(options.files[0], options.floor)


if __name__ == "__main__":
    main()
