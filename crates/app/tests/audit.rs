//! The audit as operators meet it: `app audit` and its exit codes, and what a running LOMS exposes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use adapters::postgres::testing::{Database, WholeLedger};
use domain::testing::build::{cancel, draft, keyed, pay, place};
use domain::testing::ledger_contract::run;
use serde_json::Value;

/// The bound of every wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lines of a log that are read for one that must be among them.
const LINES_MAX: usize = 100;

const PLANT: &str = "update stock set total_count = total_count + 1";
const REPAIR: &str = "update stock set total_count = total_count - 1";

#[allow(
    clippy::disallowed_methods,
    reason = "tests are told their servers by the environment"
)]
fn url(database: &str) -> String {
    let postgres = std::env::var("APP_TEST_POSTGRES").expect("the databases of `just test`");
    let (server, _) = postgres.rsplit_once('/').unwrap();
    format!("{server}/{database}?sslmode=disable")
}

fn app(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_app"));
    command.args(arguments).env("APP__POSTGRES__URL", url);
    command
}

fn audit(url: &str, settings: &[&str]) -> (Option<i32>, String, String) {
    let arguments: Vec<&str> = ["audit"].iter().chain(settings).copied().collect();
    let Output { status, stdout, stderr } = app(url, &arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

async fn traded() -> WholeLedger {
    let ledger = Database::fresh().await.ledger(&[(1, 100), (2, 100), (3, 100)]).await;
    run(
        &ledger,
        &[
            place(keyed(&[(1, 2)], "a")),
            place(draft(&[(2, 3)])),
            place(draft(&[(1, 101)])),
        ],
    )
    .await;
    run(&ledger, &[pay(1), cancel(2)]).await;
    ledger
}

async fn change(ledger: &WholeLedger, sql: &str) {
    ledger.database.admin().await.batch_execute(sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_tells_clean_from_broken_from_not_known() {
    let ledger = traded().await;
    let url_of = url(ledger.database.name());
    let (code, out, err) = audit(&url_of, &[]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert_eq!(out.lines().filter(|line| line.starts_with("ok ")).count(), 13, "{out}");
    assert_eq!(out.lines().count(), 13, "{out}");

    change(&ledger, PLANT).await;
    let (code, out, err) = audit(&url_of, &["--set", "audit.rows_max=2"]);
    assert_eq!(code, Some(1), "{out} {err}");
    let told: Vec<_> = out
        .lines()
        .skip_while(|line| !line.starts_with("BROKEN"))
        .take(4)
        .collect();
    assert_eq!(
        told,
        [
            "BROKEN totals: total = movements - items of payed orders: 3 violations",
            "       sku 1: total 99, moved 100, payed 2",
            "       sku 2: total 101, moved 100, payed 0",
            "       and 1 more",
        ]
    );
    assert!(err.contains("1 rules of the ledger do not hold"), "{err}");

    change(&ledger, "alter table outbox rename to elsewhere").await;
    let (code, out, err) = audit(&url_of, &[]);
    assert_eq!((code, out.as_str()), (Some(3), ""), "no report of a part");
    assert!(err.contains("could not be done") && err.contains("outbox"), "{err}");
    let (code, _, err) = audit(&url("no_such_database"), &[]);
    assert_eq!(code, Some(3), "{err}");
    let (code, _, err) = audit("", &[]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("postgres.url"), "{err}");
}

/// A process that ends with its handle.
struct Loms(Child);

impl Drop for Loms {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a LOMS that audits every second; where its gateway listens, and its log.
fn loms(url: &str) -> (Loms, String, mpsc::Receiver<Value>) {
    let settings = [
        "loms.grpc.port=0",
        "loms.http.port=0",
        "audit.interval_seconds=1",
        "order.payment_window_seconds=0",
    ];
    let mut command = app(url, &["--role", "loms"]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    let mut child = Loms(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let (sender, lines) = mpsc::channel();
    let out = BufReader::new(child.0.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            let _ = sender.send(serde_json::from_str(&line).unwrap());
        }
    });
    let listening = wait_for(&lines, "listening for HTTP");
    (
        child,
        format!("http://{}", listening["address"].as_str().unwrap()),
        lines,
    )
}

fn wait_for(lines: &mpsc::Receiver<Value>, message: &str) -> Value {
    let lines = (0..LINES_MAX).map(|_| lines.recv_timeout(PATIENCE).expect("the line comes in time"));
    let mut read = Vec::new();
    for line in lines {
        if line["msg"] == message {
            return line;
        }
        read.push(line);
    }
    panic!("{message} is not in {read:?}");
}

async fn wait_until(what: &str, url: &str, good: impl Fn(&str) -> bool) {
    let asked = tokio::time::timeout(PATIENCE, async {
        loop {
            let answer = reqwest::get(url).await.unwrap().text().await.unwrap();
            if good(&answer) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(asked.await.is_ok(), "{what} did not come in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_loms_exposes_what_its_audit_finds_until_it_is_repaired() {
    let ledger = traded().await;
    let (_process, address, lines) = loms(&url(ledger.database.name()));
    let (ready, metrics) = (format!("{address}/readyz"), format!("{address}/metrics"));
    let degraded = |answer: &str| {
        let ready: Value = serde_json::from_str(answer).unwrap();
        ready["degraded"]
            .as_array()
            .is_some_and(|names| names.iter().any(|name| name == "audit"))
    };
    let audited = |text: &str| {
        text.lines().any(|line| {
            line.strip_prefix("loms_audit_last_success_timestamp_seconds ")
                .is_some_and(|value| value.parse::<f64>().unwrap() > 0.0)
        })
    };
    wait_until("an audit", &metrics, audited).await;
    assert!(!degraded(&reqwest::get(&ready).await.unwrap().text().await.unwrap()));

    change(&ledger, PLANT).await;
    wait_until("the finding", &metrics, |text| {
        text.contains("loms_audit_violations{check=\"totals\"} 3")
    })
    .await;
    wait_until("the degradation", &ready, degraded).await;
    assert_eq!(reqwest::get(&ready).await.unwrap().status(), 200, "it goes on");
    let line = wait_for(&lines, "the ledger breaks a rule");
    assert_eq!(
        (&line["check"], &line["violations"]),
        (&"totals".into(), &3.into()),
        "{line}"
    );

    change(&ledger, REPAIR).await;
    wait_until("the repair", &metrics, |text| {
        text.contains("loms_audit_violations{check=\"totals\"} 0")
    })
    .await;
    wait_until("the end of it", &ready, |answer| !degraded(answer)).await;
}
