//! What operations ask: `/metrics`, `/healthz` (the process is up) and `/readyz` (the role can do
//! its main job). A check that is required and fails makes it 503; one that is optional is named
//! as degraded, with 200. Only names are told; why is in the log, when it begins. Beside them stands
//! what [`DebugPages`] shows, where that is enabled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data, ServiceConfig};
use futures::future::{BoxFuture, join_all};
use parking_lot::RwLock;
use serde::Serialize;
use slog::{Logger, debug, info, warn};
use tokio_util::sync::CancellationToken;

use super::debug::DebugPages;
use super::problem::answer;
use super::resource;
use crate::telemetry::Metrics;

/// Time for a check; one that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// The media type of Prometheus text.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

type Ask = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

struct Check {
    name: String,
    required: bool,
    ask: Ask,
    /// Whether it failed the last time: changes are told, not every look.
    failing: AtomicBool,
}

impl Check {
    /// Tells when it begins to fail, and when that is over.
    fn tell(&self, answer: &Result<(), String>, log: &Logger) {
        let failed = self.failing.swap(answer.is_err(), Ordering::Relaxed);
        match answer {
            Err(why) if !failed => {
                warn!(log, "a check failed"; "check" => &self.name, "required" => self.required, "reason" => why);
            }
            Err(why) => debug!(log, "a check fails"; "check" => &self.name, "reason" => why),
            Ok(()) if failed => info!(log, "a check is good again"; "check" => &self.name),
            Ok(()) => {}
        }
    }
}

/// Whether a role can do its main job. Cheap to clone.
#[derive(Clone)]
pub struct Health(Arc<HealthState>);

struct HealthState {
    checks: RwLock<Vec<Arc<Check>>>,
    stopping: CancellationToken,
    log: Logger,
}

/// What `/readyz` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// `ready`, `not ready`, or `stopping`.
    pub status: &'static str,
    /// Required checks that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// Optional checks that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<String>,
}

impl Health {
    /// Without checks: ready until `stopping` is cancelled.
    #[must_use]
    pub fn new(log: Logger, stopping: CancellationToken) -> Self {
        Self(Arc::new(HealthState {
            checks: RwLock::default(),
            stopping,
            log,
        }))
    }

    /// Adds a check without which the role cannot do its main job.
    pub fn required<F>(&self, name: impl Into<String>, ask: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.add(name.into(), true, ask);
    }

    /// Adds a check without which the role does its job in part.
    pub fn optional<F>(&self, name: impl Into<String>, ask: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.add(name.into(), false, ask);
    }

    fn add<F>(&self, name: String, required: bool, ask: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let ask: Ask = Box::new(move || Box::pin(ask()));
        self.0.checks.write().push(Arc::new(Check {
            name,
            required,
            ask,
            failing: AtomicBool::new(false),
        }));
    }

    /// Asks all checks at the same time.
    pub async fn readiness(&self) -> Readiness {
        if self.0.stopping.is_cancelled() {
            return Readiness {
                status: "stopping",
                failed: Vec::new(),
                degraded: Vec::new(),
            };
        }
        let checks = self.0.checks.read().clone();
        let answers = join_all(
            checks
                .iter()
                .map(|check| tokio::time::timeout(CHECK_TIMEOUT, (check.ask)())),
        )
        .await;
        let mut ready = Readiness {
            status: "ready",
            failed: Vec::new(),
            degraded: Vec::new(),
        };
        for (check, answer) in checks.iter().zip(answers) {
            let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            check.tell(&answer, &self.0.log);
            if answer.is_ok() {
                continue;
            }
            let names = if check.required {
                &mut ready.failed
            } else {
                &mut ready.degraded
            };
            // Two roles of one process may need the same.
            if !names.contains(&check.name) {
                names.push(check.name.clone());
            }
        }
        if !ready.failed.is_empty() {
            ready.status = "not ready";
        }
        ready
    }
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<String> = self.0.checks.read().iter().map(|check| check.name.clone()).collect();
        f.debug_tuple("Health").field(&names).finish()
    }
}

/// The endpoints of operations.
#[derive(Debug, Clone)]
pub struct Ops {
    /// The metrics of the process.
    pub metrics: Metrics,
    /// The readiness of the role.
    pub health: Health,
    /// What of the inside is shown.
    pub debug: DebugPages,
}

impl Ops {
    /// Mounts them.
    pub fn mount(&self, config: &mut ServiceConfig) {
        config
            .app_data(Data::new(self.clone()))
            .service(resource("/metrics").route(web::get().to(metrics)))
            .service(resource("/healthz").route(web::get().to(healthz)))
            .service(resource("/readyz").route(web::get().to(readyz)));
        self.debug.mount(config);
    }
}

async fn metrics(ops: Data<Ops>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, METRICS_TYPE))
        .body(ops.metrics.render())
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "up" }))
}

async fn readyz(ops: Data<Ops>) -> HttpResponse {
    let ready = ops.health.readiness().await;
    let status = if ready.status == "ready" {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    answer(status).json(ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health::new(Logger::root(slog::Discard, slog::o!()), CancellationToken::new())
    }

    async fn fine() -> Result<(), String> {
        Ok(())
    }

    async fn down() -> Result<(), String> {
        Err("planted".to_owned())
    }

    #[tokio::test]
    async fn optional_checks_degrade_and_required_ones_fail() {
        let health = health();
        health.required("ledger", fine);
        assert_eq!(health.readiness().await.status, "ready");
        health.optional("products", down);
        let degraded = health.readiness().await;
        assert_eq!(
            (degraded.status, degraded.degraded.as_slice()),
            ("ready", ["products".to_owned()].as_slice())
        );
        health.required("primary", down);
        let failed = health.readiness().await;
        assert_eq!(
            (failed.status, failed.failed.as_slice()),
            ("not ready", ["primary".to_owned()].as_slice())
        );
    }

    #[tokio::test]
    async fn why_a_check_fails_is_told_once_and_when_it_is_over() {
        let lines = Arc::<std::sync::Mutex<Vec<String>>>::default();
        let log = Logger::root(Kept(Arc::clone(&lines)), slog::o!());
        let health = Health::new(log, CancellationToken::new());
        let good = Arc::<AtomicBool>::default();
        let asked = Arc::clone(&good);
        health.required("primary", move || {
            let answer = if asked.load(Ordering::Relaxed) {
                Ok(())
            } else {
                Err("planted".to_owned())
            };
            async { answer }
        });
        for now in [false, false, true, true, false] {
            good.store(now, Ordering::Relaxed);
            health.readiness().await;
        }
        assert_eq!(
            *lines.lock().unwrap(),
            ["a check failed", "a check is good again", "a check failed"]
        );
    }

    /// Keeps the messages, but for those at debug.
    struct Kept(Arc<std::sync::Mutex<Vec<String>>>);

    impl slog::Drain for Kept {
        type Ok = ();
        type Err = slog::Never;

        fn log(&self, record: &slog::Record<'_>, _: &slog::OwnedKVList) -> Result<(), slog::Never> {
            if record.level().is_at_least(slog::Level::Info) {
                self.0.lock().unwrap().push(record.msg().to_string());
            }
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_check_that_does_not_answer_has_failed() {
        let health = health();
        health.required("frozen", std::future::pending);
        assert_eq!(health.readiness().await.failed, ["frozen"]);
    }

    #[tokio::test]
    async fn a_process_that_stops_is_not_ready() {
        let health = health();
        health.0.stopping.cancel();
        assert_eq!(health.readiness().await.status, "stopping");
    }
}
