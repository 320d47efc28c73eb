//! What every server of the cluster says of itself, and what that means for orders.

use std::collections::BTreeSet;

use domain::error::{Cause, cause};
use futures::future::join_all;
use sql::queries::{nodes, operate};
use tokio::time::timeout;
use tokio_postgres::Error;

use super::connect::{Connector, Session};
use super::errors::Refusal;
use super::migrate;

/// A server as it answers, or why it does not.
#[derive(Debug)]
pub struct Server {
    /// Host and port.
    pub name: String,
    /// What it says.
    pub state: Result<State, Cause>,
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// What it is.
    pub role: Role,
    /// Its Postgres, as `15.14`.
    pub version: String,
    /// Clients of the database.
    pub connections: i64,
    /// The most connections it takes, of all databases.
    pub connections_max: i32,
    /// The version of the schema; 0 where there is none.
    pub schema: i32,
    /// Servers that follow this one.
    pub followers: Vec<Follower>,
}

/// What a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It follows no other.
    Primary {
        /// Its timeline.
        timeline: i32,
        /// Whether it takes writes.
        takes_writes: bool,
        /// `synchronous_standby_names`: whom its commits wait for; empty: nobody.
        waits_for: String,
        /// Commits that wait now.
        commits_waiting: i64,
    },
    /// It follows another.
    Standby {
        /// By which name; `None` while it is not connected.
        name: Option<String>,
    },
}

/// A standby as the server sees it that it follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    /// Its `application_name`.
    pub name: String,
    /// `streaming`, `catchup`, …; `?` for a role without `pg_monitor`.
    pub state: String,
    /// `sync`, `quorum`, `potential`, `async`; `?` for a role without `pg_monitor`.
    pub sync_state: String,
    /// What it has not applied yet, in bytes of WAL.
    pub lag_bytes: Option<i64>,
}

impl Follower {
    /// Whether commits may wait for it, and it is there.
    #[must_use]
    pub fn is_waited_for(&self) -> bool {
        self.state == "streaming" && ["sync", "quorum"].contains(&self.sync_state.as_str())
    }
}

/// Asks all servers at once, each in bounded time.
pub async fn look(connector: &Connector) -> Vec<Server> {
    // To connect, and each of its statements.
    let patience = connector.settings().connect_timeout * 3;
    let asked = (0..connector.servers()).map(|server| async move {
        let state = timeout(patience, state(connector, server)).await;
        Server {
            name: connector.name(server).to_owned(),
            state: state.unwrap_or_else(|_| Err(cause(Refusal::TimedOut))),
        }
    });
    join_all(asked).await
}

async fn state(connector: &Connector, server: usize) -> Result<State, Cause> {
    let (client, _driver) = connector.to(server, Session::Look).await.map_err(cause)?;
    let database = |error: Error| cause(error);
    let state = operate::server_state().bind(&client).one().await.map_err(database)?;
    let standing = nodes::standing().bind(&client).one().await.map_err(database)?;
    let followers = operate::standbys().bind(&client).all().await.map_err(database)?;
    let followers = followers.into_iter().map(|row| Follower {
        name: row.name,
        state: row.state,
        sync_state: row.sync_state,
        lag_bytes: row.lag_bytes,
    });
    let role = match state.timeline {
        Some(timeline) => Role::Primary {
            timeline,
            takes_writes: state.takes_writes,
            waits_for: state.waits_for,
            commits_waiting: state.commits_waiting,
        },
        None => Role::Standby {
            name: standing.standby_name,
        },
    };
    Ok(State {
        role,
        version: state.server_version,
        connections: state.connections,
        connections_max: state.connections_max,
        schema: migrate::version(&client).await.map_err(database)?,
        followers: followers.collect(),
    })
}

