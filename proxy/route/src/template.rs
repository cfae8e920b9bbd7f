//! Header values with `%VARIABLES%`, in Envoy's notation.
//!
//! Every command of Envoy's formatter is known by its name and by what it may be given, so that what Envoy refuses is refused
//! here. Most have a value. Some never have one in a waypoint, in Envoy's either, because the HTTP connection inside a tunnel is
//! not TLS or the response has not ended when its head is written; and some would have one that this version does not know:
//! these are empty too, and [`Template::untold`] names them.

mod command;
mod facts;
mod flags;
mod known;
mod operator;
mod parse;
mod render;
#[cfg(test)]
pub(crate) mod testing;

use http::HeaderMap;

pub use facts::{Facts, Trace, UpstreamFacts};

use command::Command;
use operator::Variable;

/// Why a value was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A `%` opens a variable that nothing closes.
    #[error("a `%` begins a variable that does not end; write `%%` for a percent sign")]
    Unterminated,
    /// There is no such variable.
    #[error("the variable `%{0}%` is not known")]
    UnknownVariable(String),
    /// The variable is known, but not with what it is given.
    #[error("the variable `%{variable}%` is not written like this: {reason}")]
    Argument {
        /// The variable.
        variable: String,
        /// What it takes.
        reason: &'static str,
    },
    /// A header variable names no header.
    #[error("`{0}` is not a header name")]
    HeaderName(String),
}

/// The header fields that a value may quote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quotable<'a> {
    pub(crate) request: &'a HeaderMap,
    pub(crate) response: Option<&'a HeaderMap>,
}

/// A value, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Text(String),
    Variable(Variable),
}

impl Template {
    pub(crate) fn parse(source: &str) -> Result<Template, TemplateError> {
        let mut segments = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some((before, after)) = rest.split_once('%') {
            text.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                text.push('%');
                rest = after;
                continue;
            }
            let (variable, after) = variable(after).ok_or(TemplateError::Unterminated)?;
            if !text.is_empty() {
                segments.push(Segment::Text(std::mem::take(&mut text)));
            }
            segments.push(Segment::Variable(parse::variable(Command::read(variable)?)?));
            rest = after;
        }
        text.push_str(rest);
        if !text.is_empty() {
            segments.push(Segment::Text(text));
        }
        Ok(Template(segments))
    }

    /// The text, when there is no variable in it.
    pub(crate) fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Segment::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it depends on a header field of the request.
    pub(crate) fn quotes_request(&self) -> bool {
        self.variables().any(Variable::quotes_request)
    }

    /// The names of the variables that are left empty because this version does not know what Envoy would write.
    pub(crate) fn untold(&self) -> Vec<&str> {
        self.variables().flat_map(Variable::untold).collect()
    }

    /// The value with its variables replaced; a variable that stands for nothing leaves nothing.
    pub(crate) fn render(&self, quotable: Quotable<'_>, facts: &Facts<'_>) -> Vec<u8> {
        let mut value = Vec::new();
        for segment in &self.0 {
            match segment {
                Segment::Text(text) => value.extend_from_slice(text.as_bytes()),
                Segment::Variable(variable) => variable.render(quotable, facts, &mut value),
            }
        }
        value
    }

    fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Text(_) => None,
            Segment::Variable(variable) => Some(variable),
        })
    }
}

/// A variable and what follows the `%` that ends it. Between parentheses a `%` is part of the argument.
fn variable(source: &str) -> Option<(&str, &str)> {
    let first = source.find('%')?;
    let open = source.find('(').filter(|open| *open < first);
    let end = open.and_then(|open| {
        let closed = open + source.get(open..)?.find(')')?;
        Some(closed + source.get(closed..)?.find('%')?)
    });
    let end = end.unwrap_or(first);
    Some((source.get(..end)?, source.get(end + 1..)?))
}

#[cfg(test)]
mod tests;
