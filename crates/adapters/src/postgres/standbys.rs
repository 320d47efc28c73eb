//! Whom commits wait for: the decision of an operator to go on without the synchronous standby, and
//! the way back. ALTER SYSTEM never waits for a standby, and a session here commits without one.

use std::time::Duration;

use sql::queries::operate;
use time::OffsetDateTime;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, Error};

use super::connect::{ConnectError, Connector, Session};

/// For a change to be in force, and for a commit to show that a standby answers.
const IN_FORCE_TIMEOUT: Duration = Duration::from_secs(10);
/// Between looks whether it is.
const PAUSE: Duration = Duration::from_millis(50);
/// For one statement: none of them waits for anything.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why nothing was changed, or what was changed is not in force.
#[derive(Debug, thiserror::Error)]
pub enum StandbysError {
    /// The primary cannot be reached.
    #[error("the primary cannot be reached; nothing was changed")]
    Connect(#[from] ConnectError),
    /// The primary refuses.
    #[error("the primary refuses")]
    Database(#[from] Error),
    /// It does not answer.
    #[error("the primary does not answer")]
    Silent,
    /// The role must not.
    #[error(
        "the role must not do this; nothing was changed. As the superuser: \
         GRANT ALTER SYSTEM ON PARAMETER synchronous_standby_names TO role; GRANT EXECUTE ON FUNCTION pg_reload_conf() TO role"
    )]
    NotAllowed,
    /// A list of names cannot be written into a statement.
    #[error("a list of standbys has no backslashes, line breaks or other control characters; nothing was changed")]
    BadNames,
    /// Nobody could be waited for.
    #[error("no standby is connected, and commits would wait for ever; nothing was changed")]
    NobodyThere,
    /// The settings of the server say otherwise.
    #[error(
        "synchronous_standby_names is still {names:?}, by the {source_of}: a value given there goes before that of ALTER SYSTEM"
    )]
    NotInForce {
        /// What is in force.
        names: String,
        /// What says so, by the words of `pg_settings`.
        source_of: String,
    },
    /// `postgresql.conf` names nobody.
    #[error("postgresql.conf names no standby: say which, as in `app db restore 'FIRST 1 ({example})'`")]
    NoNames {
        /// One that is connected.
        example: String,
    },
    /// Commits would have waited.
    #[error(
        "a commit was not answered within {} s while waiting for {names:?}: commits wait for nobody again; \
         see by `app db status` who is there", IN_FORCE_TIMEOUT.as_secs()
    )]
    Unanswered {
        /// Whom it waited for.
        names: String,
    },
}

/// What the servers were told before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Degraded {
    /// Whom commits waited for; empty where they waited for nobody already.
    pub before: String,
    /// Commits that were freed.
    pub freed: i64,
}

/// Has commits wait for nobody.
///
/// # Errors
/// [`StandbysError`].
pub async fn degrade(connector: &Connector) -> Result<Degraded, StandbysError> {
    let client = connect(connector).await?;
    let before = bounded(operate::waits_for().bind(&client).one()).await?;
    if !before.names.is_empty() {
        check_rights(&client).await?;
        wait_for_nobody(&client).await?;
    }
    Ok(Degraded {
        before: before.names,
        freed: before.commits_waiting,
    })
}

/// Has commits wait for these standbys, or for those of `postgresql.conf`; whom they wait for then. It is
/// undone if a commit does not come back.
///
/// # Errors
/// [`StandbysError`].
pub async fn restore(connector: &Connector, names: Option<&str>) -> Result<String, StandbysError> {
    if names.is_some_and(|names| names.contains(|c: char| c == '\\' || c.is_control())) {
        return Err(StandbysError::BadNames);
    }
    let client = connect(connector).await?;
    check_rights(&client).await?;
    let there = bounded(operate::standbys().bind(&client).all()).await?;
    // `?` is what a role without pg_monitor sees.
    let mut there = there.into_iter();
    let example = there.find(|standby| ["streaming", "?"].contains(&standby.state.as_str()));
    let Some(example) = example else {
        return Err(StandbysError::NobodyThere);
    };
    let change = match names {
        Some(names) => format!(
            "alter system set synchronous_standby_names = '{}'",
            names.replace('\'', "''")
        ),
        None => "alter system reset synchronous_standby_names".to_owned(),
    };
    let found = apply(&client, &change).await?;
    match names {
        None if found.names.is_empty() => return Err(StandbysError::NoNames { example: example.name }),
        Some(names) if found.names != names => {
            return Err(StandbysError::NotInForce {
                names: found.names,
                source_of: found.source,
            });
        }
        _ => {}
    }
    if !found.names.is_empty() {
        let answered = timeout(IN_FORCE_TIMEOUT, answers(connector, &client)).await;
        let answered = answered.unwrap_or_else(|_| {
            Err(StandbysError::Unanswered {
                names: found.names.clone(),
            })
        });
        if let Err(error) = answered {
            wait_for_nobody(&client).await?;
            return Err(error);
        }
    }
    Ok(found.names)
}

async fn connect(connector: &Connector) -> Result<Client, StandbysError> {
    let (client, _driver) = connector.primary(Session::Command).await?;
    bounded(client.batch_execute("set synchronous_commit = local")).await?;
    Ok(client)
}

async fn check_rights(client: &Client) -> Result<(), StandbysError> {
    let may = bounded(operate::may_alter_system().bind(client).one()).await?;
    if may.may_set && may.may_reload {
        return Ok(());
    }
    Err(StandbysError::NotAllowed)
}

async fn wait_for_nobody(client: &Client) -> Result<(), StandbysError> {
    let found = apply(client, "alter system set synchronous_standby_names = ''").await?;
    if found.names.is_empty() && found.commits_waiting == 0 {
        return Ok(());
    }
    Err(StandbysError::NotInForce {
        names: found.names,
        source_of: found.source,
    })
}

/// Changes the settings, and waits until this session has read them and, where nobody is waited for,
/// nobody waits; what is in force then, or in the end.
async fn apply(client: &Client, change: &str) -> Result<operate::WaitsFor, StandbysError> {
    let before: OffsetDateTime = bounded(operate::waits_for().bind(client).one()).await?.read_at;
    bounded(client.batch_execute(change)).await?;
    bounded(operate::reload_settings().bind(client).one()).await?;
    let looks = IN_FORCE_TIMEOUT.as_millis() / PAUSE.as_millis();
    let mut found = bounded(operate::waits_for().bind(client).one()).await?;
    for _ in 0..looks {
        if found.read_at > before && (!found.names.is_empty() || found.commits_waiting == 0) {
            break;
        }
        sleep(PAUSE).await;
        found = bounded(operate::waits_for().bind(client).one()).await?;
    }
    Ok(found)
}

/// Comes to an end once a standby is waited for and a commit that waits for it was answered. The
/// commit is not cancelled: its session ends when it ends.
async fn answers(connector: &Connector, client: &Client) -> Result<(), StandbysError> {
    loop {
        let there = bounded(operate::standbys().bind(client).all()).await?;
        if there
            .iter()
            .any(|standby| ["sync", "quorum", "?"].contains(&standby.sync_state.as_str()))
        {
            break;
        }
        sleep(PAUSE).await;
    }
    let (waiting, _driver) = connector.primary(Session::Command).await?;
    waiting.batch_execute("set synchronous_commit = on").await?;
    operate::try_commit().bind(&waiting).one().await?;
    Ok(())
}

async fn bounded<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, StandbysError> {
    match timeout(STATEMENT_TIMEOUT, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(StandbysError::Silent),
    }
}
