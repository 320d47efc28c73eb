//! `app migrate`.

use adapters::postgres::testing::Database;

use crate::support::{done, fails};

#[tokio::test]
async fn it_brings_the_schema_says_so_and_does_it_once() {
    let database = Database::bare().await;
    let url = database.url();
    let said = done(&url, &["migrate"]).await;
    assert!(
        said.starts_with("the schema has version ") && said.contains("applied"),
        "{said}"
    );
    let version = said.split(';').next().unwrap();
    assert_eq!(
        done(&url, &["migrate"]).await,
        format!("{version}; nothing was to be done\n")
    );
}

#[tokio::test]
async fn a_schema_that_is_newer_than_the_binary_is_left_alone() {
    let database = Database::fresh().await;
    let admin = database.admin().await;
    let newer = "
        insert into refinery_schema_history (version, name, applied_on, checksum) values (9999, 'later', '2030-01-01T00:00:00Z', '1');
        update schema_compatibility set oldest_version = 9999";
    admin.batch_execute(newer).await.unwrap();
    let said = fails(&database.url(), &["migrate"], 1).await;
    assert!(
        said.contains("version 9999") && said.contains("start a newer one"),
        "{said}"
    );
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let database = Database::bare().await;
    let url = database.url().replace(database.name(), "no_such_database");
    let said = fails(&url, &["migrate"], 1).await;
    assert!(said.contains("no_such_database"), "{said}");
}
