//! The rules, each a function from one file to what is wrong with it, a line a finding.

/// A file of the repository, by its path from the root.
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Whether all of it is test code.
    pub(crate) test: bool,
}

/// The most lines a file may have.
const LINES_MAX: usize = 400;

impl File {
    pub(crate) fn new(name: String, text: String) -> Self {
        let path = format!("/{name}");
        let test = path.contains("/tests/")
            || path.contains("/testing/")
            || ["/testing.rs", "_tests.rs"].iter().any(|end| path.ends_with(end));
        Self { name, text, test }
    }

    fn ends_with(&self, ends: &[&str]) -> bool {
        ends.iter().any(|end| self.name.ends_with(end))
    }

    fn is_rust(&self) -> bool {
        self.name.ends_with(".rs")
    }

    fn finding(&self, index: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.name, index + 1)
    }

    /// Lines of Rust that ship, with their index: none of a test file, and of another those before its
    /// test module; comments apart.
    fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        let all = self.text.lines().enumerate();
        let counts = self.is_rust() && !self.test;
        all.take_while(move |(_, line)| counts && *line != "#[cfg(test)]")
            .filter(|(_, line)| !is_comment(line))
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The files of modules that this one declares for tests only, by their paths from the root.
pub(crate) fn test_modules(file: &File) -> Vec<String> {
    let folder = match file.name.rsplit_once('/') {
        Some((folder, "lib.rs" | "main.rs" | "mod.rs")) => folder,
        _ => file.name.trim_end_matches(".rs"),
    };
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    let names = declared.filter_map(|pair| pair[1].split_once("mod ")?.1.strip_suffix(';'));
    names.map(|name| format!("{folder}/{name}.rs")).collect()
}

pub(crate) fn length(file: &File) -> Vec<String> {
    let lines = file.text.lines().count();
    let counted = file.ends_with(&[".rs", ".sh", ".py", ".mjs"]) || file.name == ".ci/run";
    if counted && lines > LINES_MAX {
        return vec![format!("{}: {lines} lines, {LINES_MAX} are allowed", file.name)];
    }
    Vec::new()
}

pub(crate) fn story(file: &File) -> Vec<String> {
    if file.is_rust() && !file.text.starts_with("//! ") {
        return vec![file.finding(0, "does not begin with a `//!` paragraph")];
    }
    Vec::new()
}

pub(crate) fn unwrap(file: &File) -> Vec<String> {
    let wanted = |line: &str| line.contains(".unwrap()") || line.contains(".unwrap_err()");
    file.shipped()
        .filter(|(_, line)| wanted(line))
        .map(|(index, _)| file.finding(index, "unwrap outside tests: say with `expect` why it cannot fail"))
        .collect()
}

pub(crate) fn leftovers(file: &File) -> Vec<String> {
    // Put together so that this file does not hold them.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("HA", "CK"),
    ];
    let lines = file.text.lines().enumerate();
    lines
        .filter(|(_, line)| words.iter().any(|word| has_word(line, word)))
        .map(|(index, _)| file.finding(index, "something was left to do: do it, or open an issue"))
        .collect()
}

/// Metrics have their names in one module of each crate, where they are described too.
pub(crate) fn metric_names(file: &File) -> Vec<String> {
    let named = |line: &str| {
        ["counter!(\"", "gauge!(\"", "histogram!(\""]
            .iter()
            .any(|made| line.contains(made))
    };
    file.shipped()
        .filter(|(_, line)| named(line))
        .map(|(at, _)| file.finding(at, "a metric is named here, and not in the table of its crate"))
        .collect()
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|part| part == word)
}

pub(crate) fn anyhow(file: &File) -> Vec<String> {
    let inner = file.name.starts_with("crates/domain/") || file.name.starts_with("crates/adapters/");
    let lines = file
        .text
        .lines()
        .enumerate()
        .filter(|_| inner && file.ends_with(&[".rs", ".toml"]));
    lines
        .filter(|(_, line)| has_word(line, "anyhow") && !is_comment(line))
        .map(|(index, _)| file.finding(index, "anyhow: errors here are enums with their causes in #[source]"))
        .collect()
}

