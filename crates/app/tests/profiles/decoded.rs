//! Reads a profile as its format says: gzipped protobuf, `perftools.profiles.Profile`. Only what the
//! tests ask for is declared.

use std::collections::HashMap;
use std::io::Read;

use flate2::read::GzDecoder;
use prost::Message;

/// A profile.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
}

impl Profile {
    pub(crate) fn read(gzipped: &[u8]) -> Self {
        let mut bytes = Vec::new();
        GzDecoder::new(gzipped).read_to_end(&mut bytes).unwrap();
        let profile = Self::decode(bytes.as_slice()).unwrap();
        assert_eq!(
            profile.string_table.first().map(String::as_str),
            Some(""),
            "as the format says"
        );
        profile
    }

    fn text(&self, at: i64) -> &str {
        &self.string_table[usize::try_from(at).unwrap()]
    }

    /// What is counted, and its unit.
    pub(crate) fn kind(&self) -> (&str, &str) {
        let kind = &self.sample_type[0];
        (self.text(kind.kind), self.text(kind.unit))
    }

    /// The sum over all samples.
    pub(crate) fn total(&self) -> i64 {
        self.sample.iter().map(|sample| sample.value[0]).sum()
    }

    /// The names of the functions that stand in samples.
    pub(crate) fn functions(&self) -> Vec<String> {
        let functions: HashMap<u64, i64> = self
            .function
            .iter()
            .map(|function| (function.id, function.name))
            .collect();
        let locations: HashMap<u64, &Location> = self.location.iter().map(|location| (location.id, location)).collect();
        let stacks = self.sample.iter().flat_map(|sample| &sample.location_id);
        let lines = stacks.flat_map(|id| &locations[id].line);
        let mut names: Vec<_> = lines
            .map(|line| self.text(functions[&line.function_id]).to_owned())
            .collect();
        names.sort();
        names.dedup();
        names
    }
}
