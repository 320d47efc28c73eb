//! One partition takes nothing, and more waits for it than the relay reads in a round: the other one
//! goes on, it is told, and when the first one takes events again none is missing.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters::events::{Message, partition_of};
use adapters::memory::stream::{MemoryStream, PARTITIONS};
use domain::order::event::OrderEvent;
use domain::order::ports::{EventPublisher, Outbox, PublishError, Published};
use domain::testing::faults::planted;
use metrics_exporter_prometheus::PrometheusBuilder;
use slog::{Drain, Logger, OwnedKVList, Record, o};
use tokio_util::sync::CancellationToken;

use super::{LIMITS, arrived, assert_complete, in_memory, relay, trade};

const ORDERS: usize = 30;
const STUCK: u32 = 0;

fn is_for_the_stuck_one(event: &OrderEvent) -> bool {
    partition_of(&Message::encode(event).key, PARTITIONS) == STUCK
}

/// A stream of which one partition takes nothing until it is mended.
struct Half {
    stream: MemoryStream,
    is_mended: Arc<AtomicBool>,
}

impl EventPublisher for Half {
    async fn publish(&self, events: Vec<OrderEvent>) -> Published {
        if self.is_mended.load(Ordering::SeqCst) {
            return self.stream.publish(events).await;
        }
        let (stuck, others): (Vec<_>, Vec<_>) = events.into_iter().partition(is_for_the_stuck_one);
        let has_spare_lane = stuck.is_empty() || others.is_empty();
        Published {
            error: (!stuck.is_empty()).then(|| PublishError::Down(planted())),
            has_spare_lane,
            ..self.stream.publish(others).await
        }
    }
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl Drain for Kept {
    type Ok = ();
    type Err = Infallible;

    fn log(&self, record: &Record<'_>, _: &OwnedKVList) -> Result<(), Infallible> {
        self.0.lock().unwrap().push(record.msg().to_string());
        Ok(())
    }
}

async fn left(outbox: &impl Outbox, events: usize) {
    let left = async {
        while outbox.backlog().await.unwrap().events != events as u64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), left).await;
    in_time.unwrap_or_else(|_| panic!("there are never {events} events left"));
}

#[tokio::test]
async fn a_partition_that_takes_nothing_does_not_stop_the_other() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let ledger = in_memory();
    trade(&ledger, ORDERS).await;
    let all = ledger.unsent(usize::MAX).await.unwrap();
    let stuck = all.iter().filter(|event| is_for_the_stuck_one(event)).count();
    assert!(stuck > 2 * LIMITS.batch_max && stuck < all.len(), "{stuck} are stuck");
    let (stream, is_mended, kept) = (MemoryStream::new(1000), Arc::default(), Kept::default());
    let half = Half {
        stream: stream.clone(),
        is_mended: Arc::clone(&is_mended),
    };
    let mut relay = relay(Arc::clone(&ledger), half);
    relay.log = Logger::root(kept.clone(), o!());
    let stop = CancellationToken::new();
    let task = tokio::spawn(relay.run(stop.clone()));

    left(&*ledger, stuck).await;
    assert_eq!(stream.lag(), all.len() - stuck, "the other has all of its events");
    let text = metrics.render();
    let failed = text
        .lines()
        .find(|line| line.starts_with("loms_outbox_failed_rounds_total"));
    assert!(failed.is_some_and(|line| !line.ends_with(" 0")), "{failed:?}");
    let told = |what: &str| kept.0.lock().unwrap().iter().filter(|line| *line == what).count();
    assert_eq!(told("some events wait in the outbox while others go out"), 1);
    assert_eq!(told("events go out again"), 0);

    is_mended.store(true, Ordering::SeqCst);
    left(&*ledger, 0).await;
    stop.cancel();
    task.await.unwrap();
    assert_complete(&arrived(&stream).await, ORDERS);
    assert_eq!(told("events go out again"), 1);
}
