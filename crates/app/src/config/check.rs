//! Checks values one by one on top of the defaults, so that every wrong one is found and named,
//! and puts the good ones together in the order of their layers.

use std::collections::BTreeMap;

use config::{Config, ValueKind};
use garde::Validate;

use super::Settings;
use super::describe::{Describe, Described, Shown};
use super::layers::{Raw, flatten};
use super::problem::Problem;

/// Knows every setting; gathers what was given.
pub(super) struct Checker {
    defaults: Config,
    /// Every setting by its name, with the kind and value of its default.
    known: BTreeMap<String, ValueKind>,
    described: BTreeMap<String, Described>,
    good: Vec<(String, ValueKind)>,
    origins: BTreeMap<String, String>,
}

impl Checker {
    pub(super) fn new() -> Self {
        let defaults = Config::try_from(&Settings::default()).expect("the defaults are plain values");
        let mut known = BTreeMap::new();
        let tree = defaults.clone().try_deserialize().expect("settings are a table");
        flatten("", tree, &mut |key, value| drop(known.insert(key, value)));
        let mut rows = Vec::new();
        Settings::describe("", &mut rows);
        let described = rows.into_iter().map(|row| (row.key.clone(), row)).collect();
        Self {
            defaults,
            known,
            described,
            good: Vec::new(),
            origins: BTreeMap::new(),
        }
    }

    /// Takes a value if it is good by itself.
    pub(super) fn take(&mut self, raw: Raw) -> Result<(), Problem> {
        let Some(default) = self.known.get(&raw.key) else {
            return Err(self.unknown(&raw));
        };
        let refused = |reason: String| self.refused(&raw, reason);
        let value = same_kind(default, &raw).map_err(|reason| refused(reason.to_owned()))?;
        let alone = self.with([(&raw.key, &value)]).map_err(refused)?;
        alone.validate().map_err(|report| refused(first(&report)))?;
        self.origins.insert(raw.key.clone(), raw.origin);
        self.good.push((raw.key, value));
        Ok(())
    }

    /// The defaults with everything good on top.
    pub(super) fn settings(&self) -> Result<Settings, Problem> {
        let all = self.good.iter().map(|(key, value)| (key, value));
        self.with(all).map_err(|reason| Problem {
            what: "the settings".to_owned(),
            value: None,
            origin: "all layers together".to_owned(),
            reason,
            allowed: String::new(),
        })
    }

    /// A problem with a setting that is good by itself.
    pub(super) fn disagrees(&self, key: &str, reason: String) -> Problem {
        let origin = self.origins.get(key).cloned();
        Problem {
            what: key.to_owned(),
            value: None,
            origin: origin.unwrap_or_else(|| "built-in default".to_owned()),
            reason,
            allowed: self
                .described
                .get(key)
                .map_or(String::new(), |row| row.allowed.to_owned()),
        }
    }

    fn with<'a>(&self, values: impl IntoIterator<Item = (&'a String, &'a ValueKind)>) -> Result<Settings, String> {
        let mut builder = Config::builder().add_source(self.defaults.clone());
        for (key, value) in values {
            builder = builder
                .set_override(key, value.clone())
                .map_err(|error| error.to_string())?;
        }
        let merged = builder.build().map_err(|error| error.to_string())?;
        merged.try_deserialize().map_err(|error| in_words(&error))
    }

    fn refused(&self, raw: &Raw, reason: String) -> Problem {
        let described = self.described.get(&raw.key);
        let is_plain = described.is_none_or(|row| row.shown == Shown::Plain);
        let shown = is_plain.then(|| shown(&raw.value));
        Problem {
            value: shown,
            origin: raw.origin.clone(),
            ..self.disagrees(&raw.key, reason)
        }
    }

    fn unknown(&self, raw: &Raw) -> Problem {
        let group = self
            .known
            .keys()
            .any(|key| key.strip_prefix(&raw.key).is_some_and(|rest| rest.starts_with('.')));
        let parent = if group {
            Some(raw.key.as_str())
        } else {
            raw.key.rsplit_once('.').map(|(parent, _)| parent)
        };
        Problem {
            what: raw.key.clone(),
            value: None,
            origin: raw.origin.clone(),
            reason: if group {
                "is a group of settings"
            } else {
                "is no setting"
            }
            .to_owned(),
            allowed: self.members(parent),
        }
    }

    /// The names in a group, or at the top if there is no such group.
    fn members(&self, group: Option<&str>) -> String {
        let below = |prefix: &str| -> Vec<String> {
            let mut names: Vec<String> = Vec::new();
            for key in self.known.keys().filter_map(|key| key.strip_prefix(prefix)) {
                let (name, rest) = key.split_once('.').map_or((key, ""), |(name, _)| (name, ".…"));
                let name = format!("{prefix}{name}{rest}");
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            names
        };
        let inner = group.map(|group| below(&format!("{group}."))).unwrap_or_default();
        if inner.is_empty() { below("") } else { inner }.join(", ")
    }
}

/// The value as one of the kind of its default; text is read as that kind where the layer has only text.
fn same_kind(default: &ValueKind, raw: &Raw) -> Result<ValueKind, &'static str> {
    use ValueKind as K;
    let text = match &raw.value {
        K::String(text) if raw.is_text => Some(text.as_str()),
        _ => None,
    };
    match (default, &raw.value) {
        (K::String(_), K::String(_)) => Ok(raw.value.clone()),
        (K::String(_), _) => Err("is no text"),
        (K::Boolean(_), K::Boolean(_)) => Ok(raw.value.clone()),
        (K::Boolean(_), _) => text
            .and_then(|text| text.parse().ok())
            .map(K::Boolean)
            .ok_or("is neither true nor false"),
        (K::Float(_), K::Float(_)) => Ok(raw.value.clone()),
        #[expect(clippy::cast_precision_loss, reason = "far beyond every range")]
        (K::Float(_), K::I64(number)) => Ok(K::Float(*number as f64)),
        (K::Float(_), _) => text
            .and_then(|text| text.parse().ok())
            .map(K::Float)
            .ok_or("is no number"),
        (_, K::I64(_) | K::U64(_)) => Ok(raw.value.clone()),
        (_, _) => text
            .and_then(|text| text.parse().ok())
            .map(K::I64)
            .ok_or("is no whole number"),
    }
}

fn shown(value: &ValueKind) -> String {
    value.to_string().chars().take(100).collect()
}

fn first(report: &garde::Report) -> String {
    report
        .iter()
        .next()
        .map_or_else(|| "is out of range".to_owned(), |(_, error)| error.to_string())
}

/// The error of the last step without the words for programmers around it.
fn in_words(error: &config::ConfigError) -> String {
    use config::ConfigError as E;
    match error {
        E::At { error, .. } => in_words(error),
        // The kind was checked before: what is left is a number too wide for its setting.
        E::Type { .. } => "is out of range".to_owned(),
        E::Message(text) if text.starts_with("enum ") => "is not one of the words for it".to_owned(),
        E::Message(text) => text.clone(),
        other => other.to_string(),
    }
}
