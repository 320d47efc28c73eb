//! Results on disk: a JSON file a section, and one table of all sections that are there.

use std::fmt::Write;
use std::path::Path;

use super::chart;
use super::measure::{Aim, Finding, Row, Section, Spread};
use super::statements::Statement;
use crate::error::LoadError;

/// The table of all sections.
const TABLE: &str = "README.md";

/// Writes down a section: its JSON, its part of the table, and its pictures.
pub(super) fn write(out: &Path, section: &Section) -> Result<(), LoadError> {
    let made = std::fs::create_dir_all(out);
    made.map_err(|source| of_file(out, source))?;
    let json = serde_json::to_value(section).map_err(|error| LoadError::Output(error.into()))?;
    put(&out.join(format!("{}.json", section.name)), &format!("{json:#}\n"))?;
    put(&out.join(format!("{}.md", section.name)), &markdown(section))?;
    for one in &section.charts {
        chart::draw(&out.join(format!("{}.svg", one.name)), one)?;
    }
    Ok(())
}

/// Puts the tables of all sections into one, and prints it.
pub(super) fn table(out: &Path) -> Result<(), LoadError> {
    use std::io::Write as _;
    let mut parts = Vec::new();
    let listed = std::fs::read_dir(out).map_err(|source| of_file(out, source))?;
    for entry in listed.flatten() {
        let path = entry.path();
        let is_part =
            path.extension().is_some_and(|end| end == "md") && path.file_name().is_some_and(|name| name != TABLE);
        if is_part {
            parts.push(path);
        }
    }
    parts.sort();
    let mut text = "# Results of `just bench-stack`\n\nMade by the program; do not edit. Medians, in brackets least and most of the rounds.\n".to_owned();
    for path in parts {
        let part = std::fs::read_to_string(&path).map_err(|source| of_file(&path, source))?;
        text.push('\n');
        text.push_str(&part);
    }
    put(&out.join(TABLE), &text)?;
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(LoadError::Output)
}

fn put(path: &Path, text: &str) -> Result<(), LoadError> {
    std::fs::write(path, text).map_err(|source| of_file(path, source))
}

fn of_file(path: &Path, source: std::io::Error) -> LoadError {
    LoadError::File {
        path: path.to_owned(),
        source,
    }
}

fn markdown(section: &Section) -> String {
    let mut text = format!("## {}\n\n", section.title);
    // Writing into a string cannot fail.
    let _ = write_rows(&mut text, &section.rows);
    let _ = write_findings(&mut text, &section.findings);
    let _ = write_statements(&mut text, &section.statements);
    for chart in &section.charts {
        let _ = writeln!(text, "![{} over {}]({}.svg)\n", chart.name, chart.over, chart.name);
    }
    let conditions = section.conditions.iter();
    let conditions: Vec<String> = conditions.map(|(name, value)| format!("{name}: {value}")).collect();
    let _ = writeln!(text, "Conditions: {}.", conditions.join("; "));
    text
}

fn write_rows(text: &mut String, rows: &[Row]) -> std::fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "| what | by | a second | p50 ms | p99 ms | CPU µs each | WAL bytes each |\n| --- | --- | --- | --- | --- | --- | --- |"
    )?;
    for row in rows {
        let cpu = row.cpu_us.iter();
        let cpu: Vec<String> = cpu.map(|(name, spread)| format!("{name} {}", cell(spread))).collect();
        let optional = |spread: &Option<Spread>| spread.as_ref().map(cell).unwrap_or_default();
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            row.what,
            row.side,
            optional(&row.per_second),
            optional(&row.p50_ms),
            optional(&row.p99_ms),
            cpu.join(", "),
            optional(&row.wal_bytes)
        )?;
    }
    writeln!(text)
}

fn write_findings(text: &mut String, findings: &[Finding]) -> std::fmt::Result {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(text, "| finding | value | aim | reached |\n| --- | --- | --- | --- |")?;
    for finding in findings {
        let aim = match finding.aim {
            Aim::AtLeast(aim) => format!("≥ {}", figure(aim)),
            Aim::AtMost(aim) => format!("≤ {}", figure(aim)),
            Aim::None => String::new(),
        };
        let reached = finding
            .reached()
            .map_or("", |reached| if reached { "yes" } else { "no" });
        writeln!(
            text,
            "| {} | {} | {aim} | {reached} |",
            finding.what,
            figure(finding.value)
        )?;
    }
    writeln!(text)
}

fn write_statements(text: &mut String, statements: &[Statement]) -> std::fmt::Result {
    if statements.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "| statement | calls | ms in all | ms each | rows | WAL bytes | pages | dirtied |"
    )?;
    writeln!(text, "| --- | --- | --- | --- | --- | --- | --- | --- |")?;
    for told in statements {
        let figures = [
            told.calls,
            told.total_ms,
            told.each_ms(),
            told.rows,
            told.wal_bytes,
            told.pages,
            told.dirtied,
        ];
        let figures = figures.map(figure).join(" | ");
        writeln!(text, "| `{}` | {figures} |", told.query.replace('|', "\\|"))?;
    }
    writeln!(text)
}

fn cell(spread: &Spread) -> String {
    format!(
        "{} ({}–{})",
        figure(spread.median),
        figure(spread.min),
        figure(spread.max)
    )
}

/// With three digits that mean something.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_what_was_reached() {
        let mut section = Section::new("a", "A");
        section.findings.push(Finding::at_least("ratio", 12.34, 10.0));
        section.findings.push(Finding::at_most("p99", 0.5, 0.2));
        let text = markdown(&section);
        assert!(text.contains("| ratio | 12.3 | ≥ 10.0 | yes |"), "{text}");
        assert!(text.contains("| p99 | 0.50 | ≤ 0.20 | no |"), "{text}");
    }
}
