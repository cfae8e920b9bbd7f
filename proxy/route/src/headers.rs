//! Header operations: `set`, `add` and `remove` of a route or destination, compiled.

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use crate::template::{Facts, Quotable, Template, TemplateError};

/// What happens to the header fields of a message, in order. Fixed values are ready to be copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderOperations {
    passes: Vec<Pass>,
}

/// One set of operations: all removals, then all overwriting, then all appending. Values quote the
/// fields as they are after the removals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pass {
    pub(crate) remove: Vec<HeaderName>,
    pub(crate) set: Vec<(HeaderName, Value)>,
    pub(crate) add: Vec<(HeaderName, Value)>,
}

/// A value to write; one that turns out empty is not written, as in Envoy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Fixed(HeaderValue),
    Computed(Template),
}

impl HeaderOperations {
    pub(crate) fn new(passes: impl IntoIterator<Item = Pass>) -> HeaderOperations {
        HeaderOperations {
            passes: passes.into_iter().filter(|pass| !pass.is_empty()).collect(),
        }
    }

    /// Sets fields to values in which variables may be.
    ///
    /// # Errors
    ///
    /// The name of a field whose value cannot be read, and why.
    pub fn setting(fields: &[(HeaderName, String)]) -> Result<HeaderOperations, (HeaderName, TemplateError)> {
        let read = |(name, value): &(HeaderName, String)| {
            let template = Template::parse(value).map_err(|error| (name.clone(), error))?;
            Ok((name.clone(), Value::Computed(template)))
        };
        let set = fields.iter().map(read).collect::<Result<_, _>>()?;
        Ok(HeaderOperations::new([Pass {
            set,
            ..Pass::default()
        }]))
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.passes.is_empty()
    }

    /// Whether some value quotes a header field of the request: [`apply_to_response`](Self::apply_to_response)
    /// then needs them as they were.
    pub fn quotes_request(&self) -> bool {
        let written = self
            .passes
            .iter()
            .flat_map(|pass| pass.set.iter().chain(&pass.add));
        written.into_iter().any(|(_, value)| match value {
            Value::Fixed(_) => false,
            Value::Computed(template) => template.quotes_request(),
        })
    }

    /// Changes the header fields of a request.
    pub fn apply_to_request(&self, headers: &mut HeaderMap, facts: &Facts<'_>) {
        for pass in &self.passes {
            pass.apply(headers, |template, headers| {
                template.render(
                    Quotable {
                        request: headers,
                        response: None,
                    },
                    facts,
                )
            });
        }
    }

    /// Changes the header fields of a response to a request that had the fields `request`.
    pub fn apply_to_response(&self, headers: &mut HeaderMap, request: &HeaderMap, facts: &Facts<'_>) {
        for pass in &self.passes {
            pass.apply(headers, |template, headers| {
                template.render(
                    Quotable {
                        request,
                        response: Some(headers),
                    },
                    facts,
                )
            });
        }
    }
}

impl Pass {
    pub(crate) fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// One pass that does the work of both; where both set a field, `other` wins.
    pub(crate) fn and(mut self, other: Pass) -> Pass {
        self.remove.extend(other.remove);
        self.set.extend(other.set);
        self.add.extend(other.add);
        self
    }

    fn apply(&self, headers: &mut HeaderMap, render: impl Fn(&Template, &HeaderMap) -> Vec<u8>) {
        for name in &self.remove {
            headers.remove(name);
        }
        // All values are computed before the first is written: none quotes another's result.
        let computed: Vec<Vec<u8>> = self
            .set
            .iter()
            .chain(&self.add)
            .filter_map(|(_, value)| match value {
                Value::Fixed(_) => None,
                Value::Computed(template) => Some(render(template, headers)),
            })
            .collect();
        let mut computed = computed.into_iter();
        for (name, value) in &self.set {
            if let Some(value) = value.resolve(&mut computed) {
                headers.insert(name, value);
            }
        }
        for (name, value) in &self.add {
            if let Some(value) = value.resolve(&mut computed) {
                headers.append(name, value);
            }
        }
    }
}

impl Value {
    fn resolve(&self, computed: &mut impl Iterator<Item = Vec<u8>>) -> Option<HeaderValue> {
        let value = match self {
            Value::Fixed(value) => value.clone(),
            Value::Computed(_) => HeaderValue::from_maybe_shared(Bytes::from(computed.next()?)).ok()?,
        };
        (!value.is_empty()).then_some(value)
    }
}

#[cfg(test)]
mod tests;
