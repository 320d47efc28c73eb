//! How much a fault test does, and what it tells.

use std::time::{Duration, Instant};

/// How often a test does what the issue wants done `of_the_issue` times: `few` times in the test command.
#[allow(
    clippy::disallowed_methods,
    reason = "tests are told by the environment how much to do"
)]
pub(crate) fn rounds(few: usize, of_the_issue: usize) -> usize {
    match std::env::var("APP_FAULT_ROUNDS") {
        Ok(word) if word == "issue" => of_the_issue,
        Ok(number) => number
            .parse()
            .expect("APP_FAULT_ROUNDS is `issue` or a number of rounds"),
        Err(_) => few,
    }
}

/// How much there is of something: `few` in the test command, `of_the_issue` where the issue's numbers
/// are asked for.
#[allow(
    clippy::disallowed_methods,
    reason = "tests are told by the environment how much to do"
)]
pub(crate) fn size(few: usize, of_the_issue: usize) -> usize {
    match std::env::var("APP_FAULT_ROUNDS") {
        Ok(word) if word == "issue" => of_the_issue,
        Ok(_) | Err(_) => few,
    }
}

/// Tells a figure; `just faults` gathers them.
#[allow(clippy::print_stderr, reason = "the figures of a test are for who runs it")]
pub(crate) fn figure(text: impl std::fmt::Display) {
    eprintln!("figure: {text}");
}

/// Where the randomness of a test begins; told, so that a failure can be looked at again.
#[allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "each run of a fault test is another one"
)]
pub(crate) fn seed() -> u64 {
    let seed = rand::random();
    eprintln!("seed: {seed}");
    seed
}

/// This moment.
#[allow(clippy::disallowed_methods, reason = "tests measure real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The least, the middle one and the greatest, in milliseconds.
pub(crate) fn spread(durations: &[Duration]) -> String {
    let mut sorted: Vec<u128> = durations.iter().map(Duration::as_millis).collect();
    sorted.sort_unstable();
    match sorted[..] {
        [] => "none".to_owned(),
        [least, .., greatest] => {
            format!("{least} to {greatest} ms, median {} ms", sorted[sorted.len() / 2])
        }
        [only] => format!("{only} ms"),
    }
}

/// Waits until something holds, and tells how long that took; fails after `patience`.
pub(crate) async fn until(what: &str, patience: Duration, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let began = now();
    while !holds().await {
        assert!(began.elapsed() < patience, "not within {patience:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}
