//! Telemetry of a whole process: its lines, its panics, what libraries say, its metrics.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use app::config::Settings;
use app::telemetry::{self, Output};
use parking_lot::Mutex;
use serde_json::Value;
use slog::info;

/// Keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One test, because a process has one telemetry.
#[test]
fn a_process_speaks_in_json_lines_only() {
    let kept = Kept::default();
    let telemetry = telemetry::init(&Settings::default(), Output::to(kept.clone())).unwrap();
    assert!(
        telemetry::init(&Settings::default(), Output::to(Kept::default())).is_err(),
        "set up twice"
    );

    let log = telemetry.logger_of("cart").new(slog::o!("part" => "test"));
    info!(log, "hello"; "order_id" => 1);
    tracing::warn!(target: "some_library", "is tired");
    tracing::info!(target: "some_library", "is chatty");
    telemetry.output.write_lines(b"{\"order_id\":1}\n").unwrap();
    let panicked = std::thread::Builder::new()
        .name("doomed".to_owned())
        .spawn(|| panic!("planted"))
        .unwrap()
        .join();
    assert!(panicked.is_err());
    metrics::counter!("test_total").increment(3);
    assert!(telemetry.metrics.render().contains("test_total 3"));
    telemetry.finish(Duration::from_secs(5));

    let text = String::from_utf8(kept.0.lock().clone()).unwrap();
    look_at(&text);
}

fn look_at(text: &str) {
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = |message: &str| {
        lines
            .iter()
            .find(|line| line["msg"].as_str().is_some_and(|msg| msg.contains(message)))
    };
    let hello = said("hello").unwrap();
    assert_eq!(
        (hello["service"].as_str(), hello["part"].as_str()),
        (Some("cart"), Some("test"))
    );
    let tired = said("is tired").unwrap();
    assert_eq!(
        (tired["service"].as_str(), tired["target"].as_str()),
        (Some("app"), Some("some_library"))
    );
    assert_eq!(tired["level"], "warn");
    assert_eq!(said("is chatty"), None);
    let panic = said("panicked at").unwrap();
    assert!(panic["msg"].as_str().unwrap().ends_with(": planted"), "{panic}");
    assert_eq!(
        (panic["level"].as_str(), panic["thread"].as_str()),
        (Some("error"), Some("doomed"))
    );
    assert!(
        lines
            .iter()
            .any(|line| line["order_id"] == 1 && line.get("msg").is_none())
    );
    assert_eq!(
        text.matches("\"service\"").count(),
        text.matches("\"msg\"").count(),
        "a key stands twice: {text}"
    );
}
