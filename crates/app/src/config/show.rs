//! How settings are shown: as TOML with the secrets hidden, and as the table of the documentation.

use std::fmt::Write;

use config::{Config, ValueKind};

use super::Settings;
use super::describe::{Describe, Described, Shown};
use super::layers::flatten;
use super::postgres::without_password;
use super::values::Secret;

impl Settings {
    /// As TOML that `--config` takes again, but for the secrets.
    ///
    /// # Panics
    /// Never: settings are plain values.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut tree = toml::Table::try_from(self).expect("settings are tables of plain values");
        for row in rows() {
            match row.shown {
                Shown::Plain => {}
                Shown::Hidden => hide(&mut tree, &row.key, &|_| Secret::HIDDEN.to_owned()),
                Shown::WithoutPassword => hide(&mut tree, &row.key, &without_password),
            }
        }
        toml::to_string_pretty(&tree).expect("settings are tables of plain values")
    }

    /// The rows of `docs/configuration.md`, a line a setting.
    ///
    /// # Panics
    /// Never: settings are plain values.
    #[must_use]
    pub fn documentation() -> String {
        let tree = Config::try_from(&Self::default()).and_then(Config::try_deserialize);
        let mut defaults = std::collections::BTreeMap::new();
        flatten("", tree.expect("settings are a table"), &mut |key, value| {
            drop(defaults.insert(key, value))
        });
        let mut text = String::from("| setting | default | allowed | what it is for |\n|---|---|---|---|\n");
        for row in rows() {
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

fn rows() -> Vec<Described> {
    let mut rows = Vec::new();
    Settings::describe("", &mut rows);
    rows
}

/// Replaces a text that is not empty.
fn hide(tree: &mut toml::Table, key: &str, shown: &impl Fn(&str) -> String) {
    match key.split_once('.') {
        Some((group, rest)) => {
            if let Some(toml::Value::Table(inner)) = tree.get_mut(group) {
                hide(inner, rest, shown);
            }
        }
        None => {
            if let Some(toml::Value::String(text)) = tree.get_mut(key)
                && !text.is_empty()
            {
                *text = shown(text);
            }
        }
    }
}
