//! Early hints (RFC 8297): responses of status 103 that come before the one that counts.
//!
//! hyper's server cannot send them. On HTTP/1 they are put into the byte stream beneath it, at a moment at which everything
//! that it has written is gone: between two responses. On HTTP/2 there is no way.

use std::sync::Arc;

use http::{Extensions, HeaderMap, StatusCode};

use crate::guard::Link;
use crate::headers::strip_hop_by_hop;

/// The way for interim responses to the client of one request; an extension of that request, and of the one that
/// [`crate::pool`] sends for it if they are to pass. There is none for clients that cannot get them.
#[derive(Clone)]
pub struct Interim {
    link: Arc<Link>,
    /// Which of the connection's requests it is.
    request: u64,
}

/// Most bytes of hints that may wait for a client.
const LIMIT: usize = 16 << 10;

impl Interim {
    /// For the request that the connection has come to.
    pub(crate) fn new(link: &Arc<Link>) -> Self {
        Self {
            link: Arc::clone(link),
            request: link.request(),
        }
    }

    /// The way that belongs to a request. Gone after that.
    pub fn take(extensions: &mut Extensions) -> Option<Self> {
        extensions.remove()
    }

    /// Passes on what came from the upstream, if it is a hint and the response has not begun.
    pub(crate) fn pass(&self, status: StatusCode, headers: &HeaderMap) {
        if status != StatusCode::EARLY_HINTS {
            return;
        }
        let mut headers = headers.clone();
        strip_hop_by_hop(&mut headers);
        let mut bytes = b"HTTP/1.1 103 Early Hints\r\n".to_vec();
        for (name, value) in &headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                bytes.extend_from_slice(part);
            }
        }
        bytes.extend_from_slice(b"\r\n");
        if bytes.len() <= LIMIT {
            self.link.hint(self.request, &bytes, LIMIT);
        }
    }
}
