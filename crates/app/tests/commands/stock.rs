//! `app stock import`, `adjust` and `show`.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use adapters::postgres::testing::Database;
use reqwest::Method;

use crate::harness::{App, PATIENCE};
use crate::process::Folder;
use crate::support::{done, fails, movements, records, start};

#[tokio::test]
async fn a_file_is_imported_once_shown_and_recorded() {
    let database = Database::fresh().await;
    let (url, admin, folder) = (database.url(), database.admin().await, Folder::new());
    let file = folder.file("stock.csv", "sku,total_count\n1,10\n2,20\n");
    let said = done(&url, &["stock", "import", &file]).await;
    assert_eq!(
        said,
        "2 records: 2 skus are new, 0 have another total; 30 units came, 0 units went\n"
    );
    done(&url, &["stock", "adjust", "1", "-3", "--reason", "broken on the way"]).await;
    let said = done(&url, &["stock", "import", &file]).await;
    assert!(
        said.starts_with("this very file was imported at 20") && said.contains("nothing was changed"),
        "{said}"
    );
    assert_eq!(records(&admin).await, [(1, 7, 0), (2, 20, 0)]);
    let shown = done(&url, &["stock", "show", "1"]).await;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "sku 1: 7 units, 0 of them reserved, 7 free");
    assert!(lines[1].ends_with("  -3  broken on the way"), "{shown}");
    assert!(lines[2].contains("  +10  import of sha256:"), "{shown}");
    assert_eq!(lines.len(), 3);
    assert_eq!(
        done(&url, &["stock", "show", "1", "--last", "1"]).await.lines().count(),
        2
    );
    assert!(
        fails(&url, &["stock", "show", "3"], 1)
            .await
            .contains("sku 3 has no stock record")
    );
}

