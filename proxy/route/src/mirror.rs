//! Copies of requests, for services whose answers nobody waits for.

use crate::destination::Destination;
use crate::fault::Percentage;

/// A destination that gets a copy of requests, as they are forwarded. What it answers is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Where the copies go. Their header fields are those of the request that is forwarded; the authority is
    /// [`shadow_authority`] of its authority.
    pub destination: Destination,
    /// Which share of the requests is copied.
    pub share: Percentage,
}

impl Mirror {
    /// Whether a request is copied that drew `random`, any number, anew for each mirror.
    pub fn strikes(&self, random: u32) -> bool {
        self.share.strikes(random)
    }
}

/// The authority of a copy: `-shadow` follows the host, so that whoever gets it can tell it from the request itself.
///
/// ```
/// assert_eq!(cairn_route::shadow_authority("reviews:9080"), "reviews-shadow:9080");
/// ```
pub fn shadow_authority(authority: &str) -> String {
    let (host, port) = match authority.rsplit_once(':') {
        // Within brackets, colons belong to the address.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    match port {
        Some(port) => format!("{host}-shadow:{port}"),
        None => format!("{host}-shadow"),
    }
}

#[cfg(test)]
mod tests {
    use super::shadow_authority;

    #[test]
    fn the_mark_follows_the_host() {
        assert_eq!(shadow_authority("reviews"), "reviews-shadow");
        assert_eq!(shadow_authority("a.b.example:80"), "a.b.example-shadow:80");
        assert_eq!(shadow_authority("127.0.0.1:80"), "127.0.0.1-shadow:80");
        assert_eq!(shadow_authority("[::1]:80"), "[::1]-shadow:80");
        assert_eq!(shadow_authority("[::1]"), "[::1]-shadow");
    }
}
