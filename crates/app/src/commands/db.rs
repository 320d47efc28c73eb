//! `app db status|degrade|restore`: who is primary and who is in step, and the decision of an operator
//! whom commits wait for.

use adapters::postgres::connect::Connector;
use adapters::postgres::standbys;
use adapters::postgres::status::{self, Follower, Role, Server, State};
use clap::Subcommand;

use super::ledger::{CommandError, say};
use crate::telemetry::chain;

/// What can be done with the servers of the database.
#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Show who is primary, who is in step, and whether orders can be taken
    #[command(long_about = STATUS)]
    Status,
    /// Go on without the synchronous standby: commits wait for nobody
    #[command(long_about = DEGRADE)]
    Degrade,
    /// Have commits wait for standbys again
    #[command(long_about = RESTORE)]
    Restore {
        /// Whom to wait for, as in 'FIRST 1 (node2)'; without it those of postgresql.conf
        names: Option<String>,
    },
}

const STATUS: &str = "\
Show each server of postgres.url: who is primary and on which timeline, whom its commits wait for, who follows it and \
how far behind, connections, and the version of the schema.

Exit code: 0 orders can be taken, 1 they cannot, or a second server takes writes; 2 wrong settings.";

const DEGRADE: &str = "\
Go on without the synchronous standby: sets synchronous_standby_names to '' on the primary, which frees the commits \
that wait, and ends when that is in force.

From then on an order is on one server only. If that server is lost, or the standby is promoted, orders that were \
acknowledged are lost: make sure that nobody promotes it before it has caught up. The way back is `app db restore`.

Exit code: 0 in force, 1 failed, 2 wrong settings.";

const RESTORE: &str = "\
Have commits wait for standbys again: sets synchronous_standby_names on the primary to the names given, or to those of \
postgresql.conf, and makes sure that a commit is answered. If none is within 10 seconds, commits wait for nobody again.

Exit code: 0 in force, 1 failed, 2 wrong usage or settings.";

/// Does it, and says what was found or done.
pub(super) async fn run(command: DbCommand, connector: &Connector) -> Result<(), CommandError> {
    match command {
        DbCommand::Status => look(connector).await,
        DbCommand::Degrade => degrade(connector).await,
        DbCommand::Restore { names } => restore(connector, names.as_deref()).await,
    }
}

async fn look(connector: &Connector) -> Result<(), CommandError> {
    let servers = status::look(connector).await;
    for server in &servers {
        for line in told(server) {
            say(line)?;
        }
    }
    let troubles = status::troubles(&servers);
    if troubles.is_empty() {
        return say("orders can be taken");
    }
    Err(CommandError::Troubles(troubles.join("\napp: ")))
}

/// A server in lines for people.
fn told(server: &Server) -> Vec<String> {
    let name = &server.name;
    match &server.state {
        Err(cause) => vec![format!("{name}: does not answer: {}", chain(cause))],
        Ok(state) => {
            let mut lines = vec![format!("{name}: {}", role(&state.role)), counts(state)];
            lines.extend(state.followers.iter().map(follower));
            lines
        }
    }
}

fn role(role: &Role) -> String {
    match role {
        Role::Primary {
            timeline,
            takes_writes,
            waits_for,
            commits_waiting,
        } => {
            let writes = if *takes_writes { "takes writes" } else { "is read only" };
            let waits = match waits_for.as_str() {
                "" => "commits wait for nobody".to_owned(),
                names => format!("commits wait for {names}, {commits_waiting} do now"),
            };
            format!("primary on timeline {timeline}, {writes}; {waits}")
        }
        Role::Standby { name: Some(name) } => format!("standby, known as {name}"),
        Role::Standby { name: None } => "standby, not connected to its primary".to_owned(),
    }
}

fn counts(state: &State) -> String {
    let schema = match state.schema {
        0 => "no schema: run `app migrate`".to_owned(),
        version => format!("schema version {version}"),
    };
    format!(
        "  Postgres {}, {schema}, {} connections to this database of {}",
        state.version, state.connections, state.connections_max
    )
}

fn follower(follower: &Follower) -> String {
    let step = if follower.is_waited_for() {
        "in step"
    } else {
        "not waited for"
    };
    let lag = match follower.lag_bytes {
        Some(bytes) => format!("{bytes} bytes behind"),
        None => "nobody knows how far behind".to_owned(),
    };
    format!(
        "  followed by {}: {}, {} ({step}), {lag}",
        follower.name, follower.state, follower.sync_state
    )
}

async fn degrade(connector: &Connector) -> Result<(), CommandError> {
    let degraded = standbys::degrade(connector).await?;
    if degraded.before.is_empty() {
        return say("commits wait for nobody already: nothing was changed");
    }
    say(format!(
        "commits wait for nobody now; {} that waited are free\n\
         From now on an order is on one server only: if it is lost, or a standby is promoted that has not caught up, \
         acknowledged orders are lost.\n\
         The way back, once the standby has caught up (`app db status`): app db restore '{}'",
        degraded.freed, degraded.before
    ))
}

async fn restore(connector: &Connector, names: Option<&str>) -> Result<(), CommandError> {
    let names = standbys::restore(connector, names).await?;
    match names.as_str() {
        "" => say("commits wait for nobody"),
        names => say(format!("commits wait for {names}, and are answered")),
    }
}
