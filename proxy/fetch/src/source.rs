//! Where a module is published.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

use crate::reference::{ImageReference, ReferenceError};

/// Where a module is published: the `url` of a WasmPlugin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// An image in a registry: `oci://`, or no scheme.
    Image(ImageReference),
    /// A file of a web server: `http://` or `https://`.
    Web(Url),
    /// A file of the machine that the proxy runs on: `file://`.
    File(PathBuf),
}

/// A `url` that names no place to fetch from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Nothing was given.
    #[error("the url is empty; name an image, or an http://, https:// or file:// address")]
    Empty,
    /// A scheme that nothing is fetched by.
    #[error("{scheme}:// is not supported; use oci://, http://, https:// or file://")]
    Scheme {
        /// The scheme as written.
        scheme: String,
    },
    /// The address cannot be read.
    #[error("{text:?} is no address: {reason}")]
    Address {
        /// The address as written, without what may be secret in it.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A user or a password in an address, where everyone who reads the resource would see it.
    #[error(
        "the address of {host} holds a user or a password; remove it, and publish the module in a registry with an imagePullSecret if it must be kept private"
    )]
    Password {
        /// The host of the address.
        host: String,
    },
    /// An image whose name cannot be read.
    #[error(transparent)]
    Image(#[from] ReferenceError),
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let text = text.trim();
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.is_empty() {
                Err(SourceError::Empty)
            } else {
                Ok(Source::Image(text.parse()?))
            };
        };
        match scheme.to_ascii_lowercase().as_str() {
            "oci" => Ok(Source::Image(rest.parse()?)),
            "http" | "https" => web(text),
            "file" => file(text),
            _ => Err(SourceError::Scheme {
                scheme: scheme.to_owned(),
            }),
        }
    }
}

fn web(text: &str) -> Result<Source, SourceError> {
    let mut url = Url::parse(text).map_err(|error| unreadable(text, &error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SourceError::Password {
            host: url.host_str().unwrap_or_default().to_owned(),
        });
    }
    url.set_fragment(None);
    Ok(Source::Web(url))
}

fn file(text: &str) -> Result<Source, SourceError> {
    let url = Url::parse(text).map_err(|error| unreadable(text, &error.to_string()))?;
    match url.to_file_path() {
        Ok(path) if path.parent().is_some() => Ok(Source::File(path)),
        _ => Err(unreadable(
            text,
            "write file:// and an absolute path, as in file:///etc/filter.wasm",
        )),
    }
}

fn unreadable(text: &str, reason: &str) -> SourceError {
    SourceError::Address {
        text: shown(text),
        reason: reason.to_owned(),
    }
}

/// An address that cannot be parsed, without what may be a password or a signature in it.
fn shown(text: &str) -> String {
    let text = text.split('?').next().unwrap_or_default();
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => text.to_owned(),
    }
}

/// Without the query of a web address, which may hold a signature.
impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Image(image) => write!(formatter, "oci://{image}"),
            Source::Web(url) => formatter.write_str(&plain(url)),
            Source::File(path) => write!(formatter, "file://{}", path.display()),
        }
    }
}

/// An address as it may be shown: without query.
pub(crate) fn plain(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Result<Source, SourceError> {
        text.parse()
    }

    #[test]
    fn the_scheme_chooses_and_none_is_an_image() {
        assert!(matches!(source("r.io/f:1"), Ok(Source::Image(_))));
        assert_eq!(source("oci://r.io/f:1"), source("r.io/f:1"));
        assert!(matches!(source("HTTPS://r.io/f.wasm"), Ok(Source::Web(_))));
        assert_eq!(
            source("file:///a/b%20c.wasm"),
            Ok(Source::File("/a/b c.wasm".into()))
        );
    }

    #[test]
    fn a_query_is_kept_and_not_shown() {
        let Source::Web(url) = source("http://h/f.wasm?sig=1#x").unwrap() else {
            panic!()
        };
        assert_eq!(url.as_str(), "http://h/f.wasm?sig=1");
        assert_eq!(Source::Web(url).to_string(), "http://h/f.wasm");
    }

    #[test]
    fn errors_say_what_to_write() {
        for (text, expected) in [
            (" ", "empty"),
            ("ftp://h/f", "ftp:// is not supported"),
            ("http://", "no address"),
            ("http://u:p@h/f", "imagePullSecret"),
            ("http://u:p@h:99999/f?sig=u:p", "http://…@h:99999/f"),
            ("file://host/f", "absolute path"),
            ("file:///", "absolute path"),
            ("oci://R/f", "names no image"),
        ] {
            let error = source(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("u:p"), "{error}");
        }
    }
}
