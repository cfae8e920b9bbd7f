//! Reading single fields, and saying what is wrong with them.

use std::time::Duration;

use cairn_api::meta::ObjectRef;
use cairn_api::value;
use cairn_config::Problem;

/// A place in an object, and where its problems go.
pub(super) struct Field<'a> {
    object: &'a ObjectRef,
    path: String,
    problems: &'a mut Vec<Problem>,
}

/// What is shorter than a millisecond is nothing to Istio.
const SHORTEST: Duration = Duration::from_millis(1);

impl<'a> Field<'a> {
    pub(super) fn new(
        object: &'a ObjectRef,
        path: impl Into<String>,
        problems: &'a mut Vec<Problem>,
    ) -> Field<'a> {
        Field {
            object,
            path: path.into(),
            problems,
        }
    }

    /// What is in it, by name.
    pub(super) fn at(&mut self, name: &str) -> Field<'_> {
        Field {
            object: self.object,
            path: format!("{}.{name}", self.path),
            problems: self.problems,
        }
    }

    /// One of its items.
    pub(super) fn item(&mut self, place: usize) -> Field<'_> {
        Field {
            object: self.object,
            path: format!("{}[{place}]", self.path),
            problems: self.problems,
        }
    }

    pub(super) fn error(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        let problem = Problem::error(self.object.clone(), self.path.clone(), message, hint);
        self.problems.push(problem);
    }

    pub(super) fn warning(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        let problem = Problem::warning(self.object.clone(), self.path.clone(), message, hint);
        self.problems.push(problem);
    }

    /// A limit in the field `name`; 0 is none, as in Istio.
    pub(super) fn limit(&mut self, name: &str, value: Option<i32>) -> Option<u32> {
        let value = value?;
        let limit = u32::try_from(value);
        if limit.is_err() {
            self.at(name).error(
                format!("{value} is below zero; there is no limit"),
                "write a number above 0, or leave the field out",
            );
        }
        limit.ok().filter(|limit| *limit > 0)
    }

    /// A whole number of percent in the field `name`.
    pub(super) fn percent(&mut self, name: &str, value: Option<i32>, default: u32) -> Option<u32> {
        let value = value?;
        let percent = u32::try_from(value).ok().filter(|percent| *percent <= 100);
        if percent.is_none() {
            self.at(name).error(
                format!("{value} is no percentage; it is taken for {default}"),
                "write a number from 0 to 100",
            );
        }
        percent
    }

    /// A share in percent in the field `name`.
    pub(super) fn share(&mut self, name: &str, value: Option<f64>, default: f64) -> f64 {
        let Some(value) = value else { return default };
        if (0.0..=100.0).contains(&value) {
            return value;
        }
        self.at(name).error(
            format!("{value} is no percentage; it is taken for {default}"),
            "write a number from 0 to 100",
        );
        default
    }

    /// A span of time in the field `name`, of a millisecond or more.
    pub(super) fn span(&mut self, name: &str, value: Option<value::Duration>) -> Option<Duration> {
        let value = value?;
        if value.get() >= SHORTEST {
            return Some(value.get());
        }
        self.at(name).error(
            format!("`{value}` is shorter than a millisecond; the default applies"),
            "write a duration such as `10s`",
        );
        None
    }

    /// A span of time in the field `name`, or 0 for no end.
    pub(super) fn span_or_zero(&mut self, name: &str, value: Option<value::Duration>) -> Option<Duration> {
        match value {
            Some(value) if value.is_zero() => Some(Duration::ZERO),
            value => self.span(name, value),
        }
    }
}
