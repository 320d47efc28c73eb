//! Audits the ledger again and again, one instance at a time, and exposes what it finds: a log line
//! and a gauge for each rule that does not hold, until an audit finds that it does.

use std::time::Duration;

use domain::audit::{AuditReport, Check, LedgerAudit};
use domain::clock::{Clock, Moment};
use domain::order::ports::QueryError;
use domain::turn::Turn;
use slog::{Logger, error, info, warn};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::telemetry::names::{AUDIT_FAILURES, AUDIT_LAST, AUDIT_SECONDS, AUDIT_VIOLATIONS};
use crate::telemetry::{Repeated, Stopwatch, chain};

/// The first audit of a process comes sooner than the next: it may not live for a whole interval.
const FIRST_AFTER: Duration = Duration::from_secs(60);

/// When the ledger is audited.
#[derive(Debug, Clone, Copy)]
pub struct AuditLimits {
    /// The pause between audits.
    pub interval: Duration,
    /// Most rows that are told of each rule.
    pub rows_max: usize,
}

/// Audits until it is stopped, and keeps the number of rules that do not hold in `broken`. What
/// was found is forgotten when it is another instance's turn, which then exposes it. An audit
/// that could not be done leaves what the last one found.
pub async fn run<A: LedgerAudit, T: Turn, C: Clock>(
    ledger: A,
    turn: T,
    clock: C,
    limits: AuditLimits,
    broken: watch::Sender<usize>,
    log: Logger,
    stop: CancellationToken,
) {
    AUDIT_FAILURES.begin();
    metrics::gauge!(AUDIT_SECONDS.name).set(0);
    expose(&AuditReport::default(), None);
    let (failing, mut pause) = (Repeated::default(), limits.interval.min(FIRST_AFTER));
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        pause = limits.interval;
        let mine = match turn.is_mine().await {
            Ok(mine) => mine,
            Err(error) => {
                fail(&log, &failing, &error);
                continue;
            }
        };
        if !mine {
            expose(&AuditReport::default(), None);
            broken.send_replace(0);
            continue;
        }
        let took = Stopwatch::start();
        // A snapshot that nobody waits for is given up: it changes nothing.
        match stop.run_until_cancelled(ledger.audit(limits.rows_max)).await {
            None => return,
            Some(Ok(report)) => {
                let took = took.elapsed();
                failing.succeeds();
                metrics::gauge!(AUDIT_SECONDS.name).set(took.as_secs_f64());
                expose(&report, Some(clock.now()));
                tell(&report, took, &log);
                broken.send_replace(report.violations().len());
            }
            Some(Err(error)) => fail(&log, &failing, &error),
        }
    }
}

fn fail(log: &Logger, failing: &Repeated, error: &QueryError) {
    metrics::counter!(AUDIT_FAILURES.name).increment(1);
    if let Some(suppressed) = failing.fails() {
        warn!(log, "the ledger could not be audited"; "error" => chain(error), "suppressed" => suppressed);
    }
}

/// Sets the gauges: of an audit, or (`at` is `None`) of an instance that has none to tell of.
fn expose(report: &AuditReport, at: Option<Moment>) {
    for check in Check::ALL {
        let count = report.of(check).map_or(0, |violation| violation.count);
        #[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^52")]
        metrics::gauge!(AUDIT_VIOLATIONS.name, "check" => check.name()).set(count as f64);
    }
    let at = at.map_or(Duration::ZERO, |at| at.since(Moment::from_unix_millis(0)));
    metrics::gauge!(AUDIT_LAST.name).set(at.as_secs_f64());
}

