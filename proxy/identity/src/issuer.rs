//! What signs certificates: the local CA, or a client of a CA service.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::SpiffeId;

/// A future on the heap, as trait objects return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Mints certificates for workloads.
///
/// ```
/// use std::time::Duration;
/// use cairn_identity::{BoxFuture, IssueError, IssuedCertificate, Issuer, SpiffeId};
///
/// /// Signs nothing.
/// struct Closed;
///
/// impl Issuer for Closed {
///     fn issue<'a>(
///         &'a self,
///         id: &'a SpiffeId,
///         _ttl: Duration,
///     ) -> BoxFuture<'a, Result<IssuedCertificate, IssueError>> {
///         Box::pin(async move { Err(IssueError::Refused(format!("the CA is closed to {id}"))) })
///     }
/// }
/// ```
pub trait Issuer: Send + Sync + 'static {
    /// Mints a certificate with a new key for `id`, wished to be valid for `ttl` from now on.
    fn issue<'a>(
        &'a self,
        id: &'a SpiffeId,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<IssuedCertificate, IssueError>>;
}

/// A certificate with its private key, and what it is verified against.
pub struct IssuedCertificate {
    /// The leaf, then the intermediates up to the root, without it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key of the leaf.
    pub key: PrivateKeyDer<'static>,
    /// The only trust anchors for the peers of whoever uses this certificate.
    pub roots: Vec<CertificateDer<'static>>,
}

impl fmt::Debug for IssuedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedCertificate")
            .field("chain", &self.chain.len())
            .finish_non_exhaustive()
    }
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The CA does not sign for this identity; asking again will not help.
    #[error("refused by the CA: {0}")]
    Refused(String),
    /// The CA could not be asked, or failed to sign.
    #[error("the CA failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}
