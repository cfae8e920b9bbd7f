//! SPIFFE identities of the form that the mesh uses: trust domain, namespace, service account.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

const SCHEME: &str = "spiffe://";
const NAMESPACE: &str = "/ns/";
const SERVICE_ACCOUNT: &str = "/sa/";

/// Longest SPIFFE ID that an implementation has to support (SPIFFE ID, section 2.3).
const MAX_LENGTH: usize = 2048;

/// The identity of a workload: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
///
/// Cloning costs one reference count. Two identities are equal when their URIs are equal, byte for byte.
///
/// ```
/// use cairn_identity::SpiffeId;
///
/// let id: SpiffeId = "spiffe://cluster.local/ns/default/sa/sleep".parse()?;
/// assert_eq!(id, SpiffeId::new("cluster.local", "default", "sleep"));
/// assert_eq!(id.namespace(), "default");
/// assert_eq!(id.principal(), "cluster.local/ns/default/sa/sleep");
/// # Ok::<(), cairn_identity::SpiffeIdError>(())
/// ```
#[derive(Clone)]
pub struct SpiffeId {
    uri: Arc<str>,
    /// Length of the trust domain.
    trust_domain: usize,
    /// Length of the namespace.
    namespace: usize,
}

impl SpiffeId {
    /// Composes an identity from its parts.
    ///
    /// The parts are taken as they are. Parts that break the grammar ([`SpiffeId::is_valid`]) give an identity
    /// that equals none that was parsed, and for which no certificate is issued.
    #[must_use]
    pub fn new(trust_domain: &str, namespace: &str, service_account: &str) -> SpiffeId {
        let uri = format!("{SCHEME}{trust_domain}{NAMESPACE}{namespace}{SERVICE_ACCOUNT}{service_account}");
        SpiffeId {
            uri: uri.into(),
            trust_domain: trust_domain.len(),
            namespace: namespace.len(),
        }
    }

    /// The trust domain, such as `cluster.local`.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        self.part(SCHEME.len(), self.trust_domain)
    }

    /// The Kubernetes namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.part(self.namespace_start(), self.namespace)
    }

    /// The Kubernetes service account.
    #[must_use]
    pub fn service_account(&self) -> &str {
        let start = self.namespace_start() + self.namespace + SERVICE_ACCOUNT.len();
        self.uri.get(start..).unwrap_or_default()
    }

    /// The whole URI, `spiffe://…`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    /// The identity as authorization policies write it: the URI without `spiffe://`.
    #[must_use]
    pub fn principal(&self) -> &str {
        self.uri.get(SCHEME.len()..).unwrap_or_default()
    }

    /// Whether the URI obeys the grammar, so that it would parse.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        SpiffeId::from_str(&self.uri).is_ok()
    }

    fn namespace_start(&self) -> usize {
        SCHEME.len() + self.trust_domain + NAMESPACE.len()
    }

    fn part(&self, start: usize, length: usize) -> &str {
        self.uri.get(start..start + length).unwrap_or_default()
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeIdError;

    fn from_str(text: &str) -> Result<SpiffeId, SpiffeIdError> {
        if text.len() > MAX_LENGTH {
            return Err(SpiffeIdError::TooLong);
        }
        let rest = text.strip_prefix(SCHEME).ok_or(SpiffeIdError::Scheme)?;
        let mut segments = rest.split('/');
        let parts = [(); 5].map(|()| segments.next());
        let [
            Some(trust_domain),
            Some("ns"),
            Some(namespace),
            Some("sa"),
            Some(service_account),
        ] = parts
        else {
            return Err(SpiffeIdError::Form);
        };
        if segments.next().is_some() {
            return Err(SpiffeIdError::Form);
        }
        if ![trust_domain, namespace, service_account]
            .into_iter()
            .all(is_segment)
        {
            return Err(SpiffeIdError::Character);
        }
        Ok(SpiffeId {
            uri: text.into(),
            trust_domain: trust_domain.len(),
            namespace: namespace.len(),
        })
    }
}

/// A non-empty path segment of the SPIFFE ID alphabet that is not a relative path modifier.
fn is_segment(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !matches!(text, "" | "." | "..") && text.bytes().all(known)
}

impl PartialEq for SpiffeId {
    fn eq(&self, other: &SpiffeId) -> bool {
        Arc::ptr_eq(&self.uri, &other.uri) || self.uri == other.uri
    }
}

impl Eq for SpiffeId {}

impl PartialOrd for SpiffeId {
    fn partial_cmp(&self, other: &SpiffeId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SpiffeId {
    fn cmp(&self, other: &SpiffeId) -> Ordering {
        self.uri.cmp(&other.uri)
    }
}

impl Hash for SpiffeId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uri.hash(state);
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

/// Why a text is not an identity of the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpiffeIdError {
    /// It does not begin with `spiffe://`.
    #[error("a SPIFFE id begins with `spiffe://`")]
    Scheme,
    /// Its path is not `/ns/<namespace>/sa/<service account>`.
    #[error("a mesh identity has the form `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`")]
    Form,
    /// A part is empty, or holds something other than letters, digits, `.`, `-` and `_`.
    #[error("a part of the SPIFFE id is empty or has a character other than letters, digits, `.`, `-`, `_`")]
    Character,
    /// It is longer than 2048 bytes.
    #[error("the SPIFFE id is longer than {MAX_LENGTH} bytes")]
    TooLong,
}

#[cfg(test)]
mod tests;
