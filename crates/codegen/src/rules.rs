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
