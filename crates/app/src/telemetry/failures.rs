//! Why calls fail: told once, here, with all causes, by the edge that answers. Callers see none of
//! them. What goes on failing for the same cause is told once in a while, with a count; each call has
//! its line in the log of requests all the same.

use domain::error::{ErrorKind, Kind};
use slog::{Logger, error, warn};

use super::{Repeated, chain};

/// Tells failures of one edge.
#[derive(Debug)]
pub struct Failures {
    log: Logger,
    internal: Repeated,
    unknown: Repeated,
    unavailable: Repeated,
}

impl Failures {
    /// Tells them to this logger.
    #[must_use]
    pub fn new(log: Logger) -> Self {
        Self {
            log,
            internal: Repeated::default(),
            unknown: Repeated::default(),
            unavailable: Repeated::default(),
        }
    }

    /// Tells one, unless it is the caller's own.
    pub fn tell(&self, failure: &impl Kind) {
        match failure.kind() {
            ErrorKind::Internal => {
                if let Some((error, suppressed)) = due(&self.internal, failure) {
                    error!(self.log, "internal error"; "error" => error, "suppressed" => suppressed);
                }
            }
            ErrorKind::OutcomeUnknown => {
                if let Some((error, suppressed)) = due(&self.unknown, failure) {
                    warn!(self.log, "outcome unknown"; "error" => error, "suppressed" => suppressed);
                }
            }
            ErrorKind::Unavailable => {
                if let Some((error, suppressed)) = due(&self.unavailable, failure) {
                    warn!(self.log, "unavailable"; "error" => error, "suppressed" => suppressed);
                }
            }
            ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Refused | ErrorKind::KeyReused => {}
        }
    }
}

/// The failure in words with how many were not told before it, where it is to be told.
fn due(place: &Repeated, failure: &impl Kind) -> Option<(String, u64)> {
    let error = chain(failure);
    place.fails_by(&error).map(|suppressed| (error, suppressed))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::drain::tests::lines;
    use super::*;
    use crate::config::LogSettings;

    #[derive(Debug, thiserror::Error)]
    #[error("no answer")]
    struct Planted(ErrorKind, #[source] std::io::Error);

    impl Kind for Planted {
        fn kind(&self) -> ErrorKind {
            self.0
        }
    }

    #[test]
    fn each_kind_is_told_with_its_causes_and_a_flood_of_it_once() {
        let text = lines(&LogSettings::default(), |root| {
            let failures = Failures::new(root.clone());
            for _ in 0..100 {
                for kind in ErrorKind::ALL {
                    failures.tell(&Planted(kind, std::io::Error::other("refused")));
                }
            }
        });
        let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut said: Vec<_> = rows.iter().map(|row| row["msg"].as_str().unwrap()).collect();
        said.sort_unstable();
        assert_eq!(said, ["internal error", "outcome unknown", "unavailable"]);
        assert!(rows.iter().all(|row| row["error"] == "no answer: refused"), "{text}");
    }

    #[test]
    fn what_fails_for_another_cause_is_told_at_once() {
        let text = lines(&LogSettings::default(), |root| {
            let failures = Failures::new(root.clone());
            for _ in 0..100 {
                for cause in ["refused", "reset"] {
                    failures.tell(&Planted(ErrorKind::Internal, std::io::Error::other(cause)));
                }
            }
        });
        let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let causes: Vec<_> = rows.iter().map(|row| row["error"].as_str().unwrap()).collect();
        assert_eq!(causes, ["no answer: refused", "no answer: reset"], "{text}");
    }
}
