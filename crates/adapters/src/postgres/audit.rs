//! The audit over the whole ledger: one read-only snapshot of the primary, a query a check.
//!
//! Why the primary: a standby whose replies commits wait for cancels a report as soon as it is in
//! the way of the replay (`max_standby_streaming_delay`), so none of some minutes would end there.
//! The price is that vacuum waits for the snapshot, so its time is bounded, by the server too. It
//! locks nothing that a change of the ledger waits for, and takes one processor at most.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::audit::{AuditReport, Check, LedgerAudit, is_legal_history};
use domain::order::model::MAX_LINES;
use domain::order::ports::QueryError;
use domain::order::status::OrderStatus;
use sql::queries::audit as checks;
use sql::types::OrderStatus as Word;
use time::OffsetDateTime;
use tokio_postgres::{Error, IsolationLevel, Transaction};

use super::connect::{Connector, Session};
use super::errors::{Refusal, unread};
use super::ids;
use super::measured::{Sql, measured, within};
use super::rows::{moment, status};

/// For the connection, and for the server to notice by itself that the time is over.
const GRACE: Duration = Duration::from_secs(5);

/// Audits the ledger on the primary.
#[derive(Debug, Clone)]
pub struct PostgresAudit {
    connector: Arc<Connector>,
    time_max: Duration,
}

impl PostgresAudit {
    /// Over a cluster; an audit that takes longer than `time_max` is given up.
    #[must_use]
    pub const fn new(connector: Arc<Connector>, time_max: Duration) -> Self {
        Self { connector, time_max }
    }

    async fn run(&self, rows_max: usize) -> Result<AuditReport, QueryError> {
        let (mut client, _driver) = self.connector.primary(Session::Audit).await.map_err(unread)?;
        let timeline = *self.connector.timelines().borrow();
        let snapshot = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start();
        let snapshot = Snapshot {
            transaction: measured(Sql::Begin, snapshot).await.map_err(unread)?,
            time_max: i64::from(i32::try_from(self.time_max.as_millis()).unwrap_or(i32::MAX)),
            limit: i64::try_from(rows_max).unwrap_or(i64::MAX),
        };
        let mut report = AuditReport::default();
        for check in Check::ALL {
            let Found { count, rows } = snapshot.look(check).await?;
            report.note(check, count, rows);
        }
        if *self.connector.timelines().borrow() != timeline {
            return Err(unread(Refusal::DeposedMeanwhile));
        }
        Ok(report)
    }
}

impl LedgerAudit for PostgresAudit {
    async fn audit(&self, rows_max: usize) -> Result<AuditReport, QueryError> {
        within(self.time_max + GRACE, self.run(rows_max))
            .await
            .map_err(|_| unread(Refusal::TimedOut))?
    }
}

/// Rows that break a rule.
#[derive(Debug, Default)]
struct Found {
    count: u64,
    rows: Vec<String>,
}

impl Found {
    /// The rows of a check in words; each says how many there are.
    fn of<R>(rows: Vec<R>, count: fn(&R) -> i64, words: fn(&R) -> String) -> Self {
        Self {
            count: rows.first().map_or(0, |row| u64::try_from(count(row)).unwrap_or(0)),
            rows: rows.iter().map(words).collect(),
        }
    }
}

/// The ledger as it was at one moment.
struct Snapshot<'a> {
    transaction: Transaction<'a>,
    /// For all checks together, in milliseconds.
    time_max: i64,
    limit: i64,
}

