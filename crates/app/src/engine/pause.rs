//! Growing pauses between attempts at something that does not answer.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Doubles from a first pause up to a longest one.
#[derive(Debug, Clone)]
pub struct Pauses {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Pauses {
    /// Pauses from `first` to `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// It answered: begin anew.
    pub const fn reset(&mut self) {
        self.next = self.first;
    }

    /// Waits, and longer the next time. `false` when it is time to stop.
    pub async fn wait(&mut self, stop: &CancellationToken) -> bool {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_its_bound_and_starts_anew() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let stop = CancellationToken::new();
            let mut pauses = Pauses::new(Duration::from_millis(1), Duration::from_millis(3));
            let mut seen = Vec::new();
            for _ in 0..3 {
                seen.push(pauses.next.as_millis());
                assert!(pauses.wait(&stop).await);
            }
            assert_eq!(seen, [1, 2, 3]);
            pauses.reset();
            assert_eq!(pauses.next.as_millis(), 1);
            stop.cancel();
            assert!(
                !Pauses::new(Duration::from_secs(60), Duration::from_secs(60))
                    .wait(&stop)
                    .await
            );
        });
    }
}
