//! Settings: built-in defaults, then a TOML file, then the environment, then flags.
//!
//! Everything that is given is checked by itself against the declared settings, and what passes
//! is put together and checked as a whole; all problems come back at once, each with where it
//! came from and what is allowed. Nothing else in the process reads the environment.

mod agree;
#[cfg(any(feature = "loms", feature = "notifier"))]
mod brokers;
mod cart;
mod check;
#[cfg(feature = "loms")]
mod database;
pub mod describe;
#[cfg(any(feature = "loms", feature = "notifier"))]
mod files;
mod kafka;
mod layers;
mod levels;
mod loms;
mod notifier;
mod postgres;
mod problem;
mod process;
mod products;
mod role;
mod show;
mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;

#[cfg(any(feature = "loms", feature = "notifier"))]
pub use brokers::BrokersError;
pub use cart::{CartSettings, CheckoutSettings, LomsClientSettings, ProductsClientSettings};
#[cfg(feature = "loms")]
pub use database::DatabaseError;
pub use kafka::KafkaConfig;
pub use levels::{TargetLevels, TargetsError};
pub use loms::{AuditSettings, LomsSettings, OrderSettings, RelaySettings};
pub use notifier::{FINISH_SHARE, LEAVE_SHARE, NotifierSettings, SinkKind, WebhookConfig};
pub use postgres::{DatabaseUrl, PostgresConfig};
pub use problem::{Problem, Problems};
pub use process::{HttpSettings, LogSettings, OpsSettings, ProfilingSettings, ShutdownSettings, TraceSettings};
pub use products::{MisbehaveSettings, ProductsSettings};
pub use role::{Role, RoleChoice, RoleError};
pub use values::{Listen, LogFormat, LogLevel, OptionalAddress, Secret};

use describe::settings;

settings! {
    /// All settings of the process.
    Settings {
        /// What the process plays.
        role: RoleChoice = RoleChoice::default(), "products, cart, loms, notifier, all, where built in", (skip);
    }
    groups {
        /// Logs.
        log: LogSettings = LogSettings::default();
        /// Traces.
        trace: TraceSettings = TraceSettings::default();
        /// The end.
        shutdown: ShutdownSettings = ShutdownSettings::default();
        /// Operations.
        ops: OpsSettings = OpsSettings::default();
        /// Profiles.
        profiling: ProfilingSettings = ProfilingSettings::default();
        /// HTTP servers.
        http: HttpSettings = HttpSettings::default();
        /// The cart.
        cart: CartSettings = CartSettings::default();
        /// The products stand-in.
        products: ProductsSettings = ProductsSettings::default();
        /// Orders and stocks.
        loms: LomsSettings = LomsSettings::default();
        /// The database of LOMS.
        postgres: PostgresConfig = PostgresConfig::default();
        /// Where order events go.
        kafka: KafkaConfig = KafkaConfig::default();
        /// The life of an order.
        order: OrderSettings = OrderSettings::default();
        /// The audit of the ledger.
        audit: AuditSettings = AuditSettings::default();
        /// The relay.
        relay: RelaySettings = RelaySettings::default();
        /// The notifier.
        notifier: NotifierSettings = NotifierSettings::default();
    }
}

impl Settings {
    /// The role; what was loaded always has one.
    ///
    /// # Panics
    /// For settings that were not loaded, in a build of several roles without `all`.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
            .0
            .expect("settings without a role are refused when they are loaded")
    }
}

/// What the layers above the defaults say.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Variables by their full names (`APP__CART__HTTP__PORT`); others than `APP__` ones are passed over.
    pub environment: BTreeMap<String, String>,
    /// Flags in their order.
    pub flags: Vec<Flag>,
}

/// A setting given by a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The flag as it was written, for messages.
    pub written: String,
    /// The setting.
    pub key: String,
    /// Its value as text.
    pub value: String,
}

/// Reads the variables of this process that are settings.
///
/// # Errors
/// [`Problems`] for one that is no text.
pub fn environment() -> Result<BTreeMap<String, String>, Problems> {
    layers::texts(std::env::vars_os())
}

/// Puts the layers together.
///
/// # Errors
/// [`Problems`]: all of them at once.
pub fn load(given: &Given) -> Result<Settings, Problems> {
    let mut problems = Vec::new();
    let mut checker = check::Checker::new();
    let file = given.file.as_deref().map(layers::file).unwrap_or(Ok(Vec::new()));
    let layers = [
        file,
        layers::environment(&given.environment),
        Ok(layers::flags(&given.flags)),
    ];
    for layer in layers {
        match layer {
            Ok(values) => problems.extend(values.into_iter().filter_map(|value| checker.take(value).err())),
            Err(problem) => problems.push(problem),
        }
    }
    match checker.settings() {
        Ok(settings) => {
            problems.extend(agree::check(&settings, &checker));
            if problems.is_empty() {
                Ok(settings)
            } else {
                Err(Problems(problems))
            }
        }
        Err(problem) => {
            problems.push(problem);
            Err(Problems(problems))
        }
    }
}

#[cfg(test)]
mod tests;