pub(crate) fn machine_paths(file: &File) -> Vec<String> {
    let paths = [concat!("/", "work/"), concat!("/", "root/"), concat!("/", "home/")];
    let lines = file.text.lines().enumerate();
    lines
        .filter(|(_, line)| paths.iter().any(|path| starts_a_path(line, path)))
        .map(|(index, _)| file.finding(index, "a path of somebody's machine"))
        .collect()
}

/// Whether `path` stands in the line as the beginning of a path, not in the middle of one.
fn starts_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-' | '}' | '*'))
    })
}

pub(crate) fn lints(file: &File) -> Vec<String> {
    if file.name.ends_with("/Cargo.toml") && !file.text.contains("[lints]\nworkspace = true\n") {
        return vec![format!("{}: lacks `[lints] workspace = true`", file.name)];
    }
    Vec::new()
}

pub(crate) fn decision_names(sorted: &[String]) -> Vec<String> {
    let good = |name: &str, number: usize| {
        name.strip_prefix(&format!("{number:04}-"))
            .and_then(|rest| rest.strip_suffix(".md"))
            .is_some_and(|title| {
                !title.is_empty()
                    && title
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            })
    };
    let named = sorted.iter().enumerate();
    named
        .filter(|(index, name)| !good(name, index + 1))
        .map(|(index, name)| format!("docs/adr/{name}: expected {:04}-what-was-decided.md", index + 1))
        .collect()
}

pub(crate) fn cfg_feature(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    if !file.is_rust() {
        return found;
    }
    let lines: Vec<&str> = file.text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let asks = line.contains("feature = \"") || line.contains("feature=\"");
        if !asks || is_comment(line) || !line.contains("cfg") {
            continue;
        }
        let attribute = line.trim_start();
        // A whole file, or what a test build adds to a port (its mock): neither changes what ships.
        if attribute.starts_with("#![cfg(") || attribute.starts_with("#[cfg_attr(feature = \"testing\", ") {
            continue;
        }
        let next = lines[index + 1..]
            .iter()
            .find(|next| !next.trim_start().starts_with(['#', '/']));
        let good =
            attribute.starts_with("#[cfg(") && attribute.ends_with(")]") && next.is_some_and(|next| may_follow(next));
        if !good {
            found.push(file.finding(
                index,
                "cfg(feature) belongs to a `mod`, a `use`, an enum variant or a match arm",
            ));
        }
    }
    found
}

