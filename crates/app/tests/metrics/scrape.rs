//! Reads the text format of Prometheus, and is strict about it.

use std::collections::{BTreeMap, BTreeSet};

/// One metric of an answer.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) help: String,
    pub(crate) series: Vec<Series>,
}

/// One series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    /// The name on the line: that of the family, and what a histogram adds.
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// All metrics of an answer, by name.
#[derive(Debug, Default)]
pub(crate) struct Scraped(pub(crate) BTreeMap<String, Family>);

/// Asks a server for its metrics.
pub(crate) async fn scrape(base: &str) -> Scraped {
    let answer = reqwest::get(format!("{base}/metrics")).await.unwrap();
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    parse(&answer.text().await.unwrap())
}

impl Scraped {
    /// What series with this name and these labels say, summed.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let named = self
            .0
            .values()
            .flat_map(|family| &family.series)
            .filter(|series| series.name == name);
        let has = |series: &&Series| {
            let mut wanted = labels.iter();
            wanted.all(|(label, value)| series.labels.get(*label).is_some_and(|found| found == value))
        };
        named.filter(has).map(|series| series.value).sum()
    }

    /// Every series, by name and labels.
    pub(crate) fn series(&self) -> BTreeSet<String> {
        let all = self.0.values().flat_map(|family| &family.series);
        all.map(|series| format!("{} {:?}", series.name, series.labels))
            .collect()
    }
}

/// Reads it.
pub(crate) fn parse(text: &str) -> Scraped {
    assert!(text.ends_with('\n'), "the last line has an end");
    let mut families = BTreeMap::<String, Family>::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            let earlier = families.insert(
                name.to_owned(),
                Family {
                    help: help.to_owned(),
                    ..Family::default()
                },
            );
            assert!(earlier.is_none(), "{name} is helped twice");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            let family = families.entry(name.to_owned()).or_default();
            assert!(
                family.kind.is_empty() && family.series.is_empty(),
                "{name} has its type late or twice"
            );
            kind.clone_into(&mut family.kind);
            name.clone_into(&mut current);
        } else {
            let series = sample(line);
            let family = families.get_mut(&current).expect("a sample before any type");
            let added = series
                .name
                .strip_prefix(&current)
                .unwrap_or_else(|| panic!("{line} among {current}"));
            let may: &[&str] = if family.kind == "histogram" {
                &["_bucket", "_sum", "_count"]
            } else {
                &[""]
            };
            assert!(may.contains(&added), "{line} among {} {current}", family.kind);
            family.series.push(series);
        }
    }
    for (name, family) in &families {
        check(name, family);
    }
    Scraped(families)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn sample(line: &str) -> Series {
    let (head, value) = line.rsplit_once(' ').unwrap();
    let value = value.parse().unwrap_or_else(|_| panic!("no number in {line}"));
    let (name, mut rest) = head.split_once('{').map_or((head, ""), |(name, rest)| (name, rest));
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    while !rest.is_empty() && rest != "}" {
        let (label, quoted) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        let end = quoted.find('"').unwrap_or_else(|| panic!("{line}"));
        assert!(!quoted[..end].contains('\\'), "nothing of ours needs an escape: {line}");
        assert!(is_name(label), "{line}");
        let twice = labels.insert(label.to_owned(), quoted[..end].to_owned());
        assert!(twice.is_none(), "{line}");
        rest = &quoted[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    Series {
        name: name.to_owned(),
        labels,
        value,
    }
}

/// A series stands once; buckets grow, and end with what was counted.
fn check(name: &str, family: &Family) {
    assert!(
        ["counter", "gauge", "histogram"].contains(&family.kind.as_str()),
        "{name}: {}",
        family.kind
    );
    assert!(!family.help.is_empty(), "{name} is not described");
    let mut seen = BTreeSet::new();
    let mut last: Option<(BTreeMap<String, String>, f64, f64)> = None;
    for series in &family.series {
        assert!(seen.insert(format!("{series:?}")), "{name} stands twice: {series:?}");
        if series.name == format!("{name}_bucket") {
            let mut labels = series.labels.clone();
            let bound = labels.remove("le").expect("a bucket has its bound");
            let bound = if bound == "+Inf" {
                f64::INFINITY
            } else {
                bound.parse().unwrap()
            };
            if let Some((same, below, count)) = &last
                && *same == labels
            {
                assert!(*below < bound && *count <= series.value, "{name}: {series:?}");
            }
            last = Some((labels, bound, series.value));
        } else if series.name == format!("{name}_count") {
            let (labels, bound, count) = last.take().expect("buckets come first");
            assert_eq!(
                (&labels, bound, count),
                (&series.labels, f64::INFINITY, series.value),
                "{name}"
            );
        }
    }
}

#[test]
fn what_is_not_the_format_is_refused() {
    let good = "# HELP a_seconds A.\n# TYPE a_seconds histogram\na_seconds_bucket{b=\"c\",le=\"1\"} 1\na_seconds_bucket{b=\"c\",le=\"+Inf\"} 2\na_seconds_sum{b=\"c\"} 3.5\na_seconds_count{b=\"c\"} 2\n";
    let scraped = parse(good);
    assert_eq!(scraped.sum("a_seconds_sum", &[("b", "c")]), 3.5);
    for (of, by) in [
        ("a_seconds_count{b=\"c\"} 2", "a_seconds_count{b=\"c\"} 3"),
        ("le=\"1\"} 1", "le=\"1\"} 3"),
        ("# HELP a_seconds A.\n", ""),
        ("# TYPE a_seconds histogram\n", ""),
        ("a_seconds_sum", "b_seconds_sum"),
        ("3.5", "many"),
        ("b=\"c\",le=\"1\"", "b=\"c\",b=\"c\",le=\"1\""),
    ] {
        let bad = good.replacen(of, by, 1);
        assert_ne!(bad, good);
        assert!(std::panic::catch_unwind(|| parse(&bad)).is_err(), "{bad}");
    }
}
