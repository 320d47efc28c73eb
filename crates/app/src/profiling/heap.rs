//! The heap, as the allocator samples it: it remembers the stack of one allocation in about 512 KiB
//! for as long as it lives.

use jemalloc_pprof::PROF_CTL;

use super::ProfileError;
use super::names::Names;

/// From now on the allocator samples.
pub(super) fn sample() -> Result<(), ProfileError> {
    let control = PROF_CTL.as_ref().ok_or(ProfileError::NotSampled)?;
    // The others who take this lock take it for as long as a dump takes.
    let mut control = control.try_lock().map_err(|_| ProfileError::Busy)?;
    control
        .activate()
        .map_err(|error| ProfileError::Heap(error.to_string()))
}

/// What is allocated, by stack.
pub(super) fn tell() -> Result<Vec<u8>, ProfileError> {
    let control = PROF_CTL.as_ref().ok_or(ProfileError::NotSampled)?;
    let mut control = control.blocking_lock();
    if !control.activated() {
        return Err(ProfileError::NotSampled);
    }
    let mut profile = control
        .dump_profile()
        .map_err(|error| ProfileError::Heap(format!("{error:#}")))?;
    let mut names = Names::like(is_of_allocator);
    for (stack, _) in &mut profile.stacks {
        // The innermost are the last; each is where its call returns to, one behind the call.
        while stack.addrs.len() > 1 && stack.addrs.last().is_some_and(|address| names.hold(address - 1)) {
            stack.addrs.pop();
        }
    }
    Ok(profile.to_pprof(("inuse_space", "bytes"), ("space", "bytes"), None))
}

/// Whether a function is the allocator's, which is the innermost of every stack, and no answer to who
/// holds the memory.
fn is_of_allocator(name: &str) -> bool {
    ["_rjem_", "prof_", "__rust_alloc", "__rust_realloc", "__rustc::__rust_"]
        .iter()
        .any(|begin| name.starts_with(begin))
        || name.contains("tikv_jemallocator::Jemalloc")
}
