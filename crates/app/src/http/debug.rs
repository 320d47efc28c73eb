//! What an operator may see and change of the inside of a running process, where the settings allow
//! it: `/debug/log` (the levels of the log) and `/debug/pprof/` (profiles).

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use slog::{Logger, warn};

use super::problem::ErrorStyle;
use super::resource;
use crate::profiling::{ProfileError, Profiles};
use crate::telemetry::{LevelChange, Levels, LogLevels, chain};

/// Seconds after which somebody may ask for a profile again.
const ASK_AGAIN_SECONDS: &str = "1";

/// What is shown.
#[derive(Debug, Clone, Default)]
pub struct DebugPages {
    /// The levels of the log, where they may be changed.
    pub levels: Option<LevelsPage>,
    /// Profiles, where they may be taken.
    pub profiles: Option<Profiles>,
}

/// The levels of the log.
#[derive(Debug, Clone)]
pub struct LevelsPage {
    /// The levels.
    pub levels: Levels,
    /// Where changes are told.
    pub log: Logger,
}

impl DebugPages {
    pub(super) fn mount(&self, config: &mut ServiceConfig) {
        if let Some(page) = &self.levels {
            config.app_data(Data::new(page.clone())).service(
                resource("/debug/log")
                    .route(web::get().to(levels))
                    .route(web::put().to(change_levels))
                    .route(web::delete().to(levels_of_settings)),
            );
        }
        if let Some(profiles) = &self.profiles {
            config
                .app_data(Data::new(profiles.clone()))
                .service(resource("/debug/pprof/profile").route(web::get().to(profile)))
                .service(resource("/debug/pprof/heap").route(web::get().to(heap)));
        }
    }
}

async fn levels(page: Data<LevelsPage>) -> HttpResponse {
    HttpResponse::Ok().json(page.levels.now())
}

/// Levels that the body does not name stay as they are.
async fn change_levels(page: Data<LevelsPage>, style: Data<ErrorStyle>, body: Bytes) -> HttpResponse {
    let change = serde_json::from_slice::<LevelChange>(&body)
        .map_err(|error| format!("the body must be JSON with some of level, libraries and targets: {error}"));
    let wanted = change.and_then(|change| page.levels.now().with(change).map_err(|error| error.to_string()));
    match wanted {
        Ok(levels) => page.set(levels),
        Err(wrong) => style.answer(StatusCode::BAD_REQUEST, wrong),
    }
}

async fn levels_of_settings(page: Data<LevelsPage>) -> HttpResponse {
    page.set(page.levels.of_settings().clone())
}

impl LevelsPage {
    fn set(&self, levels: LogLevels) -> HttpResponse {
        self.levels.set(levels.clone());
        warn!(self.log, "the levels of the log were changed";
            "targets" => levels.targets.to_string(), "libraries" => levels.libraries.name(), "least" => levels.level.name());
        HttpResponse::Ok().json(levels)
    }
}

/// The answer begins at once, and its body comes when the time is over: the time that an answer may
/// take is less than that of a profile.
async fn profile(request: HttpRequest, profiles: Data<Profiles>, style: Data<ErrorStyle>) -> HttpResponse {
    let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
    let query = query.map(web::Query::into_inner).unwrap_or_default();
    let seconds = query.iter().find(|(name, _)| name == "seconds");
    let watching = match profiles.watch(seconds.map(|(_, value)| value.as_str())).await {
        Ok(watching) => watching,
        Err(error) => return refused(&error, **style),
    };
    let body = async move { watching.done().await.map(Bytes::from) };
    file("profile.pb.gz").streaming(futures::stream::once(body))
}

async fn heap(profiles: Data<Profiles>, style: Data<ErrorStyle>) -> HttpResponse {
    match profiles.heap().await {
        Ok(profile) => file("heap.pb.gz").body(profile),
        Err(error) => refused(&error, **style),
    }
}

fn file(name: &str) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, "application/octet-stream"))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")));
    response
}

/// Operators are told why, causes included: it is their own machine.
fn refused(error: &ProfileError, style: ErrorStyle) -> HttpResponse {
    let status = match error {
        ProfileError::Duration(_) => StatusCode::BAD_REQUEST,
        ProfileError::Busy => StatusCode::CONFLICT,
        ProfileError::NotSampled => StatusCode::NOT_IMPLEMENTED,
        ProfileError::Processor(_) | ProfileError::Heap(_) | ProfileError::Lost(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut answer = style.answer(status, chain(error));
    if status == StatusCode::CONFLICT {
        let seconds = header::HeaderValue::from_static(ASK_AGAIN_SECONDS);
        answer.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    answer
}
