//! What is wrong where, in words for the person who wrote the document.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use cairn_api::meta::ObjectRef;

/// How much a [`Problem`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The object, or a part of it, is not in force.
    Error,
    /// The object is in force; something in it is probably not what was meant.
    Warning,
    /// Understood, valid, and not acted on by this version.
    Unsupported,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Unsupported => "unsupported",
        })
    }
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file, as it was reached from the directory that was given.
    pub file: PathBuf,
    /// The line, counted from 1; 0 when the whole file is meant.
    pub line: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", OneLine(&self.file.to_string_lossy()))?;
        match self.line {
            0 => Ok(()),
            line => write!(f, ":{line}"),
        }
    }
}

/// One thing that is wrong, or not acted on. Displays as one line:
/// `mesh.yaml:12: error: VirtualService default/reviews: spec.http[0].timeout: message; hint`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Problem {
    /// How much it matters.
    pub severity: Severity,
    /// The object in which it is, where that is known.
    pub object: Option<ObjectRef>,
    /// Where it is written.
    pub location: Option<Location>,
    /// Path of the field as users write it, `spec.http[0].route[0].destination.subset`; empty for the whole object.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead; may be empty.
    pub hint: String,
}

impl Problem {
    /// A problem of [`Severity::Error`], not located yet.
    pub fn error(
        object: ObjectRef,
        field: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Error, object, field.into(), message.into(), hint.into())
    }

    /// A problem of [`Severity::Warning`], not located yet.
    pub fn warning(
        object: ObjectRef,
        field: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(
            Severity::Warning,
            object,
            field.into(),
            message.into(),
            hint.into(),
        )
    }

    /// A problem of [`Severity::Unsupported`], not located yet.
    pub fn unsupported(
        object: ObjectRef,
        field: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(
            Severity::Unsupported,
            object,
            field.into(),
            message.into(),
            hint.into(),
        )
    }

    /// A problem of a file, before any object in it is known.
    pub(crate) fn of_file(location: Location, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            object: None,
            location: Some(location),
            field: String::new(),
            message: message.into(),
            hint: hint.into(),
        }
    }

    fn new(severity: Severity, object: ObjectRef, field: String, message: String, hint: String) -> Self {
        Self {
            severity,
            object: Some(object),
            location: None,
            field,
            message,
            hint,
        }
    }

    /// By place first, so that a report reads along the files; what has no place comes last.
    fn order(&self) -> impl Ord + '_ {
        let place = (self.location.is_none(), &self.location);
        (
            place,
            self.severity,
            &self.object,
            &self.field,
            &self.message,
            &self.hint,
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        write!(f, "{}: ", self.severity)?;
        if let Some(object) = &self.object {
            write!(f, "{}: ", OneLine(&object.to_string()))?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", OneLine(&self.field))?;
        }
        write!(f, "{}", OneLine(&self.message))?;
        if !self.hint.is_empty() {
            write!(f, "; {}", OneLine(&self.hint))?;
        }
        Ok(())
    }
}

/// Problems, each once, in the order of files and lines. Displays as one line per problem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    problems: Vec<Problem>,
}

impl Report {
    /// Adds a problem, unless it is in the report already.
    pub fn push(&mut self, problem: Problem) {
        let found = self
            .problems
            .binary_search_by(|other| other.order().cmp(&problem.order()));
        if let Err(index) = found {
            self.problems.insert(index, problem);
        }
    }

    /// The problems in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.problems.iter()
    }

    /// Number of problems.
    pub fn len(&self) -> usize {
        self.problems.len()
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Number of problems of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.iter().filter(|problem| problem.severity == severity).count()
    }

    /// Whether any problem is an error.
    pub fn has_errors(&self) -> bool {
        self.iter().any(|problem| problem.severity == Severity::Error)
    }
}

impl Extend<Problem> for Report {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        self.problems.extend(problems);
        self.problems.sort_by(|a, b| a.order().cmp(&b.order()));
        self.problems.dedup();
    }
}

impl FromIterator<Problem> for Report {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Self {
        let mut report = Self::default();
        report.extend(problems);
        report
    }
}

impl IntoIterator for Report {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.problems.into_iter()
    }
}

impl<'a> IntoIterator for &'a Report {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.iter().enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// Text that stays on its line and sends nothing to a terminal, whatever a document made it contain.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .try_for_each(|c| f.write_char(if c.is_control() { ' ' } else { c }))
    }
}

#[cfg(test)]
mod tests;
