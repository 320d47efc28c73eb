//! The layers above the defaults, each taken apart into single values that know where they come from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use config::{Environment, File, FileFormat, Map, Source, Value, ValueKind};

use super::Flag;
use super::problem::{Problem, Problems};

/// What the names of our environment variables begin with.
const PREFIX: &str = "APP__";
/// The most bytes of a settings file.
const FILE_MAX: u64 = 1 << 20;

/// A value as a layer gives it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Raw {
    pub(super) key: String,
    pub(super) value: ValueKind,
    pub(super) origin: String,
    /// Whether it is text that stands for a value of any kind, as in flags and the environment.
    pub(super) is_text: bool,
}

/// The variables that are ours, as text.
pub(super) fn texts(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<BTreeMap<String, String>, Problems> {
    let mut found = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        match value.into_string() {
            Ok(value) => drop(found.insert(name.to_owned(), value)),
            Err(_) => problems.push(Problem {
                what: name.to_owned(),
                value: None,
                origin: "the environment".to_owned(),
                reason: "is not UTF-8".to_owned(),
                allowed: String::new(),
            }),
        }
    }
    if problems.is_empty() {
        Ok(found)
    } else {
        Err(Problems(problems))
    }
}

/// The values of a TOML file.
pub(super) fn file(path: &Path) -> Result<Vec<Raw>, Problem> {
    let origin = path.display().to_string();
    let refuse = |reason: String| Problem {
        what: "--config".to_owned(),
        value: Some(origin.clone()),
        origin: "flag".to_owned(),
        reason,
        allowed: "a TOML file that can be read".to_owned(),
    };
    let length = std::fs::metadata(path)
        .map_err(|error| refuse(error.to_string()))?
        .len();
    if length > FILE_MAX {
        return Err(refuse(format!("has {length} bytes, more than {FILE_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let map = File::from_str(&text, FileFormat::Toml).collect();
    let map = map.map_err(|error| refuse(error.to_string().trim().replace('\n', " ")))?;
    let mut values = Vec::new();
    flatten("", map, &mut |key, value| {
        values.push(Raw {
            key,
            value,
            origin: origin.clone(),
            is_text: false,
        });
    });
    values.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(values)
}

/// The values of the environment.
pub(super) fn environment(variables: &BTreeMap<String, String>) -> Result<Vec<Raw>, Problem> {
    let ours = variables.iter().filter(|(name, _)| name.starts_with(PREFIX));
    let source: Map<String, String> = ours.map(|(name, value)| (name.clone(), value.clone())).collect();
    let collected = Environment::with_prefix("APP")
        .separator("__")
        .source(Some(source))
        .collect();
    let map = collected.map_err(|error| Problem {
        what: "the environment".to_owned(),
        value: None,
        origin: "environment".to_owned(),
        reason: error.to_string(),
        allowed: String::new(),
    })?;
    let mut values = Vec::new();
    flatten("", map, &mut |key, value| {
        let name = format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"));
        values.push(Raw {
            key,
            value,
            origin: name,
            is_text: true,
        });
    });
    values.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(values)
}

/// The values of the flags.
pub(super) fn flags(flags: &[Flag]) -> Vec<Raw> {
    let raw = |flag: &Flag| Raw {
        key: flag.key.clone(),
        value: ValueKind::String(flag.value.clone()),
        origin: flag.written.clone(),
        is_text: true,
    };
    flags.iter().map(raw).collect()
}

/// Hands every value below `prefix` that is no table to `take`, by its dotted name.
pub(super) fn flatten(prefix: &str, map: Map<String, Value>, take: &mut impl FnMut(String, ValueKind)) {
    for (name, value) in map {
        let key = super::describe::join(prefix, &name);
        match value.kind {
            ValueKind::Table(inner) => flatten(&key, inner, take),
            kind => take(key, kind),
        }
    }
}
