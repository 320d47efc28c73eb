//! Levels of single targets, as one text: `adapters::postgres=debug,h2=error`. A target is a module
//! of ours or of a library; its level also holds for what lies below it, and the longest name wins.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::values::LogLevel;

/// Most targets that are named.
pub(super) const TARGETS_MAX: usize = 64;
/// Most bytes of a target's name.
const NAME_MAX_BYTES: usize = 128;

/// Levels by target; the longest names first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TargetLevels(Vec<(String, LogLevel)>);

/// Why a text is no list of levels by target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetsError {
    /// There is no `=`.
    #[error("{0:?} is not TARGET=LEVEL")]
    Form(String),
    /// The name cannot be one.
    #[error("{0:?} is no name of a target: at most {NAME_MAX_BYTES} letters, digits, `_`, `-` and `::`")]
    Name(String),
    /// The level is none.
    #[error("{0:?} is no level: error, warn, info, debug, trace")]
    Level(String),
    /// A target stands there twice.
    #[error("{0:?} stands there twice")]
    Twice(String),
    /// There are too many.
    #[error("names more than {TARGETS_MAX} targets")]
    Many,
}

impl TargetLevels {
    /// The level of a target, where one is given.
    #[must_use]
    pub fn of(&self, target: &str) -> Option<LogLevel> {
        let holds = |name: &str| {
            let rest = target.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        self.0.iter().find(|(name, _)| holds(name)).map(|(_, level)| *level)
    }

    /// The targets and their levels.
    pub fn iter(&self) -> impl Iterator<Item = (&str, LogLevel)> {
        self.0.iter().map(|(name, level)| (name.as_str(), *level))
    }
}

impl TryFrom<String> for TargetLevels {
    type Error = TargetsError;

    fn try_from(text: String) -> Result<Self, TargetsError> {
        let mut found: Vec<(String, LogLevel)> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, level) = part
                .split_once('=')
                .ok_or_else(|| TargetsError::Form(shortened(part)))?;
            let (name, level) = (name.trim(), level.trim());
            if !is_name(name) {
                return Err(TargetsError::Name(shortened(name)));
            }
            let level = LogLevel::named(level).ok_or_else(|| TargetsError::Level(shortened(level)))?;
            if found.iter().any(|(known, _)| known == name) {
                return Err(TargetsError::Twice(name.to_owned()));
            }
            if found.len() == TARGETS_MAX {
                return Err(TargetsError::Many);
            }
            found.push((name.to_owned(), level));
        }
        found.sort_by(|(one, _), (other, _)| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        Ok(Self(found))
    }
}

impl From<TargetLevels> for String {
    fn from(targets: TargetLevels) -> Self {
        targets.to_string()
    }
}

impl fmt::Display for TargetLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, level)) in self.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{name}={}", level.name())?;
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':');
    (1..=NAME_MAX_BYTES).contains(&name.len()) && name.bytes().all(good)
}

/// What somebody wrote, short enough to be told again.
fn shortened(text: &str) -> String {
    text.chars().take(NAME_MAX_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<TargetLevels, TargetsError> {
        TargetLevels::try_from(text.to_owned())
    }

    #[test]
    fn the_longest_name_wins_and_ends_at_a_border_of_names() {
        let targets = parsed("adapters=warn, adapters::postgres=debug,h2=error,").unwrap();
        assert_eq!(targets.of("adapters::postgres::unit"), Some(LogLevel::Debug));
        assert_eq!(targets.of("adapters::postgres"), Some(LogLevel::Debug));
        assert_eq!(targets.of("adapters::postgres_url"), Some(LogLevel::Warn));
        assert_eq!(targets.of("h2::codec"), Some(LogLevel::Error));
        assert_eq!(targets.of("h2o"), None);
        let text = targets.to_string();
        assert_eq!(text, "adapters::postgres=debug,adapters=warn,h2=error");
        assert_eq!(parsed(&text).unwrap(), targets, "what is shown can be given again");
        assert_eq!(parsed("").unwrap(), TargetLevels::default());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, said) in [
            ("adapters", "\"adapters\" is not TARGET=LEVEL"),
            ("a b=info", "is no name of a target"),
            ("=info", "is no name of a target"),
            ("h2=loud", "\"loud\" is no level: error, warn, info, debug, trace"),
            ("h2=info,h2=warn", "\"h2\" stands there twice"),
        ] {
            let refused = parsed(text).unwrap_err().to_string();
            assert!(refused.contains(said), "{text}: {refused}");
        }
        let many: Vec<String> = (0..=TARGETS_MAX).map(|n| format!("t{n}=info")).collect();
        assert_eq!(parsed(&many[..TARGETS_MAX].join(",")).map(drop), Ok(()));
        assert_eq!(parsed(&many.join(",")), Err(TargetsError::Many));
    }
}
