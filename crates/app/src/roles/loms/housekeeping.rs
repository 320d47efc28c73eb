//! What LOMS does by itself: expiry of unpaid orders, retention of idempotency keys, the audit. Where
//! several instances share a ledger, one of them does it.

use std::sync::Arc;

use adapters::postgres::audit::PostgresAudit;
use adapters::postgres::connect::Connector;
use adapters::postgres::retention::PostgresKeys;
use adapters::postgres::turn::Turn as PostgresTurn;
use domain::turn::{Alone, Turn};
use slog::Logger;
use tokio::sync::watch;

use super::super::Process;
use super::Loms;
use super::store::Store;
use crate::clock::SystemClock;
use crate::engine::audit::{self, AuditLimits};
use crate::engine::expiry::{self, ExpiryLimits};
use crate::engine::retention::{self, RetentionLimits};
use crate::lifecycle::Stage;

pub(super) fn start(process: &Process, loms: &Loms, store: &Store, log: &Logger) {
    match &store.turn {
        None => start_expiry(process, loms, Alone, log.clone()),
        Some(turn) => {
            start_expiry(process, loms, Arc::clone(turn), log.clone());
            start_retention(process, turn, log.clone());
            if let Some(connector) = &store.connector {
                start_audit(process, connector, turn, log.clone());
            }
        }
    }
}

/// Expiry stops with what is in flight, so that the order book is still there for its last round.
fn start_expiry(process: &Process, loms: &Loms, turn: impl Turn, log: Logger) {
    let settings = &process.settings.order;
    let Some(payment_window) = settings.payment_window() else {
        return;
    };
    let limits = ExpiryLimits {
        payment_window,
        interval: settings.expiry_interval(),
        batch_max: settings.expiry_batch_max,
    };
    let (book, reads) = (loms.book.clone(), loms.reads.clone());
    let stop = process.life.token(Stage::Accept);
    process.life.spawn(
        Stage::InFlight,
        "expiry",
        expiry::run(book, reads, turn, SystemClock, limits, log, stop),
    );
}

fn start_retention(process: &Process, turn: &Arc<PostgresTurn>, log: Logger) {
    let settings = &process.settings.loms;
    let limits = RetentionLimits {
        keys_kept: settings.idempotency_ttl(),
        interval: settings.retention_interval(),
        batch_max: settings.retention_batch_max,
    };
    let keys = PostgresKeys::new(Arc::clone(turn));
    let stop = process.life.token(Stage::Accept);
    process.life.spawn(
        Stage::InFlight,
        "retention",
        retention::run(keys, SystemClock, limits, log, stop),
    );
}

/// What the audit found stands in `/readyz`, where it does not stop the role from doing its job.
fn start_audit(process: &Process, connector: &Arc<Connector>, turn: &Arc<PostgresTurn>, log: Logger) {
    let settings = &process.settings.audit;
    let Some(interval) = settings.interval() else {
        return;
    };
    let limits = AuditLimits {
        interval,
        rows_max: settings.rows_max,
    };
    let (broken, seen) = watch::channel(0);
    process.health.optional("audit", move || {
        let broken = *seen.borrow();
        async move {
            match broken {
                0 => Ok(()),
                some => Err(format!("{some} rules of the ledger do not hold")),
            }
        }
    });
    let ledger = PostgresAudit::new(Arc::clone(connector), settings.timeout());
    let stop = process.life.token(Stage::Accept);
    process.life.spawn(
        Stage::InFlight,
        "audit",
        audit::run(ledger, Arc::clone(turn), SystemClock, limits, broken, log, stop),
    );
}
