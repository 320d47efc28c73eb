//! The rules of the requests, as they stand behind the fields in the `.proto`:
//! `// garde: range(min = 1)`. A field of a request without one is an error.

use std::collections::BTreeMap;

use prost_reflect::{DescriptorPool, Kind, MessageDescriptor, ServiceDescriptor};

/// The rule of each field that has one, by full name (`loms.v1.Item.sku`).
pub(crate) type Rules = BTreeMap<String, String>;

const MARK: &str = "garde:";

/// Reads all rules, and checks that no field of a request lacks one.
pub(crate) fn read(pool: &DescriptorPool, service: &ServiceDescriptor) -> Result<Rules, String> {
    let rules: Rules = pool
        .all_messages()
        .flat_map(|message| message.fields().collect::<Vec<_>>())
        .filter_map(|field| {
            let path = field.path();
            let file = field.parent_file().file_descriptor_proto().clone();
            let comments = file.source_code_info?;
            let location = comments.location.into_iter().find(|location| location.path == path)?;
            let rule = location
                .trailing_comments?
                .lines()
                .find_map(|line| line.trim().strip_prefix(MARK).map(str::trim).map(str::to_owned))?;
            Some((field.full_name().to_owned(), rule))
        })
        .collect();
    for method in service.methods() {
        complete(&method.input(), &rules)?;
    }
    Ok(rules)
}

fn complete(message: &MessageDescriptor, rules: &Rules) -> Result<(), String> {
    for field in message.fields() {
        let rule = rules.get(field.full_name());
        let rule = rule.ok_or_else(|| format!("request field {} has no `// {MARK}` rule", field.full_name()))?;
        if let Kind::Message(inner) = field.kind() {
            if !rule.contains("dive") {
                return Err(format!("{} is a message: its rule must `dive`", field.full_name()));
            }
            complete(&inner, rules)?;
        }
    }
    Ok(())
}

/// The number of `name = N` in a rule.
pub(crate) fn bound(rule: &str, name: &str) -> Option<u64> {
    let (_, after) = rule.split_once(&format!("{name} = "))?;
    after
        .chars()
        .take_while(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use protox::file::{File, FileResolver};

    use super::*;

    struct Text(String);

    impl FileResolver for Text {
        fn open_file(&self, name: &str) -> Result<File, protox::Error> {
            File::from_source(name, &self.0)
        }
    }

    /// What is read of a service whose request has these fields.
    fn read_of(fields: &str) -> Result<Rules, String> {
        let text = format!(
            "syntax = \"proto3\"; package p;
             service S {{ rpc Call(Request) returns (Answer); }}
             message Part {{
               int64 sku = 1; // garde: range(min = 1)
             }}
             message Request {{
               {fields}
             }}
             message Answer {{ int64 free = 1; }}"
        );
        let mut compiler = protox::Compiler::with_file_resolver(Text(text));
        compiler.include_source_info(true).open_file("p.proto").unwrap();
        let pool = compiler.descriptor_pool();
        read(&pool, &pool.get_service_by_name("p.S").unwrap())
    }

    #[test]
    fn rules_stand_behind_the_fields_of_requests() {
        let rules = read_of("repeated Part parts = 1; // garde: length(min = 1, max = 500), dive").unwrap();
        let expected = [
            ("p.Part.sku", "range(min = 1)"),
            ("p.Request.parts", "length(min = 1, max = 500), dive"),
        ];
        let told: Vec<_> = rules
            .iter()
            .map(|(name, rule)| (name.as_str(), rule.as_str()))
            .collect();
        assert_eq!(told, expected);
        assert_eq!(
            (bound(expected[1].1, "min"), bound(expected[1].1, "max")),
            (Some(1), Some(500))
        );
        assert_eq!(bound(expected[0].1, "max"), None);
    }

    #[test]
    fn a_field_of_a_request_without_a_rule_is_an_error() {
        let error = read_of("int64 id = 1; // its number").unwrap_err();
        assert!(error.contains("p.Request.id"), "{error}");
        let error = read_of("repeated Part parts = 1; // garde: length(min = 1)").unwrap_err();
        assert!(error.contains("p.Request.parts") && error.contains("dive"), "{error}");
    }
}
