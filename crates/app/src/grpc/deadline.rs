//! The time that a call may take: what its caller gives it in `grpc-timeout`, but no more than the
//! server's own limit. tonic can do this too, but answers CANCELLED, where the contract says
//! DEADLINE_EXCEEDED, and does so outside of what counts and logs calls.

use std::time::Duration;

use tonic::codegen::http::HeaderMap;

/// The time for a call with these headers. A header that cannot be read is as good as none.
pub(super) fn of(headers: &HeaderMap, most: Duration) -> Duration {
    let asked = headers.get("grpc-timeout").and_then(|value| value.to_str().ok());
    asked.and_then(parse).map_or(most, |asked| asked.min(most))
}

/// Up to eight digits and a unit. Source: the gRPC protocol over HTTP/2.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let readable = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = if readable { digits.parse().ok()? } else { return None };
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Duration {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", text.parse().unwrap());
        of(&headers, Duration::from_secs(10))
    }

    #[test]
    fn a_caller_may_shorten_the_time_and_not_lengthen_it() {
        assert_eq!(of(&HeaderMap::new(), Duration::from_secs(10)), Duration::from_secs(10));
        let read = ["0n", "7u", "250m", "3S", "1M", "99999999H"].map(with);
        let [nothing, micros, millis, seconds, minute, years] = read;
        assert_eq!((nothing, micros), (Duration::ZERO, Duration::from_micros(7)));
        assert_eq!((millis, seconds), (Duration::from_millis(250), Duration::from_secs(3)));
        assert_eq!((minute, years), (Duration::from_secs(10), Duration::from_secs(10)));
    }

    #[test]
    fn what_cannot_be_read_is_as_good_as_none() {
        for text in ["", "S", "3", "3s", "-3S", "+3S", "3 S", "123456789m", "1.5S"] {
            assert_eq!(with(text), Duration::from_secs(10), "{text:?}");
        }
    }
}
