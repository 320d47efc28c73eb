//! The database: its password, its CA, its times.

use std::path::PathBuf;

use super::super::{DatabaseError, Flag, Given, Settings, load};
use adapters::postgres::settings::PostgresSettings;
use adapters::postgres::tls::TlsMode;

const URL: &str = "postgres.url=postgres://loms@a:1,b:2/shop";

fn with(flags: &[&str]) -> Result<Settings, Vec<String>> {
    let flags = std::iter::once(&"role=loms").chain(flags).map(|text| {
        let (key, value) = text.split_once('=').unwrap();
        Flag {
            written: "--set".to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
        }
    });
    let given = Given {
        flags: flags.collect(),
        ..Given::default()
    };
    load(&given).map_err(|problems| problems.0.iter().map(ToString::to_string).collect())
}

fn database(flags: &[&str]) -> PostgresSettings {
    with(flags).unwrap().database().unwrap().expect("a database")
}

/// A file that is gone when it is dropped.
struct TempFile(PathBuf);

impl TempFile {
    fn with(content: &[u8], name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("app-database-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn set(&self, key: &str) -> String {
        format!("{key}={}", self.0.display())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn without_a_url_there_is_no_database() {
    assert!(with(&[]).unwrap().database().unwrap().is_none());
    let problems = with(&[
        "postgres.password=hunter2",
        "postgres.password_file=x",
        "postgres.tls_ca_file=y",
    ])
    .unwrap_err();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(
        problems
            .iter()
            .all(|problem| problem.contains("but postgres.url is empty"))
    );
}

#[test]
fn the_defaults_are_those_of_the_adapter() {
    let found = database(&[URL]);
    let expected = PostgresSettings {
        tls: found.tls.clone(),
        ..PostgresSettings::new(found.target.clone())
    };
    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    assert_eq!(found.tls.mode(), TlsMode::Prefer);
}

/// Two settings for one bound would show in none.
#[test]
fn every_bound_reaches_its_place() {
    let found = database(&[
        URL,
        "postgres.write_connections_max=11",
        "postgres.read_connections_max=12",
        "postgres.connect_timeout_ms=13",
        "postgres.pool_timeout_ms=14",
        "postgres.lock_timeout_ms=15",
        "postgres.statement_timeout_ms=16",
        "postgres.idle_in_transaction_timeout_ms=17",
        "postgres.commit_timeout_ms=18",
        "postgres.read_timeout_ms=19",
        "postgres.health_interval_ms=20",
        "postgres.turn_timeout_ms=210",
        "postgres.wait_for_replicas=false",
    ]);
    let times = [
        found.connect_timeout,
        found.pool_timeout,
        found.lock_timeout,
        found.statement_timeout,
        found.idle_in_transaction_timeout,
        found.commit_timeout,
        found.read_timeout,
        found.health_interval,
        found.turn_timeout,
    ];
    assert_eq!(
        times.map(|time| time.as_millis()),
        [13, 14, 15, 16, 17, 18, 19, 20, 210]
    );
    assert_eq!((found.write_connections_max, found.read_connections_max), (11, 12));
    assert!(!found.wait_for_replicas);
}

#[test]
fn a_password_comes_from_one_place() {
    let password = |flags: &[&str]| database(flags).target.get_password().map(<[u8]>::to_vec);
    assert_eq!(password(&[URL]), None);
    assert_eq!(
        password(&["postgres.url=postgres://u:a%40b@h/d"]),
        Some(b"a@b".to_vec())
    );
    assert_eq!(password(&[URL, "postgres.password=hunter2"]), Some(b"hunter2".to_vec()));
    for (content, expected) in [
        ("hunter2", "hunter2"),
        ("hunter2\n", "hunter2"),
        ("hunter2\r\n", "hunter2"),
        (" two words ", " two words "),
    ] {
        let file = TempFile::with(content.as_bytes(), "password");
        let found = password(&[URL, &file.set("postgres.password_file")]);
        assert_eq!(found, Some(expected.as_bytes().to_vec()), "{content:?}");
    }
    for (content, reason) in [
        ("", "holds no password"),
        ("\n", "holds no password"),
        ("a\nb\n", "more than a line"),
    ] {
        let file = TempFile::with(content.as_bytes(), "no-password");
        let problems = with(&[URL, &file.set("postgres.password_file")]).unwrap_err();
        assert!(problems[0].contains(reason), "{problems:?}");
    }
}

#[test]
fn a_password_given_twice_is_refused_and_never_shown() {
    let file = TempFile::with(b"hunter2", "twice");
    let (in_url, direct) = ("postgres.url=postgres://u:hunter2@h/d", "postgres.password=hunter2");
    let in_file = file.set("postgres.password_file");
    for (flags, count) in [
        (&[in_url, direct][..], 1),
        (&[in_url, &in_file], 1),
        (&[URL, direct, &in_file], 1),
        (&[in_url, direct, &in_file], 2),
    ] {
        let problems = with(flags).unwrap_err();
        assert_eq!(problems.len(), count, "{problems:?}");
        assert!(problems.iter().all(|problem| problem.contains("too")), "{problems:?}");
        assert!(!problems.concat().contains("hunter2"), "{problems:?}");
    }
    let shown = with(&[in_url]).unwrap();
    assert!(shown.to_toml().contains("postgres://u:***@h/d"), "{}", shown.to_toml());
    let database = shown.database();
    for text in [shown.to_toml(), format!("{shown:?}"), format!("{database:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    let shown = with(&[URL, direct]).unwrap();
    assert!(!shown.to_toml().contains("hunter2") && !format!("{shown:?}").contains("hunter2"));
}

#[test]
fn all_problems_come_at_once() {
    let problems = with(&[
        "postgres.url=postgres://loms:hunter2@a/shop?sslmode=always&connect_timeout=3",
        "postgres.password_file=no/such/file",
        "postgres.tls_ca_file=no/such/ca",
        "postgres.lock_timeout_ms=3000",
        "postgres.commit_timeout_ms=3000",
        "http.answer_timeout_ms=5000",
    ])
    .unwrap_err();
    let expected = [
        "postgres.url (--set): sslmode is none of disable, prefer, require, verify-ca, verify-full",
        "postgres.url (--set): has the parameter connect_timeout: say postgres.connect_timeout_ms",
        "postgres.password_file (--set): \"no/such/file\" cannot be read",
        "postgres.tls_ca_file (--set): \"no/such/ca\" cannot be read",
        "postgres.lock_timeout_ms (--set): is 3000, not less than the 3000 of postgres.statement_timeout_ms",
        "postgres.statement_timeout_ms (built-in default): is 3000, not less than the 3000 of postgres.commit_timeout_ms",
        "http.answer_timeout_ms (--set): is 5000, less than the 14000 that a write may take",
        "http.answer_timeout_ms (--set): is 5000, less than the 14000 that a read may take",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(
            problem.starts_with(expected),
            "{problem}\n does not start with\n{expected}"
        );
    }
}

#[test]
fn a_mode_and_its_ca_must_fit() {
    let junk = TempFile::with(b"junk", "ca");
    let junk = junk.set("postgres.tls_ca_file");
    for (mode, ca, reason) in [
        ("verify-full", None, "needs the certificate of a CA"),
        ("verify-ca", None, "needs the certificate of a CA"),
        ("prefer", Some(&junk), "verifies nothing"),
        ("disable", Some(&junk), "verifies nothing"),
        ("require", Some(&junk), "holds no certificate"),
    ] {
        let url = format!("{URL}?sslmode={mode}");
        let flags: Vec<&str> = std::iter::once(url.as_str()).chain(ca.map(String::as_str)).collect();
        let problems = with(&flags).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with("postgres.tls_ca_file") && problems[0].contains(reason),
            "{problems:?}"
        );
    }
}

/// One file may be for all roles; those without a database do not look at its settings.
#[test]
fn a_role_without_a_database_is_not_asked_for_one() {
    let file = "postgres.password_file=no/such/file";
    let other = ["products", "cart", "notifier"]
        .into_iter()
        .find(|role| super::super::Role::parse(role).is_ok());
    let Some(other) = other else { return };
    let role = format!("role={other}");
    let settings = with(&[URL, file, &role]).unwrap();
    let DatabaseError(problems) = settings.database().unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
}
