//! Where the brokers are, how they are spoken to, and the bounds of everything that waits for them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rskafka::client::{Credentials, SaslConfig};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Settings of the Kafka adapter. All durations are bounds of waits, and none is zero.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// `HOST:PORT` of the brokers that are asked where the others are, at least one.
    pub brokers: Vec<String>,
    /// What this client calls itself, in the logs of the brokers.
    pub client_id: &'static str,
    /// Where order events go.
    pub topic: String,
    /// Where those go that it does not take.
    pub dead_letter_topic: String,
    /// How the brokers are spoken to.
    pub security: Security,
    /// To connect to one broker and hear from it which topics there are.
    pub connect_timeout: Duration,
    /// For everything that one call of the publisher does.
    pub publish_timeout: Duration,
}

impl KafkaSettings {
    /// The topic of order events. Source: the contract, "Order events".
    pub const TOPIC: &'static str = "loms.order-events";
    /// The topic of dead letters. Source: the contract, "Order events".
    pub const DEAD_LETTER_TOPIC: &'static str = "loms.order-events.dlq";

    /// The default names and bounds, in the clear, for brokers.
    #[must_use]
    pub fn new(brokers: Vec<String>) -> Self {
        Self {
            brokers,
            client_id: "loms",
            topic: Self::TOPIC.to_owned(),
            dead_letter_topic: Self::DEAD_LETTER_TOPIC.to_owned(),
            security: Security::default(),
            connect_timeout: Duration::from_secs(1),
            publish_timeout: Duration::from_secs(4),
        }
    }
}

/// How brokers are spoken to: in the clear and without a name, unless something is given.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// Certificates of the authorities that may have signed those of the brokers. With them
    /// connections are encrypted, and a broker must have a certificate for its very host.
    pub authority: Option<Authority>,
    /// Who we are.
    pub login: Option<Login>,
}

/// Why certificates are of no use.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AuthorityError {
    /// Not what it should be.
    #[error("is no PEM file of certificates")]
    NotPem,
    /// It has none.
    #[error("holds no certificate that can be used")]
    NoCertificate,
    /// The library refuses.
    #[error("cannot be used: {0}")]
    Refused(rustls::Error),
}

/// Authorities whose certificates are trusted.
#[derive(Clone)]
pub struct Authority {
    pem: String,
    config: Arc<ClientConfig>,
}

impl Authority {
    /// Those of a PEM file. A bundle may hold some that no client can use; they are passed over.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn parse(pem: &str) -> Result<Self, AuthorityError> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(found.map_err(|_| AuthorityError::NotPem)?);
        if usable == 0 {
            return Err(AuthorityError::NoCertificate);
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(AuthorityError::Refused)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            pem: pem.to_owned(),
            config: Arc::new(config),
        })
    }

    /// The certificates as they were given.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

/// How a password is shown to a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// As it is: only over TLS.
    Plain,
    /// By a proof, SHA-256.
    ScramSha256,
    /// By a proof, SHA-512.
    ScramSha512,
}

impl Mechanism {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::ScramSha256, Self::ScramSha512];

    /// Its registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// There is no such mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512")]
pub struct UnknownMechanism;

impl FromStr for Mechanism {
    type Err = UnknownMechanism;

    fn from_str(name: &str) -> Result<Self, UnknownMechanism> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.name() == name)
            .ok_or(UnknownMechanism)
    }
}

/// A name and a password.
#[derive(Clone)]
pub struct Login {
    /// How the password is shown.
    pub mechanism: Mechanism,
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl Login {
    pub(super) fn config(&self) -> SaslConfig {
        let credentials = Credentials::new(self.user.clone(), self.password.clone());
        match self.mechanism {
            Mechanism::Plain => SaslConfig::Plain(credentials),
            Mechanism::ScramSha256 => SaslConfig::ScramSha256(credentials),
            Mechanism::ScramSha512 => SaslConfig::ScramSha512(credentials),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("mechanism", &self.mechanism)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
