//! Names of images, in docker's grammar.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;

/// Docker Hub as users write it.
const HUB: &str = "docker.io";

/// The name of an image: `[registry/]repository[:tag][@sha256:digest]`.
///
/// As with docker, a name whose first part does not look like a host is one of Docker Hub, and there a name of one part
/// is one of `library/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageReference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text that names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} names no image: {reason}")]
pub struct ReferenceError {
    text: String,
    reason: &'static str,
}

impl ImageReference {
    /// The registry as users write it: a host, with its port when one was given.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The host, and port, that answers for the registry.
    pub(crate) fn endpoint(&self) -> &str {
        if self.registry == HUB {
            "registry-1.docker.io"
        } else {
            &self.registry
        }
    }

    /// The path of the repository within the registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The digest, when the reference has one.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Whether what it names may change without notice: no digest, and the tag `latest` or none.
    #[must_use]
    pub fn floats(&self) -> bool {
        self.digest.is_none() && self.tag.as_deref().is_none_or(|tag| tag == "latest")
    }

    /// What a registry is asked for: the digest, the tag, or `latest`.
    pub(crate) fn manifest(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse(text).map_err(|reason| ReferenceError {
            text: text.to_owned(),
            reason,
        })
    }
}

fn parse(text: &str) -> Result<ImageReference, &'static str> {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) if digest.starts_with("sha256:") => (
            name,
            Some(
                digest
                    .parse()
                    .map_err(|_| "its digest is not sha256: and 64 hexadecimal digits")?,
            ),
        ),
        Some(_) => return Err("its digest is not sha256: and 64 hexadecimal digits"),
        None => (text, None),
    };
    // A colon after the last slash begins a tag; one before it, a port.
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err("a tag is up to 128 letters, digits, and . _ - within");
    }
    let (registry, repository) = match path.split_once('/') {
        Some((first, rest)) if is_host(first) => (first.to_ascii_lowercase(), rest.to_owned()),
        Some(_) => (HUB.to_owned(), path.to_owned()),
        None => (HUB.to_owned(), format!("library/{path}")),
    };
    // What is no letter of a host could make an address of another one.
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    if !registry.bytes().all(legal) || registry.starts_with(':') {
        return Err("its registry is no host");
    }
    if repository.is_empty() || !repository.split('/').all(is_component) {
        return Err("each part of a repository is lower-case letters and digits, and . _ - within");
    }
    let registry = match registry.as_str() {
        "index.docker.io" | "registry-1.docker.io" => HUB.to_owned(),
        _ => registry,
    };
    Ok(ImageReference {
        registry,
        repository,
        tag: tag.map(str::to_owned),
        digest,
    })
}

fn is_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&tag.len())
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

fn is_component(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    part.bytes().next().is_some_and(plain)
        && part.bytes().next_back().is_some_and(plain)
        && part
            .bytes()
            .all(|byte| plain(byte) || matches!(byte, b'.' | b'_' | b'-'))
        && !part.contains("..")
}

impl fmt::Display for ImageReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<ImageReference>().unwrap().to_string()
    }

    #[test]
    fn names_are_read_as_docker_reads_them() {
        let digest = Digest::of(b"");
        for (text, expected) in [
            ("filter", "docker.io/library/filter".to_owned()),
            ("filter:1", "docker.io/library/filter:1".to_owned()),
            ("org/filter", "docker.io/org/filter".to_owned()),
            ("index.docker.io/org/filter", "docker.io/org/filter".to_owned()),
            ("localhost/filter", "localhost/filter".to_owned()),
            (
                "GHCR.io/org/a/filter:v1.0-x_y",
                "ghcr.io/org/a/filter:v1.0-x_y".to_owned(),
            ),
            ("127.0.0.1:5000/filter", "127.0.0.1:5000/filter".to_owned()),
            ("[::1]:5000/filter:2", "[::1]:5000/filter:2".to_owned()),
            (&format!("r.io/f@{digest}"), format!("r.io/f@{digest}")),
            (&format!("r.io/f:1@{digest}"), format!("r.io/f:1@{digest}")),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn docker_hub_answers_elsewhere() {
        let image: ImageReference = "filter".parse().unwrap();
        assert_eq!(image.endpoint(), "registry-1.docker.io");
        assert_eq!(image.manifest(), "latest");
    }

    #[test]
    fn latest_floats_and_a_digest_does_not() {
        let floats = |text: &str| text.parse::<ImageReference>().unwrap().floats();
        assert!(floats("r.io/f") && floats("r.io/f:latest"));
        assert!(!floats("r.io/f:1") && !floats(&format!("r.io/f:latest@{}", Digest::of(b""))));
    }

    #[test]
    fn what_is_none_is_refused_in_words() {
        for text in [
            "",
            "/",
            ":tag",
            "r.io/",
            "r.io//f",
            "r.io/Upper",
            "r.io/f:",
            "r.io/f:-x",
            "r.io/f@sha256:12",
            "r.io/f@md5:12",
            "r.io/../f",
            "r.io/f/",
            "user@r.io/f",
            "r .io/f",
            "r.io\u{7f}:80/f",
            "r.io/f?x",
            "r.io:80\\x/f",
            ":80/f",
            "r.io/é",
        ] {
            let error = text.parse::<ImageReference>().unwrap_err().to_string();
            assert!(error.contains("names no image"), "{error}");
        }
    }
}
