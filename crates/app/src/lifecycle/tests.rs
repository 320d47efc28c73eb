//! The order of the end, its codes, and signals to a real process.

use std::process::{Child, Command, Stdio};

use parking_lot::Mutex;

use super::*;

fn quiet() -> Logger {
    Logger::root(slog::Discard, slog::o!())
}

fn life(grace: Duration) -> Lifecycle {
    Lifecycle::new(quiet(), grace)
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn stages_end_one_after_the_other() {
    let life = life(LONG);
    let seen = Arc::new(Mutex::new(Vec::new()));
    for stage in Stage::ALL.into_iter().rev() {
        let (token, seen) = (life.token(stage), Arc::clone(&seen));
        life.spawn(stage, "test", async move {
            token.cancelled().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
            seen.lock().push(stage);
        });
    }
    assert_eq!(life.alive(), 5);
    life.stop();
    assert_eq!(life.clone().run().await, 0);
    assert_eq!(*seen.lock(), Stage::ALL);
    assert_eq!(life.alive(), 0);
}

#[tokio::test]
async fn a_panic_in_a_task_ends_the_process_with_1() {
    let life = life(LONG);
    life.spawn(Stage::Relay, "doomed", async { panic!("planted") });
    assert_eq!(life.clone().run().await, 1);
    assert_eq!(life.alive(), 0);
}

#[tokio::test]
async fn a_task_that_does_not_end_costs_the_grace_period_and_code_1() {
    let life = life(Duration::from_millis(20));
    life.spawn(Stage::Accept, "stuck", std::future::pending());
    life.stop();
    assert_eq!(life.clone().run().await, 1);
    assert_eq!(life.alive(), 1);
}

#[tokio::test]
async fn what_is_in_flight_may_spawn_more_to_its_end() {
    let life = life(LONG);
    let inner = life.clone();
    let done = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&done);
    life.spawn(Stage::Accept, "request", async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Spawner::spawn(
            &inner,
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                seen.store(true, Ordering::Relaxed);
            }),
        );
    });
    life.stop();
    assert_eq!(life.run().await, 0);
    assert!(done.load(Ordering::Relaxed));
}

/// Run by the tests below in a process of its own; ends as they let it.
#[test]
#[ignore = "a process for the tests of signals"]
fn signalled_process() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let code = runtime.block_on(async {
        let life = life(Duration::from_millis(1500));
        life.listen().unwrap();
        std::fs::write(started_file(std::process::id()), "").unwrap();
        let token = life.token(Stage::InFlight);
        let deaf =
            std::path::Path::new(&format!("{}.deaf", started_file(std::os::unix::process::parent_id()))).exists();
        life.spawn(Stage::InFlight, "task", async move {
            token.cancelled().await;
            if deaf {
                std::future::pending::<()>().await;
            }
        });
        life.run().await
    });
    std::process::exit(i32::from(code) + 40);
}

fn started_file(id: u32) -> String {
    std::env::temp_dir()
        .join(format!("app-lifecycle-{id}"))
        .display()
        .to_string()
}

/// A process that waits for signals.
struct Signalled(Child);

impl Signalled {
    fn start() -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "lifecycle::tests::signalled_process"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let file = started_file(child.id());
        let started = (0..1000).any(|_| {
            std::thread::park_timeout(Duration::from_millis(10));
            std::path::Path::new(&file).exists()
        });
        assert!(started, "the process did not start");
        std::fs::remove_file(file).unwrap();
        Self(child)
    }

    fn signal(&self, name: &str) {
        assert!(
            Command::new("kill")
                .args([name, &self.0.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
    }

    fn code(mut self) -> i32 {
        self.0.wait().unwrap().code().unwrap()
    }
}

/// Codes of the orderly end are 40 more in the process, so that a code of the test harness is not mistaken for one.
#[test]
fn signals_end_a_process_in_order_and_the_second_at_once() {
    for name in ["-INT", "-TERM"] {
        let process = Signalled::start();
        process.signal(name);
        assert_eq!(process.code(), 40, "{name}");
    }
    let deaf = format!("{}.deaf", started_file(std::process::id()));
    std::fs::write(&deaf, "").unwrap();
    let late = Signalled::start();
    let twice = Signalled::start();
    late.signal("-TERM");
    twice.signal("-TERM");
    std::thread::park_timeout(Duration::from_millis(300));
    twice.signal("-INT");
    assert_eq!(twice.code(), 1, "the second signal");
    assert_eq!(late.code(), 41, "the end of the grace period");
    std::fs::remove_file(deaf).unwrap();
}
