//! Stock from a JSON file: an array of `{"sku": 1001, "total_count": 100, "reserved": 0}`.
//! `reserved` may be left out. The built-in stock has the same format.

use std::collections::HashSet;

use domain::stock::model::{Stock, StockError};
use domain::types::{OutOfRange, Sku};
use serde::Deserialize;

use super::ledger::StockRecord;

/// Why a stock file was refused; nothing of it is used.
#[derive(Debug, thiserror::Error)]
pub enum StockFileError {
    /// It is not JSON of this shape.
    #[error("not a JSON array of {{\"sku\", \"total_count\", \"reserved\"}}: {0}")]
    Json(#[from] serde_json::Error),
    /// A sku is out of range.
    #[error("record {0}: {1}")]
    Sku(usize, OutOfRange),
    /// Counts disagree.
    #[error("record {0}: {1}")]
    Stock(usize, StockError),
    /// A sku stands twice.
    #[error("record {0}: sku {1} stands in the file twice")]
    Repeated(usize, Sku),
}

#[derive(Deserialize)]
struct Record {
    sku: i64,
    total_count: u32,
    #[serde(default)]
    reserved: u32,
}

/// Reads stock records; positions in errors count from 1.
///
/// # Errors
/// [`StockFileError`], the first one.
pub fn parse(json: &[u8]) -> Result<Vec<StockRecord>, StockFileError> {
    let records: Vec<Record> = serde_json::from_slice(json)?;
    let mut seen = HashSet::with_capacity(records.len());
    let checked = records.into_iter().enumerate().map(|(at, record)| {
        let at = at + 1;
        let sku = Sku::try_from(record.sku).map_err(|error| StockFileError::Sku(at, error))?;
        let stock = Stock::new(record.total_count, record.reserved);
        let stock = stock.map_err(|error| StockFileError::Stock(at, error))?;
        if seen.insert(sku) {
            Ok(StockRecord { sku, stock })
        } else {
            Err(StockFileError::Repeated(at, sku))
        }
    });
    checked.collect()
}

/// The stock that the shop has when nobody gives it another.
///
/// # Errors
/// [`StockFileError`] never: the built-in file is tested.
pub fn builtin() -> Result<Vec<StockRecord>, StockFileError> {
    parse(include_bytes!("stock.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_stock_is_valid() {
        assert!(builtin().unwrap().len() > 100);
    }

    #[test]
    fn bad_files_say_where() {
        let error = |json: &str| parse(json.as_bytes()).unwrap_err().to_string();
        assert!(error("{}").contains("not a JSON array"));
        assert!(error(r#"[{"sku":1,"total_count":-1}]"#).contains("not a JSON array"));
        assert!(error(r#"[{"sku":1,"total_count":1},{"sku":0,"total_count":1}]"#).starts_with("record 2: sku must be"));
        assert!(error(r#"[{"sku":1,"total_count":1,"reserved":2}]"#).starts_with("record 1: 2 reserved of 1"));
        let twice = r#"[{"sku":1,"total_count":1},{"sku":1,"total_count":1}]"#;
        assert_eq!(error(twice), "record 2: sku 1 stands in the file twice");
    }
}
