//! The levels of the log of a running process are shown and changed by `/debug/log`, where that is
//! allowed.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::harness::free_port;
use crate::line::lines;
use crate::process::{Ports, Running, ready};

async fn ask(method: Method, url: &str, body: &str) -> (u16, Value) {
    let request = Client::new().request(method, url).body(body.to_owned());
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

/// A cart, with these settings; operations may have an address of their own.
async fn cart(settings: &[&str], own: Option<&str>) -> (Running, String) {
    let ports = Ports::free();
    let mut arguments = ports.arguments("cart");
    for setting in ["cart.products.warm_up=false"].iter().chain(settings) {
        arguments.extend(["--set".to_owned(), (*setting).to_owned()]);
    }
    let app = Running::start(&arguments, &[]);
    ready(&own.map_or_else(|| ports.url("cart.http"), |own| format!("http://{own}"))).await;
    (app, ports.url("cart.http"))
}

async fn end(app: Running) -> Vec<Value> {
    app.signal("TERM");
    let ended = app.ended().await;
    assert_eq!(ended.code, Some(0));
    lines(&ended.out)
}

#[tokio::test]
async fn levels_are_shown_and_changed_while_the_process_runs() {
    let (app, base) = cart(&["log.changeable=true", "log.targets=h2=error"], None).await;
    let (log, probe) = (format!("{base}/debug/log"), format!("{base}/healthz"));
    let first = json!({"level": "info", "libraries": "warn", "targets": "h2=error"});
    assert_eq!(ask(Method::GET, &log, "").await, (200, first.clone()));
    // Probes are told at level debug.
    ask(Method::GET, &probe, "").await;
    let change = json!({"targets": "app::telemetry::requests=debug"}).to_string();
    let second = json!({"level": "info", "libraries": "warn", "targets": "app::telemetry::requests=debug"});
    assert_eq!(ask(Method::PUT, &log, &change).await, (200, second.clone()));
    ask(Method::GET, &probe, "").await;
    for (body, said) in [
        ("{", "the body must be JSON"),
        (r#"{"levels":"info"}"#, "unknown field `levels`"),
        (
            r#"{"level":"loud"}"#,
            "level must be one of error, warn, info, debug, trace",
        ),
        (r#"{"targets":"a=info,a=warn"}"#, "stands there twice"),
    ] {
        let (status, problem) = ask(Method::PUT, &log, body).await;
        assert_eq!(status, 400, "{body}");
        assert!(problem["detail"].as_str().unwrap().contains(said), "{problem}");
    }
    assert_eq!(
        ask(Method::GET, &log, "").await.1,
        second,
        "what is wrong changes nothing"
    );
    assert_eq!(ask(Method::PUT, &log, &"x".repeat(1 << 20)).await.0, 413);
    assert_eq!(ask(Method::DELETE, &log, "").await, (200, first));
    ask(Method::GET, &probe, "").await;
    let lines = end(app).await;
    let probes = lines.iter().filter(|line| line["route"] == "/healthz").count();
    assert_eq!(probes, 1, "only while it was wished");
    let changes = lines
        .iter()
        .filter(|line| line["msg"] == "the levels of the log were changed");
    assert_eq!(changes.count(), 2);
}

#[tokio::test]
async fn nobody_changes_levels_where_that_is_not_allowed() {
    let (app, base) = cart(&[], None).await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        assert_eq!(ask(method, &format!("{base}/debug/log"), "{}").await.0, 404);
    }
    end(app).await;
    // On an address of their own operations have it, and shoppers do not.
    let own = format!("127.0.0.1:{}", free_port());
    let (app, base) = cart(&["log.changeable=true", &format!("ops.addr={own}")], Some(&own)).await;
    assert_eq!(ask(Method::GET, &format!("http://{own}/debug/log"), "").await.0, 200);
    assert_eq!(ask(Method::GET, &format!("{base}/debug/log"), "").await.0, 404);
    end(app).await;
}

#[tokio::test]
async fn targets_that_are_wrong_are_refused_at_the_start() {
    let ended = Running::start(&["--role", "cart"], &[("APP__LOG__TARGETS", "adapters:postgres")]);
    let ended = ended.ended().await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("log.targets"), "{}", ended.err);
    assert!(ended.err.contains("is not TARGET=LEVEL"), "{}", ended.err);
}
