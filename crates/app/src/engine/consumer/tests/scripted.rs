//! A source that does what a test tells it to.

use std::sync::Arc;
use std::time::Duration;

use domain::error::Cause;
use domain::notify::ports::{Arrival, EventSource, Position};
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Delivers and revokes what a test tells it to, and keeps what it is asked.
pub(super) struct Scripted {
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    asked: Arc<Mutex<Vec<Asked>>>,
    closed: bool,
    /// What was on its way when it was closed, and what becomes available before it comes.
    pub(super) late: Option<(Arrival, Arc<Mutex<u32>>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    Commit(Position),
    Release(i32),
    Leave,
}

impl Scripted {
    pub(super) fn new() -> (mpsc::UnboundedSender<Arrival>, Arc<Mutex<Vec<Asked>>>, Self) {
        let (tell, arrivals) = mpsc::unbounded_channel();
        let asked = Arc::<Mutex<_>>::default();
        let source = Self {
            arrivals,
            asked: Arc::clone(&asked),
            closed: false,
            late: None,
        };
        (tell, asked, source)
    }
}

impl EventSource for Scripted {
    async fn next(&mut self, _: usize) -> Result<Arrival, Cause> {
        if self.closed && self.late.is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await; // until the task has given up
            let (arrival, unavailable) = self.late.take().unwrap();
            *unavailable.lock() = 0;
            return Ok(arrival);
        }
        if self.closed {
            return Ok(Arrival::Closed);
        }
        match self.arrivals.recv().await {
            Some(arrival) => Ok(arrival),
            None => std::future::pending().await,
        }
    }

    fn close(&mut self) {
        self.closed = true;
    }

    async fn commit(&mut self, handled: &[Position]) -> Result<(), Cause> {
        self.asked.lock().extend(handled.iter().copied().map(Asked::Commit));
        Ok(())
    }

    fn release(&mut self, partitions: &[i32]) {
        self.asked.lock().extend(partitions.iter().copied().map(Asked::Release));
    }

    async fn leave(self) -> Result<(), Cause> {
        self.asked.lock().push(Asked::Leave);
        Ok(())
    }
}
