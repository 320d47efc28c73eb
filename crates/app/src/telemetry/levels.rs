//! How much is logged of whom, which may change while the process runs. What the shop itself says
//! has one level, what libraries say another, and a target may have its own: the longest name that
//! holds wins.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use slog::Level;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::reload::{self, Handle};

use crate::config::{LogLevel, LogSettings, TargetLevels, TargetsError};

/// The crates of the shop.
const OURS: [&str; 3] = ["app", "adapters", "domain"];

/// The levels at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLevels {
    /// Of the shop itself.
    pub level: LogLevel,
    /// Of libraries.
    pub libraries: LogLevel,
    /// Of single targets.
    pub targets: TargetLevels,
}

/// A wish for other levels; what it does not name stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelChange {
    /// Of the shop itself.
    pub level: Option<String>,
    /// Of libraries.
    pub libraries: Option<String>,
    /// Of single targets: all of them, those of before are forgotten.
    pub targets: Option<String>,
}

/// Why levels cannot be changed so.
#[derive(Debug, thiserror::Error)]
pub enum LevelsError {
    /// A word that is no level.
    #[error("{0} must be one of error, warn, info, debug, trace")]
    Level(&'static str),
    /// The targets are wrong.
    #[error("targets: {0}")]
    Targets(#[from] TargetsError),
}

impl From<&LogSettings> for LogLevels {
    fn from(settings: &LogSettings) -> Self {
        Self {
            level: settings.level,
            libraries: settings.libraries,
            targets: settings.targets.clone(),
        }
    }
}

impl LogLevels {
    /// The least important level that is logged of a target, which is a module of the shop or not.
    #[must_use]
    pub fn of(&self, target: &str, ours: bool) -> LogLevel {
        let others = if ours { self.level } else { self.libraries };
        self.targets.of(target).unwrap_or(others)
    }

    /// These, but for what is wished.
    ///
    /// # Errors
    /// [`LevelsError`] for the first wish that cannot be met.
    pub fn with(&self, change: LevelChange) -> Result<Self, LevelsError> {
        let level = |named: Option<String>, what, now| match named {
            Some(name) => LogLevel::named(&name).ok_or(LevelsError::Level(what)),
            None => Ok(now),
        };
        Ok(Self {
            level: level(change.level, "level", self.level)?,
            libraries: level(change.libraries, "libraries", self.libraries)?,
            targets: match change.targets {
                Some(text) => TargetLevels::try_from(text)?,
                None => self.targets.clone(),
            },
        })
    }

    /// The least important level that is logged of anybody.
    fn least(&self) -> LogLevel {
        let named = self.targets.iter().map(|(_, level)| level).max();
        self.level.max(self.libraries).max(named.unwrap_or(LogLevel::Error))
    }

    /// What `tracing` has to hear for that. Spans of our own crates are made at every level, because
    /// traces need them.
    fn heard(&self) -> Targets {
        let ours = |level| filter(level).max(LevelFilter::INFO);
        let named = self.targets.iter().map(|(name, level)| {
            let level = if is_ours(name) { ours(level) } else { filter(level) };
            (name.to_owned(), level)
        });
        Targets::new()
            .with_default(filter(self.libraries))
            .with_targets(OURS.map(|name| (name, ours(self.level))))
            .with_targets(named)
    }
}

/// The levels of the process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Levels(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    first: LogLevels,
    now: RwLock<LogLevels>,
    /// The least important level that anybody is logged with: what is less needs no other look.
    least: AtomicU8,
    heard: OnceLock<Handle<Targets, Registry>>,
}

impl Levels {
    /// Begins with these.
    #[must_use]
    pub fn new(first: LogLevels) -> Self {
        Self(Arc::new(Shared {
            now: RwLock::new(first.clone()),
            least: AtomicU8::new(first.least() as u8),
            heard: OnceLock::new(),
            first,
        }))
    }

    /// The filter of the process' `tracing` subscriber, which follows them.
    pub(super) fn filter(&self) -> reload::Layer<Targets, Registry> {
        let (filter, handle) = reload::Layer::new(self.now().heard());
        let _ = self.0.heard.set(handle); // there is one subscriber a process
        filter
    }

    /// The levels now.
    #[must_use]
    pub fn now(&self) -> LogLevels {
        self.0.now.read().clone()
    }

    /// The levels of the settings.
    #[must_use]
    pub fn of_settings(&self) -> &LogLevels {
        &self.0.first
    }

