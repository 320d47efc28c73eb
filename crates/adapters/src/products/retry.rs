//! Retries of what products refuse for its load: 420 and 429, after growing pauses or what
//! `Retry-After` asks if that is longer, both within a bound. When the retries are used up, the
//! last answer goes back as it is. Nothing else is retried: the shopper has a deadline.

use std::time::Duration;

use async_trait::async_trait;
use domain::clock::{Clock, Moment};
use http::Extensions;
use metrics::Counter;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Request, Response, StatusCode};
use reqwest_middleware::{Middleware, Next, Result};
use time::PrimitiveDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::metrics::PRODUCTS_RETRIES;

/// The date format that HTTP asks senders to use (RFC 9110, 5.6.7).
const HTTP_DATE: &[BorrowedFormatItem<'static>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// Retries.
#[derive(Debug)]
pub(super) struct Retry<C> {
    attempts_max: u32,
    first_pause: Duration,
    longest_pause: Duration,
    clock: C,
    retries: Counter,
}

impl<C: Clock> Retry<C> {
    /// At most `retries_max` retries; the pause before the first, which doubles, and the longest.
    pub(super) fn new(retries_max: u32, first_pause: Duration, longest_pause: Duration, clock: C) -> Self {
        let retries = metrics::counter!(PRODUCTS_RETRIES.name);
        Self {
            attempts_max: retries_max.saturating_add(1),
            first_pause,
            longest_pause,
            clock,
            retries,
        }
    }

    /// The pause before retry `number`, from 1.
    fn pause(&self, number: u32, headers: &HeaderMap) -> Duration {
        let doubled = 2_u32
            .checked_pow(number - 1)
            .and_then(|times| self.first_pause.checked_mul(times));
        let growing = doubled.unwrap_or(Duration::MAX);
        let asked = retry_after(headers, self.clock.now()).unwrap_or_default();
        growing.max(asked).min(self.longest_pause)
    }
}

/// Whether products refused for its load: 420 is its own way to say it, 429 is everybody's.
pub(super) fn is_overload(status: StatusCode) -> bool {
    matches!(status.as_u16(), 420 | 429)
}

/// What `Retry-After` asks for: whole seconds, or a date; `None` where it is absent or unreadable.
fn retry_after(headers: &HeaderMap, now: Moment) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = PrimitiveDateTime::parse(text, HTTP_DATE)
        .ok()?
        .assume_utc()
        .unix_timestamp();
    Some(Moment::from_unix_millis(at.saturating_mul(1000)).since(now))
}

#[async_trait]
impl<C: Clock> Middleware for Retry<C> {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        for number in 1..self.attempts_max {
            // Only a streamed body cannot be sent again, and these requests have none.
            let Some(copy) = request.try_clone() else {
                break;
            };
            let answer = next.clone().run(copy, extensions).await?;
            if !is_overload(answer.status()) {
                return Ok(answer);
            }
            let pause = self.pause(number, answer.headers());
            drop(answer);
            self.retries.increment(1);
            tokio::time::sleep(pause).await;
        }
        next.run(request, extensions).await
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    /// Stands at 2026-01-02T03:04:05.678Z.
    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Moment {
            Moment::from_unix_millis(1_767_323_045_678)
        }
    }

    fn headers(retry_after: &str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(retry_after).unwrap())])
    }

    fn asked(text: &str) -> Option<Duration> {
        retry_after(&headers(text), Fixed.now())
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(asked("0"), Some(Duration::ZERO));
        assert_eq!(asked(" 2 "), Some(Duration::from_secs(2)), "seconds, not milliseconds");
        assert_eq!(
            asked("Fri, 02 Jan 2026 03:04:07 GMT"),
            Some(Duration::from_millis(1_322))
        );
        assert_eq!(asked("Fri, 02 Jan 2026 03:04:01 GMT"), Some(Duration::ZERO), "past");
        for bad in [
            "",
            "-1",
            "1.5",
            "soon",
            "Fri, 32 Jan 2026 03:04:07 GMT",
            "99999999999999999999999",
        ] {
            assert_eq!(asked(bad), None, "{bad:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), Fixed.now()), None);
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        let retry = Retry::new(3, Duration::from_millis(100), Duration::from_secs(3), Fixed);
        let none = HeaderMap::new();
        let pauses: Vec<_> = (1..=6).map(|number| retry.pause(number, &none).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_000]);
        assert_eq!(retry.pause(200, &none), Duration::from_secs(3));
        assert_eq!(retry.pause(1, &headers("2")), Duration::from_secs(2));
        assert_eq!(retry.pause(1, &headers("3600")), Duration::from_secs(3));
        assert_eq!(
            retry.pause(3, &headers("0")),
            Duration::from_millis(400),
            "the longer of both"
        );
    }

    #[test]
    fn only_refusals_for_load_are_retried() {
        let retried: Vec<u16> = (100..1000)
            .filter(|status| is_overload(StatusCode::from_u16(*status).unwrap()))
            .collect();
        assert_eq!(retried, [420, 429]);
    }
}
