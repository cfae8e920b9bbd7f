//! Responses that a filter gives itself.

use crate::bindings::cairn::filter::types::LocalReply;
use crate::edits::lower;

/// A response that the filter gives in place of the service.
///
/// ```
/// use cairn_filter::Reply;
///
/// let reply = Reply::new(429).header("retry-after", "2").body("Too many requests.\n").details("rate_limited");
/// assert_eq!(reply.status(), 429);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Reply(LocalReply);

impl Reply {
    /// A response with a status, 200 to 599, and nothing else.
    pub fn new(status: u16) -> Reply {
        Reply(LocalReply {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            grpc_status: None,
            details: String::new(),
        })
    }

    /// Adds a field. `content-length` comes by itself.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Reply {
        self.0.headers.push((lower(name), value.into()));
        self
    }

    /// Gives it a body. A gRPC client gets it as `grpc-message`.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Reply {
        self.0.body = body.into();
        self
    }

    /// Gives it a problem document of RFC 9457 as its body: `{"title": …, "status": …, "detail": …}`.
    #[must_use]
    pub fn problem(self, title: &str, detail: &str) -> Reply {
        let document = serde_json::json!({ "title": title, "status": self.0.status, "detail": detail });
        self.header("content-type", "application/problem+json")
            .body(document.to_string())
    }

    /// Says why in a word without blanks: the access log's response code details.
    #[must_use]
    pub fn details(mut self, details: &str) -> Reply {
        details.clone_into(&mut self.0.details);
        self
    }

    /// The `grpc-status` for a gRPC client. Without it, the waypoint chooses one that fits the status.
    #[must_use]
    pub fn grpc(mut self, status: u32) -> Reply {
        self.0.grpc_status = Some(status);
        self
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The first field of a name, if it is UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .0
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The body, with what is not UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.body).into_owned()
    }

    /// What the access log says.
    pub fn reason(&self) -> &str {
        &self.0.details
    }

    pub(crate) fn fields_mut(&mut self) -> &mut Vec<(String, Vec<u8>)> {
        &mut self.0.headers
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn from_raw(reply: LocalReply) -> Reply {
        Reply(reply)
    }

    #[doc(hidden)]
    pub fn into_raw(self) -> LocalReply {
        self.0
    }
}
