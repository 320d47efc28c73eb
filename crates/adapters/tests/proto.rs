//! The messages of the proto: their rules, and their canonical JSON.
#![cfg(feature = "grpc")]

use std::collections::BTreeSet;

use adapters::grpc::FILE_DESCRIPTOR_SET;
use adapters::grpc::proto::{
    Item, OrderCancelRequest, OrderCreateRequest, OrderCreateResponse, OrderInfoRequest, OrderInfoResponse,
    OrderPayRequest, StocksInfoRequest, StocksInfoResponse,
};
use garde::Validate;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor, Value};

/// The paths of the fields that break their rules in a message of this name.
fn broken_rules(name: &str, bytes: &[u8]) -> Option<BTreeSet<String>> {
    fn of<M: Message + Default + Validate<Context = ()>>(bytes: &[u8]) -> BTreeSet<String> {
        let message = M::decode(bytes).unwrap();
        match message.validate() {
            Ok(()) => BTreeSet::new(),
            Err(report) => report.iter().map(|(path, _)| path.to_string()).collect(),
        }
    }
    Some(match name {
        "loms.v1.OrderCreateRequest" => of::<OrderCreateRequest>(bytes),
        "loms.v1.OrderInfoRequest" => of::<OrderInfoRequest>(bytes),
        "loms.v1.OrderPayRequest" => of::<OrderPayRequest>(bytes),
        "loms.v1.OrderCancelRequest" => of::<OrderCancelRequest>(bytes),
        "loms.v1.StocksInfoRequest" => of::<StocksInfoRequest>(bytes),
        _ => return None,
    })
}

/// A message of defaults, with one element in each list, and the paths of all its fields that
/// hold a default.
fn blank(descriptor: &MessageDescriptor, prefix: &str) -> (DynamicMessage, BTreeSet<String>) {
    let mut message = DynamicMessage::new(descriptor.clone());
    let mut paths = BTreeSet::new();
    for field in descriptor.fields() {
        let path = format!("{prefix}{}", field.name());
        match field.kind() {
            Kind::Message(inner) => {
                assert!(
                    field.is_list(),
                    "{path}: say here how a message in a message is checked"
                );
                let (element, inside) = blank(&inner, &format!("{path}[0]."));
                message.set_field(&field, Value::List(vec![Value::Message(element)]));
                paths.extend(inside);
            }
            _ => {
                paths.insert(path);
            }
        }
    }
    (message, paths)
}

#[test]
fn every_field_of_every_request_has_a_rule() {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let service = pool.get_service_by_name("loms.v1.Loms").unwrap();
    assert_eq!(service.methods().count(), 5);
    for method in service.methods() {
        let input = method.input();
        let (message, fields) = blank(&input, "");
        let broken = broken_rules(input.full_name(), &message.encode_to_vec());
        let broken = broken.unwrap_or_else(|| panic!("{}: add it to this test", input.full_name()));
        // No request of this service has a field whose default is allowed.
        assert_eq!(broken, fields, "{}", input.full_name());
    }
    let empty = OrderCreateRequest {
        user_id: 1,
        items: vec![],
    };
    assert!(empty.validate().is_err(), "a list has a rule of its own");
}

#[test]
fn rules_have_the_bounds_of_the_contract() {
    let items = |count: usize| OrderCreateRequest {
        user_id: 1,
        items: vec![Item { sku: 1, count: 1 }; count],
    };
    assert!(items(500).validate().is_ok());
    assert!(items(501).validate().is_err());
    assert!(OrderPayRequest { order_id: i64::MAX }.validate().is_ok());
    for bad in [0, -1, i64::MIN] {
        assert!(OrderPayRequest { order_id: bad }.validate().is_err());
        assert!(StocksInfoRequest { sku: bad }.validate().is_err());
    }
}

#[test]
fn output_is_canonical_json() {
    let info = OrderInfoResponse {
        status: "awaiting payment".to_owned(),
        user_id: i64::MAX,
        items: vec![Item {
            sku: 7,
            count: u32::MAX,
        }],
    };
    let json = serde_json::to_string(&info).unwrap();
    let expected =
        r#"{"status":"awaiting payment","userId":"9223372036854775807","items":[{"sku":"7","count":4294967295}]}"#;
    assert_eq!(json, expected);
    assert_eq!(
        serde_json::to_string(&StocksInfoResponse::default()).unwrap(),
        r#"{"count":0}"#
    );
    assert_eq!(
        serde_json::to_string(&OrderCreateResponse::default()).unwrap(),
        r#"{"orderId":"0"}"#
    );
}

#[test]
fn input_takes_both_spellings_and_both_forms_of_integers() {
    let expected = OrderCreateRequest {
        user_id: 5,
        items: vec![Item { sku: 7, count: 2 }],
    };
    for json in [
        r#"{"userId":5,"items":[{"sku":7,"count":2}]}"#,
        r#"{"user_id":"5","items":[{"sku":"7","count":2}]}"#,
        r#"{"userId":"5","items":[{"sku":"7","count":"2"}],"unknown":{"deep":[1]}}"#,
    ] {
        assert_eq!(
            serde_json::from_str::<OrderCreateRequest>(json).unwrap(),
            expected,
            "{json}"
        );
    }
    for json in [
        "",
        "null",
        "[]",
        r#"{"userId":true}"#,
        r#"{"userId":"five"}"#,
        r#"{"userId":9223372036854775808}"#,
        r#"{"userId":"9223372036854775808"}"#,
        r#"{"items":[{"count":4294967296}]}"#,
        r#"{"items":[{"count":-1}]}"#,
        r#"{"items":{}}"#,
        r#"{"userId":1,"userId":2}"#,
    ] {
        assert!(serde_json::from_str::<OrderCreateRequest>(json).is_err(), "{json}");
    }
}
