//! Two hundred users at once: what leaves the process is counted where it arrives.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use adapters::products::client::HttpProducts;
use domain::cart::ports::{Products, ProductsError};
use futures::future::join_all;
use tokio::time::{sleep, timeout};

use super::server::{Arrival, Behaviour, FakeProducts};
use super::{cached, client, settings, sku};

const USERS: i64 = 200;
const DEADLINE: Duration = Duration::from_secs(4);

/// The most arrivals in any window of one second.
fn most_in_a_second(arrivals: &[Arrival]) -> usize {
    let second = Duration::from_secs(1);
    let from = |first: &Arrival| {
        let window = arrivals
            .iter()
            .filter(|arrival| arrival.at >= first.at && arrival.at - first.at <= second);
        window.count()
    };
    arrivals.iter().map(from).max().unwrap_or(0)
}

/// Every user asks for a product of his own, within his deadline: when each was done, and how.
async fn crowd<P: Products>(products: &P) -> Vec<(Duration, Option<Result<(), ProductsError>>)> {
    let began = Instant::now();
    join_all((1..=USERS).map(|user| async move {
        let answer = timeout(DEADLINE, products.product(sku(user))).await;
        (began.elapsed(), answer.ok().map(|answer| answer.map(|_| ())))
    }))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_leave_in_any_second_in_order_and_deadlines_hold() {
    let server = FakeProducts::start(Behaviour::Answers { products: USERS });
    let products = cached(&server.url, 1000);
    let ends = crowd(&products).await;
    // What left just before the deadline may still be on its way.
    sleep(Duration::from_millis(300)).await;
    let arrivals = server.arrivals();
    assert!(
        most_in_a_second(&arrivals) <= 10,
        "{} in a second",
        most_in_a_second(&arrivals)
    );
    let served = ends.iter().filter(|(_, answer)| matches!(answer, Some(Ok(())))).count();
    assert!((20..=36).contains(&served), "one each 115 ms for 4 s: {served}");
    assert!(
        ends.iter().all(|(_, answer)| !matches!(answer, Some(Err(_)))),
        "waiting is not failing"
    );
    let late = ends.iter().map(|(end, _)| *end).max().unwrap_or_default();
    assert!(
        late < DEADLINE + Duration::from_millis(400),
        "the last went after {late:?}"
    );
    // Two that leave in order may still arrive the other way round; who was served is certain.
    let asked: HashSet<String> = arrivals.iter().map(|arrival| arrival.path.clone()).collect();
    let first: HashSet<String> = (1..=arrivals.len()).map(|sku| format!("/product/{sku}")).collect();
    assert!(asked.len() <= 36, "none leaves after the deadline: {}", asked.len());
    assert_eq!(asked, first, "first come, first served");
    sleep(Duration::from_millis(500)).await;
    assert_eq!(server.arrivals().len(), arrivals.len(), "who gave up is not asked for");
    let began = Instant::now();
    assert!(products.product(sku(USERS)).await.unwrap().is_some());
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "nobody stands before the next"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_are_counted_too() {
    let server = FakeProducts::start(Behaviour::Status(429, Some("0")));
    let ends = crowd(&client(&settings(&server.url))).await;
    let arrivals = server.arrivals();
    assert!(
        most_in_a_second(&arrivals) <= 10,
        "{} in a second",
        most_in_a_second(&arrivals)
    );
    assert!(arrivals.len() >= 20, "turns are used: {}", arrivals.len());
    assert!(ends.iter().all(|(end, _)| *end < DEADLINE + Duration::from_millis(400)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_service_does_not_make_it_faster_or_later() {
    let server = FakeProducts::start(Behaviour::Slow(Duration::from_secs(5)));
    let mut impatient = settings(&server.url);
    impatient.request_timeout = Duration::from_millis(400);
    let ends = crowd(&client(&impatient)).await;
    let arrivals = server.arrivals();
    assert!(
        most_in_a_second(&arrivals) <= 10,
        "{} in a second",
        most_in_a_second(&arrivals)
    );
    let unavailable = ends
        .iter()
        .filter(|(_, answer)| matches!(answer, Some(Err(ProductsError::Unavailable(_)))));
    assert!(
        unavailable.count() >= 15,
        "the first ones hear of it before their deadline"
    );
    assert!(ends.iter().all(|(end, _)| *end < DEADLINE + Duration::from_millis(400)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_who_want_the_same_product_make_one_request() {
    let server = FakeProducts::start(Behaviour::Slow(Duration::from_millis(200)));
    let products = cached(&server.url, 1000);
    let answers = join_all((0..USERS).map(|_| {
        let products = products.clone();
        tokio::spawn(async move { products.product(sku(7)).await })
    }));
    for answer in answers.await {
        assert!(answer.unwrap().unwrap().is_some());
    }
    assert_eq!(server.arrivals().len(), 1);
}

#[tokio::test]
async fn a_full_queue_is_told_at_once() {
    let server = FakeProducts::start(Behaviour::Answers { products: USERS });
    let mut few = settings(&server.url);
    few.queue_max = 5;
    let products: HttpProducts = client(&few);
    let ends = crowd(&products).await;
    let refused = ends
        .iter()
        .filter(|(_, answer)| matches!(answer, Some(Err(ProductsError::Unavailable(_)))));
    let refused: Vec<_> = refused.map(|(end, _)| *end).collect();
    assert!(refused.len() >= 190, "{}", refused.len());
    assert!(refused.iter().all(|end| *end < Duration::from_millis(500)), "at once");
    assert_eq!(server.arrivals().len() + refused.len(), 200, "the others were served");
}
