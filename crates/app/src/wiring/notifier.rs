//! Where the notifier's events go in this process: a line, or first a webhook and then a line.

use std::io;

use adapters::kafka::consumer::ConsumerSettings;
use adapters::kafka::settings::KafkaSettings;
use adapters::lines::{LineSink, TakesLines};
use adapters::webhook::{Webhook, WebhookError, WebhookSettings};
use domain::clock::Clock;
use domain::notify::ports::{EventSink, Position, Received, SinkError};

use crate::clock::SystemClock;
use crate::config::{NotifierSettings, SinkKind};
use crate::telemetry::Output;

/// Where events go. One a partition: what a flush makes safe is what was delivered to it.
#[derive(Debug)]
pub struct Sink {
    webhook: Option<Webhook>,
    lines: LineSink<Output>,
}

impl TakesLines for Output {
    fn take(&self, lines: &[u8]) -> (usize, io::Result<()>) {
        self.take_lines(lines)
    }
}

impl EventSink for Sink {
    async fn deliver(&self, position: Position, event: &Received) -> Result<(), SinkError> {
        if let Some(webhook) = &self.webhook {
            webhook.deliver(position, event).await?;
        }
        self.lines.deliver(position, event).await
    }

    async fn flush(&self) -> Result<(), SinkError> {
        self.lines.flush().await
    }
}

/// Makes a sink for each partition.
#[derive(Debug, Clone)]
pub struct Sinks {
    webhook: Option<Webhook>,
    output: Output,
}

impl Sinks {
    /// Those of the settings.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub fn new(settings: &NotifierSettings, output: Output) -> Result<Self, WebhookError> {
        let webhook = match settings.sink {
            SinkKind::Log => None,
            SinkKind::Webhook => Some(Webhook::new(&webhook(settings), || SystemClock.now())?),
        };
        Ok(Self { webhook, output })
    }

    /// One more.
    #[must_use]
    pub fn one(&self) -> Sink {
        Sink {
            webhook: self.webhook.clone(),
            lines: LineSink::new(self.output.clone(), || SystemClock.now().to_string()),
        }
    }
}

fn webhook(settings: &NotifierSettings) -> WebhookSettings {
    let given = &settings.webhook;
    WebhookSettings {
        url: given.url.clone(),
        secret: given.secret.expose().to_owned(),
        connect_timeout: given.connect_timeout(),
        request_timeout: given.request_timeout(),
    }
}

/// The settings of a member of the group, as its adapter wants them.
#[must_use]
pub fn member(
    settings: &NotifierSettings,
    kafka: KafkaSettings,
    leave_within: std::time::Duration,
) -> ConsumerSettings {
    ConsumerSettings {
        kafka,
        group: settings.group.clone(),
        session_timeout: settings.session_timeout(),
        commit_interval: settings.commit_interval(),
        held_max: settings.held_max,
        // A little more than what is in hand is given: the last positions have to get here.
        release_within: settings.release_within() * 2,
        leave_within,
    }
}
