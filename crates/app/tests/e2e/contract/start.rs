//! What the command line, the settings file and the environment make of the process, before it is
//! one: refusals with code 2 that name every problem, the layers in their order, secrets hidden.

use std::net::TcpListener;

use crate::harness::free_port;
use crate::process::{Folder, Ports, Running, ready, run};

#[tokio::test]
async fn a_role_that_there_is_not_is_refused() {
    let ended = run(&["--role", "chef"], &[]).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert!(ended.err.contains(r#"there is no role "chef""#), "{}", ended.err);
    let ended = run(&["--no-such-flag"], &[]).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
}

#[tokio::test]
async fn all_problems_of_all_layers_are_told_at_once_and_nothing_is_bound() {
    let folder = Folder::new();
    let file = "[loms]\nbatch_max = 0\nno_such_setting = 1\n[order]\npayment_window_seconds = \"soon\"\n";
    let file = folder.file("app.toml", file);
    let variables = [
        ("APP__LOMS__GRPC__PORT", "65536"),
        ("APP__PRODUCTS__API_KEY", "hunter2 with spaces"),
        ("APP__NO__SUCH", "1"),
    ];
    let arguments = [
        "--config",
        &file,
        "--role",
        "chef",
        "--set",
        "cart.max_carts=-1",
        "--set",
        "profiling.enabled=maybe",
    ];
    let ended = run(&arguments, &variables).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    for part in [
        "loms.batch_max",
        "no_such_setting",
        "order.payment_window_seconds",
        "loms.grpc.port",
        "65536",
        "products.api_key",
        "APP__NO__SUCH",
        "chef",
        "cart.max_carts",
        "profiling.enabled",
        "app.toml",
    ] {
        assert!(ended.err.contains(part), "{part} is not in: {}", ended.err);
    }
    assert!(ended.err.starts_with("app: 9 problems"), "{}", ended.err);
    assert!(!ended.err.contains("hunter2"), "{}", ended.err);
}

#[tokio::test]
async fn settings_that_do_not_agree_and_files_that_are_not_there_are_refused() {
    let folder = Folder::new();
    let absent = folder.file("gone", "").replace("gone", "never-there.json");
    let arguments = [
        "--catalogue",
        &absent,
        "--stock",
        &absent,
        "--set",
        "cart.http.port=9000",
        "--set",
        "loms.http.port=9000",
    ];
    let ended = run(&arguments, &[]).await;
    assert_eq!(ended.code, Some(2));
    for part in ["products.catalogue_file", "loms.stock_file", "loms.http.port"] {
        assert!(ended.err.contains(part), "{part} is not in: {}", ended.err);
    }
    let ended = run(&["--config", &absent], &[]).await;
    assert!(
        ended.code == Some(2) && ended.err.contains("never-there.json"),
        "{}",
        ended.err
    );
}

#[tokio::test]
async fn all_problems_of_the_database_are_told_at_once_and_no_password() {
    let url = "postgres://loms:hunter2@127.0.0.1:1/loms?sslmode=always&sslrootcert=ca.pem";
    let variables = [("APP__POSTGRES__URL", url), ("APP__POSTGRES__PASSWORD", "hunter3")];
    let arguments = [
        "--role",
        "loms",
        "--set",
        "postgres.password_file=no/such/password",
        "--set",
        "postgres.tls_ca_file=no/such/ca",
        "--set",
        "postgres.lock_timeout_ms=4000",
        "--set",
        "postgres.commit_timeout_ms=40000",
    ];
    let ended = run(&arguments, &variables).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    for part in [
        "postgres.url (APP__POSTGRES__URL): sslmode is none of",
        "postgres.url (APP__POSTGRES__URL): has the parameter sslrootcert: say postgres.tls_ca_file",
        "postgres.password_file (--set): is given, and postgres.password too",
        "postgres.password_file (--set): \"no/such/password\" cannot be read",
        "postgres.tls_ca_file (--set): \"no/such/ca\" cannot be read",
        "postgres.lock_timeout_ms (--set): is 4000, not less than the 3000",
        "http.answer_timeout_ms (built-in default): is 30000, less than the 52000 that a write may take",
    ] {
        assert!(ended.err.contains(part), "{part} is not in: {}", ended.err);
    }
    assert!(ended.err.starts_with("app: 7 problems"), "{}", ended.err);
    let good = "postgres://loms:hunter2@127.0.0.1:1/loms";
    let shown = run(&["--role", "loms", "--print-config"], &[("APP__POSTGRES__URL", good)]).await;
    assert!(
        shown.out.contains(r#"url = "postgres://loms:***@127.0.0.1:1/loms""#),
        "{}",
        shown.out
    );
    for text in [ended.err, shown.out, shown.err] {
        assert!(!text.contains("hunter"), "{text}");
    }
}

#[tokio::test]
async fn flags_go_before_variables_before_the_file_before_defaults_and_secrets_are_hidden() {
    let folder = Folder::new();
    let file = "[cart]\nmax_carts = 11\nrequest_timeout_ms = 111\nproducts_concurrency = 3\n";
    let file = folder.file("app.toml", file);
    let variables = [
        ("APP__CART__MAX_CARTS", "22"),
        ("APP__CART__REQUEST_TIMEOUT_MS", "222"),
        ("APP__PRODUCTS__API_KEY", "hunter2"),
    ];
    let arguments = ["--config", &file, "--set", "cart.max_carts=33", "--print-config"];
    let ended = run(&arguments, &variables).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let shown: toml::Table = ended.out.parse().unwrap();
    let cart = |name: &str| shown["cart"][name].as_integer();
    let layers = ["max_carts", "request_timeout_ms", "products_concurrency"];
    assert_eq!(layers.map(cart), [Some(33), Some(222), Some(3)]);
    assert_eq!(shown["cart"]["http"]["port"].as_integer(), Some(8080), "a default");
    assert!(!ended.out.contains("hunter2") && !ended.out.contains("testToken"));
    let hidden = [&shown["products"]["api_key"], &shown["cart"]["products"]["api_key"]];
    assert!(hidden.iter().all(|secret| secret.as_str() == Some("***")), "{hidden:?}");
}

#[tokio::test]
async fn what_cannot_start_says_why_and_ends_with_1() {
    let taken = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let port = taken.local_addr().unwrap().port();
    let set = format!("products.http.port={port}");
    let ended = run(&["--role", "products", "--set", &set], &[]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains(&port.to_string()), "{}", ended.err);
    let folder = Folder::new();
    for (name, content) in [
        ("cut.json", "["),
        (
            "twice.json",
            r#"[{"sku":1,"name":"a","price":1},{"sku":1,"name":"b","price":1}]"#,
        ),
    ] {
        let file = folder.file(name, content);
        let set = format!("products.http.port={}", free_port());
        let ended = run(&["--role", "products", "--catalogue", &file, "--set", &set], &[]).await;
        assert!(ended.code == Some(1) && ended.err.contains(name), "{}", ended.err);
    }
}

#[tokio::test]
async fn the_healthcheck_tells_by_its_code_whether_a_role_is_ready() {
    let ports = Ports::free();
    let arguments = ports.arguments("all");
    let check = || {
        let arguments = [&["healthcheck".to_owned()], arguments.as_slice()].concat();
        async move { Running::start(&arguments, &[]).ended().await }
    };
    let before = check().await;
    assert_eq!(before.code, Some(1));
    assert!(before.err.contains("does not answer"), "{}", before.err);
    let app = Running::start(&arguments, &[]);
    for server in ["cart.http", "products.http", "loms.http", "notifier.http"] {
        ready(&ports.url(server)).await;
    }
    let meanwhile = check().await;
    assert_eq!((meanwhile.code, meanwhile.err.as_str()), (Some(0), ""));
    app.signal("TERM");
    assert_eq!(app.ended().await.code, Some(0));
    assert_eq!(check().await.code, Some(1));
    assert_eq!(run(&["healthcheck", "--role", "chef"], &[]).await.code, Some(2));
}

#[tokio::test]
async fn logs_for_people_are_no_json_and_help_is_there() {
    let ports = Ports::free();
    let mut arguments = ports.arguments("products");
    arguments.extend(["--log-format", "pretty"].map(str::to_owned));
    let app = Running::start(&arguments, &[]);
    ready(&ports.url("products.http")).await;
    app.signal("INT");
    let ended = app.ended().await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(ended.out.contains("listening for HTTP"), "{}", ended.out);
    assert!(ended.out.lines().all(|line| !line.starts_with('{')), "{}", ended.out);
    let help = run(&["--help"], &[]).await;
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    assert!(help.out.contains("--role") && help.out.contains("healthcheck"));
}
