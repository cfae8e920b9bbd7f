//! Values that know their line.

use serde_json::{Map, Number};

use crate::path::Step;

/// A value and the line on which it begins. Lines count from 1 within the document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub line: u32,
    pub value: Value,
}

/// The shapes of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// A number and how it was written: `1.20` is not `1.2` to the person who meant a version.
    Number(Number, String),
    String(String),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// One `key: value` of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub key: String,
    pub line: u32,
    pub value: Node,
}

impl Node {
    /// The value of a field, unless it is absent or null.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key)
            .map(|entry| &entry.value)
            .filter(|node| node.value != Value::Null)
    }

    /// The field as it is written, null or not.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The node at the end of a path.
    pub(crate) fn at(&self, path: &[Step]) -> Option<&Node> {
        path.iter()
            .try_fold(self, |node, step| match (step, &node.value) {
                (Step::Key(key), _) => node.get(key),
                (Step::Index(index), Value::Sequence(items)) => items.get(*index),
                (Step::Index(_), _) => None,
            })
    }

    /// The text, when the value is text.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The same value as JSON, without the fields that are null: to Kubernetes these are absent.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => serde_json::Value::Bool(*value),
            Value::Number(number, _) => serde_json::Value::Number(number.clone()),
            Value::String(text) => serde_json::Value::String(text.clone()),
            Value::Sequence(items) => items.iter().map(Node::to_json).collect(),
            Value::Mapping(entries) => entries
                .iter()
                .filter(|entry| entry.value.value != Value::Null)
                .map(|entry| (entry.key.clone(), entry.value.to_json()))
                .collect::<Map<_, _>>()
                .into(),
        }
    }

    /// How large this tree is.
    pub(super) fn extent(&self) -> Extent {
        let mut extent = Extent {
            nodes: 1,
            bytes: self.own_bytes(),
            depth: 0,
        };
        let mut add = |child: &Node| {
            let child = child.extent();
            extent.nodes += child.nodes;
            extent.bytes += child.bytes;
            extent.depth = extent.depth.max(child.depth);
        };
        match &self.value {
            Value::Sequence(items) => items.iter().for_each(add),
            Value::Mapping(entries) => {
                entries.iter().for_each(|entry| add(&entry.value));
                extent.bytes += entries.iter().map(|entry| entry.key.len()).sum::<usize>();
            }
            _ => {}
        }
        extent.depth += 1;
        extent
    }

    /// Bytes of text of this node alone.
    pub(super) fn own_bytes(&self) -> usize {
        match &self.value {
            Value::String(text) | Value::Number(_, text) => text.len(),
            _ => 0,
        }
    }
}

/// The size of a tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) nodes: usize,
    /// Bytes of text, keys included.
    pub(super) bytes: usize,
    pub(super) depth: usize,
}
