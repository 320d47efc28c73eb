//! The catalogue in memory, from JSON: an array of `{"sku": 1001, "name": "Milk", "price": 115}`,
//! price in cents. The built-in catalogue has the same format. Sorted by sku, so that a product is
//! found by binary search and a page of the list is a slice.

use std::sync::Arc;

use domain::cart::ports::{Product, Products, ProductsError};
use domain::types::{OutOfRange, Price, Sku};
use serde::Deserialize;

/// Bytes of the longest name; a page of the longest list then stays far below 4 MiB.
pub const NAME_BYTES_MAX: usize = 512;

/// Why a catalogue was refused; nothing of it is used. Positions count from 1.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// It is not a JSON array.
    #[error("not a JSON array of {{\"sku\", \"name\", \"price\"}}: {0}")]
    Json(#[source] serde_json::Error),
    /// An entry is not a product.
    #[error("product {0}: {1}")]
    Entry(usize, #[source] serde_json::Error),
    /// A sku is out of range.
    #[error("product {0}: {1}")]
    Sku(usize, #[source] OutOfRange),
    /// A name cannot be shown.
    #[error("product {0}: name must have 1 to {NAME_BYTES_MAX} bytes and no control characters")]
    Name(usize),
    /// A sku stands twice.
    #[error("product {0}: sku {1} stands in the file twice")]
    Repeated(usize, Sku),
}

#[derive(Deserialize)]
struct Entry {
    sku: i64,
    name: String,
    price: u32,
}

/// The products, by ascending sku. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalogue(Arc<[Product]>);

impl Catalogue {
    /// Reads a catalogue.
    ///
    /// # Errors
    /// [`CatalogueError`], the first one.
    pub fn parse(json: &[u8]) -> Result<Self, CatalogueError> {
        let entries: Vec<Entry> = serde_json::from_slice(json).map_err(|error| locate(json, error))?;
        let mut products = Vec::with_capacity(entries.len());
        for (at, entry) in (1..).zip(entries) {
            products.push((checked(at, entry)?, at));
        }
        products.sort_by_key(|(product, at)| (product.sku, *at));
        let twice = products
            .windows(2)
            .filter(|pair| pair[0].0.sku == pair[1].0.sku)
            .map(|pair| &pair[1]);
        if let Some((product, at)) = twice.min_by_key(|(_, at)| *at) {
            return Err(CatalogueError::Repeated(*at, product.sku));
        }
        Ok(Self(products.into_iter().map(|(product, _)| product).collect()))
    }

    /// The catalogue that the shop has when nobody gives it another.
    ///
    /// # Errors
    /// [`CatalogueError`] never: the built-in file is tested.
    pub fn builtin() -> Result<Self, CatalogueError> {
        Self::parse(include_bytes!("catalogue.json"))
    }

    /// The product of a sku.
    #[must_use]
    pub fn get(&self, sku: Sku) -> Option<&Product> {
        let at = self.0.binary_search_by_key(&sku, |product| product.sku).ok()?;
        self.0.get(at)
    }

    /// At most `count` products with skus above `start_after`, ascending.
    #[must_use]
    pub fn list(&self, start_after: i64, count: usize) -> &[Product] {
        let from = self.0.partition_point(|product| product.sku.get() <= start_after);
        let rest = &self.0[from..];
        &rest[..count.min(rest.len())]
    }

    /// How many products there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// For a cart in the same process: no limit, no retries, no cache.
impl Products for Catalogue {
    async fn product(&self, sku: Sku) -> Result<Option<Product>, ProductsError> {
        Ok(self.get(sku).cloned())
    }
}

fn checked(at: usize, entry: Entry) -> Result<Product, CatalogueError> {
    let sku = Sku::try_from(entry.sku).map_err(|error| CatalogueError::Sku(at, error))?;
    let name = entry.name;
    if name.trim().is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(CatalogueError::Name(at));
    }
    Ok(Product {
        sku,
        name: name.into(),
        price: Price(entry.price),
    })
}

/// The entry that is at fault, where it is one: the parser only knows lines and columns.
fn locate(json: &[u8], error: serde_json::Error) -> CatalogueError {
    let Ok(entries) = serde_json::from_slice::<Vec<serde_json::Value>>(json) else {
        return CatalogueError::Json(error);
    };
    let faulty = (1..).zip(entries).find_map(|(at, entry)| {
        let fault = serde_json::from_value::<Entry>(entry).err()?;
        Some(CatalogueError::Entry(at, fault))
    });
    faulty.unwrap_or(CatalogueError::Json(error))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn sku(number: i64) -> Sku {
        Sku::try_from(number).unwrap()
    }

    fn skus(products: &[Product]) -> Vec<i64> {
        products.iter().map(|product| product.sku.get()).collect()
    }

    #[test]
    fn the_built_in_catalogue_is_a_shop() {
        let catalogue = Catalogue::builtin().unwrap();
        assert!((250..=500).contains(&catalogue.len()), "{}", catalogue.len());
        let all = catalogue.list(0, usize::MAX);
        assert_eq!(all.len(), catalogue.len());
        assert!(all.is_sorted_by(|a, b| a.sku < b.sku));
        let names: HashSet<_> = all.iter().map(|product| &product.name).collect();
        assert_eq!(names.len(), all.len(), "every product has a name of its own");
        assert!(all.iter().all(|product| (20..=20_000).contains(&product.price.0)));
    }

    #[test]
    fn finds_and_lists_in_any_order_of_the_file() {
        let json = br#"[{"sku":9,"name":"c","price":0},{"sku":2,"name":"a","price":4294967295},{"sku":5,"name":"b","price":1,"more":[]}]"#;
        let catalogue = Catalogue::parse(json).unwrap();
        assert_eq!(catalogue.get(sku(2)).map(|product| product.price.0), Some(u32::MAX));
        assert_eq!(catalogue.get(sku(3)), None);
        assert_eq!(skus(catalogue.list(0, 10)), [2, 5, 9]);
        assert_eq!(skus(catalogue.list(2, 1)), [5]);
        assert_eq!(skus(catalogue.list(4, 10)), [5, 9]);
        assert_eq!(skus(catalogue.list(-5, 1)), [2]);
        assert_eq!(skus(catalogue.list(i64::MAX, 10)), [0; 0]);
    }

    #[tokio::test]
    async fn answers_the_port() {
        let catalogue = Catalogue::parse(br#"[{"sku":2,"name":"a","price":3}]"#).unwrap();
        assert_eq!(catalogue.product(sku(2)).await.unwrap().unwrap().price, Price(3));
        assert_eq!(catalogue.product(sku(3)).await.unwrap(), None);
        assert!(Catalogue::parse(b"[]").unwrap().is_empty());
    }

    #[test]
    fn bad_files_say_where() {
        let error = |json: &str| Catalogue::parse(json.as_bytes()).unwrap_err().to_string();
        for text in ["", "{}", "[", "nonsense"] {
            assert!(
                error(text).starts_with("not a JSON array of"),
                "{text:?}: {}",
                error(text)
            );
        }
        let after_a_good_one = |entry: &str| error(&format!(r#"[{{"sku":1,"name":"a","price":1}},{entry}]"#));
        for (entry, says) in [
            (r#"{"sku":2,"name":"b"}"#, "product 2: missing field `price`"),
            (
                r#"{"sku":2,"name":"b","price":-1}"#,
                "product 2: invalid value: integer `-1`, expected u32",
            ),
            (r#"{"sku":2,"name":"b","price":4294967296}"#, "product 2: invalid value"),
            (r#"{"sku":"2","name":"b","price":1}"#, "product 2: invalid type: string"),
            (
                r#"{"sku":0,"name":"b","price":1}"#,
                "product 2: sku must be a positive 64-bit integer, got 0",
            ),
            (r#"{"sku":2,"name":" ","price":1}"#, "product 2: name must have"),
            (r#"{"sku":2,"name":"a\nb","price":1}"#, "product 2: name must have"),
            (
                r#"{"sku":1,"name":"b","price":1}"#,
                "product 2: sku 1 stands in the file twice",
            ),
        ] {
            let said = after_a_good_one(entry);
            assert!(said.starts_with(says), "{entry}: {said}");
        }
        let long = format!(r#"[{{"sku":2,"name":"{}","price":1}}]"#, "a".repeat(NAME_BYTES_MAX + 1));
        assert!(error(&long).starts_with("product 1: name must have"));
    }
}
