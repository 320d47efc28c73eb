//! Profiles of the running process, in the form of pprof (gzipped protobuf, with the names of
//! functions): where its processors spend their time, and who holds its memory. One at a time; what
//! is asked for ends in time, and with the process.

mod heap;
mod names;
mod processor;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// How long the processors are watched if nothing is said, as in other programs.
const DURATION: Duration = Duration::from_secs(30);

/// Takes profiles. Cheap to clone; clones take turns.
#[derive(Debug, Clone)]
pub struct Profiles {
    turn: Arc<Semaphore>,
    duration_max: Duration,
    stopping: CancellationToken,
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// One is being taken.
    #[error("another profile is being taken: ask again when it is done")]
    Busy,
    /// The duration is none that can be asked for.
    #[error("seconds must be a whole number from 1 to {}", .0.as_secs())]
    Duration(Duration),
    /// The processors cannot be watched.
    #[error("the processors cannot be watched")]
    Processor(#[source] pprof::Error),
    /// The allocator of this process does not sample.
    #[error("the allocator does not sample the heap")]
    NotSampled,
    /// The allocator cannot tell.
    #[error("the heap cannot be told: {0}")]
    Heap(String),
    /// The work was lost, as a panic in it does.
    #[error("the profile was lost")]
    Lost(#[source] tokio::task::JoinError),
}

/// A profile of the processors that is being taken. Dropped, it ends.
#[derive(Debug)]
pub struct Watching {
    watch: processor::Watch,
    duration: Duration,
    stopping: CancellationToken,
    turn: OwnedSemaphorePermit,
}

impl Profiles {
    /// Profiles of the processors take at most `duration_max`; all end when `stopping` is cancelled.
    #[must_use]
    pub fn new(duration_max: Duration, stopping: CancellationToken) -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
            duration_max,
            stopping,
        }
    }

    /// From now on the allocator samples the heap.
    ///
    /// # Errors
    /// [`ProfileError`] where it cannot.
    pub fn sample_heap(&self) -> Result<(), ProfileError> {
        heap::sample()
    }

    /// Begins to watch the processors. `seconds` is what somebody asked for, as text.
    ///
    /// # Errors
    /// [`ProfileError`]; nothing was begun.
    pub async fn watch(&self, seconds: Option<&str>) -> Result<Watching, ProfileError> {
        let duration = match seconds {
            None => DURATION.min(self.duration_max),
            Some(text) => self.duration(text)?,
        };
        let turn = self.turn()?;
        let watch = apart(processor::Watch::begin).await??;
        Ok(Watching {
            watch,
            duration,
            stopping: self.stopping.clone(),
            turn,
        })
    }

    /// Who holds the memory now, of what was allocated since the heap is sampled.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub async fn heap(&self) -> Result<Vec<u8>, ProfileError> {
        let turn = self.turn()?;
        apart(move || {
            let told = heap::tell();
            drop(turn);
            told
        })
        .await?
    }

    fn turn(&self) -> Result<OwnedSemaphorePermit, ProfileError> {
        Arc::clone(&self.turn)
            .try_acquire_owned()
            .map_err(|_| ProfileError::Busy)
    }

    fn duration(&self, text: &str) -> Result<Duration, ProfileError> {
        let seconds: Option<u64> = text.parse().ok();
        let asked = seconds.map(Duration::from_secs);
        asked
            .filter(|asked| (Duration::from_secs(1)..=self.duration_max).contains(asked))
            .ok_or(ProfileError::Duration(self.duration_max))
    }
}

impl Watching {
    /// Watches until its time is over, or the process is told to end.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub async fn done(self) -> Result<Vec<u8>, ProfileError> {
        let Self {
            watch,
            duration,
            stopping,
            turn,
        } = self;
        let _ = tokio::time::timeout(duration, stopping.cancelled()).await;
        apart(move || {
            let told = watch.end();
            drop(turn);
            told
        })
        .await?
    }
}

/// Off the runtime: names of functions are looked up, and files written.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ProfileError> {
    tokio::task::spawn_blocking(work).await.map_err(ProfileError::Lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles() -> Profiles {
        Profiles::new(Duration::from_secs(5), CancellationToken::new())
    }

    #[test]
    fn a_duration_is_whole_and_bounded() {
        let profiles = profiles();
        assert_eq!(profiles.duration("5").unwrap(), Duration::from_secs(5));
        for wrong in ["0", "6", "-1", "1.5", "", "all", "99999999999999999999"] {
            let refused = profiles.duration(wrong).unwrap_err().to_string();
            assert_eq!(refused, "seconds must be a whole number from 1 to 5", "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_second_one_is_refused_until_the_first_is_gone_and_the_end_ends_it() {
        let profiles = profiles();
        let first = profiles.watch(None).await.unwrap();
        assert!(matches!(profiles.watch(Some("1")).await, Err(ProfileError::Busy)));
        assert!(matches!(profiles.heap().await, Err(ProfileError::Busy)));
        drop(first);
        let second = profiles.watch(Some("5")).await.unwrap();
        profiles.stopping.cancel();
        let began = crate::telemetry::Stopwatch::start();
        assert!(second.done().await.unwrap().starts_with(&[0x1f, 0x8b]), "it is gzipped");
        assert!(began.elapsed() < Duration::from_secs(4), "it ended with the process");
        // The allocator of tests is the system's.
        assert!(matches!(profiles.heap().await, Err(ProfileError::NotSampled)));
    }
}
