//! Why calls fail: told once, here, with all causes, by the edge that answers. Callers see none of
//! them. What goes on failing in the same way is told once in a while, with a count; each call has
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
                if let Some(suppressed) = self.internal.fails() {
                    error!(self.log, "internal error"; "error" => chain(failure), "suppressed" => suppressed);
                }
            }
            ErrorKind::OutcomeUnknown => {
                if let Some(suppressed) = self.unknown.fails() {
                    warn!(self.log, "outcome unknown"; "error" => chain(failure), "suppressed" => suppressed);
                }
            }
            ErrorKind::Unavailable => {
                if let Some(suppressed) = self.unavailable.fails() {
                    warn!(self.log, "unavailable"; "error" => chain(failure), "suppressed" => suppressed);
                }
            }
            ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Refused | ErrorKind::KeyReused => {}
        }
    }
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
}
