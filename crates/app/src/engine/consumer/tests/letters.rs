//! Dead letters that cannot be put: the partition waits, and nothing of it is skipped.

use super::*;

/// A place for dead letters that fails, as one does that is silent until its time is over.
#[derive(Debug, Clone)]
struct Away {
    failures: Arc<Mutex<u32>>,
    put: Arc<Mutex<Vec<Position>>>,
}

impl DeadLetters for Away {
    async fn put(&self, delivery: &Delivery, _: &str) -> Result<(), Cause> {
        let mut failures = self.failures.lock();
        if *failures > 0 {
            *failures -= 1;
            return Err(planted());
        }
        self.put.lock().push(delivery.position);
        Ok(())
    }
}

#[tokio::test]
async fn while_dead_letters_cannot_be_put_their_partition_waits_and_the_other_goes_on() {
    let (tell, asked, source) = Scripted::new();
    let place = Place::default();
    let letters = Away {
        failures: Arc::new(Mutex::new(u32::MAX)),
        put: Arc::default(),
    };
    let sink = place.clone();
    let buried = letters.clone();
    let Consumer {
        source,
        stream,
        limits,
        log,
        ..
    } = consumer(source, &place, &Arc::new(MemoryDeadLetters::new(1)));
    let consumer = Consumer {
        source,
        handler: move || HandleEvent::new(sink.clone(), buried.clone(), 100),
        stream,
        limits,
        log,
    };
    let stop = CancellationToken::new();
    let task = tokio::spawn(consumer.run(stop.clone()));
    let mut poison = delivery(0, 0, 1);
    poison.content = Err(Unreadable("planted".to_owned()));
    let arrival = vec![poison, delivery(0, 1, 2), delivery(1, 0, 3)];
    tell.send(Arrival::Deliveries(arrival)).unwrap();
    let at = |partition, offset| Position { partition, offset };
    until(|| *letters.failures.lock() < u32::MAX - 5 && asked.lock().contains(&Asked::Commit(at(1, 0)))).await;
    assert_eq!(*place.got.lock(), [(3, OrderStatus::New)], "nothing overtakes it");
    assert_eq!(*asked.lock(), [Asked::Commit(at(1, 0))]);
    *letters.failures.lock() = 0;
    until(|| asked.lock().contains(&Asked::Commit(at(0, 1)))).await;
    assert_eq!(*letters.put.lock(), [at(0, 0)], "once");
    assert_eq!(place.got.lock().len(), 2);
    stop.cancel();
    task.await.unwrap();
}
