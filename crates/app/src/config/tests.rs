//! Layers, problems, and the documentation of the settings.

use std::collections::BTreeMap;

use garde::Validate;

use super::describe::Describe;
use super::*;

fn flag(text: &str) -> Flag {
    let (key, value) = text.split_once('=').unwrap();
    Flag {
        written: "--set".to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// A file that is gone when it is dropped.
struct TempFile(PathBuf);

impl TempFile {
    fn with(text: &str, name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("app-config-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A role that every build has, so that these tests hold in each.
fn role() -> Flag {
    flag(&format!("role={}", Role::built()[0]))
}

fn with(flags: &[&str]) -> Result<Settings, Problems> {
    let flags = std::iter::once(role())
        .chain(flags.iter().map(|text| flag(text)))
        .collect();
    load(&Given {
        flags,
        ..Given::default()
    })
}

fn lines(problems: Problems) -> Vec<String> {
    problems.0.iter().map(ToString::to_string).collect()
}

#[test]
fn the_defaults_are_good() {
    let settings = with(&[]).unwrap();
    assert!(Settings::default().validate().is_ok());
    assert_eq!(settings.cart.http.address().to_string(), "127.0.0.1:8080");
    assert_eq!(settings.loms.grpc.port, 8083);
    assert_eq!(settings.shutdown.grace(), std::time::Duration::from_secs(10));
    assert_eq!(settings.order.payment_window(), None);
    assert_eq!(settings.products.api_key.expose(), "testToken");
}

#[test]
fn a_later_layer_wins() {
    let file = TempFile::with(
        "[cart.http]\nport = 1\nhost = \"0.0.0.0\"\n[cart]\nmax_carts = 5\n",
        "layers",
    );
    let environment = variables(&[
        ("APP__CART__HTTP__PORT", "2"),
        ("APP__CART__MAX_CARTS", "6"),
        ("OTHER", "x"),
    ]);
    let flags = vec![role(), flag("cart.http.port=3")];
    let settings = load(&Given {
        file: Some(file.0.clone()),
        environment,
        flags,
    })
    .unwrap();
    assert_eq!(settings.cart.http.address().to_string(), "0.0.0.0:3");
    assert_eq!(settings.cart.max_carts, 6);
}

#[test]
fn text_becomes_what_the_setting_is() {
    let environment = variables(&[
        ("APP__TRACE__SAMPLE_RATIO", "1"),
        ("APP__CART__PRODUCTS__WARM_UP", "false"),
        ("APP__PRODUCTS__API_KEY", "12345"),
        ("APP__OPS__ADDR", "127.0.0.1:9000"),
        ("APP__LOG__FORMAT", "pretty"),
        ("APP__ORDER__PAYMENT_WINDOW_SECONDS", "60"),
    ]);
    let settings = load(&Given {
        environment,
        flags: vec![role()],
        ..Given::default()
    })
    .unwrap();
    assert!((settings.trace.sample_ratio - 1.0).abs() < f64::EPSILON);
    assert!(!settings.cart.products.warm_up);
    assert_eq!(settings.products.api_key.expose(), "12345");
    assert_eq!(settings.ops.addr.0.unwrap().port(), 9000);
    assert_eq!(settings.log.format, LogFormat::Pretty);
    assert_eq!(
        settings.order.payment_window(),
        Some(std::time::Duration::from_secs(60))
    );
}

#[test]
fn all_problems_come_at_once_with_their_origin() {
    let file = TempFile::with(
        "typo = 1\n[cart.http]\nport = \"8080\"\nhots = \"x\"\n[log]\nlevel = \"loud\"\n[http]\nworkers = 1.5\n",
        "problems",
    );
    let environment = variables(&[("APP__CART__HTTP__PORT", "70000"), ("APP__NO__SUCH", "1")]);
    let flags = vec![role(), flag("cart.products.requests_per_second=11"), flag("cart=1")];
    let problems = load(&Given {
        file: Some(file.0.clone()),
        environment,
        flags,
    })
    .unwrap_err();
    let text = problems.to_string();
    assert!(text.starts_with("app: 9 problems with the configuration\n"), "{text}");
    let origin = file.0.display();
    for expected in [
        format!("  cart.http.port = \"8080\" ({origin}): is no whole number; allowed: 0 to 65535"),
        format!("  cart.http.hots ({origin}): is no setting; allowed: cart.http.host, cart.http.port"),
        format!("  typo ({origin}): is no setting; allowed: audit.…, cart.…, http.…, kafka.…, log.…"),
        format!("  log.level = \"loud\" ({origin}): "),
        format!("  http.workers = \"1.5\" ({origin}): is no whole number; allowed: 0 to 256"),
        "  cart.http.port = \"70000\" (APP__CART__HTTP__PORT): ".to_owned(),
        "  no.such (APP__NO__SUCH): is no setting".to_owned(),
        "  cart.products.requests_per_second = \"11\" (--set): greater than 10; allowed: 1 to 10".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected}\n is not in\n{text}");
    }
    assert!(
        text.contains("  cart (--set): is a group of settings; allowed: cart.checkout.…"),
        "{text}"
    );
}

#[test]
fn a_bad_file_is_one_problem_among_others() {
    let file = TempFile::with("[cart\nport=1", "broken");
    for path in [file.0.clone(), PathBuf::from("no/such/file.toml")] {
        let flags = vec![role(), flag("x=1")];
        let problems = load(&Given {
            file: Some(path.clone()),
            flags,
            ..Given::default()
        })
        .unwrap_err();
        assert_eq!(problems.0.len(), 2, "{problems}");
        assert_eq!(
            problems.0[0].value.as_deref(),
            Some(path.display().to_string().as_str())
        );
    }
}

#[test]
fn secrets_are_in_no_message_and_no_print() {
    let problems = with(&["products.api_key=two words"]).unwrap_err();
    assert!(!problems.to_string().contains("two words"), "{problems}");
    let shown = with(&["products.api_key=hunter2", "cart.products.api_key=hunter2"])
        .unwrap()
        .to_toml();
    assert!(!shown.contains("hunter2") && !shown.contains("testToken"), "{shown}");
    assert_eq!(shown.matches("\"***\"").count(), 2);
}

#[test]
fn what_is_printed_can_be_read_again() {
    let first = with(&["cart.http.port=0", "trace.sample_ratio=0.5", "ops.addr=127.0.0.1:0"]).unwrap();
    let file = TempFile::with(&first.to_toml(), "printed");
    let second = load(&Given {
        file: Some(file.0.clone()),
        ..Given::default()
    })
    .unwrap();
    assert_eq!(second.to_toml(), first.to_toml());
}

#[test]
fn settings_must_agree() {
    let refused = |flags: &[&str]| lines(with(flags).unwrap_err()).join("\n");
    let shares = ["products.misbehave.share_420=0.6", "products.misbehave.share_500=0.6"];
    assert!(refused(&shares).contains("more than 1"));
    assert!(refused(&["relay.retry_pause_ms=2000"]).contains("relay.retry_pause_max_ms (built-in default)"));
    assert!(refused(&["loms.stock_file=no/such/file"]).contains("cannot be read"));
    assert!(refused(&["loms.stock_file=."]).contains("is no file"));
    assert!(refused(&["log.targets=h2=loud"]).contains("\"loud\" is no level"));
}

#[test]
fn a_member_of_the_group_has_time_to_leave_it() {
    let Ok(role) = Role::parse("notifier") else {
        return;
    };
    let (role, brokers) = (format!("role={role}"), "kafka.brokers=a:1");
    let long = "notifier.release_within_ms=2500";
    let found = lines(with(&[&role, brokers, long]).unwrap_err());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("notifier.release_within_ms (--set): is 2500, not less than 2500"),
        "{found:?}"
    );
    assert!(with(&[&role, long]).is_ok(), "nobody takes partitions away");
    assert!(with(&[&role, brokers, "notifier.release_within_ms=2499"]).is_ok());
    assert!(with(&[&role, brokers, long, "shutdown.grace_seconds=11"]).is_ok());
}

#[test]
fn servers_of_one_process_must_not_share_an_address() {
    if Role::parse("all").is_err() {
        return;
    }
    let found = lines(with(&["role=all", "loms.http.port=8080", "ops.addr=127.0.0.1:8082"]).unwrap_err());
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("ops.addr (--set): is 127.0.0.1:8082, as is products.http"),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("loms.http.port (--set): is 127.0.0.1:8080, as is cart.http"),
        "{found:?}"
    );
    assert!(with(&["role=all", "loms.http.port=0", "cart.http.port=0"]).is_ok());
}

#[test]
fn a_role_that_is_not_there_is_refused() {
    let problems = with(&["role=chef"]).unwrap_err();
    assert!(
        problems
            .to_string()
            .contains("role = \"chef\" (--set): there is no role \"chef\""),
        "{problems}"
    );
}

/// What is allowed in words is what the rules allow: both ends of a range pass, what is beyond fails.
#[test]
fn ranges_in_words_are_the_ranges_of_the_rules() {
    let mut rows = Vec::new();
    Settings::describe("", &mut rows);
    let mut ranges = 0;
    for row in rows {
        let words: Vec<&str> = row.allowed.split_whitespace().collect();
        let ([low, "to", high] | [low, "to", high, "(0:", ..]) = words[..] else {
            continue;
        };
        let (Ok(low), Ok(high)) = (low.parse::<i64>(), high.parse::<i64>()) else {
            continue;
        };
        ranges += 1;
        let problem = |value: i64| {
            let key = &row.key;
            let problems = with(&[&format!("{key}={value}")]).err();
            problems.is_some_and(|found| found.0.iter().any(|p| p.what == *key && p.value.is_some()))
        };
        assert!(!problem(low) && !problem(high), "{} refuses what it allows", row.key);
        assert!(
            problem(low - 1) && problem(high + 1),
            "{} allows more than it says",
            row.key
        );
    }
    assert!(ranges > 30, "only {ranges} ranges were found");
}

#[test]
fn every_setting_is_documented() {
    let document = include_str!("../../../../docs/configuration.md");
    let undocumented: Vec<String> = rows_of_all_roles()
        .filter(|line| !document.contains(line.as_str()))
        .collect();
    assert!(
        undocumented.is_empty(),
        "docs/configuration.md lacks these lines:\n{}",
        undocumented.join("\n")
    );
    let mut known = Vec::new();
    Settings::describe("", &mut known);
    for line in document.lines().filter(|line| line.starts_with("| `")) {
        let key = line.trim_start_matches("| `").split('`').next().unwrap_or_default();
        assert!(
            known.iter().any(|row| row.key == key),
            "docs/configuration.md knows {key}, the code does not"
        );
    }
}

/// The rows of the documentation, but for the default role, which is the build's.
fn rows_of_all_roles() -> impl Iterator<Item = String> {
    let text = Settings::documentation();
    let whole = Role::parse("all").is_ok();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines
        .into_iter()
        .filter(move |line| whole || !line.starts_with("| `role`"))
}

/// Writes the table anew, for whoever changed a setting: `cargo test -p app -- --ignored document_settings`.
#[test]
#[ignore = "changes docs/configuration.md"]
fn document_settings() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (before, rest) = document.split_once("| setting |").unwrap();
    let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
    std::fs::write(path, format!("{before}{}\n{after}", Settings::documentation())).unwrap();
}
