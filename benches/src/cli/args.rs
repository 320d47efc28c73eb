//! The command line of `load`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::stack::StackArgs;
use crate::audit::Plant;
use crate::client::{ProductsClient, Target, Urls};
use crate::dataset;
use crate::error::LoadError;
use crate::micro::Call;
use crate::workloads::Then;

/// Drives a deployment of the shop over its public API, measures it, and audits its stock.
///
/// Exit codes: 0 fine; 1 the audit or the story found something wrong; 2 wrong usage or input file;
/// 3 the run could not be completed, or answers came that should not.
#[derive(Debug, Parser)]
#[command(name = "load", version)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Real baskets, household by household in time order: fill the cart, check out, pay.
    Replay(ReplayArgs),
    /// Everybody wants one sku.
    Hot(HotArgs),
    /// Orders of a few lines over many skus.
    Spread(SpreadArgs),
    /// One kind of call over and over, without audit.
    Micro(MicroArgs),
    /// The shop beside a bare server, both running: throughput, latency, server CPU per request.
    Compare(CompareArgs),
    /// The ledger and its pipeline on real services, beside the usual way. Servers are those of the
    /// environment: `scripts/bench-stack.sh` starts them.
    Stack(StackArgs),
    /// A short story with a sell-out, told and checked; needs the built-in catalogue.
    Story(StoryArgs),
    /// A bare actix-web server with the bytes of a cart add, to compare with.
    BareHttp(BareArgs),
    /// A bare tonic server with the messages of LOMS, to compare with.
    BareGrpc(BareArgs),
    /// Waits until every URL answers 200.
    Ready(ReadyArgs),
    /// Starts a command again and again and prints the time to the first 200 of a URL.
    StartUp(StartUpArgs),
    /// Prints ports that are free at the moment.
    FreePorts {
        /// How many.
        count: usize,
    },
}

/// The deployment.
#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// Carts and checkout.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub(super) cart_url: String,
    /// Orders over HTTP.
    #[arg(long, default_value = "http://127.0.0.1:8084")]
    pub(super) gateway_url: String,
    /// Orders over gRPC.
    #[arg(long, default_value = "http://127.0.0.1:8083")]
    pub(super) grpc_url: String,
    /// The product service, for a list of skus.
    #[arg(long, default_value = "http://127.0.0.1:8082")]
    pub(super) products_url: String,
    /// Its key.
    #[arg(long, default_value = "testToken")]
    pub(super) api_key: String,
    /// Sends orders over the gateway instead of gRPC.
    #[arg(long)]
    pub(super) via_gateway: bool,
    /// gRPC connections that calls are spread over.
    #[arg(long, default_value_t = 4)]
    pub(super) connections: usize,
    /// How long one call may take; then its outcome is unknown.
    #[arg(long, default_value_t = 30.0, value_parser = positive)]
    pub(super) timeout_seconds: f64,
}

/// How fast and how long.
#[derive(Debug, Args)]
pub(super) struct PaceArgs {
    /// Calls in flight at most.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    in_flight: u16,
    /// Open loop: orders (or calls) a second at a fixed rate; latency counts from the intended start.
    #[arg(long, value_parser = positive)]
    pub(super) rate: Option<f64>,
    /// Ends after so long.
    #[arg(long, value_parser = positive)]
    pub(super) duration_seconds: Option<f64>,
    /// Ends after so many orders (or calls).
    #[arg(long)]
    pub(super) requests: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct Common {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    #[command(flatten)]
    pub(super) pace: PaceArgs,
    /// What is done with placed orders.
    #[arg(long, value_enum, default_value_t = Then::Pay)]
    pub(super) then: Then,
    /// Repeats of a call that was answered «nothing was done» (default: 10 for replay, else 0).
    #[arg(long)]
    pub(super) retries: Option<u32>,
    /// Chooses users and skus; the same seed makes the same orders.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Writes the report as JSON too.
    #[arg(long)]
    pub(super) json: Option<PathBuf>,
    /// Leaves the audit out.
    #[arg(long)]
    pub(super) no_audit: bool,
    /// How long unknown outcomes are asked after.
    #[arg(long, default_value_t = 60.0, value_parser = positive)]
    resolve_seconds: f64,
    /// Test only: puts a fault into the audit, which must find it (exit code 1).
    #[arg(long, value_enum)]
    pub(super) plant: Option<Plant>,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// One basket a line: {"user_id":1,"lines":[{"sku":2,"count":3}]}.
    #[arg(long)]
    pub(super) baskets: PathBuf,
    /// Checks before the start that every sku of the baskets is in this file.
    #[arg(long)]
    pub(super) catalogue: Option<PathBuf>,
    /// No carts: straight to OrderCreate and OrderPay.
    #[arg(long)]
    pub(super) orders_only: bool,
    /// Only the first baskets of the file.
    #[arg(long)]
    pub(super) limit: Option<usize>,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Args)]
pub(super) struct HotArgs {
    /// What everybody wants.
    #[arg(long)]
    pub(super) sku: i64,
    /// Buyers; one order of one unit each, unless --requests or --duration-seconds say otherwise.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) users: u64,
    /// Through carts and checkout; each user at most once.
    #[arg(long)]
    pub(super) through_cart: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Args)]
