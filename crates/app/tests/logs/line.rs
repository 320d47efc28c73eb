//! A line as whoever collects logs reads it: strictly.

use std::collections::HashSet;
use std::fmt;

use domain::clock::Moment;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

/// The fields of every line.
const FIELDS: [&str; 6] = ["ts", "level", "service", "msg", "trace_id", "span_id"];

/// An object none of whose keys stands twice.
struct Strict(Map<String, Value>);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Strict;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Strict, A::Error> {
                let mut map = Map::new();
                while let Some((key, value)) = entries.next_entry::<String, Value>()? {
                    if map.insert(key.clone(), value).is_some() {
                        return Err(serde::de::Error::custom(format!("{key} stands twice")));
                    }
                }
                Ok(Strict(map))
            }
        }

        deserializer.deserialize_map(Keys)
    }
}

/// A line, if it is as it has to be.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let line = serde_json::from_str::<Strict>(text)
        .map_err(|error| format!("{error}: {text}"))?
        .0;
    for field in FIELDS {
        if !line.get(field).is_some_and(Value::is_string) {
            return Err(format!("{field} is missing: {text}"));
        }
    }
    let field = |name: &str| line[name].as_str().unwrap_or_default();
    let ids = (field("trace_id"), field("span_id"));
    let is_id = |id: &str, length| {
        let good = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        id.len() == length && id.bytes().all(good) && id.bytes().any(|byte| byte != b'0')
    };
    if Moment::parse(field("ts")).is_err() {
        Err(format!("ts is no time: {text}"))
    } else if !["error", "warn", "info", "debug", "trace"].contains(&field("level")) {
        Err(format!("level is none: {text}"))
    } else if !["app", "cart", "loms", "notifier", "products", "ops"].contains(&field("service")) {
        Err(format!("service is none: {text}"))
    } else if field("msg").is_empty() {
        Err(format!("msg is empty: {text}"))
    } else if ids != ("", "") && !(is_id(ids.0, 32) && is_id(ids.1, 16)) {
        Err(format!("ids are none: {text}"))
    } else {
        Ok(Value::Object(line))
    }
}

/// The lines of an output, every one of which has to be as it should.
pub(crate) fn lines(output: &str) -> Vec<Value> {
    let parsed: Vec<_> = output.lines().map(parse).collect();
    let wrong: Vec<_> = parsed.iter().filter_map(|line| line.as_ref().err()).collect();
    assert!(
        wrong.is_empty(),
        "{} wrong lines, as {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
    assert!(!parsed.is_empty(), "there is no line");
    parsed.into_iter().map(Result::unwrap).collect()
}

/// The traces of the lines with this message.
pub(crate) fn traces(lines: &[Value], msg: &str) -> HashSet<String> {
    let said = lines.iter().filter(|line| line["msg"] == msg);
    said.map(|line| line["trace_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_wrong_is_found() {
    let good =
        r#"{"ts":"2026-01-02T03:04:05.678Z","level":"info","service":"cart","msg":"m","trace_id":"","span_id":""}"#;
    assert!(parse(good).is_ok());
    for (from, to) in [
        (r#""msg":"m","#, ""),
        (r#""msg":"m""#, r#""msg":"m","msg":"n""#),
        ("2026-01-02T", "yesterday T"),
        ("info", "INFO"),
        ("cart", "shop"),
        (r#""trace_id":"""#, r#""trace_id":"00""#),
        (r#""span_id":"""#, r#""span_id":null"#),
        ("{", "order 7: {"),
    ] {
        assert!(parse(&good.replace(from, to)).is_err(), "{to}");
    }
}
