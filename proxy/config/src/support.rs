//! What this version acts on, field by field.
//!
//! A mesh is only as good as its author's picture of it. Whatever a document says and this version does not do is therefore told, never
//! passed over: the tables list what *is* acted on, and every field that is present and not covered is reported.
//!
//! [`fields`] has a row for each.

mod rows;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cairn_api::meta::Kind;

use crate::path::{Step, push_index, push_key};
use crate::yaml::{Node, Value};

pub use rows::fields;

/// A field that is present and not acted on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Uncovered {
    pub field: String,
    /// The values that would be acted on, where the field is known by its values.
    pub instead: Vec<&'static str>,
}

/// The fields of an object that this version does not act on: the topmost of each, not everything below it. An object of which nothing is
/// acted on yields its `spec` alone.
pub(crate) fn uncovered(kind: Kind, object: &Node) -> Vec<Uncovered> {
    let Some(rows) = ROWS.get(&kind) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if rows.is_empty() {
        found.push(Uncovered {
            field: "spec".to_owned(),
            instead: Vec::new(),
        });
    } else if let Some(spec) = object.get("spec") {
        let below = below(rows.iter().map(Vec::as_slice), Segment::Key("spec"));
        visit(spec, &below, &mut "spec".to_owned(), &mut found);
    }
    found
}

/// The name that stands in a table where an unknown one was written, when the two are nearly the same.
pub(crate) fn similar(kind: Kind, unknown: &[Step]) -> Option<&'static str> {
    let (Step::Key(name), parents) = unknown.split_last()? else {
        return None;
    };
    let mut rows: Vec<&[Segment<'_>]> = ROWS.get(&kind)?.iter().map(Vec::as_slice).collect();
    for step in parents {
        rows = below(
            rows.into_iter(),
            match step {
                Step::Key(key) => Segment::Key(key),
                Step::Index(_) => Segment::Item,
            },
        );
    }
    let names = rows.iter().filter_map(|row| match row.first() {
        Some(Segment::Key(key)) => Some(*key),
        _ => None,
    });
    closest(name, names)
}

/// The candidate that differs least from a name, if the difference looks like a slip.
pub(crate) fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase().replace(['_', '-'], "");
    let slips = (lower.chars().count() / 3).clamp(1, 2);
    candidates
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= slips)
        .min()
        .map(|(_, candidate)| candidate)
}

/// One part of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment<'a> {
    Key(&'a str),
    Item,
    /// The field may have this value.
    Equals(&'a str),
}

static ROWS: LazyLock<BTreeMap<Kind, Vec<Vec<Segment<'static>>>>> = LazyLock::new(|| {
    let rows = |kind: Kind| fields(kind).map(|rows| (kind, rows.iter().map(|row| segments(row)).collect()));
    Kind::ALL.iter().filter_map(|kind| rows(*kind)).collect()
});

fn segments(row: &'static str) -> Vec<Segment<'static>> {
    let (path, value) = row
        .split_once('=')
        .map_or((row, None), |(path, value)| (path, Some(value)));
    let parts = path.split('.').flat_map(|part| match part.strip_suffix("[]") {
        Some(name) => [Some(Segment::Key(name)), Some(Segment::Item)],
        None => [Some(Segment::Key(part)), None],
    });
    parts.flatten().chain(value.map(Segment::Equals)).collect()
}

/// The rows that go on from here, without the step that leads here.
fn below<'r>(
    rows: impl Iterator<Item = &'r [Segment<'static>]>,
    step: Segment<'_>,
) -> Vec<&'r [Segment<'static>]> {
    rows.filter_map(|row| row.split_first())
        .filter(|(first, _)| **first == step)
        .map(|(_, rest)| rest)
        .collect()
}

fn visit(node: &Node, rows: &[&[Segment<'static>]], path: &mut String, found: &mut Vec<Uncovered>) {
    let length = path.len();
    match &node.value {
        Value::Mapping(entries) => {
            for entry in entries.iter().filter(|entry| entry.value.value != Value::Null) {
                push_key(path, &entry.key);
                judge(
                    &entry.value,
                    &below(rows.iter().copied(), Segment::Key(&entry.key)),
                    path,
                    found,
                );
                path.truncate(length);
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                push_index(path, index);
                judge(item, &below(rows.iter().copied(), Segment::Item), path, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

fn judge(node: &Node, rows: &[&[Segment<'static>]], path: &mut String, found: &mut Vec<Uncovered>) {
    let values = rows.iter().filter_map(|row| match row.first() {
        Some(Segment::Equals(value)) => Some(*value),
        _ => None,
    });
    let values: Vec<&'static str> = values.collect();
    let covered =
        rows.iter().any(|row| row.is_empty()) || node.as_str().is_some_and(|text| values.contains(&text));
    if covered {
        return;
    }
    if rows.is_empty() || !values.is_empty() {
        found.push(Uncovered {
            field: path.clone(),
            instead: values,
        });
    } else {
        visit(node, rows, path, found);
    }
}

/// Number of characters to add, remove or change to get from one text to the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, a) in a.chars().enumerate() {
        let mut next = vec![index + 1];
        for ((b, pair), left) in b.iter().zip(row.windows(2)).zip(0..) {
            let (diagonal, above) = match pair {
                [diagonal, above] => (*diagonal, *above),
                _ => continue,
            };
            let left = next.get(left).copied().unwrap_or_default();
            next.push((diagonal + usize::from(a != *b)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
