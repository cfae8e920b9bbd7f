use std::collections::BTreeMap;

use prost::{Message, Oneof};

/// `google.protobuf.Struct`: an object of JSON.
#[derive(Clone, PartialEq, Message)]
pub struct Struct {
    /// Its members.
    #[prost(btree_map = "string, message", tag = "1")]
    pub fields: BTreeMap<String, Value>,
}

/// `google.protobuf.Value`: a value of JSON.
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    /// The value. Absent: null.
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6")]
    pub kind: Option<Kind>,
}

/// The kinds of values.
#[derive(Clone, PartialEq, Oneof)]
pub enum Kind {
    /// Null; the number says nothing.
    #[prost(int32, tag = "1")]
    Null(i32),
    /// A number.
    #[prost(double, tag = "2")]
    Number(f64),
    /// A text.
    #[prost(string, tag = "3")]
    String(String),
    /// True or false.
    #[prost(bool, tag = "4")]
    Bool(bool),
    /// An object.
    #[prost(message, tag = "5")]
    Struct(Struct),
    /// A list.
    #[prost(message, tag = "6")]
    List(ListValue),
}

/// `google.protobuf.ListValue`: a list of JSON.
#[derive(Clone, PartialEq, Message)]
pub struct ListValue {
    /// Its values.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Value>,
}

impl From<Struct> for serde_json::Map<String, serde_json::Value> {
    fn from(document: Struct) -> Self {
        let members = document.fields.into_iter();
        members.map(|(name, value)| (name, value.into())).collect()
    }
}

impl From<Value> for serde_json::Value {
    /// Numbers that JSON does not have become null.
    fn from(value: Value) -> Self {
        match value.kind {
            None | Some(Kind::Null(_)) => serde_json::Value::Null,
            Some(Kind::Number(number)) => number.into(),
            Some(Kind::String(text)) => text.into(),
            Some(Kind::Bool(truth)) => truth.into(),
            Some(Kind::Struct(document)) => serde_json::Value::Object(document.into()),
            Some(Kind::List(list)) => list.values.into_iter().map(serde_json::Value::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn value(kind: Kind) -> Value {
        Value { kind: Some(kind) }
    }

    #[test]
    fn documents_are_json() {
        let list = ListValue {
            values: vec![
                value(Kind::Bool(true)),
                value(Kind::Number(f64::NAN)),
                Value::default(),
            ],
        };
        let inner = Struct {
            fields: BTreeMap::from([("n".to_owned(), value(Kind::Number(1.5)))]),
        };
        let document = Struct {
            fields: BTreeMap::from([
                ("list".to_owned(), value(Kind::List(list))),
                ("none".to_owned(), value(Kind::Null(0))),
                ("text".to_owned(), value(Kind::String("a".to_owned()))),
                ("struct".to_owned(), value(Kind::Struct(inner))),
            ]),
        };
        let again = Struct::decode(document.encode_to_vec().as_slice()).unwrap();
        let json = serde_json::Value::Object(again.into());
        let expected = r#"{"list":[true,null,null],"none":null,"struct":{"n":1.5},"text":"a"}"#;
        assert_eq!(json, serde_json::from_str::<serde_json::Value>(expected).unwrap());
    }
}