pub(super) struct SpreadArgs {
    #[command(flatten)]
    pub(super) skus: SkuArgs,
    /// Lines of an order.
    #[arg(long, default_value_t = 3)]
    pub(super) lines: usize,
    /// Buyers; one order each, unless --requests or --duration-seconds say otherwise.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) users: u64,
    /// Through carts and checkout; each user at most once.
    #[arg(long)]
    pub(super) through_cart: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Args)]
pub(super) struct MicroArgs {
    /// Which call.
    #[arg(value_enum)]
    pub(super) call: Call,
    #[command(flatten)]
    pub(super) skus: SkuArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Which skus to name.
#[derive(Debug, Args)]
pub(super) struct SkuArgs {
    /// At most so many different skus.
    #[arg(long, default_value_t = 10_000)]
    skus: usize,
    /// Takes them from a catalogue or stock file instead of the product service.
    #[arg(long)]
    sku_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// Which call.
    #[arg(value_enum)]
    pub(super) call: Call,
    /// The shop's cart (for cart-add) or LOMS over gRPC.
    #[arg(long)]
    pub(super) ours_url: String,
    /// Process of the shop.
    #[arg(long)]
    pub(super) ours_pid: u32,
    /// The bare server.
    #[arg(long)]
    pub(super) bare_url: String,
    /// Process of the bare server.
    #[arg(long)]
    pub(super) bare_pid: u32,
    /// Runs of each side that count; one more before them warms up.
    #[arg(long, default_value_t = 7)]
    pub(super) rounds: usize,
    /// Length of a run.
    #[arg(long, default_value_t = 3.0, value_parser = positive)]
    duration_seconds: f64,
    /// Calls in flight.
    #[arg(long, default_value_t = 64)]
    pub(super) in_flight: usize,
    /// gRPC connections.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    #[command(flatten)]
    pub(super) skus: SkuArgs,
    /// Chooses users and skus.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Writes the result as JSON too.
    #[arg(long)]
    pub(super) json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct StoryArgs {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    /// Where the shop's standard output goes: the story shows what the notifier wrote there.
    #[arg(long)]
    pub(super) app_log: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct BareArgs {
    /// Where to listen.
    #[arg(long)]
    pub(super) addr: SocketAddr,
}

#[derive(Debug, Args)]
pub(super) struct ReadyArgs {
    /// What must answer 200.
    #[arg(required = true)]
    pub(super) urls: Vec<String>,
    /// Gives up after so long.
    #[arg(long, default_value_t = 30.0, value_parser = positive)]
    pub(super) seconds: f64,
}

#[derive(Debug, Args)]
pub(super) struct StartUpArgs {
    /// What is asked until it answers 200.
    #[arg(long)]
    pub(super) url: String,
    /// Starts.
    #[arg(long, default_value_t = 21)]
    pub(super) rounds: usize,
    /// The command with its arguments, after `--`.
    #[arg(last = true, required = true)]
    pub(super) command: Vec<String>,
}

impl TargetArgs {
    pub(super) fn urls(&self) -> Urls {
        Urls {
            cart: self.cart_url.clone(),
            gateway: self.gateway_url.clone(),
            grpc: self.grpc_url.clone(),
            products: self.products_url.clone(),
            api_key: self.api_key.clone(),
            orders_by_gateway: self.via_gateway,
            connections: self.connections,
            timeout: Duration::from_secs_f64(self.timeout_seconds),
        }
    }
}

impl PaceArgs {
    pub(super) fn in_flight(&self) -> usize {
        usize::from(self.in_flight)
    }

    pub(super) fn duration(&self) -> Option<Duration> {
        self.duration_seconds.map(Duration::from_secs_f64)
    }
}

impl Common {
    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs_f64(self.resolve_seconds)
    }
}

impl CompareArgs {
    pub(super) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.duration_seconds)
    }

    /// One server answers all calls of a comparison.
    pub(super) fn urls(&self, url: &str) -> Urls {
        Urls {
            cart: url.to_owned(),
            gateway: url.to_owned(),
            grpc: url.to_owned(),
            products: url.to_owned(),
            api_key: String::new(),
            orders_by_gateway: false,
            connections: self.connections,
            timeout: Duration::from_secs(10),
        }
    }
}

impl SkuArgs {
    /// From the file, or else from the product service.
    pub(super) async fn choose(&self, target: &TargetArgs) -> Result<Arc<[i64]>, LoadError> {
        if self.sku_file.is_some() {
            return self.of_file();
        }
        let target = Target::new(&target.urls())?;
        let products: &ProductsClient = &target.products;
        let listed = products
            .list(self.skus)
            .await
            .map_err(|fault| LoadError::Target(format!("cannot list products: {} {}", fault.code, fault.detail)))?;
        some(listed.into_iter().map(|product| product.sku).collect())
    }

    /// From the file; 1, 2, 3 … without one.
    pub(super) fn of_file(&self) -> Result<Arc<[i64]>, LoadError> {
        let mut skus = match &self.sku_file {
            Some(path) => dataset::read_skus(path)?,
            None => (1..=i64::try_from(self.skus).unwrap_or(i64::MAX)).collect(),
        };
        skus.truncate(self.skus);
        some(skus)
    }
}

fn some(skus: Vec<i64>) -> Result<Arc<[i64]>, LoadError> {
    if skus.is_empty() {
        return Err(LoadError::Usage("there are no skus to choose from".to_owned()));
    }
    Ok(skus.into())
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() && number < 1e9 => Ok(number),
        _ => Err("must be a positive number".to_owned()),
    }
}
