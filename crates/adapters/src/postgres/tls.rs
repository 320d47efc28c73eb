//! TLS to the servers. `tokio-postgres` knows whether to ask for it; what of the server's
//! certificate is verified is decided here, as libpq does:
//!
//! | mode | encrypted | signed by our CA | made for the host |
//! | --- | --- | --- | --- |
//! | `disable` | no | | |
//! | `prefer` | where the server can | no | no |
//! | `require` | yes | if a CA is given | no |
//! | `verify-ca` | yes | yes | no |
//! | `verify-full` | yes | yes | yes |
//!
//! Unlike libpq, `prefer` never tries again in the clear what failed over TLS. Sockets of this
//! machine are never encrypted, whatever the mode.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, Connection, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What `sslmode` of a URL says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsMode {
    /// In the clear.
    Disable,
    /// Encrypted where the server can.
    #[default]
    Prefer,
    /// Encrypted; the certificate is verified where a CA is given.
    Require,
    /// Encrypted, with a certificate of our CA.
    VerifyCa,
    /// Encrypted, with a certificate of our CA for this very host.
    VerifyFull,
}

impl TlsMode {
    /// Its name in a URL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// There is no such mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sslmode is none of disable, prefer, require, verify-ca, verify-full")]
pub struct UnknownMode;

impl FromStr for TlsMode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, UnknownMode> {
        [
            Self::Disable,
            Self::Prefer,
            Self::Require,
            Self::VerifyCa,
            Self::VerifyFull,
        ]
        .into_iter()
        .find(|mode| mode.name() == name)
        .ok_or(UnknownMode)
    }
}

/// Why TLS cannot be had as it is asked for.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Nothing to verify with.
    #[error("sslmode={} needs the certificate of a CA to verify with", .0.name())]
    NoAuthority(TlsMode),
    /// What is given to verify with would not be used.
    #[error("sslmode={} verifies nothing: say require, verify-ca or verify-full", .0.name())]
    Unverified(TlsMode),
    /// The certificates of the CA are no PEM.
    #[error("is no PEM file of certificates: {0}")]
    Pem(String),
    /// There is none in it.
    #[error("holds no certificate")]
    NoCertificate,
    /// The library refuses.
    #[error("holds a certificate that cannot be used: {0}")]
    Certificate(#[from] rustls::Error),
}

/// How connections to the servers are encrypted.
#[derive(Clone)]
pub struct Tls {
    mode: TlsMode,
    /// None: never encrypted.
    connect: Option<MakeRustlsConnect>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Tls {
    /// In the clear.
    pub const OFF: Self = Self {
        mode: TlsMode::Disable,
        connect: None,
    };

    /// As a mode says, with the certificates of the CA as PEM if there are any.
    ///
    /// # Errors
    /// [`TlsError`], also where mode and CA do not fit: a CA that nobody would ask is a mistake.
    pub fn new(mode: TlsMode, authority: Option<&[u8]>) -> Result<Self, TlsError> {
        let check = match (mode, authority) {
            (TlsMode::Disable | TlsMode::Prefer, Some(_)) => return Err(TlsError::Unverified(mode)),
            (TlsMode::VerifyCa | TlsMode::VerifyFull, None) => return Err(TlsError::NoAuthority(mode)),
            (TlsMode::Disable, None) => return Ok(Self::OFF),
            (TlsMode::Prefer | TlsMode::Require, None) => Check::Nothing,
            (TlsMode::Require | TlsMode::VerifyCa, Some(pem)) => Check::Authority(roots(pem)?),
            (TlsMode::VerifyFull, Some(pem)) => Check::Full(roots(pem)?),
        };
        Ok(Self {
            mode,
            connect: Some(MakeRustlsConnect::new(client(check)?)),
        })
    }

    /// Its mode.
    #[must_use]
    pub const fn mode(&self) -> TlsMode {
        self.mode
    }

    /// Connects to the one server of a target. The connection ends with its client.
    ///
    /// # Errors
    /// What the server or TLS says.
    pub async fn connect(&self, target: &Config) -> Result<(Client, JoinHandle<()>), Error> {
        let mut target = target.clone();
        let is_local = target.get_hosts().iter().any(|host| !matches!(host, Host::Tcp(_)));
        match &self.connect {
            Some(connect) if !is_local => {
                let mode = match self.mode {
                    TlsMode::Disable | TlsMode::Prefer => SslMode::Prefer,
                    TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
                };
                let (client, connection) = target.ssl_mode(mode).connect(connect.clone()).await?;
                Ok((client, drive(connection)))
            }
            _ => {
                let (client, connection) = target.ssl_mode(SslMode::Disable).connect(NoTls).await?;
                Ok((client, drive(connection)))
            }
        }
    }
}

fn drive<S, T>(connection: Connection<S, T>) -> JoinHandle<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: tokio_postgres::tls::TlsStream + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        let _ = connection.await; // its client is told
    })
}

/// What of a certificate is verified.
enum Check {
    Nothing,
    Authority(RootCertStore),
    Full(RootCertStore),
}

fn roots(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|error| TlsError::Pem(error.to_string()))?)?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    Ok(roots)
}

fn client(check: Check) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let by_chain_alone = |roots| Arc::new(ByChain { provider, roots });
    Ok(match check {
        Check::Full(roots) => builder.with_root_certificates(roots).with_no_client_auth(),
        Check::Authority(roots) => builder
            .dangerous()
            .with_custom_certificate_verifier(by_chain_alone(Some(roots)))
            .with_no_client_auth(),
        Check::Nothing => builder
            .dangerous()
            .with_custom_certificate_verifier(by_chain_alone(None))
            .with_no_client_auth(),
    })
}

/// Takes a certificate whatever host it is for: where there are roots if it leads to one of them,
/// else any. That the server has its key is verified always.
#[derive(Debug)]
struct ByChain {
    provider: Arc<CryptoProvider>,
    roots: Option<RootCertStore>,
}

impl ServerCertVerifier for ByChain {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
