//! The lines on which the fields of an object stand.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::path::{push_index, push_key};
use crate::yaml::{Node, Value};

/// The line of each field of one object.
///
/// Kept for every object of a mesh and rarely asked for: a hash of the path stands for the path. A collision would show a wrong line
/// number and do no other harm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines(Box<[(u64, u32)]>);

impl Lines {
    /// The lines of everything in a document.
    pub(crate) fn of(root: &Node) -> Self {
        let mut lines = vec![(hash(""), root.line)];
        collect(root, &mut String::new(), &mut lines);
        lines.sort_unstable();
        Self(lines.into_boxed_slice())
    }

    /// The line of a field, or else of the nearest field around it.
    pub(crate) fn find(&self, field: &str) -> Option<u32> {
        let mut known = field;
        loop {
            let wanted = hash(known);
            let index = self.0.partition_point(|(hash, _)| *hash < wanted);
            match self.0.get(index) {
                Some((hash, line)) if *hash == wanted => return Some(*line),
                _ if known.is_empty() => return None,
                _ => {
                    known = known
                        .rfind(['.', '['])
                        .and_then(|cut| known.get(..cut))
                        .unwrap_or_default()
                }
            }
        }
    }
}

fn collect(node: &Node, path: &mut String, lines: &mut Vec<(u64, u32)>) {
    let length = path.len();
    match &node.value {
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                push_index(path, index);
                lines.push((hash(path), item.line));
                collect(item, path, lines);
                path.truncate(length);
            }
        }
        Value::Mapping(entries) => {
            for entry in entries {
                push_key(path, &entry.key);
                lines.push((hash(path), entry.line));
                collect(&entry.value, path, lines);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

fn hash(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
