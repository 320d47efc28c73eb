//! Which function an address lies in, as far as that is asked: whose own work does not belong into a
//! profile. A stack has the same few of them again and again.

use std::collections::HashMap;
use std::ffi::c_void;

/// Remembers what was looked up.
pub(super) struct Names {
    known: HashMap<usize, bool>,
    wanted: fn(&str) -> bool,
}

impl Names {
    /// Looks for functions with such names.
    pub(super) fn like(wanted: fn(&str) -> bool) -> Self {
        Self {
            known: HashMap::new(),
            wanted,
        }
    }

    /// Whether the function around an address is one of them. What is inlined there does not count.
    pub(super) fn hold(&mut self, address: usize) -> bool {
        let wanted = self.wanted;
        *self.known.entry(address).or_insert_with(|| {
            let mut found = false;
            // The function itself is told last.
            backtrace::resolve(address as *mut c_void, |symbol| {
                found = symbol.name().is_some_and(|name| wanted(&format!("{name:#}")));
            });
            found
        })
    }
}
