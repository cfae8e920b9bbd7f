//! From bytes to a [`Document`].

use crate::document::content::{Content, Document, Finding, Item};
use crate::document::{item, remnant, salvage};
use crate::lines::Lines;
use crate::objects::{BrokenPolicy, is_policy};
use crate::problem::Severity;
use crate::yaml::{Fault, Tree, Value, parse};

/// Reads a document.
pub(crate) fn read(bytes: &[u8]) -> Document {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let line = u32::try_from(line).unwrap_or(u32::MAX);
            let fault = Fault::new(line, "is not UTF-8 text", "save the file as UTF-8");
            return unreadable(&String::from_utf8_lossy(bytes), fault);
        }
    };
    let mut document = Document::default();
    match parse(text) {
        Err(fault) => return unreadable(text, fault),
        Ok(Tree {
            root: Some(root),
            faults,
        }) if root.value != Value::Null => {
            item::read(&root, faults, &mut document);
        }
        Ok(_) => {}
    }
    document
}

/// A document that is no YAML. Its lines still tell what it was meant to be, most of the time.
fn unreadable(text: &str, fault: Fault) -> Document {
    let found = salvage::salvage(text);
    let named = match found.as_slice() {
        [only] if !only.object.name.is_empty() => Some(only.object.clone()),
        _ => None,
    };
    let reason = fault.message.clone();
    let Fault {
        line,
        field,
        message,
        hint,
    } = fault;
    let finding = Finding {
        severity: Severity::Error,
        object: named,
        line,
        field,
        message,
        hint,
    };
    let item = |salvage::Salvaged { object, line }| {
        let content = if is_policy(object.kind) {
            Content::Denied(Box::new(BrokenPolicy {
                object: object.clone(),
                spec: None,
                reason: reason.clone(),
            }))
        } else {
            Content::Lost(remnant::of_text(&object, text))
        };
        Item {
            object,
            lines: Lines::default(),
            line,
            content,
        }
    };
    Document {
        items: found.into_iter().map(item).collect(),
        findings: vec![finding],
        uncertain: true,
    }
}
