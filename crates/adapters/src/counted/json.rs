//! JSON: an array of `{"sku": 1001, "total_count": 100}`, read object by object. What is no JSON ends
//! the file; an object that is no record is a problem among others.

use std::fmt;
use std::io::Read;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::csv::quoted;
use super::input::{Input, Position, RECORD_BYTES_MAX};
use super::{End, Found, Gone};

pub(super) fn read(mut input: Input<impl Read>, found: &mut Found) -> Result<End, Gone> {
    let position = Position::default();
    let mut gone = false;
    let parsed = {
        let mut parser = serde_json::Deserializer::from_reader(input.counted(&position));
        let array = Array {
            position: &position,
            found,
            gone: &mut gone,
        };
        parser.deserialize_seq(array).and_then(|()| parser.end())
    };
    let Err(error) = parsed else { return Ok(input.end()) };
    if gone {
        return Err(Gone);
    }
    if position.is_too_long() {
        found.problem(
            position.line(),
            format!("a record is longer than {RECORD_BYTES_MAX} bytes"),
        )?;
    } else if error.is_io() {
        return Ok(Err(error.into()));
    } else {
        let text = error.to_string();
        let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
        let line = u64::try_from(error.line()).unwrap_or(u64::MAX);
        found.problem(line, format!("not JSON: {what}"))?;
    }
    Ok(input.end())
}

/// Takes the objects one after the other.
struct Array<'a> {
    position: &'a Position,
    found: &'a mut Found,
    /// Whether whoever takes the pieces is gone.
    gone: &'a mut bool,
}

impl<'de> Visitor<'de> for Array<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut objects: A) -> Result<(), A::Error> {
        self.position.begin_record();
        while let Some((line, value)) = objects.next_element_seed(Object(self.position))? {
            let taken = match record(&value) {
                Ok((sku, total)) => self.found.record(line, sku, total),
                Err(what) => self.found.problem(line, what),
            };
            if taken.is_err() {
                *self.gone = true;
                return Err(A::Error::custom("nobody takes the records"));
            }
            self.position.begin_record();
        }
        Ok(())
    }
}

/// Any value, with the line in which it begins.
struct Object<'a>(&'a Position);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = (u64, Value);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(u64, Value), D::Error> {
        let line = self.0.line();
        self.0.begin_record(); // blanks before it do not count
        Ok((line, Value::deserialize(deserializer)?))
    }
}

/// The sku and the total of an object.
fn record(value: &Value) -> Result<(i64, u32), String> {
    const SHAPE: &str = r#"a record is {"sku": …, "total_count": …}"#;
    let object = value.as_object().ok_or(SHAPE)?;
    if let Some(name) = object
        .keys()
        .find(|name| !["sku", "total_count", "reserved"].contains(&name.as_str()))
    {
        return Err(format!("{SHAPE} and has no {}", quoted(name)));
    }
    let sku = number(object, "sku", "a positive 64-bit integer", Value::as_i64)?;
    let total = number(object, "total_count", "from 0 to 4294967295", count)?;
    if object.contains_key("reserved") && number(object, "reserved", "0 or left out", count)? != 0 {
        return Err("reserved must be 0 or left out: only orders reserve".to_owned());
    }
    Ok((sku, total))
}

fn number<T>(
    object: &Map<String, Value>,
    name: &str,
    allowed: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<T, String> {
    let value = object.get(name).ok_or_else(|| format!("{name} is missing"))?;
    read(value).ok_or_else(|| format!("{name} must be {allowed}, got {}", quoted(&value.to_string())))
}

fn count(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|n| u32::try_from(n).ok())
}
