//! Settings of the process, whatever its role: logs, traces, shutdown, operations, HTTP limits.

use super::describe::settings;
use super::levels::TargetLevels;
use super::values::{LogFormat, LogLevel, OptionalAddress, optional_base_url};

settings! {
    /// What is logged, and how.
    LogSettings {
        /// The least important level of what the shop itself says.
        level: LogLevel = LogLevel::Info, "error, warn, info, debug, trace", (skip);
        /// Lines as JSON objects, or as text for people.
        format: LogFormat = LogFormat::Json, "json, pretty", (skip);
        /// The least important level of what libraries say.
        libraries: LogLevel = LogLevel::Warn, "error, warn, info, debug, trace", (skip);
        /// Levels of single targets (modules of the shop or of libraries, and what lies below them), above the two levels.
        targets: TargetLevels = TargetLevels::default(), "empty, or TARGET=LEVEL,TARGET=LEVEL; at most 64", (skip);
        /// Whether `/debug/log` is served, which shows and changes the levels of the running process.
        changeable: bool = false, "true, false", (skip);
        /// Lines that may wait for standard output; more are dropped and counted.
        queue_max: usize = 8_192, "16 to 1000000", (range(min = 16, max = 1_000_000));
        /// Answered requests logged a second, by each server; of more it is only told how many. Answers of 5xx are always logged.
        requests_per_second_max: u32 = 1_000_000, "0 to 1000000", (range(max = 1_000_000));
    }
    groups {}
}

settings! {
    /// Which requests are traced, and where their spans go.
    TraceSettings {
        /// Share of the requests without a parent whose spans are recorded; all have trace ids.
        sample_ratio: f64 = 0.01, "0.0 to 1.0", (range(min = 0.0, max = 1.0));
        /// The collector that spans are sent to, by OTLP over gRPC; empty: they are not sent.
        otlp_endpoint: String = String::new(), "empty, or http://HOST:PORT", (custom(optional_base_url));
        /// Spans that may wait for the collector, those that are being sent included; more are dropped and counted.
        queue_max: usize = 8_192, "16 to 1000000", (range(min = 16, max = 1_000_000));
        /// Spans that are sent at once.
        batch_max: usize = 512, "1 to 10000", (range(min = 1, max = 10_000));
        /// Pause between sendings, unless a batch is full before.
        export_interval_ms: u64 = 1_000, "10 to 60000", (range(min = 10, max = 60_000)) => export_interval from_millis;
        /// Time for the collector to take a batch, retries included; then its spans are dropped and counted.
        export_timeout_ms: u64 = 3_000, "10 to 60000", (range(min = 10, max = 60_000)) => export_timeout from_millis;
    }
    groups {}
}

settings! {
    /// How the process ends.
    ShutdownSettings {
        /// Time to finish what is in flight after a signal; then the process ends with code 1.
        grace_seconds: u64 = 10, "1 to 600", (range(min = 1, max = 600)) => grace from_secs;
    }
    groups {}
}

settings! {
    /// Where operations ask.
    OpsSettings {
        /// Address and port of their own for `/metrics`, `/healthz` and `/readyz`; empty: the HTTP port of each role.
        addr: OptionalAddress = OptionalAddress::default(), "empty, or ADDRESS:PORT", (skip);
    }
    groups {}
}

settings! {
    /// Profiling of the running process.
    ProfilingSettings {
        /// Whether `/debug/pprof/profile` and `/debug/pprof/heap` are served, and the heap is sampled for it.
        enabled: bool = false, "true, false", (skip);
        /// The longest profile of the processor that can be asked for.
        duration_max_seconds: u64 = 60, "1 to 300", (range(min = 1, max = 300)) => duration_max from_secs;
    }
    groups {}
}

settings! {
    /// Limits of every HTTP server of the process.
    HttpSettings {
        /// Worker threads of a server.
        workers: usize = 0, "0 to 256 (0: one a processor)", (range(max = 256));
        /// Open connections of a server; more wait to be accepted.
        max_connections: usize = 10_000, "1 to 1000000", (range(min = 1, max = 1_000_000));
        /// How long an idle connection is kept.
        keep_alive_seconds: u64 = 75, "1 to 3600", (range(min = 1, max = 3_600)) => keep_alive from_secs;
        /// Time for the head of a request to arrive; then 408. The server's clock for it steps by half a second.
        request_head_timeout_ms: u64 = 5_000, "1000 to 600000", (range(min = 1_000, max = 600_000)) => request_head_timeout from_millis;
        /// Time for a connection to close.
        disconnect_timeout_ms: u64 = 1_000, "10 to 60000", (range(min = 10, max = 60_000)) => disconnect_timeout from_millis;
        /// Time for a request's body to arrive and its answer to begin; then 504. Above any deadline of a role.
        answer_timeout_ms: u64 = 30_000, "100 to 600000", (range(min = 100, max = 600_000)) => answer_timeout from_millis;
    }
    groups {}
}

impl HttpSettings {
    /// Worker threads of a server, with 0 replaced by the number of processors.
    #[must_use]
    pub fn workers_or_processors(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            some => some,
        }
    }
}
