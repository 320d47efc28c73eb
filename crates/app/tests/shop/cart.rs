//! The tables of the cart and of the products stand-in, row by row.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::harness::App;

const STOCK: &[(i64, u32)] = &[(1, 10), (2, 10), (3, u32::MAX), (21, u32::MAX), (22, u32::MAX)];

async fn post(app: &App, path: &str, content_type: Option<&str>, body: Vec<u8>) -> (u16, Value, String) {
    let mut request = Client::new().post(format!("{}{path}", app.cart)).body(body);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    let answer = request.send().await.unwrap();
    let (status, kind) = (
        answer.status().as_u16(),
        answer.headers()["content-type"].to_str().unwrap().to_owned(),
    );
    assert!(answer.headers().contains_key("x-trace-id"));
    (
        status,
        serde_json::from_str(&answer.text().await.unwrap()).unwrap(),
        kind,
    )
}

#[tokio::test]
async fn a_cart_is_filled_shown_emptied_and_checked_out() {
    let app = App::all(STOCK, &[]).await;
    assert_eq!(app.add(1, 2, 1).await, 201);
    assert_eq!(app.add(1, 1, 2).await, 201);
    assert_eq!(app.add(1, 2, 3).await, 200);
    let (status, cart) = app.call(Method::GET, &format!("{}/user/1/cart", app.cart), None).await;
    let items = json!([
        { "sku": 1, "name": "Product 1", "count": 2, "price": 100 },
        { "sku": 2, "name": "Product 2", "count": 4, "price": 200 },
    ]);
    assert_eq!(
        (status.as_u16(), cart),
        (200, json!({ "items": items, "total_price": 1000 }))
    );
    for _ in 0..2 {
        let (status, _) = app
            .call(Method::DELETE, &format!("{}/user/1/cart/1", app.cart), None)
            .await;
        assert_eq!(status, 204);
    }
    assert_eq!(app.checkout(1).await, (200, json!({ "order_id": 1 })));
    assert_eq!(app.order(1).await.1["status"], "awaiting payment");
    assert_eq!((app.content(1).await, app.free(2).await), (vec![], 6));
    assert_eq!(app.checkout(1).await.0, 404);
    assert_eq!(
        app.call(Method::GET, &format!("{}/user/1/cart", app.cart), None)
            .await
            .0,
        404
    );
    for _ in 0..2 {
        assert_eq!(
            app.call(Method::DELETE, &format!("{}/user/1/cart", app.cart), None)
                .await
                .0,
            204
        );
    }
    let events = app.stop().await;
    assert_eq!(events, [(1, "new".to_owned()), (1, "awaiting payment".to_owned())]);
}

