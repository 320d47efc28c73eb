//! What can go wrong with brokers, and who is to blame: the way to them, or what was sent.

use std::time::Duration;

use domain::error::{Cause, cause};
use rskafka::client::error::{Error, ProtocolError};

use crate::metrics::{CONNECTION, REFUSED, TIMEOUT};

/// Why a call of a broker has no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KafkaError {
    /// Nothing was sent.
    #[error("no broker can be reached")]
    Unreachable(#[source] Cause),
    /// What was sent may have been written.
    #[error("no answer from the brokers within {0:?}")]
    Silent(Duration),
    /// Nothing was written.
    #[error("there is no topic {0:?}; `app topics` creates it")]
    NoTopic(String),
    /// Nothing was written, and the same records never will be.
    #[error("refused by the broker: {0}")]
    Refused(String),
    /// What was sent may have been written.
    #[error("the broker failed")]
    Failed(#[source] Cause),
}

impl KafkaError {
    /// Of a call that named a topic.
    pub(super) fn of(error: Error, topic: &str) -> Self {
        match &error {
            Error::ServerError { protocol_error, .. } if is_refusal(*protocol_error) => {
                Self::Refused(protocol_error.to_string())
            }
            Error::ServerError {
                protocol_error: ProtocolError::UnknownTopicOrPartition,
                ..
            } => Self::NoTopic(topic.to_owned()),
            Error::Connection(_)
            | Error::Request(_)
            | Error::InvalidResponse(_)
            | Error::ServerError { .. }
            | Error::RetryFailed(_)
            | Error::Timeout
            // The library may add kinds; none of them proves anything.
            | _ => Self::Failed(cause(error)),
        }
    }

    /// What metrics and spans call it.
    #[must_use]
    pub const fn error_type(&self) -> &'static str {
        match self {
            Self::Silent(_) => TIMEOUT,
            Self::Unreachable(_) | Self::Failed(_) => CONNECTION,
            Self::NoTopic(_) | Self::Refused(_) => REFUSED,
        }
    }

    /// Whether the records are to blame, and not the way to the broker.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

/// Whether a broker will never take these records, whoever sends them and whenever. Everything
/// else is worth another try, if only because somebody may mend what is wrong with the cluster.
const fn is_refusal(error: ProtocolError) -> bool {
    matches!(
        error,
        ProtocolError::MessageTooLarge
            | ProtocolError::RecordListTooLarge
            | ProtocolError::InvalidRecord
            | ProtocolError::InvalidTimestamp
            | ProtocolError::UnsupportedForMessageFormat
    )
}
