//! How many requests leave this process: each takes a turn, turns come evenly spaced and first
//! come, first served. Retries come through here too, because this middleware stands inside the
//! one that retries.
//!
//! Why turns are a little further apart than the limit asks: what counts is when requests leave,
//! and one that got its turn may be late on its way out (a busy processor, a new connection)
//! while the tenth after it is not. With turns `1 s / n` apart any lateness would put `n + 1` of
//! them into one second. With `(1 s + SLACK) / n` it takes a lateness of more than `SLACK`, less the
//! 5 ms that tokio's interval may catch up; for 10 requests a second that is one each 115 ms.
//!
//! On a machine that is busier than that, the slack is not enough: so each turn also takes one of `n`
//! places, and gives it back a second after its request has surely left: when it was answered or
//! given up, or after [`LATE_MAX`]. Then no `n + 1` of them leave within a second, however late they
//! are. While products answer at once the places are never waited for.
//!
//! A tokio interval under a fair lock does the rest: whoever waits holds a place in the lock's
//! queue, and dropping the wait gives the place up without using a turn. A limiter crate would
//! still need that lock for the order, and has a clock of its own that tests cannot move.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::clock::Clock;
use http::Extensions;
use metrics::{Gauge, Histogram};
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next};
use tokio::sync::{Mutex, Semaphore, oneshot};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};

use crate::metrics::{PRODUCTS_WAIT, PRODUCTS_WAITING};

/// How late a request may leave without anybody having to wait for it.
const SLACK: Duration = Duration::from_millis(150);
/// How late a request can leave after its turn.
const LATE_MAX: Duration = Duration::from_millis(500);
/// The window that the limit is about.
const SECOND: Duration = Duration::from_secs(1);

/// As many requests wait for their turn as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests wait for their turn at products")]
pub(super) struct QueueFull;

/// A request that may not have left yet, while this lives.
#[derive(Debug)]
struct Turn {
    _on_its_way: oneshot::Sender<()>,
}

/// One that waits.
struct Waiting<'a>(&'a Gauge);

impl<'a> Waiting<'a> {
    fn of(gauge: &'a Gauge) -> Self {
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// Gives turns.
#[derive(Debug)]
pub(super) struct Turnstile<C> {
    /// Locked by whoever is next.
    turns: Mutex<Interval>,
    /// A permit for each that waits.
    places: Semaphore,
    /// A permit for each that may have left within the last second.
    window: Arc<Semaphore>,
    clock: C,
    waits: Histogram,
    waiting: Gauge,
}

impl<C: Clock> Turnstile<C> {
    /// At most `per_second` turns in any second, and at most `queue_max` that wait for one. Made
    /// inside the runtime whose timer it uses.
    pub(super) fn new(per_second: u32, queue_max: usize, clock: C) -> Self {
        let mut turns = interval(spacing(per_second));
        // A turn that nobody wanted is gone: turns are never nearer than the spacing.
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            turns: Mutex::new(turns),
            places: Semaphore::new(queue_max.min(Semaphore::MAX_PERMITS)),
            window: Arc::new(Semaphore::new(usize::try_from(per_second.max(1)).unwrap_or(1))),
            clock,
            waits: metrics::histogram!(PRODUCTS_WAIT.name),
            waiting: metrics::gauge!(PRODUCTS_WAITING.name),
        }
    }

    /// Waits for a turn. What it gives is kept until the request has left.
    async fn turn(&self) -> Result<Turn, QueueFull> {
        let _place = self.places.try_acquire().map_err(|_| QueueFull)?;
        let came = self.clock.now();
        let _waiting = Waiting::of(&self.waiting);
        let mut turns = self.turns.lock().await;
        // It is never closed.
        let left = Arc::clone(&self.window).acquire_owned().await.map_err(|_| QueueFull)?;
        turns.tick().await;
        self.waits.record(self.clock.now().since(came).as_secs_f64());
        let (turn, gone) = oneshot::channel();
        tokio::spawn(async move {
            let _ = timeout(LATE_MAX, gone).await;
            sleep(SECOND).await;
            drop(left);
        });
        Ok(Turn { _on_its_way: turn })
    }
}

/// Time between turns.
fn spacing(per_second: u32) -> Duration {
    (SECOND + SLACK) / per_second.max(1)
}

#[async_trait]
impl<C: Clock> Middleware for Turnstile<C> {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let _turn = self.turn().await.map_err(Error::middleware)?;
        next.run(request, extensions).await
    }
}

#[cfg(test)]
mod tests {
    use domain::clock::Moment;
    use futures::future::{FutureExt, join_all};
    use tokio::time::advance;

    use super::*;

