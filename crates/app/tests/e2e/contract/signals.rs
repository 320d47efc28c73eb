//! The end of a process: the first signal lets it finish, the second and the deadline do not.

use std::time::Duration;

use reqwest::Client;
use tokio::task::JoinHandle;

use crate::process::{Ports, Running, ready};

/// Products that answer after a minute, with one request in flight.
async fn stuck(settings: &[&str]) -> (Running, JoinHandle<bool>) {
    let ports = Ports::free();
    let mut arguments = ports.arguments("products");
    for set in settings
        .iter()
        .chain(&["products.misbehave.delay_ms=60000", "http.answer_timeout_ms=100000"])
    {
        arguments.extend(["--set", set].map(str::to_owned));
    }
    let app = Running::start(&arguments, &[]);
    let base = ports.url("products.http");
    ready(&base).await;
    let request = Client::new()
        .get(format!("{base}/product/1001"))
        .header("X-API-KEY", "testToken");
    let asking = tokio::spawn(async move { request.send().await.is_ok() });
    // The request is in flight as soon as the server counts it; the one that looks is another.
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while active(&base).await < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.expect("the request does not arrive");
    (app, asking)
}

/// Requests in flight, as the process tells it.
async fn active(base: &str) -> u64 {
    let text = reqwest::get(format!("{base}/metrics"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("http_server_active_requests{"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_with_1() {
    for second in ["TERM", "INT"] {
        let (app, asking) = stuck(&["shutdown.grace_seconds=60"]).await;
        app.signal("TERM");
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!asking.is_finished(), "the first signal lets it finish");
        app.signal(second);
        let ended = tokio::time::timeout(Duration::from_secs(5), app.ended()).await;
        let ended = ended.expect("at once");
        assert_eq!(ended.code, Some(1));
        assert!(ended.out.contains("second signal"), "{}", ended.out);
        assert!(!asking.await.unwrap(), "the request was not answered");
    }
}

#[tokio::test]
async fn the_deadline_ends_it_with_1() {
    let (app, asking) = stuck(&["shutdown.grace_seconds=1"]).await;
    app.signal("INT");
    let ended = tokio::time::timeout(Duration::from_secs(8), app.ended()).await;
    let ended = ended.expect("soon after the deadline");
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("the grace period is over"), "{}", ended.out);
    assert!(!asking.await.unwrap(), "the request was not answered");
}

#[tokio::test]
async fn either_signal_ends_every_role_with_0() {
    let servers = [
        ("products", "products.http"),
        ("cart", "cart.http"),
        ("loms", "loms.http"),
        ("notifier", "notifier.http"),
        ("all", "cart.http"),
    ];
    for (role, server) in servers {
        let name = if role.len() > 4 { "TERM" } else { "INT" };
        let ports = Ports::free();
        let app = Running::start(&ports.arguments(role), &[]);
        ready(&ports.url(server)).await;
        app.signal(name);
        let ended = app.ended().await;
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{role}");
        let last: serde_json::Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
        assert_eq!(
            (last["msg"].as_str(), last["tasks_alive"].as_u64()),
            (Some("stopped"), Some(0)),
            "{role}"
        );
    }
}
