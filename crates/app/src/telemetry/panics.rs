//! A panic is told as a log line, like everything else.

use slog::{Logger, error};

/// Logs every panic of the process, instead of the text on standard error.
pub(super) fn log_with(logger: Logger) {
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let place = panic
            .location()
            .map_or_else(|| "nowhere".to_owned(), ToString::to_string);
        let backtrace = std::backtrace::Backtrace::capture(); // only where RUST_BACKTRACE asks for it
        error!(logger, "panicked at {}: {}", place, payload(panic.payload());
            "thread" => thread.name().unwrap_or("unnamed"), "backtrace" => %backtrace);
    }));
}

/// What was given to `panic!`.
pub(crate) fn payload(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
