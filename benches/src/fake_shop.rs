//! A shop small enough to be obviously right, over HTTP only, that can be told to be wrong: to lose
//! answers after the deed, to sell what it has not, to forget idempotency keys. The load program is
//! tested against it, as its whole commands.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

use crate::cli;

type Lines = BTreeMap<i64, u32>;

/// How the shop misbehaves.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    /// Every so many orders, checkouts and payments are done and then answered with 504.
    lose_every: Option<u64>,
    /// Sells without looking at the stock, which stays at zero.
    oversells: bool,
    /// A repeat makes another order.
    forgets_keys: bool,
}

#[derive(Debug, Default)]
struct Shop {
    faults: Faults,
    calls: u64,
    free: BTreeMap<i64, u32>,
    carts: HashMap<i64, Lines>,
    orders: Vec<(i64, Lines, &'static str)>,
    keys: HashMap<(i64, String), Option<usize>>,
}

type Shared = web::Data<Mutex<Shop>>;

impl Shop {
    fn loses_this(&mut self) -> bool {
        self.calls += 1;
        self.faults
            .lose_every
            .is_some_and(|every| self.calls.is_multiple_of(every))
    }

    /// The order, or none where it is refused.
    fn place(&mut self, user: i64, lines: &Lines, key: &str) -> Option<usize> {
        let key = (user, key.to_owned());
        if let Some(answer) = self.keys.get(&key).filter(|_| !self.faults.forgets_keys) {
            return *answer;
        }
        let free = |sku| self.free.get(sku).copied().unwrap_or(0);
        let enough = lines.iter().all(|(sku, count)| free(sku) >= *count);
        let placed = (enough || self.faults.oversells).then(|| {
            for (sku, count) in lines {
                let free = self.free.entry(*sku).or_default();
                *free = free.saturating_sub(*count);
            }
            self.orders.push((user, lines.clone(), "awaiting payment"));
            self.orders.len()
        });
        self.keys.insert(key, placed);
        placed
    }
}

fn key_of(request: &HttpRequest) -> String {
    let key = request.headers().get("idempotency-key");
    key.and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned()
}

fn refused() -> Value {
    json!({"code": 9, "message": "not enough stock", "details": []})
}

fn lost() -> HttpResponse {
    HttpResponse::GatewayTimeout().json(json!({"code": 4, "message": "outcome unknown", "details": []}))
}

async fn add(shop: Shared, path: web::Path<(i64, i64)>, body: web::Json<Value>) -> HttpResponse {
    let (user, sku) = path.into_inner();
    let count = u32::try_from(body["count"].as_u64().unwrap()).unwrap();
    *shop
        .lock()
        .unwrap()
        .carts
        .entry(user)
        .or_default()
        .entry(sku)
        .or_default() += count;
    HttpResponse::Created().json(json!({}))
}

async fn clear(shop: Shared, user: web::Path<i64>) -> HttpResponse {
    shop.lock().unwrap().carts.remove(&user);
    HttpResponse::NoContent().finish()
}

async fn checkout(shop: Shared, user: web::Path<i64>, request: HttpRequest) -> HttpResponse {
    let mut shop = shop.lock().unwrap();
    let cart = shop.carts.get(&user).cloned().unwrap_or_default();
    let placed = shop.place(*user, &cart, &key_of(&request));
    if placed.is_some() {
        shop.carts.remove(&user);
    }
    let lose = shop.loses_this();
    match placed {
        _ if lose => lost(),
        Some(id) => HttpResponse::Ok().json(json!({"order_id": id})),
        None => HttpResponse::build(StatusCode::PRECONDITION_FAILED).json(json!({"title": "not enough stock"})),
    }
}

async fn create(shop: Shared, body: web::Json<Value>, request: HttpRequest) -> HttpResponse {
    let text = |value: &Value| value.as_str().unwrap().parse::<i64>().unwrap();
    let items = body["items"].as_array().unwrap().iter();
    let line = |item: &Value| {
        (
            text(&item["sku"]),
            u32::try_from(item["count"].as_u64().unwrap()).unwrap(),
        )
    };
    let lines: Lines = items.map(line).collect();
    let mut shop = shop.lock().unwrap();
    let placed = shop.place(text(&body["userId"]), &lines, &key_of(&request));
    let lose = shop.loses_this();
    match placed {
        _ if lose => lost(),
        Some(id) => HttpResponse::Ok().json(json!({"orderId": id.to_string()})),
        None => HttpResponse::BadRequest().json(refused()),
    }
}

async fn settle(shop: Shared, what: web::Path<String>, body: web::Json<Value>) -> HttpResponse {
    let id: usize = body["orderId"].as_str().unwrap().parse().unwrap();
    let mut shop = shop.lock().unwrap();
    let (_, lines, before) = shop.orders[id - 1].clone();
    let to = if what.as_str() == "pay" { "payed" } else { "cancelled" };
    if before != to {
        if before != "awaiting payment" {
            return HttpResponse::BadRequest().json(refused());
        }
        shop.orders[id - 1].2 = to;
        for (sku, count) in lines.iter().filter(|_| to == "cancelled") {
            *shop.free.entry(*sku).or_default() += count;
        }
    }
    if shop.loses_this() {
        lost()
    } else {
        HttpResponse::Ok().json(json!({}))
    }
}

async fn info(shop: Shared, query: web::Query<HashMap<String, String>>) -> HttpResponse {
    let id: usize = query["orderId"].parse().unwrap();
    let (user, lines, status) = shop.lock().unwrap().orders[id - 1].clone();
    let item = |(sku, count): (&i64, &u32)| json!({"sku": sku.to_string(), "count": count});
    let items: Vec<Value> = lines.iter().map(item).collect();
    HttpResponse::Ok().json(json!({"status": status, "userId": user.to_string(), "items": items}))
}

async fn stock(shop: Shared, query: web::Query<HashMap<String, String>>) -> HttpResponse {
    let sku: i64 = query["sku"].parse().unwrap();
    match shop.lock().unwrap().free.get(&sku) {
        Some(count) => HttpResponse::Ok().json(json!({"count": count})),
        None => HttpResponse::NotFound().json(json!({"code": 5, "message": "unknown sku", "details": []})),
    }
}

/// Opens a shop with `units` of skus 1 to 20 and runs `load` with these arguments against it.
async fn load(faults: Faults, units: u32, args: &[&str]) -> (u8, Value) {
    let shop = Shop {
        faults,
        free: (1..=20).map(|sku| (sku, units)).collect(),
        ..Shop::default()
    };
    let shop = web::Data::new(Mutex::new(shop));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shop.clone())
            .route("/user/{user}/cart/{sku}", web::post().to(add))
            .route("/user/{user}/cart", web::delete().to(clear))
            .route("/checkout/{user}", web::post().to(checkout))
            .route("/order/create", web::post().to(create))
            .route("/order/info", web::get().to(info))
            .route("/order/{what}", web::post().to(settle))
            .route("/stock/info", web::get().to(stock))
    });
    let server = server.workers(1).bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    let server = server.disable_signals().run();
    let handle = server.handle();
    let serving = tokio::spawn(server);
    let json: Arc<str> = temporary("json").into();
    let mut all = vec!["load"];
    all.extend_from_slice(args);
    all.extend([
        "--cart-url",
        &url,
        "--gateway-url",
        &url,
        "--via-gateway",
        "--json",
        &json,
    ]);
    let code = cli::run_from(&all).await;
    handle.stop(false).await;
    serving.await.unwrap().unwrap();
    let report = serde_json::from_slice(&std::fs::read(&*json).unwrap()).unwrap();
    std::fs::remove_file(&*json).unwrap();
    (code, report)
}

