//! Nobody reads standard output: requests are answered all the same, what finds no room is dropped
//! and counted, and that is told when somebody reads again.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::PATIENCE;
use crate::line::lines;
use crate::process::{Ports, ready};

/// Far more lines than the pipe and the queue hold.
const REQUESTS: usize = 1_000;
/// Lines that wait in the process.
const QUEUE: usize = 64;

async fn dropped(base: &str) -> u64 {
    let metrics = reqwest::get(format!("{base}/metrics"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("app_log_lines_dropped_total "));
    line.map_or(0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn an_output_that_nobody_reads_holds_up_no_request() {
    let ports = Ports::free();
    let mut child = Command::new(env!("CARGO_BIN_EXE_app"))
        .args(ports.arguments("cart"))
        .args([
            "--set",
            &format!("log.queue_max={QUEUE}"),
            "--set",
            "cart.products.warm_up=false",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap(); // held open, and not read
    let base = ports.url("cart.http");
    ready(&base).await;
    let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    for _ in 0..REQUESTS {
        let answer = http.get(format!("{base}/user/1/cart")).send().await.unwrap();
        assert_eq!(answer.status(), 404, "the cart is empty, and the answer comes");
    }
    let lost = dropped(&base).await;
    assert!(lost > 0, "the pipe holds less than that");
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        lines.collect::<Vec<_>>().join("\n")
    });
    tokio::time::sleep(Duration::from_millis(50)).await; // it reads what waited
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
    let ended = tokio::time::timeout(PATIENCE, ended).await.expect("it ends").unwrap();
    assert_eq!(ended.code(), Some(0));
    let lines = lines(&reader.join().unwrap());
    let told: u64 = lines
        .iter()
        .filter(|line| line["msg"] == "log lines were dropped")
        .map(|line| line["lines"].as_u64().unwrap())
        .sum();
    let requests = lines.iter().filter(|line| line["msg"] == "request").count() as u64;
    assert_eq!(told, lost, "all drops are told");
    assert_eq!(requests + told, REQUESTS as u64, "every request is told, or counted");
}