#[tokio::test]
async fn the_built_in_stock_and_standard_input_can_be_imported() {
    let database = Database::fresh().await;
    let (url, admin) = (database.url(), database.admin().await);
    let builtin = concat!(env!("CARGO_MANIFEST_DIR"), "/../adapters/src/memory/stock.json");
    let said = done(&url, &["stock", "import", builtin]).await;
    let count = records(&admin).await.len();
    assert!(
        count > 100 && said.starts_with(&format!("{count} records: {count} skus are new")),
        "{said}"
    );
    let mut import = Command::new(env!("CARGO_BIN_EXE_app"));
    import.args(["stock", "import", "-"]).env("APP__POSTGRES__URL", &url);
    let mut import = import.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut stdin = import.stdin.take().unwrap();
    stdin.write_all(b"[{\"sku\": 1, \"total_count\": 5}]").unwrap();
    drop(stdin);
    assert!(import.wait().unwrap().success());
    assert_eq!(records(&admin).await[0], (1, 5, 0));
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_told_by_line_and_nothing_is_changed() {
    let database = Database::fresh().await;
    database.stock(&[(1, 10), (2, 10)]).await;
    let (url, admin, folder) = (database.url(), database.admin().await, Folder::new());
    admin
        .batch_execute("update stock set reserved = 4 where sku = 2")
        .await
        .unwrap();
    let file = folder.file("stock.csv", "sku,total_count\n1,11\n2,3\n0,1\n5,many\n5,1\n5,2\n");
    let said = fails(&url, &["stock", "import", &file], 1).await;
    assert!(
        said.starts_with(&format!(
            "app: {file}: 4 problems, nothing was imported:\n  line 3: sku 2: "
        )),
        "{said}"
    );
    for line in ["line 3", "line 4", "line 5", "line 7"] {
        assert!(said.contains(line), "{said}");
    }
    let json = "[\n{\"sku\": 1, \"total_count\": 11},\n{\"sku\": 2, \"total_count\": 9, \"reserved\": 4}\n]";
    let said = fails(&url, &["stock", "import", &folder.file("stock.json", json)], 1).await;
    assert!(said.contains("line 3: reserved must be 0 or left out"), "{said}");
    assert_eq!(
        (records(&admin).await, movements(&admin).await),
        (vec![(1, 10, 0), (2, 10, 4)], 2)
    );
    let absent = folder.file("gone", "").replace("gone", "never-there.csv");
    assert!(
        fails(&url, &["stock", "import", &absent], 1)
            .await
            .contains("never-there.csv")
    );
    let folder = std::env::temp_dir();
    let said = fails(&url, &["stock", "import", folder.to_str().unwrap()], 1).await;
    assert!(said.contains("the file cannot be read"), "{said}");
}

#[tokio::test]
async fn units_are_adjusted_within_the_rules() {
    let database = Database::fresh().await;
    database.stock(&[(1, 10)]).await;
    let (url, admin) = (database.url(), database.admin().await);
    admin
        .batch_execute("update stock set reserved = 4 where sku = 1")
        .await
        .unwrap();
    let said = done(&url, &["stock", "adjust", "1", "+5", "--reason", "found"]).await;
    assert_eq!(said, "sku 1 has 15 units now, 4 of them reserved\n");
    assert!(
        done(&url, &["stock", "adjust", "--reason", "lost", "1", "-11"])
            .await
            .contains("has 4 units now")
    );
    let said = fails(&url, &["stock", "adjust", "1", "-1", "--reason", "lost"], 1).await;
    assert!(
        said.contains("of which orders have reserved 4: 0 can be taken away at most"),
        "{said}"
    );
    let said = fails(&url, &["stock", "adjust", "2", "+1", "--reason", "found"], 1).await;
    assert!(
        said.contains("sku 2 has no stock record; `app stock import` makes records"),
        "{said}"
    );
    let said = fails(&url, &["stock", "adjust", "1", "+4294967295", "--reason", "found"], 1).await;
    assert!(said.contains("4294967291 can be added at most"), "{said}");
    assert_eq!((records(&admin).await, movements(&admin).await), (vec![(1, 4, 4)], 3));
}

#[tokio::test]
async fn a_database_without_the_schema_says_what_to_do() {
    let database = Database::bare().await;
    let (url, folder) = (database.url(), Folder::new());
    let file = folder.file("stock.csv", "sku,total_count\n1,10\n");
    for command in [["stock", "import", &file].as_slice(), &["stock", "show", "1"]] {
        let said = fails(&url, command, 1).await;
        assert!(said.contains("run `app migrate`"), "{said}");
    }
}

#[tokio::test]
async fn an_import_killed_at_any_moment_is_done_or_not_and_a_repeat_does_it_once() {
    let database = Database::fresh().await;
    let (url, admin, folder) = (database.url(), database.admin().await, Folder::new());
    let lines: String = (1..=20_000).map(|sku| format!("{sku},7\n")).collect();
    let file = folder.file("stock.csv", format!("sku,total_count\n{lines}"));
    let mut cut = 0;
    for pause in [0, 40, 80, 160, 240, 320] {
        let import = start(&url, &["stock", "import", &file]);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        import.signal("KILL");
        if import.ended().await.code.is_none() {
            cut += 1;
        }
        let (stock, moved) = (records(&admin).await.len(), movements(&admin).await);
        assert!(
            [(0, 0), (20_000, 20_000)].contains(&(stock, moved)),
            "{stock} records, {moved} movements"
        );
    }
    assert!(cut > 0, "no import was cut off");
    done(&url, &["stock", "import", &file]).await;
    assert_eq!((records(&admin).await.len(), movements(&admin).await), (20_000, 20_000));
}

#[tokio::test]
async fn stock_that_is_imported_can_be_bought_at_once_and_loms_sees_adjustments() {
    let database = Database::fresh().await;
    let (url, folder) = (database.url(), Folder::new());
    let loms = App::start("loms", &[], &[("postgres.url", &url)], &[]).await;
    done(
        &url,
        &["stock", "import", &folder.file("stock.csv", "sku,total_count\n5,3\n")],
    )
    .await;
    assert_eq!(loms.free(5).await, 3);
    let order = r#"{"userId":1,"items":[{"sku":5,"count":2}]}"#;
    let (status, body) = loms
        .call(Method::POST, &format!("{}/order/create", loms.gateway), Some(order))
        .await;
    assert_eq!(status, 200, "{body}");
    done(&url, &["stock", "adjust", "5", "-1", "--reason", "lost"]).await;
    assert_eq!(loms.free(5).await, 0);
    fails(&url, &["stock", "adjust", "5", "-1", "--reason", "lost"], 1).await;
    assert!(
        done(&url, &["stock", "show", "5"])
            .await
            .starts_with("sku 5: 2 units, 2 of them reserved, 0 free")
    );
    loms.stop().await;
}

/// A COMMIT that hangs when 13 units move.
const HANGING_COMMIT: &str = "
    create function hang() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return null; end $$;
    create constraint trigger hang after insert on stock_movements deferrable initially deferred
        for each row when (new.units = 13) execute function hang()";

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_unknown_and_says_what_to_do() {
    let database = Database::fresh().await;
    database.stock(&[(1, 10)]).await;
    let (url, admin, folder) = (database.url(), database.admin().await, Folder::new());
    admin.batch_execute(HANGING_COMMIT).await.unwrap();
    let file = folder.file("stock.csv", "sku,total_count\n1,23\n");
    let adjust: &[&str] = &["stock", "adjust", "1", "+13", "--reason", "found"];
    for (command, advice) in [
        (
            adjust,
            "`app stock show 1` shows whether there is a movement of +13 at 20",
        ),
        (&["stock", "import", &file], "repeat the command"),
    ] {
        let running = start(&url, command);
        let lost = tokio::time::timeout(PATIENCE, async {
            let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                where datname = current_database() and query = 'commit' and state = 'active'";
            while admin.query_one(end, &[]).await.unwrap().get::<_, i64>(0) == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        lost.await.expect("the command comes to its COMMIT");
        let ended = running.ended().await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(3), ""), "{}", ended.err);
        assert!(ended.err.contains(advice), "{}", ended.err);
    }
    assert_eq!((records(&admin).await, movements(&admin).await), (vec![(1, 10, 0)], 1));
}
