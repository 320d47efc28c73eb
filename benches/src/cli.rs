//! The commands of `load`, and how each runs: input, free stock before, workload, audit, report.

mod args;
mod stack;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use self::stack::StackArgs;
use crate::audit::{self, AuditOptions};
use crate::client::Target;
use crate::compare::{Comparison, Side};
use crate::error::{EXIT_FOUND, EXIT_INCOMPLETE, EXIT_OK, LoadError};
use crate::pace::Pace;
use crate::runner::Finished;
use crate::stack::shop::free_ports as free_ports_of;
use crate::workloads::Job;
use crate::{bare, compare, dataset, micro, replay, report, runner, startup, story, workloads};
use args::{Cli, Command, Common, CompareArgs, HotArgs, MicroArgs, ReplayArgs, SpreadArgs};

/// Runs the program. Exit codes: 0 fine, 1 the audit or the story found something wrong, 2 wrong usage
/// or input file, 3 the run could not be completed.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    ExitCode::from(match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => failed(&LoadError::Output(error)),
    })
}

async fn run(cli: Cli) -> u8 {
    match dispatch(cli.command).await {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

/// The whole program with these arguments, without the process around it.
#[cfg(test)]
pub(crate) async fn run_from(args: &[&str]) -> u8 {
    run(Cli::try_parse_from(args).expect("a command line of a test")).await
}

fn failed(error: &LoadError) -> u8 {
    complain(error);
    error.exit_code()
}

fn complain(error: &LoadError) {
    use std::error::Error;
    use std::io::Write;
    let mut err = std::io::stderr().lock();
    // Nobody is left to be told if standard error is closed.
    let _ = write!(err, "load: {error}");
    if let Some(source) = error.source() {
        let _ = write!(err, ": {source}");
    }
    let _ = writeln!(err);
}

async fn dispatch(command: Command) -> Result<u8, LoadError> {
    match command {
        Command::Replay(args) => replay(args).await,
        Command::Hot(args) => hot(args).await,
        Command::Spread(args) => spread(args).await,
        Command::Micro(args) => micro(args).await,
        Command::Compare(args) => compare(args).await,
        Command::Stack(args) => stack(args).await,
        Command::Story(args) => {
            let target = Target::new(&args.target.urls())?;
            story::tell(&target, &run_id(), args.app_log.as_deref())
                .await
                .map(|()| EXIT_OK)
        }
        Command::BareHttp(args) => bare::http(args.addr).await.map(|()| EXIT_OK),
        Command::BareGrpc(args) => bare::grpc(args.addr).await.map(|()| EXIT_OK),
        Command::Ready(args) => {
            startup::ready(&args.urls, Duration::from_secs_f64(args.seconds)).await?;
            Ok(EXIT_OK)
        }
        Command::StartUp(args) => {
            startup::measure(&args.url, &args.command, args.rounds).await?;
            Ok(EXIT_OK)
        }
        Command::FreePorts { count } => free_ports(count).map(|()| EXIT_OK),
    }
}

async fn replay(args: ReplayArgs) -> Result<u8, LoadError> {
    let households = dataset::read_baskets(&args.baskets, args.limit)?;
    let skus = dataset::skus_of(&households);
    if let Some(catalogue) = &args.catalogue {
        let known = dataset::read_skus(catalogue)?;
        if let Some(sku) = skus.iter().find(|sku| known.binary_search(sku).is_err()) {
            return Err(LoadError::Usage(format!(
                "sku {sku} of the baskets is not in {}",
                catalogue.display()
            )));
        }
    }
    let job = job(&args.common, !args.orders_only, 10, None)?;
    let run = Run::begin("replay", &args.common, &skus).await?;
    let finished = replay::replay(&run.target, &job, households).await?;
    run.end(finished, &job).await
}

async fn hot(args: HotArgs) -> Result<u8, LoadError> {
    let job = made_up_job(&args.common, args.through_cart, args.users)?;
    let run = Run::begin("hot", &args.common, &[args.sku]).await?;
    let finished = workloads::hot(&run.target, &job, args.sku, args.users).await?;
    run.end(finished, &job).await
}

async fn spread(args: SpreadArgs) -> Result<u8, LoadError> {
    let job = made_up_job(&args.common, args.through_cart, args.users)?;
    let skus = args.skus.choose(&args.common.target).await?;
    let run = Run::begin("spread", &args.common, &skus).await?;
    let finished = workloads::spread(&run.target, &job, skus, args.lines, args.users).await?;
    run.end(finished, &job).await
}

async fn micro(args: MicroArgs) -> Result<u8, LoadError> {
    let common = &args.common;
    let skus = args.skus.choose(&common.target).await?;
    let target = Target::new(&common.target.urls())?;
    let pace = Arc::new(pace(common, common.pace.requests));
    let total = common.pace.requests;
    let (in_flight, seed) = (common.pace.in_flight(), common.seed);
    let finished = micro::run(&target, args.call, skus, pace, in_flight, seed, total).await?;
    let name = args.call.name();
    report::print(name, &finished, None)?;
    report::write_json(
        common.json.as_deref(),
        &report::to_json(name, &finished, None, options(common)),
    )?;
    Ok(if finished.stats.unexpected() > 0 {
        EXIT_INCOMPLETE
    } else {
        EXIT_OK
    })
}

async fn compare(args: CompareArgs) -> Result<u8, LoadError> {
    let side = |url: &str, pid| Side {
        urls: args.urls(url),
        pid,
    };
    let plan = Comparison {
        call: args.call,
        ours: side(&args.ours_url, args.ours_pid),
        bare: side(&args.bare_url, args.bare_pid),
        rounds: args.rounds,
        duration: args.duration(),
        in_flight: args.in_flight,
        skus: args.skus.of_file()?,
        seed: args.seed,
    };
    let result = compare::compare(&plan).await?;
    report::write_json(args.json.as_deref(), &result)?;
    Ok(EXIT_OK)
}

async fn stack(args: StackArgs) -> Result<u8, LoadError> {
    let parts = args.parts();
    crate::stack::run(&args.plan(), &parts).await?;
    Ok(EXIT_OK)
}

/// The frame of an audited run.
struct Run<'a> {
    name: &'static str,
    common: &'a Common,
    target: Target,
    before: audit::Free,
}

impl<'a> Run<'a> {
    async fn begin(name: &'static str, common: &'a Common, skus: &[i64]) -> Result<Self, LoadError> {
        let target = Target::new(&common.target.urls())?;
        let before = if common.no_audit {
            audit::Free::new()
        } else {
            audit::free_units(&target, skus, common.pace.in_flight()).await?
        };
        Ok(Self {
            name,
            common,
            target,
            before,
        })
    }

    async fn end(self, mut finished: Finished, job: &Job) -> Result<u8, LoadError> {
        let options_of_audit = AuditOptions {
            in_flight: job.in_flight,
            patience: job.patience,
            plant: self.common.plant,
        };
        let verdict = if self.common.no_audit {
            None
        } else {
            let audited = audit::audit(&self.target, &self.before, &mut finished.book, options_of_audit).await;
            if audited.is_err() {
                // What was measured is worth showing, also where nobody can say what it came to.
                report::print(self.name, &finished, None)?;
            }
            Some(audited?)
        };
        report::print(self.name, &finished, verdict.as_ref())?;
        let json = report::to_json(self.name, &finished, verdict.as_ref(), options(self.common));
        report::write_json(self.common.json.as_deref(), &json)?;
        let book = &finished.book;
        // A replay that skips what real people bought is not the replay that was asked for.
        let skipped = self.name == "replay" && book.given_up + book.lines_given_up > 0;
        Ok(match exit_code(&finished, verdict.as_ref()) {
            EXIT_OK if skipped => EXIT_INCOMPLETE,
            code => code,
        })
    }
}

fn exit_code(run: &Finished, verdict: Option<&audit::Verdict>) -> u8 {
    match verdict {
        Some(verdict) if verdict.unresolved > 0 => EXIT_INCOMPLETE,
        Some(verdict) if !verdict.clean() => EXIT_FOUND,
        _ if run.stats.unexpected() > 0 => EXIT_INCOMPLETE,
        _ => EXIT_OK,
    }
}

/// `hot` and `spread`: one order a user unless something else is asked for.
fn made_up_job(common: &Common, through_cart: bool, users: u64) -> Result<Job, LoadError> {
    let bounds = &common.pace;
    let asked = match (bounds.requests, bounds.duration_seconds) {
        (None, None) => Some(users),
        (requests, _) => requests,
    };
    // Two baskets of one user at a time would be one cart.
    let requests = if through_cart {
        Some(asked.unwrap_or(users).min(users))
    } else {
        asked
    };
    job(common, through_cart, 0, requests)
}

fn job(common: &Common, by_cart: bool, retries: u32, requests: Option<u64>) -> Result<Job, LoadError> {
    let total = requests.or(common.pace.requests);
    let pace = Arc::new(pace(common, total));
    let stopped = pace.clone();
    tokio::spawn(async move {
        runner::interrupted().await;
        stopped.stop();
    });
    Ok(Job {
        in_flight: common.pace.in_flight(),
        pace,
        total,
        seed: common.seed,
        run_id: run_id(),
        by_cart,
        retries: common.retries.unwrap_or(retries),
        then: common.then,
        patience: common.patience(),
    })
}

fn pace(common: &Common, requests: Option<u64>) -> Pace {
    Pace::new(common.pace.rate, requests, common.pace.duration())
}

/// Differs from run to run even with the same seed: keys of an earlier run must not answer for this one.
fn run_id() -> Arc<str> {
    let random: u64 = StdRng::from_os_rng().random();
    format!("load-{random:016x}").into()
}

fn options(common: &Common) -> Value {
    json!({
        "in_flight": common.pace.in_flight(),
        "rate_per_second": common.pace.rate,
        "duration_seconds": common.pace.duration_seconds,
        "requests": common.pace.requests,
        "seed": common.seed,
        "orders_by_gateway": common.target.via_gateway,
        "planted": common.plant.map(|plant| format!("{plant:?}")),
    })
}

/// Ports that were free a moment ago, one a line; all different.
fn free_ports(count: usize) -> Result<(), LoadError> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    for port in free_ports_of(count)? {
        writeln!(out, "{port}")?;
    }
    Ok(())
}
