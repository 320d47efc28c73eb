//! Bounds that are reached: the caller hears at once that nothing was done, which is true.

use adapters::grpc::proto::OrderCreateRequest;
use futures::future::join_all;
use reqwest::Method;
use tonic::Code;

use crate::audit::{agree, loms, order_of, told};
use crate::harness::App;

const STOCK: &[(i64, u32)] = &[(1, 1_000_000)];
/// Callers at the same time, and rounds until at least one of them was refused.
const CALLERS: i64 = 200;
const ROUNDS: usize = 20;

/// What became of many orders at the same time.
#[derive(Default)]
struct Outcome {
    made: usize,
    refused: usize,
}

/// Orders of many callers at once, until some were refused for want of a place.
async fn crowd(app: &App) -> Outcome {
    let client = loms(app).await;
    let mut outcome = Outcome::default();
    for _ in 0..ROUNDS {
        let calls = (1..=CALLERS).map(|user| {
            let mut client = client.clone();
            async move { client.order_create(OrderCreateRequest { ..order_of(user, 1, 1) }).await }
        });
        for answer in join_all(calls).await {
            match answer {
                Ok(_) => outcome.made += 1,
                Err(status) => {
                    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                    outcome.refused += 1;
                }
            }
        }
        if outcome.refused > 0 {
            return outcome;
        }
    }
    panic!("{} orders, and none was refused", outcome.made);
}

async fn bounded(settings: &[(&str, &str)]) {
    let app = App::all(STOCK, settings).await;
    let outcome = crowd(&app).await;
    assert!(outcome.made > 0, "all {} were refused", outcome.refused);
    let orders = agree(&app, STOCK).await;
    assert_eq!(orders.len(), outcome.made, "{} were refused", outcome.refused);
    // There is place again, as soon as events have left.
    assert_eq!(app.add(7, 1, 1).await, 201);
    app.until(async || app.checkout(7).await.0 == 200).await;
    let orders = agree(&app, STOCK).await;
    told(&app.stop().await, &orders);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_at_once_and_loses_nothing() {
    bounded(&[("loms.queue_max", "1"), ("loms.batch_max", "1")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_outbox_refuses_and_every_order_is_still_told() {
    bounded(&[
        ("loms.outbox_max", "8"),
        ("loms.batch_max", "4"),
        ("notifier.stream_max", "4"),
    ])
    .await;
}

/// Checkouts while LOMS takes no order: 503, and the carts are as they were.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_that_finds_no_place_leaves_the_cart() {
    let app = App::all(&[(1, 1_000_000)], &[("loms.orders_max", "5")]).await;
    for user in 1..=7 {
        assert_eq!(app.add(user, 1, 2).await, 201);
    }
    let answers = join_all((1..=7).map(|user| app.checkout(user))).await;
    // Orders that do not fit together are refused together; one by one there is place for all five.
    let mut late = Vec::new();
    for (user, (status, _)) in (1..).zip(&answers) {
        if *status != 200 {
            late.push((user, app.content(user).await, *status, app.checkout(user).await.0));
        }
    }
    let refused: Vec<_> = late.iter().filter(|(_, _, _, again)| *again != 200).collect();
    assert_eq!(refused.len(), 2, "{late:?}");
    for (user, cart, first, again) in late {
        assert_eq!((cart, first), (vec![(1, 2)], 503), "user {user}");
        let emptied = app.content(user).await.is_empty();
        assert_eq!(again, if emptied { 200 } else { 503 }, "user {user}");
    }
    assert_eq!(agree(&app, STOCK).await.len(), 5);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn carts_over_the_bound_are_refused_until_there_is_place() {
    let app = App::all(STOCK, &[("cart.max_carts", "3")]).await;
    let adds = join_all((1..=10).map(|user| app.add(user, 1, 1))).await;
    let took = adds.iter().filter(|status| **status == 201).count();
    let refused = adds.iter().filter(|status| **status == 503).count();
    assert_eq!((took, refused), (3, 7), "{adds:?}");
    let held = 1 + i64::try_from(adds.iter().position(|status| *status == 201).unwrap()).unwrap();
    let late = 1 + i64::try_from(adds.iter().position(|status| *status == 503).unwrap()).unwrap();
    assert_eq!(app.add(held, 1, 1).await, 200, "a cart that is held takes more");
    let url = format!("{}/user/{held}/cart", app.cart);
    assert_eq!(app.call(Method::DELETE, &url, None).await.0, 204);
    assert_eq!((app.add(late, 1, 1).await, app.add(held, 1, 1).await), (201, 503));
    app.stop().await;
}
