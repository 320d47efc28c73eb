//! Values of labels. There are so many and no more, whatever others send or answer.

/// The value of a label for what did not fail, and for an answer that never came.
pub const NONE: &str = "";
/// The value of a label for what is not known.
pub const OTHER: &str = "_OTHER";
/// It took too long.
pub const TIMEOUT: &str = "timeout";
/// Nobody waited for it any more.
pub const CANCELLED: &str = "cancelled";
/// There was no connection, or it broke.
pub const CONNECTION: &str = "connection";
/// The other side will not take it.
pub const REFUSED: &str = "refused";

/// A status of HTTP as a label.
#[must_use]
pub const fn status_label(status: u16) -> &'static str {
    macro_rules! labels {
        ($($status:literal)*) => {
            match status {
                $($status => stringify!($status),)*
                _ => OTHER,
            }
        };
    }
    labels!(100 101 102 103 200 201 202 203 204 205 206 207 208 226 300 301 302 303 304 305 307 308
        400 401 402 403 404 405 406 407 408 409 410 411 412 413 414 415 416 417 418 420 421 422 423 424 425 426
        428 429 431 451 499 500 501 502 503 504 505 506 507 508 510 511)
}

/// A code of gRPC as a label.
#[must_use]
pub const fn grpc_label(code: i32) -> &'static str {
    const NAMES: [&str; GRPC_CODES] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    match code {
        0..=16 => NAMES[code.unsigned_abs() as usize],
        _ => NAMES[2],
    }
}

/// How many codes gRPC has.
pub const GRPC_CODES: usize = 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_the_names_of_their_standards_and_an_unknown_value_has_one() {
        let statuses = [200, 420, 504, 999, 299].map(status_label);
        assert_eq!(statuses, ["200", "420", "504", OTHER, OTHER]);
        let codes = [0, 1, 4, 14, 16].map(grpc_label);
        let names = ["OK", "CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "UNAUTHENTICATED"];
        assert_eq!(codes, names);
        assert_eq!([-1, 17].map(grpc_label), ["UNKNOWN", "UNKNOWN"]);
    }
}
