//! Holds the house rules that no compiler holds: sizes, headers, where `cfg(feature)` may stand, what
//! must not be written at all. Each rule is a function of one file in `rules`, with a test there that
//! a planted breach is found. Generated code is left out.

mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use rules::File;

/// What may stand at the top of the repository.
const TOP_LEVEL: &[&str] = &[
    ".ci",
    ".git",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "benches",
    "clippy.toml",
    "crates",
    "deny.toml",
    "deploy",
    "docs",
    "justfile",
    "proto",
    "rustfmt.toml",
    "scripts",
    "sql",
    // Ignored by git: what was built, and what the scripts installed or wrote.
    "target",
    "var",
];

/// Ends of the names of files that people write and read.
const READ: &[&str] = &[
    "rs", "toml", "sh", "py", "mjs", "md", "proto", "sql", "yml", "yaml", "json", "html", "run",
];

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .and_then(Path::parent)
        .expect("crates/app lies two levels down")
        .to_path_buf()
}

/// Every written file below the root, by its path from there.
fn files() -> Vec<File> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository can be read") {
            let path = entry.expect("an entry can be read").path();
            let name = path
                .strip_prefix(&root)
                .expect("it lies below the root")
                .to_string_lossy()
                .into_owned();
            if matches!(name.as_str(), ".git" | "target" | "var") || name.contains("/generated") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Some(file) = read(&path, name) {
                found.push(file);
            }
        }
    }
    let tests: Vec<String> = found.iter().flat_map(rules::test_modules).collect();
    for file in &mut found {
        file.test |= tests.contains(&file.name);
    }
    assert!(found.len() > 20, "the walk found only {} files", found.len());
    found
}

fn read(path: &Path, name: String) -> Option<File> {
    let end = name.rsplit(['.', '/']).next().unwrap_or_default();
    if !READ.contains(&end) && name != "justfile" {
        return None;
    }
    let text = fs::read_to_string(path).ok()?;
    Some(File::new(name, text))
}

/// Fails with every finding of `rule`, a line each.
fn hold(rule: fn(&File) -> Vec<String>) {
    let found: Vec<String> = files().iter().flat_map(rule).collect();
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

#[test]
fn files_stay_short() {
    hold(rules::length);
}

#[test]
fn every_source_file_begins_with_its_story() {
    hold(rules::story);
}

#[test]
fn cfg_feature_stands_only_at_a_module_a_use_a_variant_or_an_arm() {
    hold(rules::cfg_feature);
}

#[test]
fn nothing_unwraps_outside_tests() {
    hold(rules::unwrap);
}

#[test]
fn metrics_are_named_in_the_tables_of_their_crates() {
    hold(rules::metric_names);
}

#[test]
fn nothing_is_left_to_do() {
    hold(rules::leftovers);
}

#[test]
fn errors_are_enums_in_domain_and_adapters() {
    hold(rules::anyhow);
}

#[test]
fn no_path_of_a_machine_is_written_down() {
    hold(rules::machine_paths);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    hold(rules::lints);
    let root = root();
    let workspace = fs::read_to_string(root.join("Cargo.toml")).expect("the workspace has a manifest");
    let members = workspace
        .lines()
        .find(|line| line.starts_with("members"))
        .expect("it lists its members");
    // Generated manifests are not walked; the generator writes the lints into them.
    let written = members
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|member| !member.contains("/generated"));
    let manifests = files().iter().filter(|file| file.name.ends_with("/Cargo.toml")).count();
    assert_eq!(written.count(), manifests, "each manifest is a member of the workspace");
}

#[test]
fn decisions_are_numbered_without_gaps() {
    let folder = root().join("docs/adr");
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("docs/adr exists")
        .map(|entry| {
            entry
                .expect("an entry can be read")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| name != "README.md" && !name.starts_with('.'))
        .collect();
    names.sort();
    let found = rules::decision_names(&names);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_top_of_the_repository_is_fixed() {
    let strangers: Vec<String> = fs::read_dir(root())
        .expect("the root can be read")
        .map(|entry| {
            entry
                .expect("an entry can be read")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| !TOP_LEVEL.contains(&name.as_str()))
        .collect();
    assert!(strangers.is_empty(), "not at the top of this repository: {strangers:?}");
}
