//! What every route answers to a method that it does not know, and what the servers do with bytes
//! that no client library would send.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::App;

/// Whether an answer is there as a whole.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.parse::<usize>().unwrap())
}

/// Sends bytes, ends its half of the connection if so told, and reads until this holds, or to the
/// end: status, head, body.
async fn raw(base: &str, bytes: &[u8], ends: bool, enough: fn(&[u8]) -> bool) -> (u16, String, String) {
    let mut stream = TcpStream::connect(base.trim_start_matches("http://")).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), async {
        // A server that has refused may close before it has read all.
        let _ = stream.write_all(bytes).await;
        if ends {
            let _ = stream.shutdown().await;
        }
        let mut some = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut some).await {
            answer.extend_from_slice(&some[..read]);
            if enough(&answer) {
                return;
            }
        }
    });
    let sent = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
    read.await
        .unwrap_or_else(|_| panic!("no answer and no end after {sent}"));
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, head.to_lowercase(), body.to_owned())
}

async fn ask(base: &str, method: &str, path: &str) -> (u16, String, String) {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nX-API-KEY: testToken\r\nConnection: close\r\n\r\n");
    raw(base, request.as_bytes(), false, is_whole).await
}

#[tokio::test]
async fn a_wrong_method_is_405_with_those_that_are_allowed_on_every_route() {
    let app = App::all(&[(1, 10)], &[]).await;
    let (cart, products, loms) = (&app.cart, &app.products, &app.gateway);
    let routes: [(&str, &str, &[&str]); 20] = [
        (cart, "/user/1/cart/1", &["post", "delete"]),
        (cart, "/user/1/cart", &["get", "delete"]),
        (cart, "/checkout/1", &["post"]),
        (cart, "/openapi.json", &["get"]),
        (cart, "/metrics", &["get"]),
        (cart, "/healthz", &["get"]),
        (cart, "/readyz", &["get"]),
        (products, "/product/1", &["get"]),
        (products, "/product", &["get"]),
        (products, "/misbehave", &["get", "put"]),
        (products, "/metrics", &["get"]),
        (loms, "/order/create", &["post"]),
        (loms, "/order/pay", &["post"]),
        (loms, "/order/cancel", &["post"]),
        (loms, "/order/info", &["get"]),
        (loms, "/stock/info", &["get"]),
        (loms, "/openapi.json", &["get"]),
        (loms, "/readyz", &["get"]),
        (&app.notifier, "/metrics", &["get"]),
        (&app.notifier, "/healthz", &["get"]),
    ];
    for (base, path, known) in routes {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
            if known.contains(&method.to_lowercase().as_str()) {
                continue;
            }
            let (status, head, body) = ask(base, method, path).await;
            assert_eq!(status, 405, "{method} {path}: {head}");
            let allow = head
                .lines()
                .find_map(|line| line.strip_prefix("allow: "))
                .unwrap_or_default();
            let allowed: BTreeSet<&str> = allow.split(',').map(str::trim).collect();
            assert_eq!(allowed, known.iter().copied().collect(), "{method} {path}");
            let body: Value = serde_json::from_str(&body).unwrap();
            let told = if base == loms.as_str() {
                body["code"] == 12
            } else {
                body["status"] == 405
            };
            assert!(told, "{method} {path}: {body}");
        }
    }
    for base in [cart, products, loms, &app.notifier] {
        for path in [
            "/",
            "/nowhere",
            "/user//cart",
            "/user/1/cart/1/",
            "/order/",
            "/%ff",
            "/metrics/x",
        ] {
            let (status, head, _) = ask(base, "GET", path).await;
            assert_eq!(status, 404, "{base}{path}: {head}");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn bytes_that_no_client_sends_are_refused_and_do_no_harm() {
    let app = App::all(&[(1, 10)], &[("http.request_head_timeout_ms", "1000")]).await;
    let head = "POST /user/1/cart/1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    let rows: [(&str, String, bool, &[u16]); 11] = [
        ("no HTTP", "\u{16}\u{3}\u{1} hello\r\n\r\n".to_owned(), false, &[400]),
        (
            "a length that is none",
            format!("{head}Content-Length: many\r\n\r\n{{}}"),
            false,
            &[400],
        ),
        (
            "a negative length",
            format!("{head}Content-Length: -1\r\n\r\n{{}}"),
            false,
            &[400],
        ),
        (
            "two lengths",
            format!("{head}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{{}}"),
            false,
            &[400],
        ),
        (
            "a huge length, no body",
            format!("{head}Content-Length: 9999999999\r\n\r\n"),
            false,
            &[413],
        ),
        (
            "chunks over the bound",
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(17)),
            false,
            &[413],
        ),
        (
            "a chunk that is none",
            format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
            false,
            &[400],
        ),
        // Whoever goes away before its end has sent nothing.
        (
            "a body cut short",
            format!("{head}Content-Length: 50\r\n\r\n{{\"count\":1}}"),
            true,
            &[0, 400],
        ),
        ("a head cut short", head.to_owned(), true, &[0, 400, 408]),
        ("a head that does not end", head.to_owned(), false, &[408]),
        (
            "a head without bound",
            format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(300_000)),
            false,
            &[0, 400, 408, 431],
        ),
    ];
    for base in [&app.cart, &app.gateway] {
        for (what, bytes, ends, expected) in &rows {
            let bytes = if base == &app.gateway {
                bytes.replace("/user/1/cart/1", "/order/create")
            } else {
                bytes.clone()
            };
            let (status, head, _) = raw(base, bytes.as_bytes(), *ends, is_whole).await;
            assert!(expected.contains(&status), "{what}: {status} {head}");
        }
        assert_eq!(ask(base, "GET", "/healthz").await.0, 200);
    }
    assert_eq!((app.content(1).await, app.free(1).await), (vec![], 10));
    app.stop().await;
}

#[tokio::test]
async fn requests_that_follow_each_other_on_one_connection_are_all_answered() {
    let app = App::all(&[(1, 10)], &[]).await;
    let one = |close: &str| {
        let body = r#"{"count":1}"#;
        let head = "POST /user/1/cart/1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json";
        format!("{head}\r\n{close}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let (_, head, rest) = raw(
        &app.cart,
        (one("") + &one("") + &one("Connection: close\r\n")).as_bytes(),
        false,
        |_| false,
    )
    .await;
    let all = head + &rest.to_lowercase();
    let statuses: Vec<&str> = all
        .match_indices("http/1.1 ")
        .map(|(at, _)| &all[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["201", "200", "200"]);
    assert_eq!(app.content(1).await, [(1, 3)]);
    app.stop().await;
}
