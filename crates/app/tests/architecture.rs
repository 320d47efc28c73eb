//! The dependency rules between the crates, read from `cargo metadata`: what `domain` and `adapters`
//! may never reach. Each check is also turned on `app`, where it has to find something.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Runtimes, web, gRPC, databases and brokers: a name, or the start of one where it ends in `*`,
/// or a part of one where it also begins with `*`.
const NOT_IN_DOMAIN: &[&str] = &[
    "tokio*",
    "mio",
    "hyper*",
    "h2",
    "http",
    "axum*",
    "tower*",
    "actix*",
    "reqwest*",
    "tonic*",
    "prost*",
    "*postgres*",
    "*sql*",
    "deadpool*",
    "*kafka*",
    "async-std",
    "smol",
    "slog*",
];

/// Package names by the packages that their libraries and binaries depend on (tests and build
/// scripts apart), for this machine's target.
struct Graph {
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn of_workspace() -> Self {
        let host = run(Command::new("rustc").arg("-vV"));
        let host = host
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .expect("rustc names its host");
        let text = run(Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--format-version",
                "1",
                "--locked",
                "--filter-platform",
                host,
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR")));
        Self::from_metadata(&serde_json::from_str(&text).expect("cargo metadata is JSON"))
    }

    fn from_metadata(metadata: &Value) -> Self {
        let names: BTreeMap<&str, &str> = list(metadata, "packages")
            .iter()
            .map(|package| (text(package, "id"), text(package, "name")))
            .collect();
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(&metadata["resolve"], "nodes") {
            let of = edges.entry(names[text(node, "id")].to_owned()).or_default();
            for dependency in list(node, "deps") {
                if list(dependency, "dep_kinds").iter().any(|kind| kind["kind"].is_null()) {
                    of.insert(names[text(dependency, "pkg")].to_owned());
                }
            }
        }
        Self { edges }
    }

    /// Everything `package` reaches. Features are those of the whole workspace taken together, so
    /// this is at least what the package has when it is built alone.
    fn reach(&self, package: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut next = vec![package];
        while let Some(name) = next.pop() {
            for dependency in &self.edges[name] {
                if seen.insert(dependency.as_str()) {
                    next.push(dependency);
                }
            }
        }
        seen
    }

    fn forbidden<'a>(&'a self, package: &str, patterns: &[&str]) -> Vec<&'a str> {
        let reached = self.reach(package).into_iter();
        reached
            .filter(|name| patterns.iter().any(|pattern| matches(pattern, name)))
            .collect()
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), _) => name.contains(rest.trim_end_matches('*')),
        (None, Some(start)) => name.starts_with(start),
        (None, None) => name == pattern,
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the toolchain is on the path");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("the toolchain prints UTF-8")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_else(|| panic!("no list {key}"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key}"))
}

#[test]
fn domain_reaches_no_runtime_web_grpc_or_database_crate() {
    let graph = Graph::of_workspace();
    assert_eq!(graph.forbidden("domain", NOT_IN_DOMAIN), Vec::<&str>::new());
    let reached = graph.reach("domain");
    assert!(reached.contains("thiserror"), "the walk found nothing: {reached:?}");
    assert!(
        !reached.contains("adapters") && !reached.contains("app"),
        "domain knows nobody above it"
    );
}

#[test]
fn adapters_know_domain_and_not_app() {
    let graph = Graph::of_workspace();
    let reached = graph.reach("adapters");
    assert!(reached.contains("domain"));
    assert_eq!(
        graph.forbidden("adapters", &["app", "actix*", "slog*", "clap*"]),
        Vec::<&str>::new()
    );
}

#[test]
fn the_check_finds_what_is_there() {
    let graph = Graph::of_workspace();
    let found = graph.forbidden("app", NOT_IN_DOMAIN);
    for name in ["actix-web", "h2", "slog", "tokio", "tonic"] {
        assert!(found.contains(&name), "{name} is not among {found:?}");
    }
    assert_eq!(graph.forbidden("app", &["adapters"]), ["adapters"]);
}

#[test]
fn a_planted_dependency_is_found_through_others() {
    let metadata = serde_json::json!({
        "packages": [
            {"id": "1", "name": "domain"},
            {"id": "2", "name": "harmless"},
            {"id": "3", "name": "tokio-postgres"},
            {"id": "4", "name": "only-in-tests-tokio"},
        ],
        "resolve": {"nodes": [
            {"id": "1", "deps": [
                {"pkg": "2", "dep_kinds": [{"kind": null}]},
                {"pkg": "4", "dep_kinds": [{"kind": "dev"}]},
            ]},
            {"id": "2", "deps": [{"pkg": "3", "dep_kinds": [{"kind": "build"}, {"kind": null}]}]},
            {"id": "3", "deps": []},
            {"id": "4", "deps": []},
        ]},
    });
    let graph = Graph::from_metadata(&metadata);
    assert_eq!(graph.forbidden("domain", NOT_IN_DOMAIN), ["tokio-postgres"]);
    assert_eq!(graph.forbidden("domain", &["*postgres*"]), ["tokio-postgres"]);
    assert_eq!(graph.forbidden("domain", &["only*"]), Vec::<&str>::new());
}
