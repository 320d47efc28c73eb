//! Products, LOMS and cart as three processes behave like the one; trouble between them reaches
//! the shopper as the contract says.

use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::harness::{App, free_port};

const STOCK: &[(i64, u32)] = &[(1, 10), (2, 10)];

async fn cart_of(products: &str, loms: &str, settings: &[(&str, &str)]) -> App {
    let mut all = vec![("cart.products.url", products), ("cart.loms.url", loms)];
    all.extend_from_slice(settings);
    App::start("cart", &[], &all, &[]).await
}

/// The same story; what it tells.
async fn story(cart: &App, loms: &App) -> Vec<String> {
    let mut told = vec![
        format!("{}", cart.add(1, 1, 2).await),
        format!("{}", cart.add(1, 1, 2).await),
        format!("{}", cart.add(1, 2, 11).await),
        format!("{}", cart.add(1, 99, 1).await),
        format!("{:?}", cart.content(1).await),
        format!("{:?}", cart.checkout(1).await),
        format!("{:?}", cart.checkout(1).await.0),
    ];
    told.push(format!("{:?}", cart.add(2, 1, 6).await));
    let taken = loms
        .call(
            Method::POST,
            &format!("{}/order/create", loms.gateway),
            Some(r#"{"userId":9,"items":[{"sku":1,"count":1}]}"#),
        )
        .await;
    told.push(format!("{taken:?}"));
    told.push(format!("{:?} {:?}", cart.checkout(2).await, cart.content(2).await));
    for call in ["pay", "pay", "cancel"] {
        let url = format!("{}/order/{call}", loms.gateway);
        told.push(format!(
            "{:?}",
            loms.call(Method::POST, &url, Some(r#"{"orderId":1}"#)).await
        ));
    }
    told.push(format!("{:?} {:?}", loms.order(1).await, loms.free(1).await));
    told
}

#[tokio::test]
async fn three_processes_behave_like_one() {
    let one = App::all(STOCK, &[]).await;
    let told_by_one = story(&one, &one).await;
    one.stop().await;
    let (products, loms) = (
        App::start("products", &[], &[], &[]).await,
        App::start("loms", STOCK, &[], &[]).await,
    );
    let cart = cart_of(&products.products, &loms.grpc, &[]).await;
    assert_eq!(story(&cart, &loms).await, told_by_one);
    for app in [cart, loms, products] {
        app.stop().await;
    }
}

#[tokio::test]
async fn without_loms_nothing_is_done_and_it_goes_on_when_it_is_back() {
    let products = App::start("products", &[], &[], &[]).await;
    let port = free_port();
    let loms = App::start("loms", STOCK, &[], &[("loms.grpc", port)]).await;
    let cart = cart_of(&products.products, &loms.grpc, &[("cart.loms.timeout_ms", "1000")]).await;
    assert_eq!(cart.add(1, 1, 2).await, 201);
    loms.stop().await;
    assert_eq!((cart.checkout(1).await.0, cart.add(1, 1, 1).await), (503, 503));
    let ready = cart.call(Method::GET, &format!("{}/readyz", cart.cart), None).await;
    assert_eq!((ready.0.as_u16(), &ready.1["degraded"]), (200, &json!(["loms"])));
    let loms = App::start("loms", STOCK, &[], &[("loms.grpc", port)]).await;
    cart.until(async || cart.checkout(1).await.0 == 200).await;
    assert_eq!((loms.free(1).await, cart.content(1).await), (8, vec![]));
    for app in [cart, loms, products] {
        app.stop().await;
    }
}

/// Passes bytes on; from the moment that `swallow` is set, answers do not come back.
async fn proxy(to: String, swallow: std::sync::Arc<std::sync::atomic::AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let to = to.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(&to).await else {
                continue;
            };
            let (mut from_near, mut to_near) = near.into_split();
            let (mut from_far, mut to_far) = far.into_split();
            let swallow = std::sync::Arc::clone(&swallow);
            tokio::spawn(async move {
                let _ = tokio::io::copy(&mut from_near, &mut to_far).await;
            });
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = from_far.read(&mut bytes).await {
                    if !swallow.load(std::sync::atomic::Ordering::SeqCst)
                        && to_near.write_all(&bytes[..read]).await.is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_resolved_to_the_one_order() {
    use std::sync::atomic::Ordering;
    let (products, loms) = (
        App::start("products", &[], &[], &[]).await,
        App::start("loms", STOCK, &[], &[]).await,
    );
    let swallow = std::sync::Arc::<std::sync::atomic::AtomicBool>::default();
    let link = proxy(loms.grpc.clone(), std::sync::Arc::clone(&swallow)).await;
    let slow = [
        ("cart.loms.timeout_ms", "300"),
        ("cart.checkout.resolve_interval_ms", "600000"),
    ];
    let cart = cart_of(&products.products, &link, &slow).await;
    assert_eq!(cart.add(1, 1, 3).await, 201);
    swallow.store(true, Ordering::SeqCst);
    assert_eq!(cart.checkout(1).await.0, 504);
    // Emptied meanwhile: the repeat still resolves exactly the frozen lines.
    assert_eq!(
        cart.call(Method::DELETE, &format!("{}/user/1/cart", cart.cart), None)
            .await
            .0,
        204
    );
    swallow.store(false, Ordering::SeqCst);
    cart.until(async || cart.checkout(1).await.0 == 200).await;
    assert_eq!(
        (loms.free(1).await, loms.order(1).await.0, loms.order(2).await.0),
        (7, 200, 404)
    );
    for app in [cart, loms, products] {
        app.stop().await;
    }
}

#[tokio::test]
async fn slow_products_are_503_within_the_deadline() {
    let faults = [("products.misbehave.delay_ms", "5000")];
    let (products, loms) = (
        App::start("products", &[], &faults, &[]).await,
        App::start("loms", STOCK, &[], &[]).await,
    );
    let settings = [("cart.request_timeout_ms", "700"), ("cart.products.warm_up", "false")];
    let cart = cart_of(&products.products, &loms.grpc, &settings).await;
    let answer = Client::builder().timeout(Duration::from_secs(4)).build().unwrap();
    let answer = answer
        .post(format!("{}/user/1/cart/1", cart.cart))
        .header("content-type", "application/json");
    let answer = answer
        .body(r#"{"count":1}"#)
        .send()
        .await
        .expect("well before products answer");
    assert_eq!(
        (answer.status().as_u16(), answer.headers().contains_key("retry-after")),
        (503, true)
    );
    for app in [cart, loms] {
        app.stop().await;
    }
}