fn temporary(name: &str) -> String {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("load-{}-{next}.{name}", std::process::id()));
    path.to_str().unwrap().to_owned()
}

const SKUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/skus.json");
const SPREAD: [&str; 7] = ["spread", "--skus", "20", "--users", "200", "--in-flight", "16"];

fn spread(more: &[&'static str]) -> Vec<&'static str> {
    SPREAD.iter().chain(more).copied().collect()
}

#[tokio::test]
async fn lost_answers_are_resolved_by_their_keys() {
    let faults = Faults {
        lose_every: Some(7),
        ..Faults::default()
    };
    let (code, report) = load(faults, 10_000, &spread(&["--sku-file", SKUS, "--then", "mix"])).await;
    assert_eq!(code, 0, "{report:#}");
    assert!(report["audit"]["resolved"].as_u64().unwrap() > 20, "{report:#}");
    assert_eq!(report["audit"]["unresolved"], 0);
    let orders = &report["audit"]["orders"];
    let sum: u64 = orders.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(sum, 200, "each wish made one order");
}

#[tokio::test]
async fn a_shop_that_forgets_keys_is_found_out() {
    let faults = Faults {
        lose_every: Some(5),
        forgets_keys: true,
        ..Faults::default()
    };
    let (code, report) = load(faults, 10_000, &spread(&["--sku-file", SKUS])).await;
    assert_eq!(code, 1, "{report:#}");
    assert!(!report["audit"]["differences"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_planted_fault_is_found() {
    let (code, report) = load(
        Faults::default(),
        10_000,
        &spread(&["--sku-file", SKUS, "--plant", "drop-line"]),
    )
    .await;
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(report["audit"]["differences"].as_array().unwrap().len(), 1);
    let (code, report) = load(Faults::default(), 10_000, &spread(&["--sku-file", SKUS])).await;
    assert_eq!(code, 0, "{report:#}");
}

#[tokio::test]
async fn a_hot_sku_sells_out_once() {
    let hot = ["hot", "--sku", "3", "--users", "500", "--in-flight", "32"];
    let (code, report) = load(Faults::default(), 100, &hot).await;
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(
        (&report["audit"]["units_sold"], &report["orders_refused"]),
        (&json!(100), &json!(400))
    );
    let oversells = Faults {
        oversells: true,
        ..Faults::default()
    };
    let (code, report) = load(oversells, 100, &hot).await;
    assert_eq!((code, &report["audit"]["oversold"]), (1, &json!(400)));
}

#[tokio::test]
async fn a_replay_through_carts_survives_lost_answers() {
    let baskets = temporary("jsonl");
    let basket = |at: i64| {
        format!(
            "{{\"user_id\":{},\"lines\":[{{\"sku\":{},\"count\":2}},{{\"sku\":20,\"count\":1}}]}}\n",
            at / 10,
            1 + at % 19
        )
    };
    std::fs::write(&baskets, (10..300).map(basket).collect::<String>()).unwrap();
    for extra in ["--in-flight=8", "--orders-only", "--rate=2000"] {
        let faults = Faults {
            lose_every: Some(9),
            ..Faults::default()
        };
        let (code, report) = load(faults, 10_000, &["replay", "--baskets", &baskets, extra]).await;
        assert_eq!(code, 0, "{report:#}");
        assert_eq!(report["audit"]["orders"], json!({"payed": 290}));
        assert_eq!(report["audit"]["units_sold"], 3 * 290);
        assert_eq!(report["events_expected"], 3 * 290);
    }
    std::fs::remove_file(baskets).unwrap();
}

#[tokio::test]
async fn a_shop_that_is_not_there_is_no_finding() {
    let nobody = [
        "load",
        "hot",
        "--sku",
        "1",
        "--via-gateway",
        "--gateway-url",
        "http://127.0.0.1:1",
    ];
    assert_eq!(cli::run_from(&nobody).await, 3);
    assert_eq!(cli::run_from(&["load", "replay", "--baskets", "/nowhere"]).await, 2);
}
