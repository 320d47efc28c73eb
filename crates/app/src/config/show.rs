//! How settings are shown: as TOML with the secrets hidden, and as the table of the documentation.

use std::fmt::Write;

use config::{Config, ValueKind};

use super::Settings;
use super::describe::Describe;
use super::layers::flatten;

impl Settings {
    /// As TOML that `--config` takes again, but for the secrets.
    ///
    /// # Panics
    /// Never: settings are plain values.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("settings are tables of plain values")
    }

    /// The rows of `docs/configuration.md`, a line a setting.
    ///
    /// # Panics
    /// Never: settings are plain values.
    #[must_use]
    pub fn documentation() -> String {
        let mut rows = Vec::new();
        Self::describe("", &mut rows);
        let tree = Config::try_from(&Self::default()).and_then(Config::try_deserialize);
        let mut defaults = std::collections::BTreeMap::new();
        flatten("", tree.expect("settings are a table"), &mut |key, value| drop(defaults.insert(key, value)));
        let mut text = String::from("| setting | default | allowed | what it is for |\n|---|---|---|---|\n");
        for row in rows {
            let default = match defaults.get(&row.key) {
                Some(ValueKind::String(default)) if default.is_empty() => "empty".to_owned(),
                Some(default) => format!("`{default}`"),
                None => String::new(),
            };
            let _ = writeln!(text, "| `{}` | {default} | {} | {} |", row.key, row.allowed, row.about);
        }
        text
    }
}
