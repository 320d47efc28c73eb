//! `app audit`: checks that the ledger holds to its rules, on a live database, and tells what does not.

use std::sync::Arc;

use adapters::postgres::audit::PostgresAudit;
use adapters::postgres::connect::Connector;
use domain::audit::{Check, LedgerAudit};

use super::ledger::{CommandError, say};
use crate::config::AuditSettings;

/// The help of the command.
pub(super) const ABOUT: &str = "\
Check that orders, stock, histories, events and keys in the database agree with each other.

It reads one snapshot of the primary and changes nothing; orders go on meanwhile. A line tells of \
each rule, and below it the first rows that break it (audit.rows_max). An audit that takes longer \
than audit.timeout_seconds is given up. Exit code: 0 every rule holds, 1 some do not, 2 wrong \
settings, 3 nobody can tell: the audit could not be done.";

/// Audits, and says of each rule whether it holds.
pub(super) async fn run(connector: &Arc<Connector>, settings: &AuditSettings) -> Result<(), CommandError> {
    let audit = PostgresAudit::new(Arc::clone(connector), settings.timeout());
    let report = audit.audit(settings.rows_max).await.map_err(CommandError::Audit)?;
    for check in Check::ALL {
        let Some(violation) = report.of(check) else {
            say(format!("ok     {check}: {}", check.rule()))?;
            continue;
        };
        say(format!(
            "BROKEN {check}: {}: {} violations",
            check.rule(),
            violation.count
        ))?;
        for row in &violation.rows {
            say(format!("       {row}"))?;
        }
        let more = violation.untold();
        if more > 0 {
            say(format!("       and {more} more"))?;
        }
    }
    match report.violations().len() {
        0 => Ok(()),
        broken => Err(CommandError::Broken(broken)),
    }
}
