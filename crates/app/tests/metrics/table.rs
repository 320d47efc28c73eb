//! The table of `docs/metrics.md`, and what is held against it.

use std::collections::{BTreeMap, BTreeSet};

use super::scrape::Scraped;

/// A row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// The values of each label; none where there may be any.
    pub(crate) labels: BTreeMap<String, Option<BTreeSet<String>>>,
    pub(crate) roles: String,
}

impl Row {
    /// Whether a role has it.
    pub(crate) fn is_of(&self, role: &str) -> bool {
        self.roles == "all" || self.roles.contains(role)
    }
}

/// The rows, by name.
pub(crate) fn table() -> BTreeMap<String, Row> {
    let text = include_str!("../../../../docs/metrics.md");
    let mut rows = BTreeMap::<String, Row>::new();
    let mut before = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let line = line.replace("\\|", "\u{1}");
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, unit, labels, roles, meaning] = cells[..] else {
            panic!("not six cells: {line}");
        };
        assert!(!unit.is_empty() && meaning.ends_with('.'), "{line}");
        if labels != "the same" {
            before = self::labels(labels);
        }
        let name = name.trim_matches('`').to_owned();
        let row = Row {
            name: name.clone(),
            kind: kind.to_owned(),
            labels: before.clone(),
            roles: roles.to_owned(),
        };
        assert!(rows.insert(name, row).is_none(), "twice: {line}");
    }
    rows
}

/// Of a cell as `a`=x\|y `b`: what stands in italics is any, "" is nothing.
fn labels(cell: &str) -> BTreeMap<String, Option<BTreeSet<String>>> {
    let mut labels = BTreeMap::new();
    let mut parts = cell.split('`').skip(1);
    while let (Some(label), Some(values)) = (parts.next(), parts.next()) {
        let values = values.trim().trim_start_matches('=');
        let many = |value: &str| value.starts_with('_') && value != "_OTHER" || value.contains("-_");
        let any = values.is_empty() || values.split('\u{1}').any(many);
        let named = values.split('\u{1}').map(|value| value.replace("\"\"", ""));
        labels.insert(label.to_owned(), (!any).then(|| named.collect()));
    }
    labels
}

/// What does not agree: in what a role answers, and in the table.
pub(crate) fn disagreements(role: &str, scraped: &Scraped, table: &BTreeMap<String, Row>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, family) in &scraped.0 {
        let Some(row) = table.get(name) else {
            found.push(format!("{name} is not in the table"));
            continue;
        };
        if !row.is_of(role) {
            found.push(format!("{name} is none of {role}"));
        }
        if row.kind != family.kind {
            found.push(format!("{name} is a {}", family.kind));
        }
        for series in &family.series {
            let mut labels = series.labels.clone();
            if family.kind == "histogram" {
                labels.remove("le");
            }
            if !labels.keys().eq(row.labels.keys()) {
                found.push(format!("{name} has the labels {labels:?}"));
            }
            for (label, value) in &labels {
                let known = row.labels.get(label).and_then(Option::as_ref);
                if known.is_some_and(|known| !known.contains(value)) {
                    found.push(format!("{name} has {label}={value:?}"));
                }
            }
        }
    }
    let missing = table
        .values()
        .filter(|row| row.is_of(role) && !scraped.0.contains_key(&row.name));
    found.extend(missing.map(|row| format!("{} does not come", row.name)));
    found
}

#[test]
fn the_table_and_the_names_in_the_code_are_the_same() {
    let code = adapters::metrics::ALL.iter().chain(app::telemetry::names::ALL);
    let code: BTreeSet<&str> = code.map(|metric| metric.name).collect();
    let table = table();
    // Those of a library.
    let ours = table
        .keys()
        .map(String::as_str)
        .filter(|name| !name.starts_with("process_"));
    assert_eq!(ours.collect::<BTreeSet<_>>(), code);
}

#[test]
fn the_cells_are_read_as_they_are_meant() {
    let labels = labels("`a`=x\u{1}_OTHER `b` `c`=_any of many_\u{1}unmatched `d`=\"\"\u{1}_400 to 599_");
    assert_eq!(labels["a"], Some(["x".to_owned(), "_OTHER".to_owned()].into()));
    assert_eq!((&labels["b"], &labels["c"], &labels["d"]), (&None, &None, &None));
    let row = &table()["loms_order_status_changes_total"];
    assert!(row.labels["status"].as_ref().unwrap().contains("awaiting payment"));
    assert!(row.is_of("loms") && !row.is_of("cart"));
}
