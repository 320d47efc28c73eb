//! A span around each statement, where the request that it is for is sampled. It has the kind and
//! the name of the statement, and the code of the server where it failed: neither values nor messages,
//! which quote them.

use std::future::Future;
use std::time::Duration;

use futures::future::Either;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use tokio_postgres::Error;

use super::connect::Connector;
use super::measured::{Sql, measured, measured_commit};
use crate::metrics::CONNECTION;
use crate::spans::{self, Description, Span};

/// Where statements go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statement<'c> {
    connector: &'c Connector,
    server: usize,
}

impl<'c> Statement<'c> {
    /// To one server.
    pub(super) const fn to(connector: &'c Connector, server: usize) -> Self {
        Self { connector, server }
    }

    /// To the server that was last seen to take writes.
    pub(super) fn to_primary(connector: &'c Connector) -> Self {
        Self::to(connector, connector.last_primary())
    }

    /// Sends one, which is measured, with a span around it.
    pub(super) fn run<T>(
        self,
        sql: Sql,
        statement: impl Future<Output = Result<T, Error>>,
    ) -> impl Future<Output = Result<T, Error>> {
        self.traced(sql, measured(sql, statement))
    }

    /// Sends a COMMIT, which nobody may cancel: when it is overdue it is counted as such, and waited for
    /// all the same.
    pub(super) fn commit<T>(
        self,
        overdue_after: Duration,
        statement: impl Future<Output = Result<T, Error>>,
    ) -> impl Future<Output = Result<T, Error>> {
        self.traced(Sql::Commit, measured_commit(overdue_after, statement))
    }

    /// Where the request is not sampled it is the statement itself: futures that hold each other several
    /// times over would outgrow the stack.
    fn traced<T>(
        self,
        sql: Sql,
        statement: impl Future<Output = Result<T, Error>>,
    ) -> impl Future<Output = Result<T, Error>> {
        let span = Span::below_current(SpanKind::Client, || self.describe(sql));
        if span.ids().is_none() {
            return Either::Left(statement);
        }
        let statement = Box::pin(statement);
        Either::Right(async move {
            let done = span.around(statement).await;
            if let Err(error) = &done {
                note(&span, error);
            }
            done
        })
    }

    fn describe(self, sql: Sql) -> Description {
        let (operation, summary) = sql.names();
        let mut attributes = spans::server(self.connector.name(self.server));
        attributes.extend([
            KeyValue::new("db.system.name", "postgresql"),
            KeyValue::new("db.operation.name", operation),
            KeyValue::new("db.query.summary", summary),
        ]);
        let database = self.connector.settings().target.get_dbname();
        attributes.extend(database.map(|database| KeyValue::new("db.namespace", database.to_owned())));
        (summary.into(), attributes)
    }
}

fn note(span: &Span, error: &Error) {
    match error.code() {
        Some(state) => {
            span.tell(|| vec![KeyValue::new("db.response.status_code", state.code().to_owned())]);
            span.fail(|| state.code().to_owned().into());
        }
        None => span.fail(|| CONNECTION.into()),
    }
}
