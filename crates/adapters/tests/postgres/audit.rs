//! The audit: clean after all that the ledger does by itself, also while it does it; a violation
//! that is planted behind the back of the schema is found by its check, and by no other.

use std::sync::Arc;
use std::time::Duration;

use adapters::postgres::audit::PostgresAudit;
use adapters::postgres::connect::Connector;
use adapters::postgres::settings::PostgresSettings;
use adapters::postgres::testing::{Database, WholeLedger};
use domain::audit::{AuditReport, Check, LedgerAudit};
use domain::order::batch::{Action, Answer, Command};
use domain::order::model::Draft;
use domain::order::ports::{LedgerError, Outbox};
use domain::order::settle::SettleCommand;
use domain::testing::build::{cancel, draft, keyed, order_id, pay, place, user};
use domain::testing::ledger_contract::{now, run, run_at};
use domain::types::EventId;
use tokio_postgres::error::SqlState;

const MINUTE: Duration = Duration::from_secs(60);
const ROWS: usize = 20;

fn audit_of(connector: &Arc<Connector>) -> PostgresAudit {
    PostgresAudit::new(Arc::clone(connector), MINUTE)
}

/// Bounds that a busy machine does not reach.
fn patient(database: &Database) -> PostgresSettings {
    let mut settings = database.settings();
    settings.connect_timeout = MINUTE / 4;
    settings.pool_timeout = MINUTE / 2;
    settings.statement_timeout = MINUTE / 2;
    settings.commit_timeout = MINUTE / 2;
    settings
}

async fn ledger(records: &[(i64, u32)]) -> WholeLedger {
    let database = Arc::new(Database::fresh().await);
    database.stock(records).await;
    WholeLedger::connected(Connector::new(patient(&database)), database).await
}

async fn audit(ledger: &WholeLedger) -> AuditReport {
    audit_of(&ledger.connector).audit(ROWS).await.unwrap()
}

/// Orders 1 to 6: payed, cancelled, failed, awaiting payment twice, expired. Events 1 to 12 are of
/// placing them, two each; 13, 14 and 15 of settling 1, 2 and 6. Unsent are 9 to 15.
async fn traded() -> WholeLedger {
    let ledger = ledger(&[(1, 100), (2, 10)]).await;
    let other_user = Draft {
        user: user(2),
        ..keyed(&[(1, 7)], "b")
    };
    let places = [
        place(keyed(&[(1, 2), (2, 1)], "a")),
        place(draft(&[(1, 3)])),
        place(draft(&[(1, 1), (2, 11)])),
        place(draft(&[(1, 4), (2, 2)])),
        place(other_user),
        place(draft(&[(2, 5)])),
    ];
    let answers = run(&ledger, &places).await;
    assert_eq!(answers[0], Answer::Placed(Ok(order_id(1))));
    assert!(matches!(answers[2], Answer::Placed(Err(_))));
    let expire = Command {
        action: Action::Settle(SettleCommand::Expire(order_id(6), now().plus(Duration::from_secs(1)))),
        trace: None,
    };
    let later = now().plus(MINUTE);
    let settled = run_at(&ledger, &[pay(1), cancel(2), expire], later).await.unwrap();
    assert!(settled.iter().all(|answer| matches!(answer, Answer::Settled(Ok(_)))));
    let sent = (1..=8).map(|n| EventId::try_from(n).unwrap()).collect();
    ledger.mark_sent(sent).await.unwrap();
    assert_eq!(ledger.unsent(100).await.unwrap().len(), 7);
    ledger
}

#[tokio::test]
async fn what_the_ledger_does_is_clean() {
    let empty = Database::fresh().await;
    let report = audit_of(&Connector::new(patient(&empty))).audit(ROWS).await.unwrap();
    assert_eq!(report.violations(), [], "nothing happened yet");
    assert_eq!(audit(&traded().await).await.violations(), []);
}

/// Plants rows with no constraint in the way, and tells what the audit finds of it.
async fn planted(sql: &str) -> AuditReport {
    let ledger = traded().await;
    let admin = ledger.database.admin().await;
    admin
        .batch_execute(&format!("set session_replication_role = replica; {sql}"))
        .await
        .unwrap();
    audit(&ledger).await
}

macro_rules! planted {
    ($($name:ident: $check:ident by $sql:literal is $rows:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let report = planted($sql).await;
            let checks: Vec<_> = report.violations().iter().map(|violation| violation.check).collect();
            assert_eq!(checks, [Check::$check], "{:?}", report.violations());
            let violation = report.of(Check::$check).unwrap();
            assert_eq!(violation.rows, $rows);
            assert_eq!(violation.count, violation.rows.len() as u64);
        }
    )*};
}

