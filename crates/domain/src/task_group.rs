//! A group of futures that lives for one request, the analogue of Go's errgroup.
//!
//! The futures run concurrently within the task that joins them, at most `limit` at a time;
//! the first error drops the rest and is returned; a panic in one becomes an error. Because
//! the group owns its futures, nothing outlives it: dropping it drops them. Runtimes offer
//! groups of *tasks* (tokio's `JoinSet`), which need `'static` futures and a runtime; this one
//! borrows and has neither, which is why it is written here.

use std::any::Any;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

/// Why a group gave no results.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError<E> {
    /// The first error of a member.
    #[error(transparent)]
    Failed(E),
    /// The message of a member's panic.
    #[error("a task panicked: {0}")]
    Panicked(String),
}

/// A member: its place among the results, and its result.
type Member<'a, T, E> = BoxFuture<'a, (usize, Result<T, GroupError<E>>)>;

/// Futures of one request, run concurrently and boundedly.
pub struct TaskGroup<'a, T, E> {
    limit: NonZeroUsize,
    waiting: VecDeque<Member<'a, T, E>>,
}

impl<'a, T: Send + 'a, E: Send + 'a> TaskGroup<'a, T, E> {
    /// A group of which at most `limit` members run at a time.
    #[must_use]
    pub fn new(limit: NonZeroUsize) -> Self {
        Self {
            limit,
            waiting: VecDeque::new(),
        }
    }

    /// Adds a member. It starts when the group is joined.
    pub fn spawn(&mut self, member: impl Future<Output = Result<T, E>> + Send + 'a) {
        let place = self.waiting.len();
        let guarded = AssertUnwindSafe(member).catch_unwind().map(move |ended| {
            let result = match ended {
                Ok(result) => result.map_err(GroupError::Failed),
                Err(panic) => Err(GroupError::Panicked(message(panic.as_ref()))),
            };
            (place, result)
        });
        self.waiting.push_back(guarded.boxed());
    }

    /// Runs all members; their results in the order in which they were added.
    ///
    /// # Errors
    /// The first failure in time. The other members are dropped before this returns.
    pub async fn join(mut self) -> Result<Vec<T>, GroupError<E>> {
        let mut results: Vec<Option<T>> = std::iter::repeat_with(|| None).take(self.waiting.len()).collect();
        let first = self.limit.get().min(self.waiting.len());
        let mut running: FuturesUnordered<_> = self.waiting.drain(..first).collect();
        while let Some((place, result)) = running.next().await {
            results[place] = Some(result?);
            if let Some(next) = self.waiting.pop_front() {
                running.push(next);
            }
        }
        Ok(results.into_iter().flatten().collect())
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::executor::block_on;

    use super::*;

    fn limit(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).unwrap()
    }

    /// Gives way once, so that members interleave.
    async fn give_way() {
        let mut given = false;
        std::future::poll_fn(move |cx| {
            if std::mem::replace(&mut given, true) {
                return std::task::Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
    }

    #[test]
    fn results_keep_the_order_of_spawning_and_the_bound_holds() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut group = TaskGroup::<_, ()>::new(limit(3));
        for n in 0..20 {
            let (now, most) = (&now, &most);
            group.spawn(async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..(20 - n) {
                    give_way().await;
                }
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(n)
            });
        }
        assert_eq!(block_on(group.join()), Ok((0..20).collect()));
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }

    struct OnDrop<'a>(&'a AtomicUsize);
    impl Drop for OnDrop<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn the_first_error_drops_the_rest_and_nothing_outlives_the_group() {
        let dropped = AtomicUsize::new(0);
        let mut group = TaskGroup::<(), _>::new(limit(8));
        for _ in 0..5 {
            let guard = OnDrop(&dropped);
            group.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
                Ok(())
            });
        }
        group.spawn(async {
            give_way().await;
            Err("second")
        });
        group.spawn(async { Err("first") });
        assert_eq!(block_on(group.join()), Err(GroupError::Failed("first")));
        assert_eq!(dropped.load(Ordering::SeqCst), 5);
    }

    #[test]
    fn a_dropped_group_drops_its_members() {
        let dropped = AtomicUsize::new(0);
        let mut group = TaskGroup::<(), ()>::new(limit(8));
        let guard = OnDrop(&dropped);
        group.spawn(async move {
            let _guard = guard;
            pending().await
        });
        assert!(group.join().now_or_never().is_none());
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_panic_becomes_an_error() {
        let mut group = TaskGroup::<(), ()>::new(limit(2));
        group.spawn(async { panic!("number {}", 7) });
        assert_eq!(block_on(group.join()), Err(GroupError::Panicked("number 7".to_owned())));
    }
}
