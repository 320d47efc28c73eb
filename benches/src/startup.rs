//! `ready` waits for a deployment that is starting; `start-up` measures how long one takes to its first
//! answer, by starting it again and again.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::{Client, StatusCode};

use crate::clock;
use crate::compare::median;
use crate::error::LoadError;

/// Between two attempts; also the precision of `start-up`.
const POLL: Duration = Duration::from_millis(1);
/// Longest start that is waited for.
const START_MAX: Duration = Duration::from_secs(30);
/// How long an ended process may take to leave its port.
const STOP_MAX: Duration = Duration::from_secs(15);

/// Waits until every URL answers 200.
pub(crate) async fn ready(urls: &[String], patience: Duration) -> Result<(), LoadError> {
    let http = crate::client::http_client(Duration::from_secs(2))?;
    let until = clock::now() + patience;
    for url in urls {
        while !answers(&http, url).await {
            if clock::now() >= until {
                return Err(LoadError::Target(format!("{url} is not ready")));
            }
            tokio::time::sleep(POLL * 20).await;
        }
    }
    Ok(())
}

/// Prints the median, least and most time from the start of `command` to the first 200 of `url`.
pub(crate) async fn measure(url: &str, command: &[String], rounds: usize) -> Result<(), LoadError> {
    let http = crate::client::http_client(Duration::from_secs(2))?;
    let mut millis = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let start = clock::now();
        let mut child = spawn(command)?;
        let answered = first_answer(&http, url, &mut child).await;
        let took = clock::now() - start;
        end(&mut child).await;
        answered?;
        millis.push(took.as_secs_f64() * 1e3);
    }
    let least = millis.iter().copied().fold(f64::INFINITY, f64::min);
    let most = millis.iter().copied().fold(0.0, f64::max);
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "start to first answer, {rounds} starts: median {:.1} ms ({least:.1}–{most:.1})",
        median(&millis)
    )?;
    Ok(())
}

async fn answers(http: &Client, url: &str) -> bool {
    http.get(url)
        .send()
        .await
        .is_ok_and(|answer| answer.status() == StatusCode::OK)
}

fn spawn(command: &[String]) -> Result<Child, LoadError> {
    let (program, args) = command
        .split_first()
        .ok_or_else(|| LoadError::Usage("no command".to_owned()))?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().map_err(|source| LoadError::File {
        path: program.into(),
        source,
    })
}

async fn first_answer(http: &Client, url: &str, child: &mut Child) -> Result<(), LoadError> {
    let until = clock::now() + START_MAX;
    while !answers(http, url).await {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(LoadError::Target(format!("the command ended by itself: {status}")));
        }
        if clock::now() >= until {
            return Err(LoadError::Target(format!("{url} did not answer in time")));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// Kills it: how it stops is measured elsewhere.
async fn end(child: &mut Child) {
    let until = clock::now() + STOP_MAX;
    // Both only fail where it has ended already.
    let _ = child.kill();
    while matches!(child.try_wait(), Ok(None)) && clock::now() < until {
        tokio::time::sleep(POLL).await;
    }
}
