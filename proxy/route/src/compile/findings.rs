//! Problems, as they are found in one object after the other.

use cairn_api::meta::ObjectRef;
use cairn_config::{Problem, Severity};

/// Collects problems, each of the object that is being looked at.
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

    /// What is found from now on is in `object`. Gives the one that was being looked at.
    pub(super) fn turn_to(&mut self, object: ObjectRef) -> ObjectRef {
        std::mem::replace(&mut self.object, object)
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

    pub(super) fn unsupported(
        &mut self,
        field: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems
            .push(Problem::unsupported(self.object.clone(), field, message, hint));
    }

    pub(super) fn len(&self) -> usize {
        self.problems.len()
    }

    /// The first error since there were `len` problems, in words.
    pub(super) fn error_since(&self, len: usize) -> Option<String> {
        let mut later = self.problems.iter().skip(len);
        let error = later.find(|problem| problem.severity == Severity::Error)?;
        let object = error.object.as_ref().unwrap_or(&self.object);
        Some(format!("{object}: {}: {}", error.field, error.message))
    }

    /// The fields of the errors since there were `len` problems.
    pub(super) fn errors_since(&self, len: usize) -> impl Iterator<Item = &str> {
        let later = self.problems.iter().skip(len);
        later
            .filter(|problem| problem.severity == Severity::Error)
            .map(|problem| problem.field.as_str())
    }

    /// Takes over what others have found.
    pub(super) fn append(&mut self, others: Findings) {
        self.problems.extend(others.problems);
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}
