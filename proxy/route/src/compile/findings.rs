//! Problems of one object, as they are found.

use cairn_api::meta::ObjectRef;
use cairn_config::{Problem, Severity};

/// Collects the problems of one object.
#[derive(Debug)]
pub(super) struct Findings {
    object: ObjectRef,
    problems: Vec<Problem>,
}

impl Findings {
    pub(super) fn new(object: ObjectRef) -> Findings {
        Findings {
            object,
            problems: Vec::new(),
        }
    }

    pub(super) fn object(&self) -> &ObjectRef {
        &self.object
    }

    pub(super) fn error(
        &mut self,
        field: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems
            .push(Problem::error(self.object.clone(), field, message, hint));
    }

    pub(super) fn warning(
        &mut self,
        field: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems
            .push(Problem::warning(self.object.clone(), field, message, hint));
    }

    pub(super) fn len(&self) -> usize {
        self.problems.len()
    }

    /// The first error since there were `len` problems, in words.
    pub(super) fn error_since(&self, len: usize) -> Option<String> {
        let mut later = self.problems.iter().skip(len);
        let error = later.find(|problem| problem.severity == Severity::Error)?;
        Some(format!("{}: {}: {}", self.object, error.field, error.message))
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}
