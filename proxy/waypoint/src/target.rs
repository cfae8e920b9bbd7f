//! The one form of a request's target.
//!
//! What policies match, what routes match, what filters see and what is forwarded are the same bytes, whoever wrote them.

use std::borrow::Cow;

use cairn_api::istio::PathNormalization;
use cairn_http::path::{self, Normalization};
use cairn_http::target;
use http::Method;
use http::request::Parts;
use http::uri::PathAndQuery;

/// Why a target has no one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misread {
    /// Its method cannot have it.
    Method,
    /// It can be read in more than one way.
    Path,
}

/// Gives the target of a head its one form.
pub(crate) fn settle(parts: &mut Parts, normalization: PathNormalization) -> Result<(), Misread> {
    fits(&parts.method, parts.uri.path())?;
    target::normalize_head(parts, mode(normalization)).map_err(|_| Misread::Path)
}

/// Gives a target in origin-form its one form.
pub(crate) fn settle_origin(
    method: &Method,
    target: &mut PathAndQuery,
    normalization: PathNormalization,
) -> Result<(), Misread> {
    fits(method, target.path())?;
    if target.path() == "*" {
        return Ok(());
    }
    let normal = match path::normalize(target.as_str(), mode(normalization)) {
        Ok(Cow::Borrowed(_)) => return Ok(()),
        Ok(Cow::Owned(normal)) => PathAndQuery::try_from(normal).map_err(|_| Misread::Path)?,
        Err(_) => return Err(Misread::Path),
    };
    *target = normal;
    Ok(())
}

/// The server as a whole can only be asked for its options: RFC 9112 section 3.2.4.
fn fits(method: &Method, path: &str) -> Result<(), Misread> {
    if path == "*" && method != Method::OPTIONS {
        return Err(Misread::Method);
    }
    Ok(())
}

fn mode(normalization: PathNormalization) -> Normalization {
    match normalization {
        PathNormalization::None => Normalization::None,
        PathNormalization::MergeSlashes => Normalization::MergeSlashes,
        PathNormalization::DecodeAndMergeSlashes => Normalization::DecodeAndMergeSlashes,
        PathNormalization::Default | PathNormalization::Base => Normalization::Base,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn settled(method: &Method, written: &str) -> Result<String, Misread> {
        let mut target = PathAndQuery::try_from(written).unwrap();
        settle_origin(method, &mut target, PathNormalization::Default)?;
        Ok(target.to_string())
    }

    #[test]
    fn a_target_has_one_form() {
        assert_eq!(
            settled(&Method::GET, "/open/../admin?x=/../y").unwrap(),
            "/admin?x=/../y"
        );
        assert_eq!(settled(&Method::GET, "/a").unwrap(), "/a");
        assert_eq!(settled(&Method::GET, "/a%00"), Err(Misread::Path));
        assert_eq!(settled(&Method::OPTIONS, "*").unwrap(), "*");
        assert_eq!(settled(&Method::GET, "*"), Err(Misread::Method));
    }
}
