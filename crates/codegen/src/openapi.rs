//! The OpenAPI document of the gateway, from the descriptors, the HTTP mapping and the rules, so
//! that it says what the wire does: canonical JSON, where a 64-bit integer is a string on output
//! and a string or a number on input.

use std::error::Error;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, ServiceDescriptor};
use serde_json::{Map, Value, json};

use crate::rules::{Rules, bound};

const MAX_I64: &str = "9223372036854775807";

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    In,
    Out,
}

/// The document, pretty-printed.
pub(crate) fn document(service: &ServiceDescriptor, rules: &Rules) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut schemas = Map::new();
    schemas.insert("Error".to_owned(), error_schema());
    let mut paths = Map::new();
    for method in service.methods() {
        let (verb, path) = http_rule(&method)?;
        message(&method.output(), Way::Out, rules, &mut schemas);
        if verb == "post" {
            message(&method.input(), Way::In, rules, &mut schemas);
        }
        paths.insert(path, json!({ verb: operation(&method, verb, rules) }));
    }
    let document = json!({
        "openapi": "3.0.3",
        "info": {
            "title": "LOMS",
            "description": comment(&service.parent_file(), service.path()),
            "license": { "name": "MIT" },
            "version": "v1",
        },
        "servers": [{ "url": "/", "description": "this server" }],
        "paths": paths,
        "components": { "schemas": schemas },
    });
    let mut text = serde_json::to_vec_pretty(&document)?;
    text.push(b'\n');
    Ok(text)
}

/// The verb and path of `google.api.http`.
fn http_rule(method: &MethodDescriptor) -> Result<(&'static str, String), String> {
    let options = method.options();
    let extension = method
        .parent_pool()
        .get_extension_by_name("google.api.http")
        .ok_or("no google.api.http")?;
    let rule = options.get_extension(&extension);
    let rule = rule.as_message().ok_or("google.api.http is no message")?;
    for verb in ["get", "post"] {
        let path = rule
            .get_field_by_name(verb)
            .and_then(|path| path.as_str().map(str::to_owned));
        if let Some(path) = path.filter(|path| !path.is_empty()) {
            return Ok((verb, path));
        }
    }
    Err(format!("{} has no HTTP mapping", method.full_name()))
}

fn operation(method: &MethodDescriptor, verb: &str, rules: &Rules) -> Value {
    let input = method.input();
    let about = comment(&method.parent_file(), method.path());
    let mut parameters = Vec::new();
    let mut operation = json!({
        "operationId": method.name(),
        "tags": ["loms"],
        "summary": about.split(". ").next().unwrap_or_default().trim_end_matches('.'),
        "description": about,
    });
    if verb == "get" {
        for field in input.fields() {
            let schema = scalar(&field, Way::In, rules);
            parameters.push(json!({
                "name": field.json_name(), "in": "query", "required": true,
                "description": comment(&field.parent_file(), field.path()), "schema": query(&schema),
                "example": sample(&field),
            }));
        }
    } else {
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": reference(&input, Way::In), "example": example(&input) } },
        });
    }
    if method.name() == "OrderCreate" {
        parameters.push(json!({
            "name": "idempotency-key", "in": "header", "required": false,
            "description": "1 to 64 visible ASCII characters, scoped to the user, kept at least 24 h",
            "schema": { "type": "string", "pattern": "^[!-~]{1,64}$" },
        }));
    }
    operation["parameters"] = Value::Array(parameters);
    operation["responses"] = responses(method, verb);
    operation
}

fn responses(method: &MethodDescriptor, verb: &str) -> Value {
    let mut responses = Map::new();
    let output = json!({ "application/json": { "schema": reference(&method.output(), Way::Out) } });
    responses.insert(
        "200".to_owned(),
        json!({ "description": comment(&method.output().parent_file(), method.output().path()), "content": output }),
    );
    let mut errors = vec![
        (
            "400",
            "the request breaks a rule, or the state of order or stock forbids it (code 3 or 9)",
        ),
        ("500", "our bug (code 13)"),
        ("503", "nothing was done, repeat freely (code 14)"),
    ];
    if verb == "post" {
        errors.push(("413", "the request is over 256 KiB (code 8)"));
        errors.push(("415", "the body is not application/json (code 3)"));
    }
    if method.name() == "OrderCreate" {
        errors.push(("409", "the idempotency key was used with another body (code 6)"));
        errors.push((
            "504",
            "outcome unknown: repeat with the same idempotency key only (code 4)",
        ));
    } else {
        errors.push(("404", "it does not exist (code 5)"));
        errors.push((
            "504",
            "no answer in time: repeat, a second time changes nothing (code 4)",
        ));
    }
    errors.sort_unstable();
    for (status, description) in errors {
        let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } });
        responses.insert(
            status.to_owned(),
            json!({ "description": description, "content": content }),
        );
    }
    Value::Object(responses)
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "description": "An error: a gRPC code and what to do.",
        "required": ["code", "message", "details"],
        "properties": {
            "code": { "type": "integer", "format": "int32", "minimum": 1, "maximum": 16 },
            "message": { "type": "string" },
            "details": { "type": "array", "items": {} },
        },
    })
}

