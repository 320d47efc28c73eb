//! Counts and times requests to brokers, by topic.

use std::sync::OnceLock;

use metrics::{Counter, Label, SharedString, counter};

use super::errors::KafkaError;
use crate::metrics::{
    CANCELLED, CONNECTION, Calls, MESSAGES_SENT, MESSAGING_OPERATIONS, MESSAGING_SECONDS, NONE, REFUSED, Stopwatch,
    TIMEOUT, overdue,
};

/// The label that tells the topic.
pub(super) const DESTINATION: &str = "messaging_destination_name";
const ERRORS: [&str; 5] = [NONE, TIMEOUT, CANCELLED, CONNECTION, REFUSED];

/// One operation on one topic.
#[derive(Debug)]
pub(super) struct Requests {
    operation: &'static str,
    topic: SharedString,
    by_error: [OnceLock<Calls>; ERRORS.len()],
}

impl Requests {
    pub(super) fn new(operation: &'static str, topic: &str) -> Self {
        Self {
            operation,
            topic: SharedString::from(topic.to_owned()),
            by_error: [const { OnceLock::new() }; ERRORS.len()],
        }
    }

    /// Begins a request.
    pub(super) fn begin(&self) -> Running<'_> {
        Running {
            requests: self,
            watch: Stopwatch::start(),
            ended: false,
        }
    }

    /// Counts a request.
    pub(super) fn note(&self, error: &'static str, watch: &Stopwatch) {
        let at = ERRORS.iter().position(|known| *known == error).unwrap_or(0);
        let calls = self.by_error[at].get_or_init(|| {
            let labels = vec![
                Label::from_static_parts("messaging_operation_name", self.operation),
                Label::new(DESTINATION, self.topic.clone()),
                Label::from_static_parts("error_type", ERRORS[at]),
            ];
            Calls::new(&MESSAGING_OPERATIONS, &MESSAGING_SECONDS, labels)
        });
        calls.note(watch.elapsed());
    }
}

/// A request in flight. Dropped before its end it took too long, or nobody waited any more.
pub(super) struct Running<'a> {
    requests: &'a Requests,
    watch: Stopwatch,
    ended: bool,
}

impl Running<'_> {
    pub(super) fn end(mut self, error: Option<&KafkaError>) {
        self.ended = true;
        self.requests
            .note(error.map_or(NONE, KafkaError::error_type), &self.watch);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.requests
                .note(if overdue() { TIMEOUT } else { CANCELLED }, &self.watch);
        }
    }
}

/// What is sent to one topic.
pub(super) struct Sends {
    pub(super) requests: Requests,
    pub(super) records: Counter,
}

impl Sends {
    pub(super) fn to(topic: &str) -> Self {
        Self {
            requests: Requests::new("send", topic),
            records: counter!(MESSAGES_SENT.name, DESTINATION => topic.to_owned()),
        }
    }
}
