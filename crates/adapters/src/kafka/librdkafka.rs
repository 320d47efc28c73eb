//! The settings in librdkafka's words.

use rdkafka::ClientConfig;

use super::settings::KafkaSettings;

/// How any client of librdkafka finds and speaks to the brokers.
#[must_use]
pub fn config(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    let milliseconds = settings.connect_timeout.as_millis().clamp(1_000, 300_000);
    config
        .set("bootstrap.servers", settings.brokers.join(","))
        .set("client.id", settings.client_id)
        .set("socket.connection.setup.timeout.ms", milliseconds.to_string())
        .set("reconnect.backoff.max.ms", "1000");
    let security = &settings.security;
    config.set(
        "security.protocol",
        match (&security.authority, &security.login) {
            (None, None) => "plaintext",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), None) => "ssl",
            (Some(_), Some(_)) => "sasl_ssl",
        },
    );
    if let Some(authority) = &security.authority {
        config.set("ssl.ca.pem", authority.pem());
    }
    if let Some(login) = &security.login {
        config
            .set("sasl.mechanism", login.mechanism.name())
            .set("sasl.username", &login.user)
            .set("sasl.password", &login.password);
    }
    config
}
