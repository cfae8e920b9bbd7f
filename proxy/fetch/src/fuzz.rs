//! A way to the parsers of what registries send, for `tests/fuzz`.

use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};

use crate::challenge::{self, Challenge};
use crate::manifest::{Manifest, Packing, Step};
use crate::unpack;

/// What a manifest leads to: the digest of a layer or of another manifest, and its size.
///
/// # Errors
///
/// What is wrong with it.
pub fn manifest(json: &[u8]) -> Result<(String, u64), String> {
    let (Step::Layer(next, _) | Step::Image(next)) = Manifest::parse(json)?.step()?;
    Ok((next.digest()?.to_string(), next.size))
}

/// The realm that a challenge names; empty for one without.
pub fn challenge(value: &[u8]) -> Option<String> {
    let value = HeaderValue::from_bytes(value).ok()?;
    let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, value)]);
    challenge::challenge(&headers).map(|challenge| match challenge {
        Challenge::Bearer { realm, .. } => realm,
        Challenge::Basic => String::new(),
    })
}

/// The module in a layer that is an archive, of at most `limit` bytes.
pub fn layer(layer: &[u8], compressed: bool, limit: u64) -> Option<Bytes> {
    let packing = if compressed {
        Packing::TarGzip
    } else {
        Packing::Tar
    };
    unpack::unpack(Bytes::copy_from_slice(layer), packing, limit).ok()
}
