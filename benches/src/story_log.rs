//! Finds the notifier's lines in the standard output of the shop: JSON objects with `event_id`,
//! `order_id` and `status`, one an event. Other log lines and everything else are passed over.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::clock;
use crate::error::LoadError;

const POLL: Duration = Duration::from_millis(50);

/// A line of the notifier.
#[derive(Debug)]
pub(crate) struct Event {
    /// Whose status changed.
    pub(crate) order_id: i64,
    /// To what.
    pub(crate) status: String,
    /// When.
    pub(crate) moment: String,
}

#[derive(Deserialize)]
struct Line {
    order_id: i64,
    status: String,
    event_id: String,
    moment: String,
}

/// Waits until the file holds `expected` events or the time is over; gives back what is there.
pub(crate) async fn wait_for(path: &Path, expected: u64, patience: Duration) -> Result<Vec<Event>, LoadError> {
    let until = clock::now() + patience;
    loop {
        let text = std::fs::read_to_string(path).map_err(|source| LoadError::File {
            path: path.to_owned(),
            source,
        })?;
        let events = events(&text);
        if events.len() as u64 >= expected || clock::now() >= until {
            return Ok(events);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Each event once: a repeat has the same id.
fn events(text: &str) -> Vec<Event> {
    let mut seen = HashSet::new();
    let event = |line: &str| {
        let Line {
            order_id,
            status,
            event_id,
            moment,
        } = serde_json::from_str(line).ok()?;
        seen.insert(event_id).then_some(Event {
            order_id,
            status,
            moment,
        })
    };
    text.lines().filter_map(event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_notifiers_lines_count() {
        let event = "{\"msg\":\"order event\",\"order_id\":1,\"status\":\"new\",\
                     \"moment\":\"2026-01-02T03:04:05.678Z\",\"event_id\":\"7\"}";
        let text = "cart http://127.0.0.1:8080\n\
                    {\"level\":\"info\",\"order_id\":1,\"status\":\"new\"}\n\
                    {\"order_id\":1,\"status\":\"awa";
        let found = events(&format!("{event}\n{event}\n{text}"));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].order_id, found[0].status.as_str()), (1, "new"));
    }
}