planted! {
    more_reserved_than_there_is: StockBounds by "
        alter table stock drop constraint stock_reserved_within_total;
        insert into stock_movements (sku, units, reason, moment) values (1, -90, 'planted', now());
        update stock set total_count = total_count - 90 where sku = 1"
        is ["sku 1: 11 reserved of 8"];
    reserved_below_zero: StockBounds by "
        alter table stock drop constraint stock_reserved_within_total;
        alter table order_items drop constraint order_items_count_check;
        update order_items set count = -8 where (order_id, sku) = (4, 1);
        update stock set reserved = -1 where sku = 1"
        is ["sku 1: -1 reserved of 98"];
    reserved_for_nobody: Reservations by "update stock set reserved = reserved + 1 where sku = 2"
        is ["sku 2: 3 reserved, 2 awaiting payment"];
    promised_and_not_reserved: Reservations by "update stock set reserved = 0"
        is ["sku 1: 0 reserved, 11 awaiting payment", "sku 2: 0 reserved, 2 awaiting payment"];
    promised_without_a_record: Reservations by "insert into order_items values (4, 77, 1)"
        is ["sku 77: none reserved, 1 awaiting payment"];
    units_from_nowhere: Totals by "update stock set total_count = total_count + 5 where sku = 1"
        is ["sku 1: total 103, moved 100, payed 2"];
    a_movement_that_was_lost: Totals by "delete from stock_movements where sku = 2"
        is ["sku 2: total 9, moved 0, payed 1"];
    sold_without_a_record: Totals by "insert into order_items values (1, 77, 1)"
        is ["sku 77: total none, moved 0, payed 1"];
    an_order_without_items: Lines by "delete from order_items where order_id = 2"
        is ["order 2 has 0 items"];
    items_without_an_order: Lines by "insert into order_items values (99, 1, 1), (99, 2, 1)"
        is ["order 99 has 2 items and is not there"];
    too_many_items: Lines by "insert into order_items select 2, s, 1 from generate_series(100, 600) s"
        is ["order 2 has 502 items"];
    short_of_something_else: Shortages by "update orders set short_sku = 77 where id = 3"
        is ["order 3 (failed): short of sku 77, 11 wanted, 9 free, none ordered"];
    short_of_nothing: Shortages by "
        alter table orders drop constraint orders_shortage_of_the_failed,
            drop constraint orders_shortage_is_one;
        update orders set short_sku = null, short_wanted = null, short_free = null where id = 3"
        is ["order 3 (failed): short of sku none, none wanted, none free, none ordered"];
    failed_with_enough: Shortages by "
        alter table orders drop constraint orders_shortage_is_one;
        update orders set short_free = 11 where id = 3"
        is ["order 3 (failed): short of sku 2, 11 wanted, 11 free, 11 ordered"];
    short_and_payed: Shortages by "
        alter table orders drop constraint orders_shortage_of_the_failed;
        update orders set short_sku = 1, short_wanted = 2 where id = 1"
        is ["order 1 (payed): short of sku 1, 2 wanted, none free, 2 ordered"];
    a_history_with_a_gap: Histories by "delete from order_events where (order_id, step) = (1, 1)"
        is ["order 1: new > payed"];
    a_history_without_a_beginning: Histories by "delete from order_events where (order_id, step) = (2, 0)"
        is ["order 2: awaiting payment > cancelled"];
    an_order_without_a_history: Histories by "delete from order_events where order_id = 4"
        is ["order 4: no history"];
    payed_and_cancelled: Histories by "
        alter table order_events drop constraint order_events_pkey cascade;
        update order_events set event_id = nextval('event_ids') where event_id = 13;
        delete from outbox where event_id = 13;
        insert into order_events (order_id, status, moment, event_id)
            select order_id, 'cancelled', moment, 13 from order_events where event_id = currval('event_ids')"
        is ["order 1: new > awaiting payment > cancelled > payed"];
    settled_at_another_moment: Standing by "
        update orders set settled_at = settled_at + interval '1 s' where id = 2"
        is ["order 2: cancelled, placed 2026-01-02T03:04:05.678Z, settled 2026-01-02T03:05:06.678Z; \
             history from 2026-01-02T03:04:05.678Z to cancelled 2026-01-02T03:05:05.678Z"];
    placed_at_another_moment: Standing by "update orders set placed_at = 'epoch' where id = 4"
        is ["order 4: awaiting payment, placed 1970-01-01T00:00:00.000Z, settled none; \
             history from 2026-01-02T03:04:05.678Z to awaiting payment 2026-01-02T03:04:05.678Z"];
    a_history_without_an_order: Standing by "
        insert into order_events (order_id, status, moment, event_id)
            values (99, 'new', 'epoch', nextval('event_ids')),
                (99, 'awaiting payment', 'epoch', nextval('event_ids'))"
        is ["order 99: none, placed none, settled none; \
             history from 1970-01-01T00:00:00.000Z to awaiting payment 1970-01-01T00:00:00.000Z"];
    event_ids_against_the_history: EventOrder by "
        update order_events set event_id = case step when 0 then 8 else 7 end where order_id = 4"
        is ["order 4: event 7 comes after event 8"];
    an_event_id_twice: EventIds by "update order_events set event_id = 9 where event_id = 8"
        is ["event 9 stands 2 times"];
    ids_that_would_be_given_again: Sequences by "
        alter sequence event_ids restart with 3; alter sequence order_id_blocks restart with 1"
        is ["event_ids gave 0, 15 is in use", "order_id_blocks gave 0, 6 is in use"];
    an_unsent_event_at_another_moment: Unsent by "
        update outbox set moment = 'epoch' where event_id = 13"
        is ["unsent event 13 (order 1 payed) is not event 13 of the history"];
    an_unsent_event_under_another_id: Unsent by "update outbox set event_id = 99 where event_id = 13"
        is ["unsent event 99 (order 1 payed) is not event 13 of the history"];
    an_unsent_event_of_another_status: Unsent by "
        update outbox set status = 'cancelled' where event_id = 13"
        is ["unsent event 13 (order 1 cancelled) is not event 13 of the history"];
    an_unsent_event_that_never_was: Unsent by "
        insert into outbox (event_id, order_id, status, moment) values (99, 4, 'payed', 'epoch')"
        is ["unsent event 99 (order 4 payed) is not event none of the history"];
    a_later_event_that_was_sent: SentInOrder by "delete from outbox where event_id in (10, 12, 15)"
        is ["order 5: event 10 was sent, event 9 was not", "order 6: event 15 was sent, event 11 was not"];
    a_key_of_another_user: Keys by "update idempotency_keys set user_id = 77 where key = 'a'"
        is ["a key of order 1 of another user, 1 keys in all"];
    a_key_of_no_order: Keys by "update idempotency_keys set order_id = 99 where key = 'a'"
        is ["a key of order 99, which is not there, 1 keys in all"];
    two_keys_of_one_order: Keys by "insert into idempotency_keys values (1, 'c', 1, now())"
        is ["a key of order 1, 2 keys in all",
            "a key of order 1, 2 keys in all"];
}