#[tokio::test]
async fn bad_input_is_told_and_changes_nothing() {
    let app = App::all(STOCK, &[]).await;
    let json = Some("application/json");
    let huge = format!(r#"{{"count":1,"x":"{}"}}"#, "x".repeat(17 * 1024));
    let deep = format!(r#"{{"count":{}{}}}"#, "[".repeat(4000), "]".repeat(4000));
    let good = r#"{"count":1}"#;
    let rows: Vec<(&str, Option<&str>, Vec<u8>, u16)> = vec![
        ("/user/0/cart/1", json, good.into(), 400),
        ("/user/-1/cart/1", json, good.into(), 400),
        ("/user/1/cart/0", json, good.into(), 400),
        ("/user/x/cart/1", json, good.into(), 400),
        ("/user/9223372036854775808/cart/1", json, good.into(), 400),
        ("/user/1/cart/1", json, r#"{"count":0}"#.into(), 400),
        ("/user/1/cart/1", json, r#"{"count":-1}"#.into(), 400),
        ("/user/1/cart/1", json, r#"{"count":4294967296}"#.into(), 400),
        ("/user/1/cart/1", json, r#"{"count":"1"}"#.into(), 400),
        ("/user/1/cart/1", json, r#"{"count":1.5}"#.into(), 400),
        ("/user/1/cart/1", json, "{}".into(), 400),
        ("/user/1/cart/1", json, "".into(), 400),
        ("/user/1/cart/1", json, r#"{"count":"#.into(), 400),
        ("/user/1/cart/1", json, vec![b'{', 0xff, b'}'], 400),
        ("/user/1/cart/1", json, deep.into(), 400),
        ("/user/1/cart/1", json, huge.into(), 413),
        ("/user/1/cart/1", Some("text/plain"), good.into(), 415),
        ("/user/1/cart/1", None, good.into(), 415),
        ("/user/1/cart/99", json, good.into(), 412),
        ("/user/1/cart/4", json, good.into(), 412),
        ("/user/1/cart/1", json, r#"{"count":11}"#.into(), 412),
        ("/checkout/0", None, vec![], 400),
        ("/checkout/1", None, vec![], 404),
        ("/nowhere", json, good.into(), 404),
        ("/user/1/cart", json, good.into(), 405),
    ];
    for (path, content_type, body, expected) in rows {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let (status, problem, kind) = post(&app, path, content_type, body).await;
        assert_eq!(status, expected, "{path} {shown}: {problem}");
        assert_eq!(kind, "application/problem+json");
        assert_eq!(problem["status"], expected);
        for member in ["type", "title", "detail"] {
            assert!(problem[member].is_string(), "{problem}");
        }
    }
    // Unknown fields are ignored, and what is in the cart counts against the stock.
    assert_eq!(
        post(&app, "/user/1/cart/1", json, br#"{"count":6,"x":[]}"#.to_vec())
            .await
            .0,
        201
    );
    assert_eq!(app.add(1, 1, 5).await, 412);
    assert_eq!(app.content(1).await, [(1, 6)]);
    // Sums: of counts over 32 bits, of prices over 64.
    assert_eq!(app.add(2, 3, u32::MAX).await, 201);
    assert_eq!(app.add(2, 3, 1).await, 400);
    assert_eq!(
        (app.add(3, 21, u32::MAX).await, app.add(3, 22, u32::MAX).await),
        (201, 201)
    );
    let (status, problem) = app.call(Method::GET, &format!("{}/user/3/cart", app.cart), None).await;
    assert_eq!(status, 412, "{problem}");
    let allow = Client::new()
        .put(format!("{}/checkout/1", app.cart))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (allow.status().as_u16(), allow.headers()["allow"].to_str().unwrap()),
        (405, "POST")
    );
    app.stop().await;
}

#[tokio::test]
async fn a_refused_checkout_leaves_the_cart_and_a_key_gives_the_same_order() {
    let app = App::all(STOCK, &[]).await;
    assert_eq!((app.add(1, 1, 10).await, app.add(2, 1, 10).await), (201, 201));
    assert_eq!(app.checkout(1).await.0, 200);
    let (status, problem) = app.checkout(2).await;
    assert_eq!(status, 412);
    for part in ["order 2", "sku 1", "10 wanted", "0 free"] {
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
    }
    assert_eq!(app.content(2).await, [(1, 10)]);
    let keyed = |key: &'static str| {
        let request = Client::new()
            .post(format!("{}/checkout/3", app.cart))
            .header("Idempotency-Key", key);
        async move {
            let answer = request.send().await.unwrap();
            (
                answer.status().as_u16(),
                answer.json::<Value>().await.unwrap()["order_id"].as_i64(),
            )
        }
    };
    assert_eq!(app.add(3, 2, 1).await, 201);
    assert_eq!(keyed("mine").await, (200, Some(3)));
    assert_eq!(app.add(3, 2, 1).await, 201);
    assert_eq!(keyed("mine").await, (200, Some(3)));
    assert_eq!(app.content(3).await, [(2, 1)]);
    assert_eq!(keyed("another").await, (200, Some(4)));
    assert_eq!(keyed("two words").await.0, 400);
    app.stop().await;
}

#[tokio::test]
async fn products_ask_for_their_key_and_misbehave_on_demand() {
    let app = App::all(STOCK, &[]).await;
    let get = |path: &str, key: &str| {
        let request = Client::new()
            .get(format!("{}{path}", app.products))
            .header("X-API-KEY", key);
        async move {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
        }
    };
    assert_eq!(
        get("/product/7", "testToken").await,
        (200, json!({ "name": "Product 7", "price": 700, "sku": 7 }))
    );
    assert_eq!(get("/product/99", "testToken").await.0, 404);
    assert_eq!(get("/product/7", "wrong").await.0, 401);
    let page = get("/product?count=3&start_after_sku=5", "testToken").await.1;
    assert_eq!(
        page.as_array()
            .unwrap()
            .iter()
            .map(|p| p["sku"].as_i64().unwrap())
            .collect::<Vec<_>>(),
        [6, 7, 8]
    );
    for bad in ["count=0", "count=1001", "count=x", "count=3&start_after_sku=x"] {
        assert_eq!(get(&format!("/product?{bad}"), "testToken").await.0, 400, "{bad}");
    }
    let put = Client::new()
        .put(format!("{}/misbehave", app.products))
        .header("X-API-KEY", "testToken");
    let put = put
        .header("content-type", "application/json")
        .body(r#"{"share_420": 1.0}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 200);
    let calm = Client::new()
        .get(format!("{}/product/7", app.products))
        .header("X-API-KEY", "testToken")
        .send()
        .await;
    assert_eq!(calm.unwrap().status().as_u16(), 420);
    app.stop().await;
}
