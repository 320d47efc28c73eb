//! What the process makes of the settings of its database: a password by file, by environment and a
//! wrong one, TLS that is verified, and the whole shop on a database.

use adapters::postgres::testing::{Database, authority};
use reqwest::Method;

use crate::harness::App;
use crate::process::{Folder, run};

/// Patience with a busy machine, on which even a handshake may take seconds.
const PATIENT: [(&str, &str); 3] = [
    ("postgres.connect_timeout_ms", "10000"),
    ("postgres.health_interval_ms", "5000"),
    ("http.answer_timeout_ms", "120000"),
];

/// The URL without its password, encrypted and verified; and the password.
fn apart(database: &Database) -> (String, String) {
    let url = database.url();
    let (user, rest) = url.split_once('@').unwrap();
    let (user, password) = user.rsplit_once(':').unwrap();
    let url = format!("{user}@{rest}").replace("sslmode=disable", "sslmode=verify-full");
    (url, password.to_owned())
}

/// How many sessions LOMS has on the database, and how many of them are encrypted.
async fn sessions(database: &Database) -> (i64, i64) {
    let ask = "select count(*), count(*) filter (where ssl) from pg_stat_activity join pg_stat_ssl using (pid)
        where datname = current_database() and application_name = 'loms'";
    let row = database.admin().await.query_one(ask, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn a_password_by_file_or_environment_and_a_verified_server() {
    let (database, folder) = (Database::fresh().await, Folder::new());
    let ((url, password), ca) = (apart(&database), folder.file("ca.pem", authority()));
    let file = folder.file("password", format!("{password}\n"));
    for (name, value) in [("postgres.password_file", &file), ("postgres.password", &password)] {
        let mut settings = vec![
            ("postgres.url", url.as_str()),
            ("postgres.tls_ca_file", &ca),
            (name, value),
        ];
        settings.extend(PATIENT);
        let loms = App::start("loms", &[], &settings, &[]).await;
        let (all, encrypted) = sessions(&database).await;
        assert!(
            all > 0 && all == encrypted,
            "{encrypted} of {all} sessions are encrypted"
        );
        loms.stop().await;
    }
}

#[tokio::test]
async fn a_wrong_password_or_ca_ends_the_process_with_a_clear_error() {
    let (database, folder) = (Database::fresh().await, Folder::new());
    let (url, password) = apart(&database);
    let ca = folder.file("ca.pem", authority());
    let other = include_bytes!("../../../adapters/tests/postgres/other_ca.pem");
    let other = folder.file("other.pem", other);
    for (password, ca, reason) in [
        ("hunter2", &ca, "password authentication failed for user"),
        (password.as_str(), &other, "invalid peer certificate: UnknownIssuer"),
    ] {
        let variables = [
            ("APP__POSTGRES__URL", url.as_str()),
            ("APP__POSTGRES__PASSWORD", password),
            ("APP__POSTGRES__TLS_CA_FILE", ca),
            ("APP__POSTGRES__CONNECT_TIMEOUT_MS", "10000"),
            ("APP__HTTP__ANSWER_TIMEOUT_MS", "120000"),
        ];
        for arguments in [&["--role", "loms"][..], &["migrate"]] {
            let ended = run(arguments, &variables).await;
            assert_eq!(ended.code, Some(1), "{}", ended.err);
            let told = ended.err.contains(reason) && ended.err.contains("cannot connect to 127.0.0.1");
            assert!(told, "{arguments:?}: {}", ended.err);
            assert!(!ended.err.contains(password) && !ended.out.contains(password));
        }
    }
}

#[tokio::test]
async fn the_whole_shop_keeps_its_ledger_where_the_url_says() {
    let database = Database::fresh().await;
    database.stock(&[(1, 10)]).await;
    let url = database.url();
    let mut settings = vec![("postgres.url", url.as_str())];
    settings.extend(PATIENT);
    let shop = App::start("all", &[], &settings, &[]).await;
    let (body, create) = (
        r#"{"userId":1,"items":[{"sku":1,"count":2}]}"#,
        format!("{}/order/create", shop.gateway),
    );
    let placed = std::sync::Mutex::default();
    shop.until(async || {
        // On a busy machine the database may be too slow for it at first: then nothing is done.
        let (status, answer) = shop.call(Method::POST, &create, Some(body)).await;
        assert!(status == 200 || status == 503, "{answer}");
        *placed.lock().unwrap() = answer["orderId"].as_str().map(|id| id.parse::<i64>().unwrap());
        status == 200
    })
    .await;
    let id = placed.into_inner().unwrap().unwrap();
    shop.until(async || !shop.events().is_empty()).await;
    assert!(shop.stop().await.contains(&(id, "awaiting payment".to_owned())));
    let shop = App::start("all", &[], &settings, &[]).await;
    assert_eq!(shop.free(1).await, 8, "the reservation is there after a restart");
    let (status, order) = shop.order(id).await;
    assert_eq!(status, 200, "{order}");
    shop.stop().await;
}