/// Where an order and its status part, the stock does too.
#[tokio::test]
async fn an_order_that_stands_elsewhere_is_found_with_all_that_follows() {
    let report = planted("update orders set status = 'cancelled' where id = 1").await;
    assert!(
        report.of(Check::Standing).is_some() && report.of(Check::Totals).is_some(),
        "{report:?}"
    );
}

#[tokio::test]
async fn all_rows_are_counted_and_some_are_told() {
    let ledger = traded().await;
    let admin = ledger.database.admin().await;
    admin
        .batch_execute(
            "set session_replication_role = replica; delete from order_events where step = 1; \
             insert into order_items select s, 1, 1 from generate_series(101, 150) s",
        )
        .await
        .unwrap();
    let report = audit_of(&ledger.connector).audit(2).await.unwrap();
    for (check, count) in [(Check::Histories, 5), (Check::Lines, 50)] {
        let violation = report.of(check).unwrap();
        assert_eq!((violation.count, violation.rows.len()), (count, 2), "{violation}");
    }
}

/// Has the audit wait in its midst for a table, plants a violation meanwhile, and lets it go on.
#[tokio::test]
async fn one_snapshot_serves_all_checks() {
    let whole = traded().await;
    let mut settings = patient(&whole.database);
    settings.lock_timeout = MINUTE;
    let audit = audit_of(&Connector::new(settings));
    let (holder, observer) = (whole.database.admin().await, whole.database.admin().await);
    holder.batch_execute("begin; lock table stock_movements").await.unwrap();
    let running = tokio::spawn({
        let audit = audit.clone();
        async move { audit.audit(ROWS).await }
    });
    tokio::time::timeout(MINUTE, async {
        let waiting = "select exists (select from pg_locks l join pg_database d on d.oid = l.database \
            where d.datname = current_database() and l.relation = 'stock_movements'::regclass and not l.granted)";
        while !observer.query_one(waiting, &[]).await.unwrap().get::<_, bool>(0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    holder
        .batch_execute("update idempotency_keys set user_id = 77 where key = 'a'; commit")
        .await
        .unwrap();
    assert_eq!(running.await.unwrap().unwrap().violations(), []);
    assert!(audit.audit(ROWS).await.unwrap().of(Check::Keys).is_some());
}

/// Runs a batch as callers do: what was refused for a while, or whose outcome is unknown, is tried again.
async fn insist(ledger: &WholeLedger, batch: &[Command]) -> Vec<Answer> {
    for _ in 0..50 {
        match run_at(ledger, batch, now()).await {
            Ok(answers) => return answers,
            Err(LedgerError::Contended(_) | LedgerError::Busy(_) | LedgerError::Unknown(_)) => {}
            Err(LedgerError::RolledBack(cause)) => panic!("refused for good: {cause:?}"),
        }
    }
    panic!("the ledger never took the batch");
}

/// Two instances trade, and a relay sends, while the ledger is audited again and again.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_ledger_is_clean_at_every_moment() {
    const ROUNDS: i64 = 60;
    let first = ledger(&[(1, 200), (2, 100_000), (3, 100_000)]).await;
    let connector = Connector::new(patient(&first.database));
    let second = WholeLedger::connected(connector, Arc::clone(&first.database)).await;
    let audits = audit_of(&first.connector);
    let trade = async |ledger: &WholeLedger, name: &str| {
        for round in 0..ROUNDS {
            let places = [
                place(keyed(&[(1, 3), (3, 1)], &format!("{name}{round}"))),
                place(draft(&[(2, 2), (3, 2)])),
                place(draft(&[(1, 1), (2, 1)])),
            ];
            let placed = insist(ledger, &places).await;
            let settles: Vec<_> = placed
                .iter()
                .enumerate()
                .filter_map(|(at, answer)| match answer {
                    Answer::Placed(Ok(order)) if at == 0 => Some(pay(order.get())),
                    Answer::Placed(Ok(order)) if at == 1 => Some(cancel(order.get())),
                    Answer::Placed(_) | Answer::Settled(_) => None,
                })
                .collect();
            insist(ledger, &settles).await;
            let unsent = ledger.unsent(4).await.unwrap();
            ledger
                .mark_sent(unsent.iter().map(|event| event.id).collect())
                .await
                .unwrap();
        }
    };
    let done = tokio::sync::watch::Sender::new(false);
    let trading = async {
        tokio::join!(trade(&first, "a"), trade(&second, "b"));
        done.send_replace(true);
    };
    let auditing = async {
        let mut reports = 0;
        while !*done.borrow() {
            assert_eq!(audits.audit(ROWS).await.unwrap().violations(), []);
            reports += 1;
        }
        reports
    };
    let ((), reports) = tokio::join!(trading, auditing);
    assert!(reports >= 3, "{reports} audits are too few to tell");
    assert_eq!(audits.audit(ROWS).await.unwrap().violations(), []);
    let failed = first.database.admin().await;
    let failed = failed
        .query_one("select count(*) from orders where status = 'failed'", &[])
        .await
        .unwrap();
    assert!(failed.get::<_, i64>(0) > 0, "the stock never ran out");
}

#[tokio::test]
async fn an_audit_that_takes_too_long_is_ended_by_the_server() {
    let whole = traded().await;
    let mut settings = patient(&whole.database);
    settings.lock_timeout = MINUTE;
    let impatient = PostgresAudit::new(Connector::new(settings), Duration::from_millis(300));
    let holder = whole.database.admin().await;
    holder.batch_execute("begin; lock table order_items").await.unwrap();
    let error = impatient.audit(ROWS).await.unwrap_err();
    let cause = error.0.downcast_ref::<tokio_postgres::Error>();
    assert_eq!(
        cause.and_then(|cause| cause.code()),
        Some(&SqlState::QUERY_CANCELED),
        "{error:?}"
    );
    let left = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    assert_eq!(holder.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_check_that_cannot_be_done_leaves_no_report() {
    let ledger = traded().await;
    let admin = ledger.database.admin().await;
    admin.batch_execute("drop table idempotency_keys").await.unwrap();
    assert!(audit_of(&ledger.connector).audit(ROWS).await.is_err());
}
