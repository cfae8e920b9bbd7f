//! One version of the configuration.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use cairn_api::meta::ObjectRef;

use crate::lines::Lines;
use crate::objects::Objects;
use crate::problem::{Location, Problem, Report};

/// One version of the configuration: its objects, and what is wrong with what was read.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Counts the versions of one source, from 1; 0 for a state that comes from no source.
    pub version: u64,
    /// The objects in force.
    pub objects: Arc<Objects>,
    /// What the source has to say. Later steps of compilation have reports of their own.
    pub report: Report,
    pub(crate) places: Arc<BTreeMap<ObjectRef, Place>>,
}

/// Where an object is written.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub file: Arc<Path>,
    /// Line of the file on which the document of the object begins.
    pub document: usize,
    /// Line of the document on which the object begins.
    pub object: u32,
    pub lines: Lines,
    /// Whether no more of the object is in force than what is left of one that cannot be read.
    pub remnant: bool,
}

impl Place {
    /// The line of a field, or of what is nearest to it.
    pub(crate) fn locate(&self, field: &str) -> Location {
        let line = self.lines.find(field).unwrap_or(self.object);
        Location {
            file: self.file.to_path_buf(),
            line: line_in_file(self.document, line),
        }
    }
}

/// The line of a file that is a line of a document in it.
pub(crate) fn line_in_file(document: usize, line: u32) -> usize {
    document + usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1)
}

impl State {
    /// A state of objects that come from no file, for tests and for sources that have no lines.
    pub fn from_objects(objects: Objects) -> Self {
        Self {
            objects: Arc::new(objects),
            ..Self::default()
        }
    }

    /// The file in which an object is written, where that is known.
    pub fn file_of(&self, object: &ObjectRef) -> Option<&Path> {
        self.places.get(object).map(|place| &*place.file)
    }

    /// The problem with the place of its object and field, when these are known: the line of the field, or else of the nearest field
    /// around it.
    #[must_use]
    pub fn locate(&self, mut problem: Problem) -> Problem {
        if problem.location.is_none() {
            let place = problem.object.as_ref().and_then(|object| self.places.get(object));
            problem.location = place.map(|place| place.locate(&problem.field));
        }
        problem
    }
}