fn name(message: &MessageDescriptor, way: Way) -> String {
    // Only messages that go both ways differ between them.
    if way == Way::In && !message.name().ends_with("Request") {
        format!("{}Input", message.name())
    } else {
        message.name().to_owned()
    }
}

fn reference(message: &MessageDescriptor, way: Way) -> Value {
    json!({ "$ref": format!("#/components/schemas/{}", name(message, way)) })
}

fn message(message_: &MessageDescriptor, way: Way, rules: &Rules, schemas: &mut Map<String, Value>) {
    let mut properties = Map::new();
    for field in message_.fields() {
        let mut schema = match field.kind() {
            Kind::Message(inner) => {
                message(&inner, way, rules, schemas);
                reference(&inner, way)
            }
            _ => scalar(&field, way, rules),
        };
        if field.is_list() {
            schema = json!({ "type": "array", "items": schema });
            if let (Way::In, Some(rule)) = (way, rules.get(field.full_name())) {
                schema["minItems"] = json!(bound(rule, "min"));
                schema["maxItems"] = json!(bound(rule, "max"));
            }
        }
        if schema.get("$ref").is_none() {
            schema["description"] = json!(comment(&field.parent_file(), field.path()));
        }
        properties.insert(field.json_name().to_owned(), schema);
    }
    let required: Vec<String> = properties.keys().cloned().collect();
    let mut schema = json!({
        "type": "object",
        "description": comment(&message_.parent_file(), message_.path()),
        "properties": properties,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schemas.insert(name(message_, way), schema);
}

fn scalar(field: &FieldDescriptor, way: Way, rules: &Rules) -> Value {
    let min = rules.get(field.full_name()).and_then(|rule| bound(rule, "min"));
    match (field.kind(), way) {
        (Kind::Int64, Way::Out) => json!({ "type": "string", "format": "int64", "pattern": "^[0-9]{1,19}$" }),
        (Kind::Int64, Way::In) => {
            let largest: u64 = MAX_I64.parse().unwrap_or(u64::MAX);
            json!({ "oneOf": [
                { "type": "string", "pattern": "^[1-9][0-9]{0,17}$", "example": "1" },
                { "type": "integer", "format": "int64", "minimum": min, "maximum": largest },
            ] })
        }
        (Kind::Uint32, Way::Out) => json!({ "type": "integer", "format": "uint32", "minimum": 0, "maximum": u32::MAX }),
        (Kind::Uint32, Way::In) => {
            json!({ "type": "integer", "format": "uint32", "minimum": min, "maximum": u32::MAX })
        }
        _ => json!({ "type": "string" }),
    }
}

/// A query parameter is text: the string form of a number.
fn query(schema: &Value) -> Value {
    schema
        .get("oneOf")
        .and_then(|forms| forms.get(1))
        .cloned()
        .unwrap_or_else(|| schema.clone())
}

fn example(message: &MessageDescriptor) -> Value {
    let fields = message.fields().map(|field| {
        let value = match field.kind() {
            Kind::Message(inner) => json!([example(&inner)]),
            // As the gateway itself writes it.
            Kind::Int64 => json!(sample(&field).to_string()),
            _ => sample(&field),
        };
        (field.json_name().to_owned(), value)
    });
    Value::Object(fields.collect())
}

/// A number that works in a shop that has just begun.
fn sample(field: &FieldDescriptor) -> Value {
    if field.name() == "sku" { json!(1001) } else { json!(1) }
}

/// The comment above something in the `.proto`, on one line.
fn comment(file: &prost_reflect::FileDescriptor, path: &[i32]) -> String {
    let comments = file.file_descriptor_proto().source_code_info.as_ref();
    let location = comments.and_then(|info| info.location.iter().find(|location| location.path == path));
    let leading = location
        .and_then(|location| location.leading_comments.as_deref())
        .unwrap_or_default();
    leading.split_whitespace().collect::<Vec<_>>().join(" ")
}
