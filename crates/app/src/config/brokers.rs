//! What the settings of Kafka come to: those of its adapter, or all that is wrong with them.

use adapters::kafka::settings::{Authority, KafkaSettings, Login, Mechanism, Security};

use super::files::{bytes, only_line};
use super::{KafkaConfig, Settings};

/// A setting and what is wrong with it.
type Wrong = (&'static str, String);

/// Why Kafka cannot be used as it is configured: each setting with what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(|(key, reason)| format!("{key} {reason}")).collect::<Vec<_>>().join("; "))]
pub struct BrokersError(pub Vec<(&'static str, String)>);

impl Settings {
    /// The settings of Kafka as its adapter wants them, with the files read; `None` where order
    /// events do not leave the process. To the brokers a client is called `client_id`.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn brokers(&self, client_id: &'static str) -> Result<Option<KafkaSettings>, BrokersError> {
        let given = &self.kafka;
        let mut wrong = Vec::new();
        if given.brokers.is_empty() {
            wrong.extend(without_brokers(given));
        } else {
            wrong.extend(times(self));
        }
        let authority = authority(given).map_err(|reason| wrong.push(reason)).ok().flatten();
        let login = login(given).map_err(|more| wrong.extend(more)).ok().flatten();
        if given.topic == given.dead_letter_topic {
            let reason = "is that of order events: a dead letter would be handled again".to_owned();
            wrong.push(("kafka.dead_letter_topic", reason));
        }
        if !wrong.is_empty() {
            return Err(BrokersError(wrong));
        }
        Ok((!given.brokers.is_empty()).then(|| KafkaSettings {
            brokers: given.broker_list(),
            client_id,
            topic: given.topic.clone(),
            dead_letter_topic: given.dead_letter_topic.clone(),
            security: Security { authority, login },
            connect_timeout: given.connect_timeout(),
            publish_timeout: given.publish_timeout(),
        }))
    }
}

/// Who says how to speak to brokers means to have some: without them events would stay in the process.
fn without_brokers(given: &KafkaConfig) -> Vec<Wrong> {
    [
        ("kafka.tls_ca_file", given.tls_ca_file.as_str()),
        ("kafka.sasl_mechanism", &given.sasl_mechanism),
        ("kafka.sasl_user", &given.sasl_user),
        ("kafka.sasl_password", given.sasl_password.expose()),
        ("kafka.sasl_password_file", &given.sasl_password_file),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(key, _)| (key, "is set, but kafka.brokers is empty".to_owned()))
    .collect()
}

fn authority(given: &KafkaConfig) -> Result<Option<Authority>, Wrong> {
    let told = |reason: String| ("kafka.tls_ca_file", reason);
    match given.tls_ca_file.as_str() {
        "" => Ok(None),
        path => {
            let pem = bytes(path).and_then(text).map_err(told)?;
            let authority = Authority::parse(&pem).map_err(|error| told(error.to_string()))?;
            Ok(Some(authority))
        }
    }
}

fn login(given: &KafkaConfig) -> Result<Option<Login>, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let mut say = |key: &'static str, reason: &str| wrong.push((key, reason.to_owned()));
    let (direct, file) = (given.sasl_password.expose(), given.sasl_password_file.as_str());
    if given.sasl_mechanism.is_empty() {
        for (key, value) in [
            ("kafka.sasl_user", given.sasl_user.as_str()),
            ("kafka.sasl_password", direct),
            ("kafka.sasl_password_file", file),
        ] {
            // Without brokers it was said already.
            if !value.is_empty() && !given.brokers.is_empty() {
                say(key, "is set, but kafka.sasl_mechanism is empty");
            }
        }
        return if wrong.is_empty() { Ok(None) } else { Err(wrong) };
    }
    if given.sasl_user.is_empty() {
        say("kafka.sasl_user", "is empty, but there is a kafka.sasl_mechanism");
    }
    let password = match (direct.is_empty(), file.is_empty()) {
        (false, true) => direct.to_owned(),
        (false, false) => {
            say("kafka.sasl_password_file", "is given, and kafka.sasl_password too");
            String::new()
        }
        (true, true) => {
            say("kafka.sasl_password", "is empty, but there is a kafka.sasl_mechanism");
            String::new()
        }
        (true, false) => bytes(file).and_then(only_line).and_then(text).unwrap_or_else(|reason| {
            say("kafka.sasl_password_file", &reason);
            String::new()
        }),
    };
    match given.sasl_mechanism.parse::<Mechanism>() {
        Ok(mechanism) if wrong.is_empty() => Ok(Some(Login {
            mechanism,
            user: given.sasl_user.clone(),
            password,
        })),
        Ok(_) => Err(wrong),
        Err(error) => {
            wrong.push(("kafka.sasl_mechanism", error.to_string()));
            Err(wrong)
        }
    }
}

/// The relay's last round must end before the process does, and a broker must be reached before that.
fn times(settings: &Settings) -> Vec<Wrong> {
    let given = &settings.kafka;
    let mut wrong = Vec::new();
    if given.connect_timeout() > given.publish_timeout() {
        let (connect, publish) = (given.connect_timeout_ms, given.publish_timeout_ms);
        let reason = format!("is {connect}, more than the {publish} of kafka.publish_timeout_ms");
        wrong.push(("kafka.connect_timeout_ms", reason));
    }
    if given.publish_timeout() >= settings.shutdown.grace() {
        let (publish, grace) = (given.publish_timeout_ms, settings.shutdown.grace_seconds);
        let reason = format!("is {publish}, not less than the {grace} s of shutdown.grace_seconds");
        wrong.push(("kafka.publish_timeout_ms", reason));
    }
    wrong
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| "is no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut Settings)) -> Result<Option<KafkaSettings>, BrokersError> {
        let mut settings = Settings::default();
        settings.kafka.brokers = "a:1,b:2".to_owned();
        change(&mut settings);
        settings.brokers("test")
    }

    fn wrong(change: impl FnOnce(&mut Settings)) -> Vec<&'static str> {
        let Err(error) = with(change) else {
            panic!("nothing is wrong")
        };
        error.0.into_iter().map(|(key, _)| key).collect()
    }

    struct File(std::path::PathBuf);

    impl File {
        fn with(name: &str, text: &str) -> Self {
            let path = std::env::temp_dir().join(format!("app-brokers-{}-{name}", std::process::id()));
            std::fs::write(&path, text).unwrap();
            Self(path)
        }

        fn path(&self) -> String {
            self.0.to_str().unwrap().to_owned()
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn without_brokers_there_is_no_kafka_and_nothing_may_be_said_about_it() {
        assert!(Settings::default().brokers("test").unwrap().is_none());
        let said = wrong(|settings| {
            settings.kafka.brokers = String::new();
            settings.kafka.sasl_user = "loms".to_owned();
        });
        assert_eq!(said, ["kafka.sasl_user"]);
    }

    #[test]
    fn names_and_passwords_from_a_setting_or_a_file() {
        assert!(with(|_| {}).unwrap().unwrap().security.login.is_none());
        let secret = File::with("password", "hunter2\r\n");
        let login = |change: fn(&mut KafkaConfig, String)| {
            let found = with(|settings| {
                settings.kafka.sasl_mechanism = "SCRAM-SHA-512".to_owned();
                settings.kafka.sasl_user = "loms".to_owned();
                change(&mut settings.kafka, secret.path());
            });
            found.map(|found| found.unwrap().security.login.unwrap())
        };
        for found in [
            login(|kafka, _| kafka.sasl_password = super::super::Secret::new("hunter2")),
            login(|kafka, path| kafka.sasl_password_file = path),
        ] {
            let found = found.unwrap();
            assert_eq!(
                (found.mechanism, &*found.user, &*found.password),
                (Mechanism::ScramSha512, "loms", "hunter2")
            );
            assert!(!format!("{found:?}").contains("hunter2"));
        }
        assert!(login(|_, _| {}).is_err());
        assert!(login(|kafka, _| kafka.sasl_password_file = "/nowhere".to_owned()).is_err());
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let not_pem = File::with("no-pem", "hello");
        let said = wrong(|settings| {
            let kafka = &mut settings.kafka;
            kafka.tls_ca_file = not_pem.path();
            kafka.sasl_user = "loms".to_owned();
            kafka.dead_letter_topic = kafka.topic.clone();
            kafka.connect_timeout_ms = 20_000;
            kafka.publish_timeout_ms = 10_000;
        });
        let expected = [
            "kafka.connect_timeout_ms",
            "kafka.publish_timeout_ms",
            "kafka.tls_ca_file",
            "kafka.sasl_user",
            "kafka.dead_letter_topic",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn the_names_of_the_settings_are_those_of_the_adapter() {
        let found = with(|_| {}).unwrap().unwrap();
        assert_eq!(found.brokers, ["a:1", "b:2"]);
        assert_eq!(found.topic, KafkaSettings::TOPIC);
        assert_eq!(found.dead_letter_topic, KafkaSettings::DEAD_LETTER_TOPIC);
    }
}
