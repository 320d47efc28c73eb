//! The process: reads its settings, starts its role, and ends in order.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use app::cli::{self, Asked};
use app::config::Settings;
use app::http::Health;
use app::http::debug::{DebugPages, LevelsPage};
use app::lifecycle::Lifecycle;
use app::profiling::Profiles;
use app::roles::{self, Process};
use app::telemetry::{self, Output, Telemetry};

/// Frees faster across threads than the system's allocator, and gives memory back: an order is made
/// on one thread and its lines are freed on another.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What the allocator reads before anything of ours runs: it can sample the heap, one allocation in
/// about 512 KiB, and does not before profiles are enabled.
#[expect(unsafe_code, reason = "the allocator finds its options by the name of a symbol")]
#[unsafe(export_name = "_rjem_malloc_conf")]
static MALLOC_CONF: &[u8; 46] = b"prof:true,prof_active:false,lg_prof_sample:19\0";

/// Time for the last lines of the log to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match cli::ask(std::env::args_os()) {
        Asked::Done(code) => code,
        Asked::Run(settings) => run(&settings).unwrap_or_else(|error| {
            let _ = writeln!(std::io::stderr().lock(), "app: {}", telemetry::chain(&*error));
            ExitCode::FAILURE
        }),
    }
}

fn run(settings: &Settings) -> Result<ExitCode, Box<dyn std::error::Error + Send + Sync>> {
    let telemetry = telemetry::init(settings, Output::stdout())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(live(settings, &telemetry));
    runtime.shutdown_timeout(LAST_LINES);
    if let Err(error) = &code {
        slog::crit!(telemetry.logger, "cannot start"; "error" => telemetry::chain(&**error));
    }
    telemetry.finish(LAST_LINES);
    Ok(ExitCode::from(code?))
}

async fn live(settings: &Settings, telemetry: &Telemetry) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    let life = Lifecycle::new(telemetry.logger.clone(), settings.shutdown.grace());
    life.listen()?;
    let profiles = settings
        .profiling
        .enabled
        .then(|| Profiles::new(settings.profiling.duration_max(), life.stopping()));
    if let Some(Err(error)) = profiles.as_ref().map(Profiles::sample_heap) {
        slog::warn!(telemetry.logger, "there will be no profiles of the heap"; "error" => telemetry::chain(&error));
    }
    let levels = settings.log.changeable.then(|| LevelsPage {
        levels: telemetry.levels.clone(),
        log: telemetry.logger.clone(),
    });
    let process = Process {
        debug: DebugPages { levels, profiles },
        settings: settings.clone(),
        health: Health::new(telemetry.logger.clone(), life.stopping()),
        metrics: telemetry.metrics.clone(),
        tracing: telemetry.tracing.clone(),
        output: telemetry.output.clone(),
        life: life.clone(),
    };
    roles::start(&process, |service| telemetry.logger_of(service)).await?;
    Ok(life.run().await)
}
