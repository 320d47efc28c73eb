//! The relay over a real broker: killed and restarted in mid-stream, and one that never answers at
//! the end of the process.

use std::sync::Arc;
use std::time::Duration;

use adapters::events::Message;
use adapters::kafka::client::KafkaClient;
use adapters::kafka::producer::KafkaPublisher;
use adapters::kafka::settings::KafkaSettings;
use adapters::kafka::testing::{Broker, Standing, Topics};
use app::clock::SystemClock;
use app::engine::relay::{Relay, RelayLimits};
use domain::notify::ports::Received;
use domain::order::ports::Outbox;
use domain::testing::ledger_contract::WholeLedger;
use tokio_util::sync::CancellationToken;

use super::{assert_complete, in_memory, in_postgres, relay, trade};

/// What a process has to end, by default.
const GRACE: Duration = Duration::from_secs(10);
/// For what is not measured here.
const PATIENCE: Duration = Duration::from_secs(120);

fn publisher(settings: &KafkaSettings) -> KafkaPublisher<SystemClock> {
    KafkaPublisher::new(Arc::new(KafkaClient::new(settings.clone())), SystemClock)
}

fn over<O>(outbox: O, settings: &KafkaSettings) -> Relay<O, KafkaPublisher<SystemClock>> {
    let mut relay = relay(outbox, publisher(settings));
    relay.limits = RelayLimits {
        batch_max: 100,
        poll_interval: Duration::from_millis(5),
        first_pause: Duration::from_millis(20),
        longest_pause: Duration::from_millis(200),
    };
    relay
}

fn received(standing: Standing) -> Received {
    let message = Message {
        key: standing.key.into_bytes().into(),
        value: standing.value.into_bytes().into(),
        event_id: standing.headers["event-id"].as_str().into(),
        trace: None,
    };
    message.decode().unwrap()
}

async fn drained(outbox: &impl Outbox) {
    let drained = async {
        while outbox.backlog().await.unwrap().events > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, drained).await.unwrap();
}

/// How many orders there were.
async fn trade_until(ledger: Arc<impl WholeLedger>, enough: CancellationToken) -> usize {
    let mut orders = 0;
    while !enough.is_cancelled() {
        trade(&*ledger, 20).await;
        orders += 20;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    orders
}

/// Orders go on while the broker is killed, is away, and is back: twice.
async fn killed_in_mid_stream(ledger: Arc<impl WholeLedger + 'static>) {
    let broker = Broker::own();
    let topics = Topics::fresh(&broker, &[]).await;
    let bounds = KafkaSettings::new(Vec::new());
    let settings = KafkaSettings {
        connect_timeout: bounds.connect_timeout,
        publish_timeout: bounds.publish_timeout,
        ..topics.settings.clone()
    };
    let stop = CancellationToken::new();
    let task = tokio::spawn(over(Arc::clone(&ledger), &settings).run(stop.clone()));
    let mut orders = 0;
    for _ in 0..2 {
        let enough = CancellationToken::new();
        let trading = tokio::spawn(trade_until(Arc::clone(&ledger), enough.clone()));
        tokio::time::sleep(Duration::from_millis(200)).await;
        broker.kill();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let waiting = ledger.backlog().await.unwrap().events;
        assert!(waiting > 0, "orders do not go on without the broker");
        broker.start();
        enough.cancel();
        orders += trading.await.unwrap();
        drained(&*ledger).await;
    }
    stop.cancel();
    tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
    let standing = topics.read(&topics.settings.topic).await;
    let arrived: Vec<Received> = standing.into_iter().map(received).collect();
    assert_complete(&arrived, orders);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_killed_broker_nothing_is_lost_in_memory() {
    killed_in_mid_stream(in_memory()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_killed_broker_nothing_is_lost_in_postgres() {
    killed_in_mid_stream(in_postgres().await).await;
}

/// A stream that is full is tried again at the end; a broker that does not answer is not: each try
/// would take a part of the time that the process has left.
#[tokio::test]
async fn a_broker_that_does_not_answer_leaves_the_process_time_to_end() {
    // Takes connections and never says a word, as a frozen broker does.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = KafkaSettings::new(vec![silent.local_addr().unwrap().to_string()]);
    let ledger = in_memory();
    trade(&ledger, 10).await;
    let stop = CancellationToken::new();
    let task = tokio::spawn(over(Arc::clone(&ledger), &settings).run(stop.clone()));
    tokio::time::sleep(Duration::from_millis(50)).await;
    stop.cancel();
    let ended = tokio::time::timeout(GRACE, task).await;
    ended.expect("the relay ends within the grace period").unwrap();
    assert_eq!(
        ledger.backlog().await.unwrap().events,
        30,
        "they wait for the next start"
    );
}
