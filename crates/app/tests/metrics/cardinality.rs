//! However many URLs and methods a client makes up, the number of series stays.

use adapters::grpc::codec::StrictCodec;
use futures::StreamExt;
use reqwest::{Client, Method};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;

use super::harness::App;
use super::scrape::scrape;

/// Random, and the same in every run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn word(&mut self) -> String {
        format!("{:x}", self.throw())
    }

    /// A method and a path with its query, all of it made up in some part.
    fn request(&mut self) -> (Method, String) {
        let method = match self.throw() % 3 {
            0 => Method::from_bytes(format!("X{}", self.word()).as_bytes()).unwrap(),
            1 => Method::GET,
            _ => Method::DELETE,
        };
        let path = match self.throw() % 4 {
            0 => format!("/{}/{}", self.word(), self.word()),
            1 => format!("/user/{}/cart/{}", self.throw() >> 1, self.throw() >> 1),
            2 => format!("/order/{}?{}={}", self.word(), self.word(), self.word()),
            _ => format!("/order/info?orderId={}", self.throw()),
        };
        (method, path)
    }
}

async fn send(bases: &[String], client: &Client, dice: &mut Dice, requests: usize) {
    let requests: Vec<_> = (0..requests)
        .map(|at| {
            let (method, path) = dice.request();
            client.request(method, format!("{}{path}", bases[at % bases.len()]))
        })
        .collect();
    let answers = futures::stream::iter(requests).map(|request| async { request.send().await.unwrap().status() });
    let answered = answers
        .buffer_unordered(32)
        .filter(|status| std::future::ready(status.is_client_error()));
    assert!(answered.count().await > 0);
}

async fn call(channel: &Channel, dice: &mut Dice, calls: usize) {
    let paths: Vec<String> = (0..calls)
        .map(|_| format!("/{}.v1/{}", dice.word(), dice.word()))
        .collect();
    let answers = futures::stream::iter(paths).map(|path| {
        let mut client = tonic::client::Grpc::new(channel.clone());
        async move {
            client.ready().await.unwrap();
            let path = PathAndQuery::try_from(path).unwrap();
            let codec = StrictCodec::<(), ()>::default();
            client
                .unary(tonic::Request::new(()), path, codec)
                .await
                .unwrap_err()
                .code()
        }
    });
    let codes: Vec<_> = answers.buffer_unordered(32).collect().await;
    assert!(codes.iter().all(|code| *code == tonic::Code::Unimplemented));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_random_urls_and_methods_add_no_series() {
    let app = App::all(&[(1, 10)], &[]).await;
    let bases = [
        app.cart.clone(),
        app.gateway.clone(),
        app.products.clone(),
        app.notifier.clone(),
    ];
    let (client, mut dice) = (Client::new(), Dice(0x5eed));
    let channel = Channel::from_shared(app.grpc.clone()).unwrap().connect().await.unwrap();
    // Of each kind some, so that every series is there that may be.
    send(&bases, &client, &mut dice, 1_000).await;
    call(&channel, &mut dice, 10).await;
    scrape(&app.cart).await; // which has series of its own
    let before = scrape(&app.cart).await.series();
    send(&bases, &client, &mut dice, 10_000).await;
    call(&channel, &mut dice, 2_000).await;
    let seen = scrape(&app.cart).await;
    let after = seen.series();
    let new: Vec<&String> = after.difference(&before).collect();
    assert!(
        new.is_empty(),
        "{} series are new: {:?}",
        new.len(),
        &new[..new.len().min(10)]
    );
    let unmatched = seen.sum("http_server_requests_total", &[("http_route", "unmatched")]);
    let other = seen.sum("http_server_requests_total", &[("http_request_method", "_OTHER")]);
    assert!(unmatched > 4_000.0 && other > 3_000.0, "{unmatched} {other}");
    assert_eq!(seen.sum("rpc_server_calls_total", &[("rpc_method", "_OTHER")]), 2_010.0);
    assert_eq!(seen.sum("http_server_active_requests", &[]), 1.0, "the one that asks");
    app.stop().await;
}
