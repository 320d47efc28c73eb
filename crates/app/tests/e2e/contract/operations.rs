//! What every role tells operations: that it is up, whether it can do its job and what is degraded,
//! its metrics; and the pages that come from inside the binary.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::harness::{App, free_port};
use crate::process::{Ports, Running, ready};

async fn get(url: &str) -> (u16, String, String) {
    let answer = Client::new().get(url).send().await.unwrap();
    let header = |name: &str| {
        answer
            .headers()
            .get(name)
            .map_or("", |v| v.to_str().unwrap())
            .to_owned()
    };
    let (status, kind) = (answer.status().as_u16(), header("content-type"));
    assert_eq!(header("x-trace-id").len(), 32, "{url}");
    (status, kind, answer.text().await.unwrap())
}

/// Looks at the operations of a role.
async fn look(base: &str, degraded: Value) {
    let (status, _, body) = get(&format!("{base}/healthz")).await;
    assert_eq!((status, body.as_str()), (200, r#"{"status":"up"}"#), "{base}");
    let (status, _, body) = get(&format!("{base}/readyz")).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &body["status"], &body["degraded"]),
        (200, &json!("ready"), &degraded),
        "{base}"
    );
    let (status, kind, body) = get(&format!("{base}/metrics")).await;
    assert_eq!((status, kind.starts_with("text/plain; version=0.0.4")), (200, true));
    for line in body.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    let alive = body.lines().find(|line| line.starts_with("app_tasks_alive "));
    assert!(alive.is_some_and(|line| !line.ends_with(" 0")), "{body}");
    let (status, ..) = get(&format!("{base}/debug/pprof/heap")).await;
    assert_eq!(status, 404, "profiling is off");
}

#[tokio::test]
async fn every_role_tells_what_is_degraded_and_is_ready_nevertheless() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let alone = [
        ("cart.products.url", nobody.as_str()),
        ("cart.loms.url", &nobody),
        ("cart.loms.timeout_ms", "500"),
    ];
    let (products, loms, notifier, cart) = tokio::join!(
        App::start("products", &[], &[], &[]),
        App::start("loms", &[(1, 1)], &[], &[]),
        App::start("notifier", &[], &[], &[]),
        App::start("cart", &[], &alone, &[]),
    );
    // That products do not answer is known when the first request has failed.
    cart.until(async || get(&format!("{}/readyz", cart.cart)).await.2.contains("products"))
        .await;
    look(&products.products, Value::Null).await;
    look(&loms.gateway, json!(["broker"])).await;
    look(&notifier.notifier, json!(["broker"])).await;
    look(&cart.cart, json!(["products", "loms"])).await;
    for app in [products, loms, notifier, cart] {
        app.stop().await;
    }
}

#[tokio::test]
async fn the_whole_shop_answers_operations_on_every_port_and_counts_by_route() {
    let app = App::all(&[(1, 10)], &[]).await;
    assert_eq!(
        (
            app.add(987_654_321_001, 1, 1).await,
            app.add(987_654_321_002, 1, 1).await
        ),
        (201, 201)
    );
    assert_eq!(app.checkout(987_654_321_001).await.0, 200);
    assert_eq!(
        app.call(Method::GET, &format!("{}/no/987654321003", app.cart), None)
            .await
            .0,
        404
    );
    for base in [&app.cart, &app.products, &app.gateway, &app.notifier] {
        look(base, Value::Null).await;
    }
    let (_, _, metrics) = get(&format!("{}/metrics", app.cart)).await;
    let adds = r#"http_route="/user/{user_id}/cart/{sku}""#;
    assert!(metrics.contains(adds), "{metrics}");
    assert!(
        !metrics.contains("987654321"),
        "an id or a raw path is a label: {metrics}"
    );
    for base in [&app.cart, &app.gateway] {
        let (status, kind, page) = get(&format!("{base}/swagger/")).await;
        assert_eq!((status, kind.starts_with("text/html")), (200, true));
        assert!(page.contains("swagger-ui"));
        let (status, kind, document) = get(&format!("{base}/openapi.json")).await;
        assert_eq!((status, kind.as_str()), (200, "application/json"));
        assert!(serde_json::from_str::<Value>(&document).unwrap()["paths"].is_object());
    }
    app.stop().await;
}

#[tokio::test]
async fn operations_can_have_an_address_of_their_own() {
    let (ports, own) = (Ports::free(), format!("127.0.0.1:{}", free_port()));
    let mut arguments = ports.arguments("products");
    arguments.extend(["--set".to_owned(), format!("ops.addr={own}")]);
    let app = Running::start(&arguments, &[]);
    ready(&format!("http://{own}")).await;
    look(&format!("http://{own}"), Value::Null).await;
    for path in ["metrics", "healthz", "readyz"] {
        let (status, ..) = get(&format!("{}/{path}", ports.url("products.http"))).await;
        assert_eq!(status, 404, "{path}");
    }
    let check = [&["healthcheck".to_owned()], arguments.as_slice()].concat();
    assert_eq!(Running::start(&check, &[]).ended().await.code, Some(0));
    app.signal("TERM");
    assert_eq!(app.ended().await.code, Some(0));
}