    /// Changes them, for everybody from now on.
    pub fn set(&self, levels: LogLevels) {
        let (least, heard) = (levels.least() as u8, levels.heard());
        *self.0.now.write() = levels;
        self.0.least.store(least, Ordering::Relaxed);
        if let Some(handle) = self.0.heard.get() {
            let _ = handle.reload(heard); // fails where the subscriber is gone, with the process
        }
    }

    /// Whether a line of this level is logged of a target.
    pub(super) fn want(&self, target: &str, ours: bool, level: Level) -> bool {
        let level = of_slog(level);
        level as u8 <= self.0.least.load(Ordering::Relaxed) && level <= self.0.now.read().of(target, ours)
    }
}

/// Whether a target of `tracing` is a module of the shop.
pub(super) fn is_ours(target: &str) -> bool {
    OURS.contains(&target.split("::").next().unwrap_or_default())
}

/// A level of a line as the settings spell it.
pub(super) const fn of_slog(level: Level) -> LogLevel {
    match level {
        Level::Critical | Level::Error => LogLevel::Error,
        Level::Warning => LogLevel::Warn,
        Level::Info => LogLevel::Info,
        Level::Debug => LogLevel::Debug,
        Level::Trace => LogLevel::Trace,
    }
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(targets: &str) -> LogLevels {
        let settings = LogSettings {
            targets: TargetLevels::try_from(targets.to_owned()).unwrap(),
            ..LogSettings::default()
        };
        LogLevels::from(&settings)
    }

    #[test]
    fn ours_and_libraries_have_levels_of_their_own_and_targets_too() {
        let levels = Levels::new(levels("adapters::postgres=debug,app::http=error,h2=info"));
        for (target, level, wanted) in [
            ("app::engine", Level::Info, true),
            ("app::engine", Level::Debug, false),
            ("application", Level::Info, false), // no crate of ours
            ("rskafka", Level::Warning, true),
            ("adapters::postgres::unit", Level::Debug, true),
            ("adapters::kafka", Level::Debug, false),
            ("app::http::cart", Level::Warning, false),
            ("app::http::cart", Level::Error, true),
            ("h2::codec", Level::Info, true),
        ] {
            assert_eq!(levels.want(target, is_ours(target), level), wanted, "{target} {level}");
        }
    }

    #[test]
    fn levels_change_and_what_is_not_named_stays() {
        let all = Levels::new(levels("h2=error"));
        let want = |target: &str, level| all.want(target, is_ours(target), level);
        assert!(!want("app", Level::Debug));
        let change: LevelChange = serde_json::from_str(r#"{"level":"debug"}"#).unwrap();
        all.set(all.now().with(change).unwrap());
        assert!(want("app", Level::Debug) && !want("h2", Level::Warning));
        assert_eq!(all.now().libraries, LogLevel::Warn);
        let change: LevelChange = serde_json::from_str(r#"{"targets":"","libraries":"info"}"#).unwrap();
        all.set(all.now().with(change).unwrap());
        assert!(want("h2", Level::Info) && want("app", Level::Debug));
        all.set(all.of_settings().clone());
        assert_eq!(all.now(), levels("h2=error"));
    }

    #[test]
    fn what_is_wrong_changes_nothing_and_is_named() {
        let wish = |text: &str| serde_json::from_str::<LevelChange>(text);
        assert!(wish(r#"{"levels":"info"}"#).is_err());
        for (text, said) in [
            (r#"{"level":"loud"}"#, "level must be one of"),
            (r#"{"libraries":"INFO"}"#, "libraries must be one of"),
            (r#"{"targets":"h2"}"#, "targets: \"h2\" is not TARGET=LEVEL"),
        ] {
            let refused = levels("").with(wish(text).unwrap()).unwrap_err().to_string();
            assert!(refused.starts_with(said), "{text}: {refused}");
        }
    }

    #[test]
    fn spans_of_ours_are_heard_at_every_level() {
        let quiet = LogLevels {
            level: LogLevel::Error,
            ..levels("adapters::postgres=error,h2=debug")
        };
        let heard = quiet.heard();
        assert!(heard.would_enable("adapters::postgres", &tracing::Level::INFO));
        assert!(heard.would_enable("app", &tracing::Level::INFO));
        assert!(heard.would_enable("h2", &tracing::Level::DEBUG));
        assert!(!heard.would_enable("hyper", &tracing::Level::INFO));
    }
}
