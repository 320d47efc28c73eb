//! The files that `scripts/dataset.sh` makes: baskets to replay, and skus to choose from.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::error::LoadError;

/// One line of a basket or an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Line {
    /// Which product.
    pub(crate) sku: i64,
    /// How many units.
    pub(crate) count: u32,
}

/// The lines of one order, shared between the workload and its bookkeeping.
pub(crate) type Lines = Arc<[Line]>;

/// One shopper with all baskets, in time order.
#[derive(Debug)]
pub(crate) struct Household {
    /// The shopper.
    pub(crate) user_id: i64,
    /// What was bought, oldest first.
    pub(crate) baskets: Vec<Lines>,
}

#[derive(Deserialize)]
struct Basket {
    user_id: i64,
    lines: Vec<Line>,
}

/// Reads baskets, one JSON object a line; neighbours of one user make a household.
/// At most `limit` baskets are read.
pub(crate) fn read_baskets(path: &Path, limit: Option<usize>) -> Result<Vec<Household>, LoadError> {
    let file = File::open(path).map_err(|source| file_error(path, source))?;
    let mut households: Vec<Household> = Vec::new();
    for (index, text) in BufReader::new(file)
        .lines()
        .take(limit.unwrap_or(usize::MAX))
        .enumerate()
    {
        let text = text.map_err(|source| file_error(path, source))?;
        let basket: Basket = serde_json::from_str(&text).map_err(|source| LoadError::Format {
            path: path.to_owned(),
            line: index + 1,
            source,
        })?;
        let lines: Lines = basket.lines.into();
        match households.last_mut() {
            Some(last) if last.user_id == basket.user_id => last.baskets.push(lines),
            _ => households.push(Household {
                user_id: basket.user_id,
                baskets: vec![lines],
            }),
        }
    }
    Ok(households)
}

/// Reads the skus of a catalogue or stock file (a JSON array of objects with `sku`), ascending.
pub(crate) fn read_skus(path: &Path) -> Result<Vec<i64>, LoadError> {
    #[derive(Deserialize)]
    struct Record {
        sku: i64,
    }
    let file = File::open(path).map_err(|source| file_error(path, source))?;
    let records: Vec<Record> = serde_json::from_reader(BufReader::new(file)).map_err(|source| LoadError::Format {
        path: path.to_owned(),
        line: source.line(),
        source,
    })?;
    Ok(ascending(records.into_iter().map(|record| record.sku)))
}

/// Every sku that the baskets name, once, ascending.
pub(crate) fn skus_of(households: &[Household]) -> Vec<i64> {
    let lines = households.iter().flat_map(|h| &h.baskets).flat_map(|b| b.iter());
    ascending(lines.map(|line| line.sku))
}

fn ascending(skus: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut skus: Vec<i64> = skus.collect();
    skus.sort_unstable();
    skus.dedup();
    skus
}

fn file_error(path: &Path, source: std::io::Error) -> LoadError {
    LoadError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temporary(name: &str, text: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("load-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn neighbouring_baskets_make_a_household() {
        let path = temporary(
            "baskets",
            "{\"user_id\":1,\"lines\":[{\"sku\":5,\"count\":1}]}\n\
             {\"user_id\":1,\"lines\":[{\"sku\":3,\"count\":2},{\"sku\":5,\"count\":1}]}\n\
             {\"user_id\":2,\"lines\":[{\"sku\":9,\"count\":1}]}\n",
        );
        let all = read_baskets(&path, None).unwrap();
        assert_eq!(all.iter().map(|h| h.baskets.len()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(skus_of(&all), [3, 5, 9]);
        assert_eq!(read_baskets(&path, Some(2)).unwrap().len(), 1);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_broken_file_is_named_with_its_line() {
        let path = temporary("broken", "{\"user_id\":1,\"lines\":[]}\n{\"user_id\":\n");
        let said = read_baskets(&path, None).unwrap_err().to_string();
        assert!(said.contains("line 2"), "{said}");
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(read_skus(&path), Err(LoadError::File { .. })));
    }
}
