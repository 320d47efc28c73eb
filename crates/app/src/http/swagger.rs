//! Swagger UI at `/swagger/`, from assets inside the binary, for the document at `/openapi.json`.
//! Calls of "Try it out" go to where the page came from, as long as the document names no server.

use std::fmt;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, Bytes, Data, Path, ServiceConfig};
use utoipa_swagger_ui::Config;

use super::resource;

/// Where the document is.
const DOCUMENT: &str = "/openapi.json";

/// The page and its document.
#[derive(Clone)]
pub struct Swagger {
    document: Bytes,
    config: Arc<Config<'static>>,
}

impl fmt::Debug for Swagger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Swagger({} bytes)", self.document.len())
    }
}

impl Swagger {
    /// The page for an OpenAPI document in JSON.
    pub fn of(document: impl Into<Bytes>) -> Self {
        // "none" keeps the page from asking a validator elsewhere.
        let config = Config::new([DOCUMENT]).validator_url("none").try_it_out_enabled(false);
        Self {
            document: document.into(),
            config: Arc::new(config),
        }
    }

    /// Mounts them.
    pub fn mount(&self, config: &mut ServiceConfig) {
        config
            .app_data(Data::new(self.clone()))
            .service(resource(DOCUMENT).route(web::get().to(document)))
            .service(resource("/swagger").route(web::get().to(redirect)))
            .service(resource("/swagger/{file:.*}").route(web::get().to(file)));
    }
}

async fn document(swagger: Data<Swagger>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(swagger.document.clone())
}

async fn redirect() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "/swagger/"))
        .finish()
}

async fn file(path: Path<String>, swagger: Data<Swagger>) -> HttpResponse {
    match utoipa_swagger_ui::serve(&path, Arc::clone(&swagger.config)) {
        Ok(Some(file)) => {
            let mut response = HttpResponse::Ok();
            if file.gzpipped {
                response.insert_header((header::CONTENT_ENCODING, "gzip"));
            }
            response.content_type(file.content_type).body(file.bytes.into_owned())
        }
        Ok(None) => HttpResponse::NotFound().finish(),
        Err(_) => HttpResponse::InternalServerError().finish(), // only a broken asset, which a test would see
    }
}