/// What keeps orders from being taken, or endangers them; empty where all is well.
#[must_use]
pub fn troubles(servers: &[Server]) -> Vec<String> {
    let primaries = servers.iter().filter_map(|server| match &server.state {
        Ok(state) => match &state.role {
            Role::Primary { timeline, .. } => Some((*timeline, server, state)),
            Role::Standby { .. } => None,
        },
        Err(_) => None,
    });
    let primaries: Vec<_> = primaries.collect();
    let Some((newest, primary, state)) = primaries.iter().max_by_key(|(timeline, ..)| *timeline) else {
        return vec!["no server takes writes: start the primary, or promote a standby".to_owned()];
    };
    let mut troubles: Vec<String> = primaries
        .iter()
        .filter(|(_, server, _)| server.name != primary.name)
        .map(|(timeline, server, _)| {
            format!(
                "{} takes writes too, on timeline {timeline} where {} is on {newest}: stop it for good, or cut it off",
                server.name, primary.name
            )
        })
        .collect();
    if let Role::Primary {
        takes_writes,
        waits_for,
        commits_waiting,
        ..
    } = &state.role
    {
        if !takes_writes {
            troubles.push(format!("{} is set to be read only", primary.name));
        }
        if !waits_for.is_empty() && !somebody_is_there(&state.followers) {
            troubles.push(format!(
                "commits wait for {waits_for}, and none of them is there ({commits_waiting} wait now): \
                 bring one back, or let orders go on without by `app db degrade`"
            ));
        }
    }
    troubles
}

/// Whether a standby that commits wait for is connected, or may be for all this role can see.
fn somebody_is_there(followers: &[Follower]) -> bool {
    let states: BTreeSet<&str> = followers.iter().map(|follower| follower.state.as_str()).collect();
    states.contains("?") || followers.iter().any(Follower::is_waited_for)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primary(timeline: i32, waits_for: &str, follower: Option<(&str, &str)>) -> State {
        State {
            role: Role::Primary {
                timeline,
                takes_writes: true,
                waits_for: waits_for.to_owned(),
                commits_waiting: 3,
            },
            version: "15.14".to_owned(),
            connections: 1,
            connections_max: 100,
            schema: 1,
            followers: follower
                .map(|(state, sync_state)| Follower {
                    name: "node2".to_owned(),
                    state: state.to_owned(),
                    sync_state: sync_state.to_owned(),
                    lag_bytes: Some(0),
                })
                .into_iter()
                .collect(),
        }
    }

    fn of(states: Vec<Option<State>>) -> Vec<String> {
        let servers = states.into_iter().enumerate().map(|(at, state)| Server {
            name: format!("server {at}"),
            state: state.ok_or_else(|| cause(Refusal::TimedOut)),
        });
        troubles(&servers.collect::<Vec<_>>())
    }

    #[test]
    fn a_primary_with_whom_it_waits_for_is_well() {
        for follower in [("streaming", "sync"), ("streaming", "quorum"), ("?", "?")] {
            assert!(of(vec![None, Some(primary(1, "FIRST 1 (node2)", Some(follower)))]).is_empty());
        }
        assert!(of(vec![Some(primary(1, "", None))]).is_empty());
    }

    #[test]
    fn what_is_wrong_is_told() {
        let said = |states: Vec<Option<State>>, part: &str| {
            let troubles = of(states);
            assert!(troubles.len() == 1 && troubles[0].contains(part), "{troubles:?}");
        };
        said(vec![None], "no server takes writes");
        said(
            vec![Some(primary(1, "", None)), Some(primary(2, "", None))],
            "server 0 takes writes too, on timeline 1",
        );
        for follower in [None, Some(("catchup", "sync")), Some(("streaming", "async"))] {
            said(vec![Some(primary(1, "FIRST 1 (node2)", follower))], "(3 wait now)");
        }
        let mut closed = primary(1, "", None);
        if let Role::Primary { takes_writes, .. } = &mut closed.role {
            *takes_writes = false;
        }
        said(vec![Some(closed)], "read only");
    }
}
