//! Settings of the database of LOMS. (Stand-in of the lead: helper "TLS" replaces this file.)

use super::describe::settings;

settings! {
    /// The database.
    PostgresConfig {
        /// Where the servers are; empty: the ledger is in memory.
        url: String = String::new(), "empty, or postgres://USER@HOST:PORT,HOST:PORT/DATABASE", (skip);
    }
    groups {}
}
