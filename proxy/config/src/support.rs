//! What this version acts on, field by field.
//!
//! A mesh is only as good as its author's picture of it. Whatever a document says and this version does not do is therefore told, never
//! passed over: the tables name *every* field that the types read and what becomes of it, every field that is present and does not act is
//! reported, and [`page()`] shows all of it to readers.
//!
//! The modules below `rows` have a row for each.

mod page;
mod rows;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cairn_api::meta::Kind;
use cairn_api::shape::Path;

use crate::objects::Resource;
use crate::path::{Step, push_index, push_key};
use crate::yaml::{Node, Value};

pub use page::page;
use rows::Support;

/// A field that is present and not acted on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Uncovered {
    pub field: String,
    /// The values that would be acted on, where the field is known by its values.
    pub instead: Vec<&'static str>,
    /// Why it is not meant to have an effect, when it is not.
    pub why: Option<&'static str>,
}

/// Whether objects of the kind are held against a table.
pub(crate) const fn has_table(kind: Kind) -> bool {
    rows::table(kind).is_some()
}

/// Whether anything in objects of the kind acts.
fn acts(kind: Kind) -> bool {
    let rows = ROWS.get(&kind);
    rows.is_some_and(|rows| rows.iter().any(|row| row.support.acts()))
}

/// The fields of an object that this version does not act on: the topmost of each, not everything below it. An object of which nothing is
/// acted on yields its `spec` alone.
pub(crate) fn uncovered(kind: Kind, object: &Node) -> Vec<Uncovered> {
    let Some(rows) = ROWS.get(&kind) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if !acts(kind) {
        found.push(Uncovered {
            field: "spec".to_owned(),
            instead: Vec::new(),
            why: None,
        });
    } else if let Some(spec) = object.get("spec") {
        let rows: Vec<Rest<'_>> = rows.iter().map(Row::whole).collect();
        let below = below(&rows, Segment::Key("spec"));
        visit(spec, &below, &mut "spec".to_owned(), &mut found);
    }
    found
}

/// The name of a field where an unknown one was written, when the two are nearly the same.
pub(crate) fn similar(kind: Kind, unknown: &[Step]) -> Option<&'static str> {
    let (Step::Key(name), parents) = unknown.split_last()? else {
        return None;
    };
    let fields = FIELDS.get(&kind)?;
    let fields: Vec<Row> = fields
        .iter()
        .map(|path| Row::new(&path.field, Support::Yes))
        .collect();
    let mut rest: Vec<Rest<'_>> = fields.iter().map(Row::whole).collect();
    for step in parents {
        let step = match step {
            Step::Key(key) => Segment::Key(key),
            Step::Index(_) => Segment::Item,
        };
        rest = below(&rest, step);
    }
    let names = rest.iter().filter_map(|rest| match rest.segments.first() {
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

/// One part of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment<'a> {
    Key(&'a str),
    Item,
    /// Whatever key the author of the document chose.
    AnyKey,
    /// The field may have this value.
    Equals(&'a str),
}

/// A row, taken apart.
#[derive(Debug)]
struct Row {
    segments: Vec<Segment<'static>>,
    support: Support,
}

/// What is left of a row on the way down through a document.
#[derive(Clone, Copy, Debug)]
struct Rest<'r> {
    segments: &'r [Segment<'static>],
    support: Support,
}

/// Every field of a kind that has nothing below it, as the types read it.
static FIELDS: LazyLock<BTreeMap<Kind, Vec<Path>>> = LazyLock::new(|| {
    let kinds = Kind::ALL.iter().copied().filter(|kind| has_table(*kind));
    let fields = kinds.map(|kind| {
        let mut paths = Resource::shape(kind).map_or_else(Vec::new, |shape| shape.paths());
        paths.retain(|path| path.field.starts_with("spec."));
        (kind, paths)
    });
    fields.collect()
});

/// The tables, with whole paths.
static TABLES: LazyLock<BTreeMap<Kind, Vec<(String, Support)>>> = LazyLock::new(|| {
    let tables = Kind::ALL
        .iter()
        .filter_map(|kind| Some((*kind, rows::table(*kind)?)));
    tables
        .map(|(kind, table)| (kind, table.rows().collect()))
        .collect()
});

static ROWS: LazyLock<BTreeMap<Kind, Vec<Row>>> = LazyLock::new(|| {
    let rows = TABLES.iter().map(|(kind, rows)| {
        let rows = rows.iter().map(|(row, support)| Row::new(row, *support));
        (*kind, rows.collect())
    });
    rows.collect()
});

impl Row {
    fn new(row: &'static str, support: Support) -> Row {
        let (path, value) = row
            .split_once('=')
            .map_or((row, None), |(path, value)| (path, Some(value)));
        let parts = path.split('.').flat_map(|part| {
            if let Some(name) = part.strip_suffix("[]") {
                [Some(Segment::Key(name)), Some(Segment::Item)]
            } else if let Some(name) = part.strip_suffix("{}") {
                [Some(Segment::Key(name)), Some(Segment::AnyKey)]
            } else {
                [Some(Segment::Key(part)), None]
            }
        });
        Row {
            segments: parts.flatten().chain(value.map(Segment::Equals)).collect(),
            support,
        }
    }

    fn whole(&self) -> Rest<'_> {
        Rest {
            segments: &self.segments,
            support: self.support,
        }
    }
}

impl<'r> Rest<'r> {
    /// What is left after a step; `None` when the row leads elsewhere.
    fn after(self, step: Segment<'_>) -> Option<Rest<'r>> {
        let (first, segments) = self.segments.split_first()?;
        let leads_there = match first {
            Segment::AnyKey => matches!(step, Segment::Key(_)),
            first => *first == step,
        };
        leads_there.then_some(Rest { segments, ..self })
    }
}

/// The rows that go on from here, without the step that leads here.
fn below<'r>(rows: &[Rest<'r>], step: Segment<'_>) -> Vec<Rest<'r>> {
    rows.iter().filter_map(|row| row.after(step)).collect()
}

fn visit(node: &Node, rows: &[Rest<'_>], path: &mut String, found: &mut Vec<Uncovered>) {
    let length = path.len();
    match &node.value {
        Value::Mapping(entries) => {
            for entry in entries.iter().filter(|entry| entry.value.value != Value::Null) {
                push_key(path, &entry.key);
                judge(&entry.value, &below(rows, Segment::Key(&entry.key)), path, found);
                path.truncate(length);
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                push_index(path, index);
                judge(item, &below(rows, Segment::Item), path, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

fn judge(node: &Node, rows: &[Rest<'_>], path: &mut String, found: &mut Vec<Uncovered>) {
    let acting = || rows.iter().filter(|row| row.support.acts());
    let values = acting().filter_map(|row| match row.segments.first() {
        Some(Segment::Equals(value)) => Some(*value),
        _ => None,
    });
    let values: Vec<&'static str> = values.collect();
    let covered = acting().any(|row| row.segments.is_empty())
        || node.as_str().is_some_and(|text| values.contains(&text));
    if covered {
        return;
    }
    if acting().next().is_none() || !values.is_empty() {
        let mut own = rows.iter().filter(|row| row.segments.is_empty());
        found.push(Uncovered {
            field: path.clone(),
            instead: values,
            why: own.find_map(|row| match row.support {
                Support::NotApplicable(why) => Some(why),
                _ => None,
            }),
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
