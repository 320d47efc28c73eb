//! A product service on a free port of the loopback address that does what it is told and remembers
//! what arrived.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use futures::stream::{self, StreamExt};

/// What it does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Knows the skus from 1 to `products`.
    Answers { products: i64 },
    /// Answers 420 so many times, then well.
    RefusesFirst(usize),
    /// Answers this status, with this `Retry-After`.
    Status(u16, Option<&'static str>),
    /// Answers 200 with this body.
    Body(&'static str),
    /// Answers 200 with a body that has no end.
    Endless,
    /// Answers 200 and closes the connection in the middle of the body.
    BreaksOff,
    /// Answers well after a while.
    Slow(Duration),
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    pub(crate) path: String,
    pub(crate) api_key: String,
    pub(crate) traceparent: String,
}

type Arrivals = Arc<Mutex<Vec<Arrival>>>;

/// The running service; it stops when this is dropped.
pub(crate) struct FakeProducts {
    pub(crate) url: String,
    arrivals: Arrivals,
    handle: ServerHandle,
}

impl FakeProducts {
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let arrivals = Arrivals::default();
        let state = web::Data::new((behaviour, Arc::clone(&arrivals)));
        let app = move || App::new().app_data(state.clone()).default_service(web::to(answer));
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .shutdown_timeout(0)
            .listen(listener);
        let server = server.unwrap().run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { url, arrivals, handle }
    }

    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.lock().unwrap().clone()
    }
}

impl Drop for FakeProducts {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn answer(request: HttpRequest, state: web::Data<(Behaviour, Arrivals)>) -> HttpResponse {
    let header = |name| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (at, path) = (Instant::now(), request.uri().to_string());
    let arrival = Arrival {
        at,
        path,
        api_key: header("x-api-key"),
        traceparent: header("traceparent"),
    };
    let number = {
        let mut arrivals = state.1.lock().unwrap();
        arrivals.push(arrival);
        arrivals.len()
    };
    match state.0.clone() {
        Behaviour::Answers { products } => well(&request, products),
        Behaviour::RefusesFirst(times) if number <= times => status(420, None),
        Behaviour::RefusesFirst(_) => well(&request, i64::MAX),
        Behaviour::Status(code, retry_after) => status(code, retry_after),
        Behaviour::Body(body) => HttpResponse::Ok().content_type("application/json").body(body),
        Behaviour::Endless => {
            let spaces = Bytes::from_static(&[b' '; 16 * 1024]);
            HttpResponse::Ok().streaming(stream::repeat(spaces).map(Ok::<_, std::io::Error>))
        }
        Behaviour::BreaksOff => {
            let begun = Ok(Bytes::from_static(b"{\"sku\":7,"));
            HttpResponse::Ok().streaming(stream::iter([begun, Err(std::io::Error::other("enough"))]))
        }
        Behaviour::Slow(delay) => {
            tokio::time::sleep(delay).await;
            well(&request, i64::MAX)
        }
    }
}

fn status(code: u16, retry_after: Option<&str>) -> HttpResponse {
    let mut answer = HttpResponse::build(StatusCode::from_u16(code).unwrap());
    if let Some(seconds) = retry_after {
        answer.insert_header(("retry-after", seconds));
    }
    if code == 302 {
        answer.insert_header((LOCATION, "/product/7"));
    }
    answer.finish()
}

/// The answer as the contract has it, from skus 1 to `products`.
fn well(request: &HttpRequest, products: i64) -> HttpResponse {
    let json = |sku: i64| format!("{{\"name\":\"Product {sku}\",\"price\":{},\"sku\":{sku}}}", 100 + sku);
    let answer = |body| HttpResponse::Ok().content_type("application/json").body(body);
    if let Some(sku) = request.path().strip_prefix("/product/") {
        let sku: i64 = sku.parse().unwrap();
        return if sku <= products {
            answer(json(sku))
        } else {
            HttpResponse::NotFound().finish()
        };
    }
    let asked = web::Query::<Vec<(String, i64)>>::from_query(request.query_string()).unwrap();
    let of = |name| asked.iter().find(|(asked, _)| asked == name).unwrap().1;
    let first = of("start_after_sku") + 1;
    let page: Vec<String> = (first..=products.min(of("start_after_sku") + of("count")))
        .map(json)
        .collect();
    answer(format!("[{}]", page.join(",")))
}

/// The URL of a service that closes every connection as soon as something arrives on it.
pub(crate) fn closing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        while let Ok((connection, _)) = listener.accept().await {
            let _ = connection.readable().await;
        }
    });
    url
}
