//! A span around each statement, where the request that it is for is sampled. It has the kind of the
//! statement and its table, and the code of the server where it failed: neither values nor messages,
//! which quote them.

use std::future::Future;

use futures::future::Either;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use tokio_postgres::Error;

use super::connect::Connector;
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

    /// Makes a span around one, from now on. `summary` is its kind and its table.
    pub(super) fn run<T>(
        self,
        summary: &'static str,
        statement: impl Future<Output = Result<T, Error>>,
    ) -> impl Future<Output = Result<T, Error>> {
        let span = Span::below_current(SpanKind::Client, || self.describe(summary));
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

    fn describe(self, summary: &'static str) -> Description {
        let operation = summary.split(' ').next().unwrap_or(summary);
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
        None if error.is_closed() => span.fail(|| "closed".into()),
        None => span.fail(|| "_OTHER".into()),
    }
}
