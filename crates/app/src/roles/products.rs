//! The products stand-in: a catalogue from a file or built in, over HTTP.

use std::sync::Arc;

use actix_web::web::Data;
use adapters::products::catalogue::Catalogue;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use slog::Logger;

use super::{Process, StartError, tell_a_person};
use crate::clock::SystemClock;
use crate::config::Settings;
use crate::http::products::{self, ProductsShop};

/// The catalogue of the settings.
///
/// # Errors
/// [`StartError`] for a file that cannot be read or is refused.
pub fn catalogue(settings: &Settings) -> Result<Catalogue, StartError> {
    let path = settings.products.catalogue_file.clone();
    let refused = |source| StartError::Catalogue {
        path: path.clone(),
        source,
    };
    if path.is_empty() {
        return Catalogue::builtin().map_err(refused);
    }
    let json = std::fs::read(&path).map_err(|source| StartError::File {
        path: path.clone(),
        source,
    })?;
    Catalogue::parse(&json).map_err(refused)
}

/// Serves the catalogue.
///
/// # Errors
/// [`StartError`] where the address cannot be had.
pub fn start(process: &Process, catalogue: &Catalogue, log: Logger) -> Result<(), StartError> {
    let settings = &process.settings.products;
    let random = SmallRng::from_os_rng();
    let (key, faults) = (settings.api_key.expose(), settings.misbehave.clone());
    let shop = Data::new(ProductsShop::new(
        catalogue.clone(),
        key,
        faults,
        Arc::new(SystemClock),
        random,
    ));
    let server = process.server("products", settings.http.address(), log);
    let address = server.start(&process.life, move |config| {
        config.app_data(shop.clone());
        products::routes(config);
    })?;
    tell_a_person(&format!("products     http://{address}/product"));
    Ok(())
}
