//! Settings of Kafka, for LOMS and the notifier.

use super::describe::settings;
use super::values::Secret;

settings! {
    /// Kafka.
    KafkaConfig {
        /// Brokers that tell where the others are; empty: order events do not leave the process.
        brokers: String = String::new(), "empty, or HOST:PORT,HOST:PORT", (custom(broker_list));
        /// The topic of order events.
        topic: String = "loms.order-events".to_owned(), "1 to 249 letters, digits, dots, dashes, underscores", (custom(topic_name));
        /// The topic of events that could not be taken or handled.
        dead_letter_topic: String = "loms.order-events.dlq".to_owned(), "1 to 249 letters, digits, dots, dashes, underscores", (custom(topic_name));
        /// A PEM file of the certificates of the CAs that may have signed those of the brokers; with it connections are encrypted.
        tls_ca_file: String = String::new(), "empty, or a file that can be read", (skip);
        /// How the password is shown to the brokers; empty: there is none.
        sasl_mechanism: String = String::new(), "empty, PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", (custom(mechanism));
        /// Who we are to the brokers.
        sasl_user: String = String::new(), "empty, or any text", (skip);
        /// The password, where no file has it.
        sasl_password: Secret = Secret::new(""), "empty, or any text", (skip);
        /// A file that holds the password alone; one line end behind it does not count.
        sasl_password_file: String = String::new(), "empty, or a file that can be read", (skip);
        /// Time to connect to one broker and hear from it which topics there are.
        connect_timeout_ms: u64 = 1_000, "10 to 60000", (range(min = 10, max = 60_000)) => connect_timeout from_millis;
        /// Time for a round of the relay to be acknowledged; what was not is sent again, under the same event ids.
        publish_timeout_ms: u64 = 4_000, "100 to 600000", (range(min = 100, max = 600_000)) => publish_timeout from_millis;
        /// Copies of each partition that `app topics` asks for.
        replication_factor: i32 = 1, "1 to 100", (range(min = 1, max = 100));
        /// How long order events are kept by the topic that `app topics` creates.
        retention_hours: u64 = 168, "1 to 87600", (range(min = 1, max = 87_600)) => retention from_hours;
        /// How long dead letters are kept by the topic that `app topics` creates.
        dead_letter_retention_hours: u64 = 720, "1 to 87600", (range(min = 1, max = 87_600)) => dead_letter_retention from_hours;
    }
    groups {}
}

impl KafkaConfig {
    /// The brokers one by one.
    #[must_use]
    pub fn broker_list(&self) -> Vec<String> {
        let parts = self.brokers.split(',').map(str::trim);
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }
}

/// A rule of garde: addresses of brokers.
fn broker_list(text: &str, (): &()) -> garde::Result {
    let good = |part: &str| {
        let (host, port) = part.rsplit_once(':').unwrap_or_default();
        let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
        is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if text.is_empty() || text.split(',').map(str::trim).all(good) {
        Ok(())
    } else {
        Err(garde::Error::new("is no list of brokers"))
    }
}

/// A rule of garde: the name of a topic.
fn topic_name(name: &str, (): &()) -> garde::Result {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if (1..=249).contains(&name.len()) && name.bytes().all(legal) && !matches!(name, "." | "..") {
        Ok(())
    } else {
        Err(garde::Error::new("is no name of a topic"))
    }
}

/// A rule of garde: a mechanism that both of our clients know.
fn mechanism(name: &str, (): &()) -> garde::Result {
    match name {
        "" | "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" => Ok(()),
        _ => Err(garde::Error::new("is no mechanism")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_brokers() {
        for good in ["", "kafka:9092", "a:1, b:65535", "[::1]:9092", "127.0.0.1:9092"] {
            assert!(broker_list(good, &()).is_ok(), "{good}");
        }
        for bad in [
            "kafka",
            ":9092",
            "a:0",
            "a:65536",
            "a:1,,b:2",
            "a b:1",
            "http://a:1",
            "a:1,",
        ] {
            assert!(broker_list(bad, &()).is_err(), "{bad}");
        }
        let config = KafkaConfig {
            brokers: "a:1, b:2".to_owned(),
            ..KafkaConfig::default()
        };
        assert_eq!(config.broker_list(), ["a:1", "b:2"]);
        assert!(KafkaConfig::default().broker_list().is_empty());
    }

    #[test]
    fn names_of_topics() {
        assert!(topic_name("loms.order-events.dlq", &()).is_ok());
        for bad in ["", ".", "..", "a b", "ä", &"x".repeat(250)] {
            assert!(topic_name(bad, &()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_names_are_those_of_the_adapter() {
        for name in ["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
            assert!(mechanism(name, &()).is_ok(), "{name}");
        }
        assert!(mechanism("GSSAPI", &()).is_err());
    }
}
