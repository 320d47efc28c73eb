//! TLS by `sslmode`, against servers that speak it, one that does not, and one under a name that
//! its certificate does not have.

use std::error::Error;
use std::time::Duration;

use adapters::postgres::connect::{ConnectError, Connector, Session};
use adapters::postgres::settings::PostgresSettings;
use adapters::postgres::testing::{Database, Servers, authority};
use adapters::postgres::tls::{Tls, TlsError, TlsMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_postgres::config::ChannelBinding;

/// A CA that has signed nothing.
const OTHER_AUTHORITY: &[u8] = include_bytes!("other_ca.pem");
/// For what cannot take long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A database that every server has.
fn settings(tls: Tls) -> PostgresSettings {
    PostgresSettings {
        tls,
        connect_timeout: PATIENCE,
        ..PostgresSettings::new(Servers::of_this_run().both("postgres"))
    }
}

/// Whether the session with a server is encrypted, as the server says.
async fn is_encrypted(settings: &PostgresSettings, server: usize) -> Result<bool, ConnectError> {
    let connector = Connector::new(settings.clone());
    let (client, _driver) = connector.to(server, Session::Read).await?;
    let asked = client.query_one("select ssl from pg_stat_ssl where pid = pg_backend_pid()", &[]);
    Ok(asked.await.expect("the session answers").get(0))
}

/// The error with all its causes.
async fn refused(settings: &PostgresSettings) -> String {
    let error = is_encrypted(settings, 0).await.expect_err("it must be refused");
    let causes = std::iter::successors(Some(&error as &dyn Error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn each_mode_is_what_it_says_on_every_server() {
    let ca = authority();
    for (mode, ca, encrypted) in [
        (TlsMode::Disable, None, false),
        (TlsMode::Prefer, None, true),
        (TlsMode::Require, None, true),
        (TlsMode::Require, Some(&ca), true),
        (TlsMode::VerifyCa, Some(&ca), true),
        (TlsMode::VerifyFull, Some(&ca), true),
    ] {
        let tls = Tls::new(mode, ca.map(Vec::as_slice)).unwrap();
        let settings = settings(tls);
        for server in 0..2 {
            let found = is_encrypted(&settings, server).await.unwrap();
            assert_eq!(found, encrypted, "{mode:?} on server {server}");
        }
    }
}

#[tokio::test]
async fn the_primary_is_found_over_tls_and_the_pools_write() {
    let database = Database::fresh().await;
    let tls = Tls::new(TlsMode::VerifyFull, Some(&authority())).unwrap();
    let connector = Connector::new(PostgresSettings {
        tls,
        ..database.settings()
    });
    let writes = adapters::postgres::pool::WritePool::new(&connector).unwrap();
    let (connection, _) = writes.get().await.unwrap();
    let ask = "select ssl and not pg_is_in_recovery() from pg_stat_ssl where pid = pg_backend_pid()";
    assert!(connection.query_one(ask, &[]).await.unwrap().get::<_, bool>(0));
    let stock = "insert into stock (sku, total_count) values (1, 1)";
    assert_eq!(connection.execute(stock, &[]).await.unwrap(), 1);
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    for mode in [TlsMode::Require, TlsMode::VerifyCa, TlsMode::VerifyFull] {
        let tls = Tls::new(mode, Some(OTHER_AUTHORITY)).unwrap();
        let told = refused(&settings(tls)).await;
        assert!(
            told.contains("127.0.0.1") && told.contains("invalid peer certificate: UnknownIssuer"),
            "{mode:?}: {told}"
        );
    }
}

/// Passes one address of this machine on to a server that has no certificate for it.
async fn under_another_name(settings: &PostgresSettings) -> PostgresSettings {
    let port = settings.target.get_ports()[0];
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let here = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let mut to = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut from, &mut to).await });
        }
    });
    let mut other = settings.clone();
    other.target = tokio_postgres::Config::new();
    other
        .target
        .host("127.0.0.2")
        .port(here.port())
        .user(settings.target.get_user().unwrap())
        .password(settings.target.get_password().unwrap())
        .dbname(settings.target.get_dbname().unwrap());
    other
}

