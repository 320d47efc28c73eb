//! Holds what somebody told of order events against the history in the database: every event of every
//! committed change is told, none of another, each as it was committed, and first occurrences in order
//! per order.

use std::collections::HashMap;

use domain::order::status::OrderStatus;
use futures::TryStreamExt;
use tokio_postgres::Client as Sql;

use crate::heard::Event;

/// Missing events that a failure names.
const NAMED_MAX: usize = 5;

/// All changes that were committed, by ascending event id.
#[derive(Debug)]
pub(crate) struct History(Vec<Event>);

impl History {
    /// That of a database.
    pub(crate) async fn of(sql: &Sql) -> Self {
        let query = "select event_id, order_id, status::text, round(extract(epoch from moment) * 1000)::bigint
            from order_events order by event_id";
        let rows = sql.query_raw(query, Vec::<i64>::new()).await.unwrap();
        let events = rows.map_ok(|row| Event {
            id: row.get(0),
            order: row.get(1),
            status: OrderStatus::parse(row.get(2)).unwrap(),
            moment: row.get(3),
        });
        Self(events.try_collect().await.unwrap())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Fails unless these are all of them, with repeats at most; how many repeats there are.
    pub(crate) fn agrees(&self, who: &str, told: impl Iterator<Item = Event>) -> usize {
        let mut account = Account::of(self, who);
        told.for_each(|event| account.tell(&event));
        account.close()
    }
}

/// What was told so far, by whom.
pub(crate) struct Account<'a> {
    history: &'a History,
    who: &'a str,
    seen: Vec<bool>,
    /// Of each order the last event that was told for the first time: ids follow the order of changes.
    last: HashMap<i64, i64>,
    repeats: usize,
}

impl<'a> Account<'a> {
    /// Nothing yet.
    pub(crate) fn of(history: &'a History, who: &'a str) -> Self {
        Self {
            history,
            who,
            seen: vec![false; history.len()],
            last: HashMap::new(),
            repeats: 0,
        }
    }

    /// The next one.
    pub(crate) fn tell(&mut self, event: &Event) {
        let (who, all) = (self.who, &self.history.0);
        let Ok(at) = all.binary_search_by_key(&event.id, |committed| committed.id) else {
            panic!("{who} has an event of a change that was not committed: {event:?}");
        };
        assert_eq!(all[at], *event, "{who} has another event than was committed");
        if std::mem::replace(&mut self.seen[at], true) {
            self.repeats += 1;
            return;
        }
        let before = self.last.insert(event.order, event.id);
        assert!(
            before.is_none_or(|before| before < event.id),
            "{who} has {event:?} for the first time behind event {before:?} of its order"
        );
    }

    /// Fails unless nothing is missing; how many were told again.
    pub(crate) fn close(self) -> usize {
        let missing = self.history.0.iter().zip(&self.seen).filter(|(_, seen)| !**seen);
        let missing: Vec<_> = missing.map(|(event, _)| event).collect();
        let named = &missing[..missing.len().min(NAMED_MAX)];
        assert!(
            missing.is_empty(),
            "{} misses {} of {} events, among them {named:?}",
            self.who,
            missing.len(),
            self.history.len()
        );
        self.repeats
    }
}

/// The account itself is worth something only if it notices.
mod notices {
    use super::*;

    fn event(id: i64, order: i64, status: OrderStatus) -> Event {
        Event {
            id,
            order,
            status,
            moment: id,
        }
    }

    fn history() -> History {
        History(vec![
            event(2, 1, OrderStatus::New),
            event(3, 2, OrderStatus::New),
            event(5, 1, OrderStatus::AwaitingPayment),
        ])
    }

    fn told(order: &[usize]) -> usize {
        let history = history();
        history.agrees("a test", order.iter().map(|at| history.0[*at]))
    }

    #[test]
    fn repeats_and_nothing_else() {
        assert_eq!(told(&[0, 1, 2]), 0);
        assert_eq!(told(&[1, 0, 2, 0, 1, 2, 2]), 4);
    }

    #[test]
    #[should_panic(expected = "misses 1 of 3")]
    fn a_loss() {
        told(&[0, 1, 0]);
    }

    #[test]
    #[should_panic(expected = "for the first time behind event Some(5)")]
    fn another_order() {
        told(&[2, 0, 1]);
    }

    #[test]
    #[should_panic(expected = "was not committed")]
    fn what_was_not_committed() {
        history().agrees("a test", [event(4, 1, OrderStatus::AwaitingPayment)].into_iter());
    }

    #[test]
    #[should_panic(expected = "another event")]
    fn another_content() {
        history().agrees("a test", [event(5, 1, OrderStatus::Failed)].into_iter());
    }
}
