//! What of a request decides its route.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_jwt::Authenticated;
use http::HeaderMap;

/// The head of a request, borrowed from wherever it was parsed.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// The method, in the case it came in.
    pub method: &'a str,
    /// The normalised path without query.
    pub path: &'a str,
    /// The query without its `?`, undecoded.
    pub query: Option<&'a str>,
    /// `:authority` or `Host`, with its port if it came with one.
    pub authority: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The header fields. `host` and pseudo-headers are looked up in the fields above, never here.
    pub headers: &'a HeaderMap,
    /// What filters have noted about the request.
    pub noted: &'a [Note],
    /// Who the request is from, by its verified token.
    pub token: Option<&'a Authenticated>,
    /// The client's workload, when it is known.
    pub source: Option<SourceWorkload<'a>>,
}

/// What a filter has noted: its name, a key and a value. A list has a note for each of its items.
pub type Note = (Arc<str>, Box<str>, Box<str>);

/// The workload that sent the request.
#[derive(Debug, Clone, Copy)]
pub struct SourceWorkload<'a> {
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// Its namespace.
    pub namespace: &'a str,
}

impl<'a> RequestHead<'a> {
    /// The first value of the query parameter `name`, undecoded; a parameter without `=` has the
    /// value "".
    pub fn query_parameter(&self, name: &str) -> Option<&'a str> {
        self.query_parameters()
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// All query parameters in order.
    pub(crate) fn query_parameters(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let pairs = self
            .query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }
}