#[tokio::test]
async fn only_verify_full_asks_for_whom_the_certificate_is() {
    let ca = authority();
    for mode in [TlsMode::Require, TlsMode::VerifyCa] {
        let settings = settings(Tls::new(mode, Some(&ca)).unwrap());
        let other = under_another_name(&settings).await;
        assert!(is_encrypted(&other, 0).await.unwrap(), "{mode:?}");
    }
    let settings = settings(Tls::new(TlsMode::VerifyFull, Some(&ca)).unwrap());
    let told = refused(&under_another_name(&settings).await).await;
    assert!(told.contains("certificate not valid for name"), "{told}");
}

#[tokio::test]
async fn scram_is_bound_to_the_encrypted_channel() {
    let bound = |tls| {
        let mut settings = settings(tls);
        settings.target.channel_binding(ChannelBinding::Require);
        settings
    };
    let encrypted = bound(Tls::new(TlsMode::VerifyFull, Some(&authority())).unwrap());
    assert!(is_encrypted(&encrypted, 0).await.unwrap());
    let told = refused(&bound(Tls::OFF)).await;
    assert!(told.contains("channel binding"), "{told}");
}

#[tokio::test]
async fn a_wrong_password_is_a_clear_error() {
    for tls in [Tls::OFF, Tls::new(TlsMode::Require, None).unwrap()] {
        let mut settings = settings(tls);
        settings.target.password("hunter2");
        let told = refused(&settings).await;
        assert!(
            told.contains("password authentication failed") && !told.contains("hunter2"),
            "{told}"
        );
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}

/// A server without TLS: answers no, and gives back what comes then.
async fn without_tls() -> (PostgresSettings, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut target = tokio_postgres::Config::new();
    let port = listener.local_addr().unwrap().port();
    target.host("127.0.0.1").port(port).user("loms").dbname("shop");
    let came = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 8];
        stream.read_exact(&mut request).await.unwrap();
        assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47], "an SSLRequest");
        stream.write_all(b"N").await.unwrap();
        let mut rest = vec![0; 1024];
        let read = stream.read(&mut rest).await.unwrap();
        rest.truncate(read);
        rest
    });
    (PostgresSettings::new(target), came)
}

#[tokio::test]
async fn a_server_without_tls_is_taken_by_prefer_alone() {
    for (mode, ca) in [
        (TlsMode::Prefer, None),
        (TlsMode::Require, None),
        (TlsMode::VerifyCa, Some(OTHER_AUTHORITY)),
        (TlsMode::VerifyFull, Some(OTHER_AUTHORITY)),
    ] {
        let (mut settings, came) = without_tls().await;
        settings.tls = Tls::new(mode, ca).unwrap();
        let told = refused(&settings).await;
        let came = tokio::time::timeout(PATIENCE, came).await.unwrap().unwrap();
        if mode == TlsMode::Prefer {
            assert!(came.windows(4).any(|part| part == b"loms"), "it goes on in the clear");
        } else {
            assert!(told.contains("server does not support TLS"), "{mode:?}: {told}");
            assert!(came.is_empty(), "{mode:?} sends nothing in the clear");
        }
    }
}

#[test]
fn a_mode_and_what_it_verifies_with_must_fit() {
    for mode in [TlsMode::VerifyCa, TlsMode::VerifyFull] {
        assert!(matches!(Tls::new(mode, None), Err(TlsError::NoAuthority(_))));
    }
    for mode in [TlsMode::Disable, TlsMode::Prefer] {
        let refused = Tls::new(mode, Some(OTHER_AUTHORITY));
        assert!(matches!(refused, Err(TlsError::Unverified(_))));
    }
    let empty = Tls::new(TlsMode::Require, Some(b"no certificate here"));
    assert!(matches!(empty, Err(TlsError::NoCertificate)));
    let cut = Tls::new(TlsMode::Require, Some(b"-----BEGIN CERTIFICATE-----\nAAAA\n"));
    assert!(matches!(cut, Err(TlsError::Pem(_))));
    let junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(
        Tls::new(TlsMode::Require, Some(junk)),
        Err(TlsError::Certificate(_))
    ));
}