fn tell(report: &AuditReport, took: Duration, log: &Logger) {
    for violation in report.violations() {
        error!(log, "the ledger breaks a rule";
            "check" => violation.check.name(),
            "rule" => violation.check.rule(),
            "violations" => violation.count,
            "rows" => violation.rows.join("; "));
    }
    info!(log, "the ledger was audited";
        "rules_broken" => report.violations().len(), "took_ms" => u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use domain::error::cause;
    use domain::testing::build::ManualClock;
    use domain::testing::faults::Planted;
    use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
    use parking_lot::Mutex;
    use slog::Drain;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Answers in their order; how often it was asked is what is missing of them.
    #[derive(Clone, Default)]
    struct Audits(Arc<Mutex<VecDeque<Result<AuditReport, QueryError>>>>);

    impl LedgerAudit for Audits {
        async fn audit(&self, rows_max: usize) -> Result<AuditReport, QueryError> {
            assert_eq!(rows_max, 5);
            self.0.lock().pop_front().expect("it is not asked so often")
        }
    }

    #[derive(Clone, Default)]
    struct Mine(Arc<AtomicBool>);

    impl Turn for Mine {
        async fn is_mine(&self) -> Result<bool, QueryError> {
            Ok(self.0.load(Ordering::SeqCst))
        }
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn logger(&self) -> Logger {
            let json = slog_json::Json::new(self.clone()).add_default_keys().build();
            Logger::root(std::sync::Mutex::new(json).fuse(), slog::o!())
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).unwrap()
        }
    }

    fn broken_totals() -> AuditReport {
        let mut report = AuditReport::default();
        report.note(
            Check::Totals,
            7,
            vec!["sku 1: total 3".to_owned(), "sku 2: total 4".to_owned()],
        );
        report
    }

    fn gauges(metrics: &PrometheusHandle) -> (f64, f64) {
        let text = metrics.render();
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap();
            line.rsplit(' ').next().unwrap().parse().unwrap()
        };
        (
            value("loms_audit_violations{check=\"totals\"}"),
            value("loms_audit_last_success_timestamp_seconds"),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn every_interval_one_instance_audits_and_exposes_what_stands() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        let _counting = metrics::set_default_local_recorder(&recorder);
        let (audits, mine, lines, clock) = (
            Audits::default(),
            Mine::default(),
            Lines::default(),
            ManualClock::default(),
        );
        let now = Duration::from_millis(clock.now().unix_millis().unsigned_abs()).as_secs_f64();
        let (broken, seen) = watch::channel(0);
        let limits = AuditLimits {
            interval: HOUR,
            rows_max: 5,
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(
            audits.clone(),
            mine.clone(),
            clock,
            limits,
            broken,
            lines.logger(),
            stop.clone(),
        ));
        let after = async |answer: Result<AuditReport, QueryError>, pause: Duration| {
            audits.0.lock().push_back(answer);
            tokio::time::sleep(pause).await;
            audits.0.lock().drain(..).count()
        };

        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(gauges(&metrics), (0.0, 0.0), "it is another instance's turn");
        mine.0.store(true, Ordering::SeqCst);
        let unasked = after(Ok(broken_totals()), HOUR - Duration::from_secs(10)).await;
        assert_eq!((unasked, *seen.borrow()), (1, 0), "not before the interval is over");
        assert_eq!(after(Ok(broken_totals()), Duration::from_secs(20)).await, 0);
        assert_eq!((*seen.borrow(), gauges(&metrics)), (1, (7.0, now)));
        let line = lines.text();
        for part in [
            "\"check\":\"totals\"",
            "sku 1: total 3; sku 2: total 4",
            "\"violations\":7",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }

        assert_eq!(after(Err(QueryError(cause(Planted))), HOUR).await, 0);
        assert_eq!(
            (*seen.borrow(), gauges(&metrics)),
            (1, (7.0, now)),
            "what was found stands"
        );
        assert!(metrics.render().contains("loms_audit_failures_total 1"));
        assert_eq!(after(Ok(AuditReport::default()), HOUR).await, 0);
        assert_eq!((*seen.borrow(), gauges(&metrics)), (0, (0.0, now)), "repaired");

        assert_eq!(after(Ok(broken_totals()), HOUR).await, 0);
        mine.0.store(false, Ordering::SeqCst);
        tokio::time::sleep(HOUR).await;
        assert_eq!(
            (*seen.borrow(), gauges(&metrics)),
            (0, (0.0, 0.0)),
            "another instance tells now"
        );
        stop.cancel();
        task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_lives_for_less_than_an_interval_audits_all_the_same() {
        let (audits, mine) = (Audits::default(), Mine::default());
        mine.0.store(true, Ordering::SeqCst);
        audits.0.lock().push_back(Ok(broken_totals()));
        let (broken, seen) = watch::channel(0);
        let limits = AuditLimits {
            interval: HOUR,
            rows_max: 5,
        };
        let log = Logger::root(slog::Discard, slog::o!());
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(
            audits,
            mine,
            ManualClock::default(),
            limits,
            broken,
            log,
            stop.clone(),
        ));
        tokio::time::sleep(FIRST_AFTER + Duration::from_secs(1)).await;
        assert_eq!(*seen.borrow(), 1);
        stop.cancel();
        task.await.unwrap();
    }

    struct Endless;

    impl LedgerAudit for Endless {
        async fn audit(&self, _: usize) -> Result<AuditReport, QueryError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_stops_does_not_wait_for_an_audit() {
        let limits = AuditLimits {
            interval: Duration::from_secs(1),
            rows_max: 5,
        };
        let log = Logger::root(slog::Discard, slog::o!());
        let (stop, broken) = (CancellationToken::new(), watch::Sender::new(0));
        let alone = domain::turn::Alone;
        let task = tokio::spawn(run(
            Endless,
            alone,
            ManualClock::default(),
            limits,
            broken,
            log,
            stop.clone(),
        ));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!task.is_finished());
        stop.cancel();
        tokio::time::timeout(Duration::from_secs(1), task)
            .await
            .unwrap()
            .unwrap();
    }
}
