//! Starts roles of `app` as processes of their own, on private ports, with products and stock of
//! the test, and ends them in order: exit code 0, no task alive, nothing logged as an error.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

/// The bound of every wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A free port, below those that outgoing connections take.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 12_000 + u16::try_from(std::process::id() % 90).unwrap() * 200;
    (0..2000)
        .map(|_| 12_000 + (first - 12_000 + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("some port is free")
}

/// A folder with products 1 to 22 and this stock.
fn files(stock: &[(i64, u32)]) -> PathBuf {
    let files = std::env::temp_dir().join(format!("shop-test-{}-{}", std::process::id(), free_port()));
    std::fs::create_dir_all(&files).unwrap();
    let catalogue: Vec<Value> = (1..=20)
        .map(|n| serde_json::json!({ "sku": n, "name": format!("Product {n}"), "price": 100 * n }))
        .chain([serde_json::json!({ "sku": 21, "name": "Dear", "price": u32::MAX })])
        .chain([serde_json::json!({ "sku": 22, "name": "As dear", "price": u32::MAX })])
        .collect();
    let stock: Vec<Value> = stock
        .iter()
        .map(|(sku, total)| serde_json::json!({ "sku": sku, "total_count": total }))
        .collect();
    std::fs::write(files.join("catalogue.json"), serde_json::to_vec(&catalogue).unwrap()).unwrap();
    std::fs::write(files.join("stock.json"), serde_json::to_vec(&stock).unwrap()).unwrap();
    files
}

/// A process of `app`.
pub(crate) struct App {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
    files: PathBuf,
    pub(crate) cart: String,
    pub(crate) products: String,
    pub(crate) grpc: String,
    pub(crate) gateway: String,
    pub(crate) notifier: String,
    http: Client,
}

impl App {
    /// All roles in one process, with products 1 to 20 (price 100 × sku) and this stock.
    pub(crate) async fn all(stock: &[(i64, u32)], settings: &[(&str, &str)]) -> Self {
        Self::start("all", stock, settings, &[]).await
    }

    /// A role. `ports` overrides where it listens (name of the setting, port).
    pub(crate) async fn start(
        role: &str,
        stock: &[(i64, u32)],
        settings: &[(&str, &str)],
        ports: &[(&str, u16)],
    ) -> Self {
        let files = files(stock);
        let port = |name: &str| {
            ports
                .iter()
                .find(|(n, _)| *n == name)
                .map_or_else(free_port, |(_, port)| *port)
        };
        let listens = ["cart.http", "products.http", "loms.grpc", "loms.http", "notifier.http"].map(|n| (n, port(n)));
        let mut command = Command::new(env!("CARGO_BIN_EXE_app"));
        command
            .args(["--role", role, "--catalogue"])
            .arg(files.join("catalogue.json"));
        command.arg("--stock").arg(files.join("stock.json"));
        for (name, port) in listens {
            command.arg("--set").arg(format!("{name}.port={port}"));
        }
        for (name, value) in settings {
            command.arg("--set").arg(format!("{name}={value}"));
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = Arc::<Mutex<Vec<Value>>>::default();
        let (out, kept) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&lines));
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a JSON line: {line}"));
                kept.lock().unwrap().push(value);
            }
        });
        let url = |at: usize| format!("http://127.0.0.1:{}", listens[at].1);
        let app = Self {
            child,
            lines,
            files,
            cart: url(0),
            products: url(1),
            grpc: url(2),
            gateway: url(3),
            notifier: url(4),
            http: Client::builder().timeout(PATIENCE).build().unwrap(),
        };
        let ready: &[&String] = match role {
            "all" => &[&app.cart, &app.products, &app.gateway, &app.notifier],
            "cart" => &[&app.cart],
            "products" => &[&app.products],
            "loms" => &[&app.gateway],
            _ => &[&app.notifier],
        };
        for base in ready {
            app.until(async || {
                app.http
                    .get(format!("{base}/readyz"))
                    .send()
                    .await
                    .is_ok_and(|a| a.status() == 200)
            })
            .await;
        }
        app
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, holds: impl AsyncFn() -> bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !holds().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        waited.await.expect("what was waited for never came");
    }

    /// A call; status, body as JSON (null where it is none).
    pub(crate) async fn call(&self, method: Method, url: &str, body: Option<&str>) -> (StatusCode, Value) {
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Adds to a cart; the status.
    pub(crate) async fn add(&self, user: i64, sku: i64, count: u32) -> u16 {
        let url = format!("{}/user/{user}/cart/{sku}", self.cart);
        self.call(Method::POST, &url, Some(&format!("{{\"count\":{count}}}")))
            .await
            .0
            .as_u16()
    }

    /// Checks out; the status and the body.
    pub(crate) async fn checkout(&self, user: i64) -> (u16, Value) {
        let (status, body) = self
            .call(Method::POST, &format!("{}/checkout/{user}", self.cart), None)
            .await;
        (status.as_u16(), body)
    }

    /// What is in a cart, as pairs of sku and count.
    pub(crate) async fn content(&self, user: i64) -> Vec<(i64, i64)> {
        let (_, body) = self
            .call(Method::GET, &format!("{}/user/{user}/cart", self.cart), None)
            .await;
        let items = body["items"].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .map(|item| (item["sku"].as_i64().unwrap(), item["count"].as_i64().unwrap()))
            .collect()
    }

    /// Free units of a sku.
    pub(crate) async fn free(&self, sku: i64) -> i64 {
        let (_, body) = self
            .call(Method::GET, &format!("{}/stock/info?sku={sku}", self.gateway), None)
            .await;
        body["count"].as_i64().unwrap()
    }

    /// The order as the gateway tells it.
    pub(crate) async fn order(&self, id: i64) -> (u16, Value) {
        let (status, body) = self
            .call(Method::GET, &format!("{}/order/info?orderId={id}", self.gateway), None)
            .await;
        (status.as_u16(), body)
    }

    /// The events that the notifier told, as (order, status).
    pub(crate) fn events(&self) -> Vec<(i64, String)> {
        let lines = self.lines.lock().unwrap();
        let events = lines.iter().filter(|line| line["msg"] == "order event");
        events
            .map(|e| {
                (
                    e["order_id"].as_i64().unwrap(),
                    e["status"].as_str().unwrap().to_owned(),
                )
            })
            .collect()
    }

    /// The lines so far with this message.
    pub(crate) fn said(&self, msg: &str) -> Vec<Value> {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| line["msg"] == msg).cloned().collect()
    }

    fn signal(&self) {
        let killed = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
    }

    /// Asks the process to end; does not wait.
    pub(crate) fn terminate(&self) {
        self.signal();
    }

    /// Waits for the orderly end: code 0 in time, no task alive, every line whole and none an error.
    pub(crate) async fn ended(self) -> Vec<(i64, String)> {
        self.ended_telling(&[]).await
    }

    /// As [`App::ended`], but it may have told these errors.
    pub(crate) async fn ended_telling(mut self, errors: &[&str]) -> Vec<(i64, String)> {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(code) = self.child.try_wait().unwrap() {
                    return code;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let code = waited.await.expect("app does not end");
        assert_eq!(code.code(), Some(0));
        let stopped = || self.lines.lock().unwrap().iter().any(|line| line["msg"] == "stopped");
        self.until(async || stopped()).await;
        for line in self.lines.lock().unwrap().iter() {
            for field in ["ts", "level", "service", "msg"] {
                assert!(line[field].is_string(), "{field} is missing in {line}");
            }
            let is_expected = line["msg"].as_str().is_some_and(|msg| errors.contains(&msg));
            assert!(line["level"] != "error" || is_expected, "{line}");
            if line["msg"] == "stopped" {
                assert_eq!(line["tasks_alive"], 0);
            }
        }
        self.events()
    }

    /// Ends it.
    pub(crate) async fn stop(self) -> Vec<(i64, String)> {
        self.signal();
        self.ended().await
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.files);
    }
}
