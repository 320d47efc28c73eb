//! How the products stand-in misbehaves on demand: late answers, refusals above a rate, and a share
//! of requests that meet a fault. Set by configuration, and at run time by `PUT /misbehave`.
//!
//! The rate is counted by whole seconds of the clock. Every answer is delayed, faults too; a request
//! above the rate is refused before the shares are drawn.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use domain::clock::Clock;
use garde::Validate;
use parking_lot::Mutex;
use rand::Rng;
use rand::rngs::SmallRng;
use serde_json::{Map, Value};

use crate::config::MisbehaveSettings;
use crate::http::problem::Problem;

/// What 420 is called; HTTP has no name for it.
const CALM: &str = "Enhance Your Calm";

/// Decides, request by request.
pub struct Misbehaviour {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    settings: MisbehaveSettings,
    random: SmallRng,
    /// The second that is being counted, since 1970.
    second: i64,
    /// Requests in it.
    requests: u32,
}

impl fmt::Debug for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Misbehaviour").field(&self.settings()).finish()
    }
}

impl Misbehaviour {
    /// Misbehaves so from now on.
    pub(super) fn new(settings: MisbehaveSettings, clock: Arc<dyn Clock>, random: SmallRng) -> Self {
        Self {
            clock,
            state: Mutex::new(State {
                settings,
                random,
                second: 0,
                requests: 0,
            }),
        }
    }

    /// How it misbehaves at the moment.
    pub(super) fn settings(&self) -> MisbehaveSettings {
        self.state.lock().settings.clone()
    }

    /// Changes it.
    pub(super) fn set(&self, settings: MisbehaveSettings) {
        self.state.lock().settings = settings;
    }

    /// Takes a request through it: after the delay, the fault that it meets, if any.
    pub(super) async fn meet(&self) -> Option<HttpResponse> {
        let second = self.clock.now().unix_millis() / 1000;
        let (delay, fault) = {
            let mut state = self.state.lock();
            (state.settings.delay(), state.fault(second))
        };
        if delay > Duration::ZERO {
            tokio::time::sleep(delay).await;
        }
        fault.map(answer)
    }
}

impl State {
    /// The status of the fault that a request of this second meets.
    fn fault(&mut self, second: i64) -> Option<u16> {
        if self.second != second {
            (self.second, self.requests) = (second, 0);
        }
        self.requests = self.requests.saturating_add(1);
        let settings = &self.settings;
        if settings.rate_limit_per_second > 0 && self.requests > settings.rate_limit_per_second {
            return Some(429);
        }
        let drawn: f64 = self.random.random();
        let shares = [
            (settings.share_420, 420),
            (settings.share_429, 429),
            (settings.share_500, 500),
        ];
        let mut up_to = 0.0;
        shares.into_iter().find_map(|(share, status)| {
            up_to += share;
            (drawn < up_to).then_some(status)
        })
    }
}

fn answer(status: u16) -> HttpResponse {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let problem = Problem::new(code, "the stand-in was told to misbehave");
    let problem = if status == 420 {
        problem.of_kind("about:blank", CALM)
    } else {
        problem
    };
    let mut answer = problem.error_response();
    if status == 429 {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

/// Reads the body of `PUT /misbehave`: what is left out is off.
pub(super) fn parse(body: &[u8]) -> Result<MisbehaveSettings, String> {
    let given: Map<String, Value> = serde_json::from_slice(body).map_err(|error| format!("invalid JSON: {error}"))?;
    let off = serde_json::to_value(MisbehaveSettings::default()).map_err(|error| error.to_string())?;
    let mut all = off.as_object().cloned().unwrap_or_default();
    all.extend(given);
    let settings =
        serde_json::from_value::<MisbehaveSettings>(Value::Object(all)).map_err(|error| error.to_string())?;
    settings
        .validate()
        .map_err(|report| report.to_string().trim().replace('\n', "; "))?;
    if settings.share_420 + settings.share_429 + settings.share_500 > 1.0 {
        return Err("the shares together must be at most 1".to_owned());
    }
    Ok(settings)
}
