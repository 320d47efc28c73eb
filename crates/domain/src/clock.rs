//! Time as an argument: rules and use cases ask a [`Clock`], never the machine.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// A moment in UTC, in whole milliseconds since 1970-01-01.
///
/// Shown as RFC 3339 with three decimals: `2026-01-02T03:04:05.678Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

const RFC_3339_MILLIS: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
/// 9999-12-31T23:59:59.999Z, the last moment that RFC 3339 can write.
const LAST: i64 = 253_402_300_799_999;

/// A text that is no RFC 3339 moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 moment")]
pub struct BadMoment;

impl Moment {
    /// The moment so many milliseconds after 1970, held to the years 1970 to 9999.
    #[must_use]
    pub fn from_unix_millis(millis: i64) -> Self {
        Self(millis.clamp(0, LAST))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// The moment `later` after this one.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        let millis = i64::try_from(later.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_millis(self.0.saturating_add(millis))
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads an RFC 3339 moment; what is finer than a millisecond is cut off.
    ///
    /// # Errors
    /// [`BadMoment`] for any other text.
    pub fn parse(text: &str) -> Result<Self, BadMoment> {
        let at = OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).map_err(|_| BadMoment)?;
        let millis = at.unix_timestamp() * 1000 + i64::from(at.millisecond());
        if (0..=LAST).contains(&millis) {
            Ok(Self(millis))
        } else {
            Err(BadMoment)
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0) * 1_000_000;
        let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| fmt::Error)?;
        let text = at.format(RFC_3339_MILLIS).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

/// Tells the time.
///
/// An implementation MUST be cheap enough to be asked under a lock.
pub trait Clock: Send + Sync + 'static {
    /// Now, by this clock.
    fn now(&self) -> Moment;
}

impl<C: Clock> Clock for std::sync::Arc<C> {
    fn now(&self) -> Moment {
        (**self).now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_rfc_3339() {
        let at = Moment::from_unix_millis(1_767_323_045_678);
        assert_eq!(at.to_string(), "2026-01-02T03:04:05.678Z");
        assert_eq!(Moment::parse("2026-01-02T03:04:05.678Z"), Ok(at));
        assert_eq!(Moment::parse("2026-01-02T04:04:05.6789+01:00"), Ok(at));
        assert_eq!(Moment::parse("yesterday"), Err(BadMoment));
    }

    #[test]
    fn arithmetic_stays_in_range() {
        let first = Moment::from_unix_millis(0);
        assert_eq!(first.plus(Duration::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(first.since(first.plus(Duration::from_secs(1))), Duration::ZERO);
        assert_eq!(first.plus(Duration::from_secs(1)).since(first), Duration::from_secs(1));
    }
}