/// Whether a line is a module, a use, a variant of an enum, or an arm of a match.
fn may_follow(line: &str) -> bool {
    let mut line = line.trim();
    if let Some(rest) = line.strip_prefix("pub") {
        line = rest
            .strip_prefix("(crate)")
            .or(rest.strip_prefix("(super)"))
            .unwrap_or(rest)
            .trim_start();
    }
    let item = (line.starts_with("mod ") || line.starts_with("use ")) && (line.ends_with(';') || line.ends_with('{'));
    let end_of_name = line.find(|c: char| !c.is_alphanumeric()).unwrap_or(line.len());
    let variant = line.starts_with(|c: char| c.is_ascii_uppercase())
        && matches!(
            line[end_of_name..].trim_start().chars().next(),
            None | Some(',' | '{' | '(')
        )
        && !line.ends_with(';');
    item || variant || line.contains("=>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> File {
        File::new(name.to_owned(), text.to_owned())
    }

    #[test]
    fn long_and_headless_files_are_found() {
        let long = file("crates/x/src/a.rs", &"//! story\n".repeat(LINES_MAX + 1));
        assert_eq!(length(&long).len(), 1);
        assert_eq!(
            length(&file("crates/x/src/a.rs", &"//! story\n".repeat(LINES_MAX))),
            [""; 0]
        );
        assert_eq!(length(&file("docs/a.md", &long.text)), [""; 0]);
        assert_eq!(story(&long), [""; 0]);
        assert_eq!(story(&file("a.rs", "use x;\n//! late\n")).len(), 1);
    }

    #[test]
    fn an_unwrap_counts_only_in_code_that_ships() {
        let text = "//! a\n// x.unwrap()\nlet a = x.unwrap();\n#[cfg(test)]\nmod tests { y.unwrap() }\n";
        assert_eq!(unwrap(&file("crates/x/src/a.rs", text)).len(), 1);
        assert_eq!(unwrap(&file("crates/x/tests/a.rs", text)), [""; 0]);
        let declared = "mod a;\n#[cfg(test)]\nmod fake;\n#[cfg(test)]\nmod tests {\n";
        assert_eq!(
            test_modules(&file("crates/x/src/lib.rs", declared)),
            ["crates/x/src/fake.rs"]
        );
        assert_eq!(
            test_modules(&file("crates/x/src/b.rs", declared)),
            ["crates/x/src/b/fake.rs"]
        );
    }

    #[test]
    fn a_metric_that_is_named_where_it_is_counted_is_found() {
        let bad = file("src/a.rs", "//! A.\nmetrics::counter!(\"a_total\").increment(1);");
        let good = file("src/a.rs", "//! A.\nmetrics::counter!(A.name).increment(1);");
        assert_eq!((metric_names(&bad).len(), metric_names(&good).len()), (1, 0));
    }

    #[test]
    fn leftovers_and_anyhow_are_found_as_words() {
        assert_eq!(leftovers(&file("a.md", concat!("one\n// TO", "DO: two\n"))).len(), 1);
        assert_eq!(leftovers(&file("a.md", "todos os produtos")), [""; 0]);
        assert_eq!(anyhow(&file("crates/domain/Cargo.toml", "anyhow = \"1\"")).len(), 1);
        assert_eq!(anyhow(&file("crates/app/Cargo.toml", "anyhow = \"1\"")), [""; 0]);
    }

    #[test]
    fn paths_are_found_where_they_begin() {
        assert_eq!(machine_paths(&file("a.sh", concat!("cd \"/wo", "rk/main\""))).len(), 1);
        assert_eq!(machine_paths(&file("a.sh", "cd target/work/x")), [""; 0]);
    }

    #[test]
    fn lints_and_decisions_are_found() {
        assert_eq!(lints(&file("crates/x/Cargo.toml", "[package]\n")).len(), 1);
        assert_eq!(
            lints(&file("crates/x/Cargo.toml", "[lints]\nworkspace = true\n")),
            [""; 0]
        );
        let names = ["0001-one-port.md", "0003-gap.md", "4-short.md"].map(str::to_owned);
        assert_eq!(decision_names(&names).len(), 2);
    }

    #[test]
    fn cfg_feature_is_allowed_in_four_places() {
        let allowed = [
            "#[cfg(feature = \"a\")]\npub mod testing;",
            "    #[cfg(feature = \"a\")]\n    pub(crate) use b::C;",
            "    /// Doc.\n    #[cfg(feature = \"a\")]\n    #[value(name = \"x\")]\n    Cart,",
            "#[cfg(feature = \"a\")]\nCart(Box<u8>),",
            "#[cfg(any(feature = \"a\", feature = \"b\"))]\nRole::Cart => run().await,",
            "#![cfg(feature = \"model-check\")]",
            "#[cfg_attr(feature = \"testing\", mockall::automock)]\npub trait Carts {}",
        ];
        for text in allowed {
            assert_eq!(cfg_feature(&file("a.rs", text)), [""; 0], "{text}");
        }
    }

    #[test]
    fn cfg_feature_is_found_elsewhere() {
        let refused = [
            "#[cfg(feature = \"a\")]\nfn f() {}",
            "#[cfg(feature = \"a\")]\nlet x = 1;",
            "#[cfg(feature = \"a\")]\nfield: u8,",
            "#[cfg(feature = \"a\")]\nRole::Cart,",
            "#[cfg(feature = \"a\")]\nCall(1).run();",
            "if cfg!(feature = \"a\") {",
            "#[cfg_attr(feature = \"a\", derive(Debug))]\nmod a;",
            "#[cfg(feature = \"a\")] fn f() {}",
        ];
        for text in refused {
            assert_eq!(cfg_feature(&file("a.rs", text)).len(), 1, "{text}");
        }
    }
}