impl Snapshot<'_> {
    async fn look(&self, check: Check) -> Result<Found, QueryError> {
        self.bound_statement().await?;
        let looked = match check {
            Check::StockBounds => self.stock_bounds().await,
            Check::Reservations => self.reservations().await,
            Check::Totals => self.totals().await,
            Check::Lines => self.lines().await,
            Check::Shortages => self.shortages().await,
            Check::Histories => return self.histories().await,
            Check::Standing => self.standing().await,
            Check::EventOrder => self.event_order().await,
            Check::EventIds => self.event_ids().await,
            Check::Sequences => self.sequences().await,
            Check::Unsent => self.unsent().await,
            Check::SentInOrder => self.sent_in_order().await,
            Check::Keys => self.keys().await,
        };
        looked.map_err(unread)
    }

    /// Gives the next statement the time that is left.
    async fn bound_statement(&self) -> Result<(), QueryError> {
        let bound = checks::bound_statement();
        let bound = bound.bind(&self.transaction, &self.time_max).one();
        let bound = measured(Sql::AuditBoundStatement, bound).await;
        bound.map(drop).map_err(unread)
    }

    async fn stock_bounds(&self) -> Result<Found, Error> {
        let rows = checks::stock_bounds();
        let rows = measured(Sql::AuditStockBounds, rows.bind(&self.transaction, &self.limit).all()).await?;
        Ok(Found::of(
            rows,
            |row| row.found,
            |row| format!("sku {}: {} reserved of {}", row.sku, row.reserved, row.total_count),
        ))
    }

    async fn reservations(&self) -> Result<Found, Error> {
        let rows = measured(
            Sql::AuditReservations,
            checks::reservations().bind(&self.transaction, &self.limit).all(),
        )
        .await?;
        Ok(Found::of(
            rows,
            |row| row.found,
            |row| {
                let recorded = Shown(row.recorded);
                format!(
                    "sku {}: {recorded} reserved, {} awaiting payment",
                    row.sku, row.awaiting
                )
            },
        ))
    }

    async fn totals(&self) -> Result<Found, Error> {
        let rows = measured(
            Sql::AuditTotals,
            checks::totals().bind(&self.transaction, &self.limit).all(),
        )
        .await?;
        Ok(Found::of(
            rows,
            |row| row.found,
            |row| {
                let recorded = Shown(row.recorded);
                format!(
                    "sku {}: total {recorded}, moved {}, payed {}",
                    row.sku, row.moved, row.payed
                )
            },
        ))
    }

    async fn lines(&self) -> Result<Found, Error> {
        let items_max = i64::try_from(MAX_LINES).unwrap_or(i64::MAX);
        let rows = measured(
            Sql::AuditLines,
            checks::lines().bind(&self.transaction, &items_max, &self.limit).all(),
        )
        .await?;
        Ok(Found::of(
            rows,
            |row| row.found,
            |row| {
                let missing = if row.exists { "" } else { " and is not there" };
                format!("order {} has {} items{missing}", row.order_id, row.items)
            },
        ))
    }

    async fn shortages(&self) -> Result<Found, Error> {
        let rows = checks::shortages();
        let rows = measured(Sql::AuditShortages, rows.bind(&self.transaction, &self.limit).all()).await?;
        Ok(Found::of(
            rows,
            |row| row.found,
            |row| {
                let (sku, wanted) = (Shown(row.sku), Shown(row.wanted));
                let (free, ordered) = (Shown(row.free), Shown(row.ordered));
                let status = status(row.status);
                format!(
                    "order {} ({status}): short of sku {sku}, {wanted} wanted, {free} free, {ordered} ordered",
                    row.id
                )
            },
        ))
    }

    /// Few histories are different; the state machine judges each, and then their orders are told.
    async fn histories(&self) -> Result<Found, QueryError> {
        let paths = measured(Sql::AuditPaths, checks::paths().bind(&self.transaction).all())
            .await
            .map_err(unread)?;
        let mut found = Found::default();
        for paths in paths {
            let path: Vec<OrderStatus> = paths.path.iter().copied().map(status).collect();
            if is_legal_history(&path) {
                continue;
            }
            found.count += u64::try_from(paths.orders).unwrap_or(0);
            let limit = self.limit - i64::try_from(found.rows.len()).unwrap_or(i64::MAX);
            if limit > 0 {
                found.rows.extend(self.orders_of(&paths.path, &path, limit).await?);
            }
        }
        Ok(found)
    }

    async fn orders_of(&self, words: &[Word], path: &[OrderStatus], limit: i64) -> Result<Vec<String>, QueryError> {
        self.bound_statement().await?;
        let words = words.to_vec();
        let orders = measured(
            Sql::AuditOrdersOfPath,
            checks::orders_of_path().bind(&self.transaction, &words, &limit).all(),
        )
        .await;
        let path = match path {
            [] => "no history".to_owned(),
            path => path
                .iter()
                .map(|status| status.as_str())
                .collect::<Vec<_>>()
                .join(" > "),
        };
        let rows = orders.map_err(unread)?.into_iter();
        Ok(rows.map(|order| format!("order {order}: {path}")).collect())
    }

    async fn standing(&self) -> Result<Found, Error> {
        let rows = measured(
            Sql::AuditStanding,
            checks::standing().bind(&self.transaction, &self.limit).all(),
        )
        .await?;
        Ok(Found::of(
            rows,
            |row| row.found,
            |row| {
                let stands = Shown(row.status.map(status));
                let (placed, settled, began) = (at(row.placed_at), at(row.settled_at), at(row.began));
                let (last, ended) = (status(row.last), at(Some(row.ended)));
                format!(
                    "order {}: {stands}, placed {placed}, settled {settled}; history from {began} to {last} {ended}",
                    row.order_id
                )
            },
        ))
    }

    async fn event_order(&self) -> Result<Found, Error> {
        let rows = measured(
            Sql::AuditEventOrder,
            checks::event_order().bind(&self.transaction, &self.limit).all(),
        )
        .await?;
        Ok(Found::of(
            rows,
            |row| row.found,
            |row| {
                format!(
                    "order {}: event {} comes after event {}",
                    row.order_id, row.next, row.event
                )
            },
        ))
    }

    async fn event_ids(&self) -> Result<Found, Error> {
        let rows = measured(
            Sql::AuditEventIds,
            checks::event_ids().bind(&self.transaction, &self.limit).all(),
        )
        .await?;
        Ok(Found::of(
            rows,
            |row| row.found,
            |row| format!("event {} stands {} times", row.event_id, row.times),
        ))
    }

    async fn sequences(&self) -> Result<Found, Error> {
        let rows = measured(
            Sql::AuditSequences,
            checks::sequences()
                .bind(&self.transaction, &ids::BLOCK, &self.limit)
                .all(),
        )
        .await?;
        Ok(Found::of(
            rows,
            |row| row.found,
            |row| format!("{} gave {}, {} is in use", row.sequence, row.given, row.used),
        ))
    }

    async fn unsent(&self) -> Result<Found, Error> {
        let rows = measured(
            Sql::AuditUnsent,
            checks::unsent().bind(&self.transaction, &self.limit).all(),
        )
        .await?;
        Ok(Found::of(
            rows,
            |row| row.found,
            |row| {
                let (status, recorded) = (status(row.status), Shown(row.recorded));
                format!(
                    "unsent event {} (order {} {status}) is not event {recorded} of the history",
                    row.event_id, row.order_id
                )
            },
        ))
    }

    async fn sent_in_order(&self) -> Result<Found, Error> {
        let rows = measured(
            Sql::AuditSentInOrder,
            checks::sent_in_order().bind(&self.transaction, &self.limit).all(),
        )
        .await?;
        Ok(Found::of(
            rows,
            |row| row.found,
            |row| {
                format!(
                    "order {}: event {} was sent, event {} was not",
                    row.order_id, row.sent, row.unsent
                )
            },
        ))
    }

    async fn keys(&self) -> Result<Found, Error> {
        let rows = measured(
            Sql::AuditKeys,
            checks::keys().bind(&self.transaction, &self.limit).all(),
        )
        .await?;
        // Neither the key nor a user is told: the words go into the log.
        Ok(Found::of(
            rows,
            |row| row.found,
            |row| {
                let whose = match row.owner {
                    None => ", which is not there",
                    Some(owner) if owner != row.user_id => " of another user",
                    Some(_) => "",
                };
                format!("a key of order {}{whose}, {} keys in all", row.order_id, row.keys)
            },
        ))
    }
}

/// What may be missing.
struct Shown<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("none"),
        }
    }
}

fn at(time: Option<OffsetDateTime>) -> Shown<domain::clock::Moment> {
    Shown(time.map(moment))
}
