//! Checkouts of one user race with each other and with adds: one order, and nothing lost.

use std::collections::HashSet;

use futures::future::{join, join_all};
use reqwest::Client;
use serde_json::Value;

use crate::audit::{agree, told, units};
use crate::harness::App;

const STOCK: &[(i64, u32)] = &[(1, 1_000_000)];
/// Users who play their rounds at the same time.
const USERS: i64 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_rounds_of_eight_checkouts_make_one_order_each() {
    const ROUNDS: usize = 125;
    let app = App::all(STOCK, &[]).await;
    let rounds = (1..=USERS).map(|user| {
        let app = &app;
        async move {
            let mut orders = HashSet::new();
            for round in 0..ROUNDS {
                assert_eq!(app.add(user, 1, 1).await, 201, "the cart was emptied");
                let answers = join_all((0..8).map(|_| app.checkout(user))).await;
                let won: HashSet<i64> = answers
                    .iter()
                    .filter(|(status, _)| *status == 200)
                    .map(|(_, body)| body["order_id"].as_i64().unwrap())
                    .collect();
                // One that comes when all is over finds an empty cart.
                assert!(answers.iter().all(|(status, _)| matches!(status, 200 | 404)));
                assert_eq!(won.len(), 1, "user {user}, round {round}: {answers:?}");
                orders.extend(won);
            }
            assert_eq!(orders.len(), ROUNDS, "an order a round");
        }
    });
    join_all(rounds).await;
    let orders = agree(&app, STOCK).await;
    assert_eq!(orders.len(), ROUNDS * usize::try_from(USERS).unwrap());
    told(&app.stop().await, &orders);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_add_during_a_checkout_is_in_the_order_or_stays() {
    const ROUNDS: i64 = 50;
    let app = App::all(STOCK, &[]).await;
    let rounds = (1..=USERS).map(|user| {
        let app = &app;
        async move {
            let (mut added, mut stayed) = (0, 0);
            for _ in 0..ROUNDS {
                assert!(matches!(app.add(user, 1, 1).await, 200 | 201));
                let adds = join_all((0..3).map(|_| app.add(user, 1, 1)));
                let ((status, body), adds) = join(app.checkout(user), adds).await;
                assert_eq!(status, 200, "{body}");
                assert!(adds.iter().all(|status| matches!(status, 200 | 201)), "{adds:?}");
                added += 4;
                stayed += i64::from(!app.content(user).await.is_empty());
            }
            (user, added, stayed)
        }
    });
    let played = join_all(rounds).await;
    let orders = agree(&app, STOCK).await;
    for (user, added, _) in &played {
        let ordered = units(orders.values().filter(|order| order.user_id == *user))[&1];
        let in_cart: i64 = app.content(*user).await.iter().map(|(_, count)| count).sum();
        assert_eq!(ordered + in_cart, *added, "user {user}");
    }
    let stayed: i64 = played.iter().map(|(_, _, stayed)| stayed).sum();
    assert!(stayed > 0, "no add came after the lines were frozen");
    app.stop().await;
}

/// The cart is filled again and again meanwhile: only the key tells that it is the same checkout.
#[tokio::test(flavor = "multi_thread")]
async fn equal_checkouts_under_one_key_make_one_order() {
    let app = App::all(STOCK, &[]).await;
    let http = Client::new();
    assert_eq!(app.add(1, 1, 5).await, 201);
    let checkouts = join_all((0..64).map(|_| async {
        let request = http.post(format!("{}/checkout/1", app.cart));
        let answer = request.header("idempotency-key", "one").send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert_eq!((status.as_u16(), &body["order_id"]), (200, &1.into()), "{body}");
    }));
    let adds = join_all((0..20).map(|_| app.add(1, 1, 1)));
    let (_, adds) = join(checkouts, adds).await;
    assert!(adds.iter().all(|status| matches!(status, 200 | 201)), "{adds:?}");
    let orders = agree(&app, STOCK).await;
    let in_cart: i64 = app.content(1).await.iter().map(|(_, count)| count).sum();
    assert_eq!((orders.len(), units(orders.values())[&1] + in_cart), (1, 25));
    app.stop().await;
}
