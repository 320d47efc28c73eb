//! Profiles of a real process under load: they name functions of ours, for the decoder here and for
//! `go tool pprof` where Go is installed. One at a time, bounded, and only where they are enabled.

mod decoded;
#[path = "../support/harness.rs"]
#[allow(dead_code, reason = "shared: each test target uses a part of it")]
mod harness;
#[path = "../support/process.rs"]
#[allow(dead_code, reason = "shared: each test target uses a part of it")]
mod process;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::{Client, StatusCode};
use serde_json::Value;

use decoded::Profile;
use harness::{PATIENCE, free_port};
use process::{Folder, Ports, Running, ready};

/// A shop whose profiles may be taken.
async fn shop(settings: &[&str]) -> (Running, Ports) {
    let ports = Ports::free();
    let mut arguments = ports.arguments("all");
    for setting in ["profiling.enabled=true"].iter().chain(settings) {
        arguments.extend(["--set".to_owned(), (*setting).to_owned()]);
    }
    (Running::start(&arguments, &[]), ports)
}

fn client() -> Client {
    Client::builder().timeout(PATIENCE).build().unwrap()
}

/// Puts into carts and orders until it is told to stop; how many requests were answered.
async fn load(ports: &Ports, stop: Arc<AtomicBool>) -> u64 {
    let (cart, loms) = (ports.url("cart.http"), ports.url("loms.http"));
    let shopper = async |user: usize| {
        let (http, mut answered) = (client(), 0);
        while !stop.load(Ordering::Relaxed) {
            let item = http.post(format!("{cart}/user/{user}/cart/1001"));
            let item = item.header("content-type", "application/json").body(r#"{"count":1}"#);
            let order = http.post(format!("{loms}/order/create"));
            let order = order
                .header("content-type", "application/json")
                .body(r#"{"userId":1,"items":[{"sku":1002,"count":1000000000}]}"#);
            let view = http.get(format!("{cart}/user/{user}/cart"));
            for request in [item, order, view] {
                request.send().await.unwrap();
                answered += 1;
            }
        }
        answered
    };
    let (one, other, third) = tokio::join!(shopper(1), shopper(2), shopper(3));
    one + other + third
}

/// What `go tool pprof -top` makes of a profile; `None` where there is no Go.
fn top(folder: &Folder, profile: &[u8]) -> Option<String> {
    let go = ["go", "/usr/local/go/bin/go"].into_iter().find(|go| {
        Command::new(go)
            .arg("version")
            .output()
            .is_ok_and(|said| said.status.success())
    })?;
    let file = folder.file("profile.pb.gz", profile);
    let done = Command::new(go)
        .args(["tool", "pprof", "-top", "-cum", "-nodecount=1000", &file])
        .env("PPROF_TMPDIR", std::env::temp_dir())
        .output()
        .unwrap();
    let (said, complained) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    assert!(done.status.success(), "{complained}");
    Some(said.into_owned())
}

/// Whether a text names functions of the shop itself.
fn names_ours(text: &str) -> bool {
    ["app::", "adapters::", "domain::"]
        .iter()
        .any(|name| text.contains(name))
}

async fn ask(http: &Client, url: &str) -> (StatusCode, Vec<u8>) {
    let answer = http.get(url).send().await.unwrap();
    (answer.status(), answer.bytes().await.unwrap().to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_under_load_name_our_functions() {
    let (app, ports) = shop(&[]).await;
    let (http, base, folder) = (client(), ports.url("cart.http"), Folder::new());
    ready(&base).await;
    let stop = Arc::<AtomicBool>::default();
    let work = async {
        let processor = ask(&http, &format!("{base}/debug/pprof/profile?seconds=2")).await;
        let heap = ask(&http, &format!("{}/debug/pprof/heap", ports.url("loms.http"))).await;
        stop.store(true, Ordering::Relaxed);
        (processor, heap)
    };
    let ((processor, heap), answered) = tokio::join!(work, load(&ports, Arc::clone(&stop)));
    assert!(answered > 0);
    for ((status, bytes), kind) in [(processor, ("cpu", "nanoseconds")), (heap, ("inuse_space", "bytes"))] {
        assert_eq!(status, StatusCode::OK, "{kind:?}: {}", String::from_utf8_lossy(&bytes));
        let profile = Profile::read(&bytes);
        assert_eq!(profile.kind(), kind);
        let functions = profile.functions();
        assert!(profile.total() > 0, "{kind:?} has no samples");
        assert!(functions.iter().any(|name| names_ours(name)), "{kind:?}: {functions:?}");
        assert!(
            !functions.iter().any(|name| name == "perf_signal_handler"),
            "{kind:?}: its own interruption"
        );
        if let Some(said) = top(&folder, &bytes) {
            assert!(names_ours(&said), "{kind:?}: {said}");
        }
    }
    app.signal("TERM");
    assert_eq!(app.ended().await.code, Some(0));
}

#[tokio::test]
async fn one_at_a_time_and_bounded_and_the_end_waits_for_none() {
    let (app, ports) = shop(&["profiling.duration_max_seconds=20"]).await;
    let (http, base) = (client(), ports.url("cart.http"));
    ready(&base).await;
    let profile = |seconds: &str| format!("{base}/debug/pprof/profile?seconds={seconds}");
    for wrong in ["0", "21", "-1", "1.5", "soon", ""] {
        let (status, body) = ask(&http, &profile(wrong)).await;
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
        assert_eq!(problem["detail"], "seconds must be a whole number from 1 to 20");
    }
    // The answer begins at once, so that this one is being taken now.
    let first = http.get(profile("20")).send().await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    for other in [profile("1"), format!("{}/debug/pprof/heap", ports.url("products.http"))] {
        let answer = http.get(&other).send().await.unwrap();
        assert_eq!(
            (answer.status(), answer.headers().contains_key("retry-after")),
            (StatusCode::CONFLICT, true)
        );
        let problem: Value = answer.json().await.unwrap();
        assert!(
            problem["detail"].as_str().unwrap().starts_with("another profile"),
            "{problem}"
        );
    }
    app.signal("TERM");
    let told = first.bytes().await.unwrap();
    Profile::read(&told); // what was seen until then
    assert_eq!(app.ended().await.code, Some(0), "a profile does not hold up the end");
}

#[tokio::test]
async fn profiles_are_where_operations_are_and_nowhere_else() {
    let own = format!("127.0.0.1:{}", free_port());
    let (app, ports) = shop(&[&format!("ops.addr={own}")]).await;
    ready(&format!("http://{own}")).await;
    let http = client();
    let heap = |base: &str| format!("{base}/debug/pprof/heap");
    assert_eq!(ask(&http, &heap(&format!("http://{own}"))).await.0, StatusCode::OK);
    assert_eq!(
        ask(&http, &heap(&ports.url("cart.http"))).await.0,
        StatusCode::NOT_FOUND
    );
    app.signal("TERM");
    assert_eq!(app.ended().await.code, Some(0));
}
