//! Wrong usage, missing settings, and the help of every command.

use crate::process::run;
use crate::support::fails;

/// Where nobody listens.
const NOWHERE: &str = "postgres://nobody@127.0.0.1:1/nothing?sslmode=disable";

const COMMANDS: [&[&str]; 8] = [
    &["audit"],
    &["migrate"],
    &["stock", "import", "stock.csv"],
    &["stock", "adjust", "1", "+1", "--reason", "found"],
    &["stock", "show", "1"],
    &["db", "status"],
    &["db", "degrade"],
    &["db", "restore"],
];

#[tokio::test]
async fn every_command_says_which_setting_it_lacks() {
    for command in COMMANDS {
        let ended = run(command, &[]).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{command:?}");
        assert!(ended.err.contains("set postgres.url"), "{command:?}: {}", ended.err);
    }
}

#[tokio::test]
async fn every_command_says_in_bounded_time_that_nobody_answers() {
    let file = format!("{}/tests/commands/usage.rs", env!("CARGO_MANIFEST_DIR"));
    for mut command in COMMANDS.map(<[&str]>::to_vec) {
        if command == ["db", "status"] {
            continue; // which has an answer of its own
        }
        let code = if command == ["audit"] { 3 } else { 1 };
        if command.contains(&"stock.csv") {
            command[2] = &file; // one that can be read
        }
        let said = fails(NOWHERE, &command, code).await;
        assert!(said.contains("127.0.0.1:1"), "{command:?}: {said}");
    }
    let ended = crate::support::on(NOWHERE, &["db", "status"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.starts_with("127.0.0.1:1: does not answer"), "{}", ended.out);
    assert!(ended.err.contains("no server takes writes"), "{}", ended.err);
}

#[tokio::test]
async fn wrong_usage_is_refused_before_anything_is_asked() {
    let long = "a".repeat(201);
    let wrong: [&[&str]; 14] = [
        &["stock"],
        &["stock", "import"],
        &["stock", "import", "a", "b"],
        &["stock", "adjust", "1", "+1"],
        &["stock", "adjust", "1", "--reason", "found"],
        &["stock", "adjust", "1", "5", "--reason", "found"],
        &["stock", "adjust", "1", "+0", "--reason", "found"],
        &["stock", "adjust", "1", "+4294967296", "--reason", "found"],
        &["stock", "adjust", "0", "+1", "--reason", "found"],
        &["stock", "adjust", "1", "+1", "--reason", ""],
        &["stock", "adjust", "1", "+1", "--reason", &long],
        &["stock", "show", "x"],
        &["db", "promote"],
        &["migrate", "down"],
    ];
    for arguments in wrong {
        let said = fails(NOWHERE, arguments, 2).await;
        assert!(!said.is_empty(), "{arguments:?}");
    }
    let said = fails(NOWHERE, &["stock", "adjust", "1", "5", "--reason", "found"], 2).await;
    assert!(said.contains("write +N to add units, -N to take units away"), "{said}");
}

#[tokio::test]
async fn every_command_has_a_help_that_tells_its_exit_codes() {
    let all = run(&["--help"], &[]).await;
    for name in ["audit", "migrate", "stock", "db"] {
        assert!(all.out.contains(&format!("  {name} ")), "{}", all.out);
    }
    for command in COMMANDS {
        let words = command
            .iter()
            .take(if ["stock", "db"].contains(&command[0]) { 2 } else { 1 });
        let words: Vec<&str> = words.copied().chain(["--help"]).collect();
        let help = run(&words, &[]).await;
        assert_eq!((help.code, help.err.as_str()), (Some(0), ""), "{words:?}");
        assert!(help.out.contains("Exit code: 0"), "{words:?}: {}", help.out);
    }
}
