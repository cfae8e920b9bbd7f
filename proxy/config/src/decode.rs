//! JSON values to typed objects, with the path of everything that does not fit.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Segment, Track};

use crate::path::Step;

/// How many wrong fields of one object are told at once.
const MAX_WRONG: usize = 16;

/// A typed object, or why there is none.
pub(crate) struct Decoded<T> {
    /// Absent when anything is wrong.
    pub object: Option<T>,
    /// The fields whose value does not fit.
    pub wrong: Vec<Wrong>,
    /// The fields that the type does not have.
    pub unknown: Vec<Vec<Step>>,
}

/// A field whose value does not fit.
pub(crate) struct Wrong {
    pub path: Vec<Step>,
    /// In serde's words.
    pub error: String,
}

impl<T> Decoded<T> {
    /// The same findings about another view of the object.
    pub(crate) fn map<U>(self, view: impl FnOnce(T) -> U) -> Decoded<U> {
        Decoded {
            object: self.object.map(view),
            wrong: self.wrong,
            unknown: self.unknown,
        }
    }
}

/// Reads a typed object.
///
/// Serde stops at the first value that does not fit. So that a person sees all of them at once, each is taken out of the document and the rest
/// is read again.
pub(crate) fn decode<T: DeserializeOwned>(mut value: Value) -> Decoded<T> {
    let mut wrong = Vec::new();
    loop {
        let mut unknown = Vec::new();
        match attempt(&value, &mut unknown) {
            Ok(object) => {
                let object = wrong.is_empty().then_some(object);
                return Decoded {
                    object,
                    wrong,
                    unknown,
                };
            }
            Err(found) => {
                let more = remove(&mut value, &found.path);
                wrong.push(found);
                if !more || wrong.len() == MAX_WRONG {
                    return Decoded {
                        object: None,
                        wrong,
                        unknown,
                    };
                }
            }
        }
    }
}

fn attempt<T: DeserializeOwned>(value: &Value, unknown: &mut Vec<Vec<Step>>) -> Result<T, Wrong> {
    let mut track = Track::new();
    let located = serde_path_to_error::Deserializer::new(value, &mut track);
    serde_ignored::deserialize(located, |path| unknown.push(ignored(&path))).map_err(
        |error: serde_json::Error| Wrong {
            path: failed(&track.path()),
            error: error.to_string(),
        },
    )
}

/// Takes a field out of the document. Items of lists stay: without them, the indices of later findings would be off.
fn remove(value: &mut Value, path: &[Step]) -> bool {
    let Some((Step::Key(last), parents)) = path.split_last() else {
        return false;
    };
    let parent = parents.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    });
    parent
        .and_then(Value::as_object_mut)
        .is_some_and(|fields| fields.remove(last).is_some())
}

fn failed(path: &serde_path_to_error::Path) -> Vec<Step> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            // Neither is a step within the document.
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

fn ignored(path: &serde_ignored::Path<'_>) -> Vec<Step> {
    use serde_ignored::Path;
    let (parent, step) = match path {
        Path::Root => return Vec::new(),
        Path::Seq { parent, index } => (parent, Some(Step::Index(*index))),
        Path::Map { parent, key } => (parent, Some(Step::Key(key.clone()))),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            (parent, None)
        }
    };
    let mut steps = ignored(parent);
    steps.extend(step);
    steps
}

#[cfg(test)]
mod tests;
