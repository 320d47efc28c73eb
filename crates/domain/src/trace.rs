//! W3C trace context as a value, so that a change of an order can carry the trace that
//! caused it through the outbox to the notifier. Source: W3C Trace Context, level 1.

use std::fmt;

/// The `traceparent` of a span: 16 bytes of trace id, 8 of span id, one of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

impl TraceContext {
    /// A context of non-zero ids, or `None`: zero ids are invalid by the standard.
    #[must_use]
    pub fn new(trace_id: u128, span_id: u64, flags: u8) -> Option<Self> {
        (trace_id != 0 && span_id != 0).then_some(Self {
            trace_id,
            span_id,
            flags,
        })
    }

    /// Reads a `traceparent` header; `None` where it is not valid.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let known = version == "00" && parts.next().is_none();
        let newer = version != "00" && hex(version, 2).is_some_and(|v| v != 0xff);
        if !(known || newer) {
            return None;
        }
        let span_id = u64::try_from(hex(span, 16)?).ok()?;
        let flags = u8::try_from(hex(flags, 2)?).ok()?;
        Self::new(hex(trace, 32)?, span_id, flags)
    }

    /// The id of the whole trace.
    #[must_use]
    pub const fn trace_id(self) -> u128 {
        self.trace_id
    }

    /// The id of the span.
    #[must_use]
    pub const fn span_id(self) -> u64 {
        self.span_id
    }

    /// The flags; bit 0 says that the trace is sampled.
    #[must_use]
    pub const fn flags(self) -> u8 {
        self.flags
    }
}

/// Lower-case hexadecimal digits of an exact length, as the standard asks.
fn hex(text: &str, len: usize) -> Option<u128> {
    let digits = text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    digits.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_the_example_of_the_standard() {
        let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(
            TraceContext::parse(header).map(|t| t.to_string()).as_deref(),
            Some(header)
        );
    }

    #[test]
    fn refuses_what_the_standard_calls_invalid() {
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad:?}");
        }
    }
}
