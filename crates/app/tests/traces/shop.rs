//! A shop whose roles are processes of their own, on a database and on topics of the test's own. Every
//! request is sampled, and all spans go to one collector.

use adapters::kafka::testing::{Broker, Topics};
use adapters::postgres::testing::Database;
use reqwest::Client;

use crate::collector::Collector;
use crate::harness::{App, PATIENCE};
use crate::told::Told;

/// The secret of the webhook.
const SECRET: &str = "a secret of at least 16 bytes";
/// Who buys. Nowhere else in a test is this number.
pub(crate) const USER: i64 = 770_077;

/// The processes, and what they use.
pub(crate) struct Shop {
    pub(crate) collector: Collector,
    pub(crate) topics: Topics,
    pub(crate) cart: App,
    pub(crate) loms: App,
    products: App,
    notifier: App,
    password: String,
    /// It is gone with its handle.
    _database: Database,
}

/// Sends a request as part of a trace; the status.
pub(crate) async fn post(url: &str, body: &str, trace: u128) -> u16 {
    let client = Client::builder().timeout(PATIENCE).build().unwrap();
    let request = client
        .post(url)
        .header("traceparent", parent(trace))
        .header("tracestate", "vendor=1")
        .header("content-type", "application/json");
    request.body(body.to_owned()).send().await.unwrap().status().as_u16()
}

/// The `traceparent` of a caller, sampled.
pub(crate) fn parent(trace: u128) -> String {
    format!("00-{trace:032x}-00000000000000aa-01")
}

/// The id of a caller's span.
pub(crate) const CALLER: &str = "00000000000000aa";

impl Shop {
    /// With this stock. The webhook is there; the settings are those of products, LOMS and cart.
    pub(crate) async fn open(stock: &[(i64, u32)], hook: &str, settings: &[&[(&str, &str)]; 3]) -> Self {
        let database = Database::fresh().await;
        database.stock(stock).await;
        let topics = Topics::fresh(&Broker::shared(), &[]).await;
        let collector = Collector::start().await;
        let (database_url, password) = (database.url(), database.password().to_owned());
        let exporting = exporting(&collector);
        let kafka = [
            ("kafka.brokers", topics.settings.brokers[0].as_str()),
            ("kafka.topic", &topics.settings.topic),
            ("kafka.dead_letter_topic", &topics.settings.dead_letter_topic),
        ];
        let [of_products, of_loms, of_cart] = settings;
        let products = start("products", &[&exporting, of_products]).await;
        let on_database = [
            ("postgres.url", database_url.as_str()),
            // On a busy machine nothing here is about a bound.
            ("http.answer_timeout_ms", "300000"),
            ("postgres.connect_timeout_ms", "10000"),
            ("postgres.pool_timeout_ms", "10000"),
            ("postgres.lock_timeout_ms", "10000"),
            ("postgres.statement_timeout_ms", "20000"),
            ("postgres.commit_timeout_ms", "30000"),
            ("postgres.read_timeout_ms", "20000"),
            ("postgres.health_interval_ms", "2000"),
        ];
        let loms = start("loms", &[&exporting, &kafka, &on_database, of_loms]).await;
        let of_notifier = [
            ("notifier.group", topics.settings.topic.as_str()),
            ("notifier.sink", "webhook"),
            ("notifier.webhook.url", hook),
            ("notifier.webhook.secret", SECRET),
        ];
        let notifier = start("notifier", &[&exporting, &kafka, &of_notifier]).await;
        let links = [
            ("cart.products.url", products.products.as_str()),
            ("cart.loms.url", &loms.grpc),
            ("cart.products.warm_up", "false"),
            ("cart.request_timeout_ms", "25000"),
            ("cart.products.request_timeout_ms", "10000"),
            ("cart.loms.timeout_ms", "10000"),
        ];
        let cart = start("cart", &[&exporting, &links, of_cart]).await;
        Self {
            collector,
            topics,
            cart,
            loms,
            products,
            notifier,
            password,
            _database: database,
        }
    }

    /// Puts units into the cart of [`USER`], as part of a trace; the status.
    pub(crate) async fn add(&self, sku: i64, units: u32, trace: u128) -> u16 {
        let url = format!("{}/user/{USER}/cart/{sku}", self.cart.cart);
        post(&url, &format!(r#"{{"count":{units}}}"#), trace).await
    }

    /// Checks out the cart of [`USER`], as part of a trace; the status.
    pub(crate) async fn checkout(&self, trace: u128) -> u16 {
        post(&format!("{}/checkout/{USER}", self.cart.cart), "", trace).await
    }

    /// Waits until this many events of the trace were handled.
    pub(crate) async fn until_handled(&self, trace: u128, events: usize) {
        let trace = format!("{trace:032x}");
        let handled = |told: &[Told]| {
            let of_trace = told.iter().filter(|span| span.trace == trace);
            of_trace.filter(|span| span.kind == "CONSUMER").count() >= events
        };
        self.collector.until("the events are handled", handled).await;
    }

    /// Ends all in order, which sends the last spans. No span has anything that it must not have.
    pub(crate) async fn close(self) -> (Collector, Topics) {
        self.cart.stop().await;
        self.notifier.terminate();
        self.notifier.ended_telling(&["event sent to the dead letters"]).await;
        self.loms.stop().await;
        self.products.stop().await;
        for span in self.collector.told() {
            let user = USER.to_string();
            for secret in [&*user, &self.password, SECRET, "testToken", "a-secret-path", "Product "] {
                assert!(!span.whole.contains(secret), "{secret:?} is in {}", span.whole);
            }
        }
        (self.collector, self.topics)
    }
}

/// The settings of a process whose spans all go to a collector.
pub(crate) fn exporting(collector: &Collector) -> [(&'static str, &str); 3] {
    [
        ("trace.otlp_endpoint", &collector.url),
        ("trace.sample_ratio", "1.0"),
        ("trace.export_interval_ms", "20"),
    ]
}

async fn start(role: &str, settings: &[&[(&str, &str)]]) -> App {
    App::start(role, &[], &settings.concat(), &[]).await
}
