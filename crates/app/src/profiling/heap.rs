//! The heap, as the allocator samples it: it remembers the stack of one allocation in about 512 KiB
//! for as long as it lives.

use jemalloc_pprof::PROF_CTL;

use super::ProfileError;

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
    control
        .dump_pprof()
        .map_err(|error| ProfileError::Heap(format!("{error:#}")))
}
