//! Rows of the cart's table that need more than one request or another catalogue: ids on every
//! route, the bound of lines, a product that has left the catalogue, what 503 says.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::harness::{App, free_port};
use crate::process::Folder;

#[tokio::test]
async fn every_route_refuses_ids_that_are_none_and_takes_the_largest() {
    let app = App::all(&[(1, 10)], &[]).await;
    let ids = [
        "0",
        "-1",
        "9223372036854775808",
        "-9223372036854775809",
        "1.5",
        "1e3",
        "x",
        "%20",
        "%00",
        "0x1",
    ];
    for id in ids {
        let routes = [
            (Method::POST, format!("/user/{id}/cart/1")),
            (Method::POST, format!("/user/1/cart/{id}")),
            (Method::DELETE, format!("/user/{id}/cart/1")),
            (Method::DELETE, format!("/user/1/cart/{id}")),
            (Method::DELETE, format!("/user/{id}/cart")),
            (Method::GET, format!("/user/{id}/cart")),
            (Method::POST, format!("/checkout/{id}")),
        ];
        for (method, path) in routes {
            let url = format!("{}{path}", app.cart);
            let (status, problem) = app.call(method.clone(), &url, Some(r#"{"count":1}"#)).await;
            assert_eq!(
                (status.as_u16(), &problem["status"]),
                (400, &json!(400)),
                "{method} {path}: {problem}"
            );
        }
    }
    assert_eq!(
        (app.add(i64::MAX, 1, 1).await, app.content(i64::MAX).await),
        (201, vec![(1, 1)])
    );
    assert_eq!(app.add(1, i64::MAX, 1).await, 412);
    assert_eq!(app.checkout(i64::MAX).await.0, 200);
    let (_, order) = app.order(1).await;
    assert_eq!(order["userId"], i64::MAX.to_string());
    app.stop().await;
}

#[tokio::test]
async fn a_cart_takes_500_lines_and_all_of_them_become_one_order() {
    let folder = Folder::new();
    let catalogue = folder.catalogue("catalogue.json", 1..=501);
    let stock: Vec<(i64, u32)> = (1..=501).map(|sku| (sku, 10)).collect();
    let app = App::all(&stock, &[("products.catalogue_file", &catalogue)]).await;
    for sku in (1..=500).rev() {
        assert_eq!(app.add(1, sku, 2).await, 201);
    }
    let url = format!("{}/user/1/cart/501", app.cart);
    let (status, problem) = app.call(Method::POST, &url, Some(r#"{"count":1}"#)).await;
    assert_eq!(status, 400);
    assert!(problem["detail"].as_str().unwrap().contains("500"), "{problem}");
    assert_eq!(app.add(1, 500, 1).await, 200, "a line that is there takes more");
    let (_, cart) = app.call(Method::GET, &format!("{}/user/1/cart", app.cart), None).await;
    let skus: Vec<_> = cart["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["sku"].as_i64().unwrap())
        .collect();
    assert_eq!((skus, &cart["total_price"]), ((1..=500).collect(), &json!(1001)));
    assert_eq!(app.checkout(1).await, (200, json!({ "order_id": 1 })));
    assert_eq!(app.order(1).await.1["items"].as_array().unwrap().len(), 500);
    assert_eq!((app.free(500).await, app.free(501).await), (7, 10));
    app.stop().await;
}

#[tokio::test]
async fn a_product_that_has_left_the_catalogue_is_named() {
    let folder = Folder::new();
    let (before, after) = (
        folder.catalogue("before.json", 1..=3),
        folder.catalogue("after.json", 1..=2),
    );
    let port = [("products.http", free_port())];
    let products = App::start("products", &[], &[("products.catalogue_file", &before)], &port).await;
    let loms = App::start("loms", &[(2, 10), (3, 10)], &[], &[]).await;
    let settings = [
        ("cart.products.url", products.products.as_str()),
        ("cart.products.warm_up", "false"),
        ("cart.products.cache_ttl_seconds", "1"),
        ("cart.loms.url", &loms.grpc),
    ];
    let cart = App::start("cart", &[], &settings, &[]).await;
    assert_eq!((cart.add(1, 2, 1).await, cart.add(1, 3, 1).await), (201, 201));
    products.stop().await;
    let products = App::start("products", &[], &[("products.catalogue_file", &after)], &port).await;
    let url = format!("{}/user/1/cart", cart.cart);
    let gone = async || cart.call(Method::GET, &url, None).await;
    cart.until(async || gone().await.0 == 412).await;
    let (_, problem) = gone().await;
    assert!(problem["detail"].as_str().unwrap().contains("sku 3"), "{problem}");
    assert_eq!(cart.add(1, 3, 1).await, 412);
    let (status, _) = cart.call(Method::DELETE, &format!("{url}/3"), None).await;
    assert_eq!((status.as_u16(), cart.content(1).await), (204, vec![(2, 1)]));
    for app in [cart, loms, products] {
        app.stop().await;
    }
}

#[tokio::test]
async fn a_bound_that_is_reached_is_503_with_when_to_come_again() {
    let app = App::all(&[(1, 10)], &[("cart.max_carts", "1"), ("loms.orders_max", "1")]).await;
    assert_eq!(app.add(1, 1, 1).await, 201);
    let refused = async |url: String, body: &'static str| {
        let request = Client::new().post(url).header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        let retry_after = answer
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        assert!(retry_after.is_none_or(|seconds| seconds.parse::<u32>().unwrap() > 0) || status != 503);
        (status, answer.json::<Value>().await.unwrap())
    };
    let (status, problem) = refused(format!("{}/user/2/cart/1", app.cart), r#"{"count":1}"#).await;
    assert_eq!((status, &problem["title"]), (503, &json!("Service Unavailable")));
    let order = r#"{"userId":1,"items":[{"sku":1,"count":1}]}"#;
    assert_eq!(refused(format!("{}/order/create", app.gateway), order).await.0, 200);
    let (status, answer) = refused(format!("{}/order/create", app.gateway), order).await;
    assert_eq!((status, &answer["code"]), (503, &json!(14)));
    assert_eq!(refused(format!("{}/checkout/1", app.cart), "").await.0, 503);
    assert_eq!((app.content(1).await, app.free(1).await), (vec![(1, 1)], 9));
    app.stop().await;
}