    /// Tells tokio's time, which these tests move.
    #[derive(Debug, Clone, Copy)]
    struct Paused(tokio::time::Instant);

    impl Paused {
        #[allow(clippy::disallowed_methods, reason = "the paused clock of the test's own runtime")]
        fn start() -> Self {
            Self(tokio::time::Instant::now())
        }
    }

    impl Clock for Paused {
        fn now(&self) -> Moment {
            Moment::from_unix_millis(i64::try_from(self.0.elapsed().as_millis()).unwrap())
        }
    }

    fn turnstile(per_second: u32, queue_max: usize) -> (Turnstile<Paused>, Paused) {
        let clock = Paused::start();
        (Turnstile::new(per_second, queue_max, clock), clock)
    }

    #[test]
    fn one_more_than_the_limit_never_fits_a_second() {
        for per_second in 1..=10 {
            let span = spacing(per_second) * per_second;
            assert!(span >= Duration::from_millis(1_149), "{per_second} a second: {span:?}");
        }
        assert_eq!(spacing(10), Duration::from_millis(115));
        assert_eq!(spacing(0), spacing(1));
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_evenly_spaced_and_in_order_of_arrival() {
        let (turnstile, clock) = turnstile(10, 100);
        let turns = Mutex::new(Vec::new());
        join_all((0..50).map(|user| {
            let (turnstile, turns) = (&turnstile, &turns);
            async move {
                turnstile.turn().await.unwrap();
                turns.lock().await.push((user, clock.now()));
            }
        }))
        .await;
        let turns = turns.into_inner();
        assert!(
            turns.iter().map(|turn| turn.0).eq(0..50),
            "first come, first served: {turns:?}"
        );
        for pair in turns.windows(2) {
            let apart = pair[1].1.since(pair[0].1).as_millis();
            assert!((110..=120).contains(&apart), "{apart} ms between {pair:?}");
        }
        for window in turns.windows(11) {
            assert!(window[10].1.since(window[0].1) > Duration::from_secs(1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_without_requests_is_not_saved_up() {
        let (turnstile, clock) = turnstile(10, 100);
        turnstile.turn().await.unwrap();
        advance(Duration::from_secs(60)).await;
        let before = clock.now();
        turnstile.turn().await.unwrap();
        assert!(
            clock.now().since(before) <= Duration::from_millis(1),
            "the first goes at once"
        );
        turnstile.turn().await.unwrap();
        assert!(
            clock.now().since(before) >= Duration::from_millis(110),
            "the second waits"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_uses_no_turn() {
        let (turnstile, clock) = turnstile(10, 100);
        turnstile.turn().await.unwrap();
        let before = clock.now();
        let impatient = (0..50).map(|_| timeout(Duration::from_millis(50), turnstile.turn()));
        let (gave_up, patient) = tokio::join!(join_all(impatient), turnstile.turn());
        assert!(gave_up.iter().all(Result::is_err));
        assert!(patient.is_ok());
        let waited = clock.now().since(before);
        assert!(
            waited <= Duration::from_millis(120),
            "the fifty before it left {waited:?} of waiting"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn however_late_they_are_no_eleven_leave_in_a_second() {
        let (turnstile, clock) = turnstile(10, 100);
        let left = Mutex::new(Vec::new());
        join_all((0..60_u64).map(|user| {
            let (turnstile, left) = (&turnstile, &left);
            async move {
                let turn = turnstile.turn().await.unwrap();
                // Some are as late as can be, those after them are not.
                sleep(Duration::from_millis(
                    [0, 490, 230, 0][usize::try_from(user / 3 % 4).unwrap()],
                ))
                .await;
                left.lock().await.push(clock.now());
                drop(turn);
            }
        }))
        .await;
        let left = left.into_inner();
        for eleven in left.windows(11) {
            assert!(eleven[10].since(eleven[0]) >= SECOND, "{eleven:?}");
        }
        let took = left[59].since(left[0]);
        assert!(
            took < Duration::from_secs(10),
            "the pace is kept all the same: {took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_bounded_and_says_so_at_once() {
        let (turnstile, clock) = turnstile(10, 3);
        let turnstile = Arc::new(turnstile);
        turnstile.turn().await.unwrap();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let turnstile = Arc::clone(&turnstile);
                tokio::spawn(async move { turnstile.turn().await })
            })
            .collect();
        tokio::task::yield_now().await;
        let before = clock.now();
        assert!(matches!(turnstile.turn().now_or_never(), Some(Err(QueueFull))));
        assert_eq!(clock.now(), before);
        assert!(join_all(waiting).await.into_iter().all(|turn| turn.unwrap().is_ok()));
        assert!(turnstile.turn().await.is_ok(), "places come back");
    }
}
