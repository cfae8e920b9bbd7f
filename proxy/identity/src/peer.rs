//! Reading the identity that a certificate proves.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::SpiffeId;

/// The identity in `certificate`: the one mesh identity among its URI subject alternative names.
///
/// This only reads; that the certificate can be trusted is for the chain verification to say.
///
/// # Errors
/// [`PeerError::Unreadable`], [`PeerError::NoIdentity`] or [`PeerError::Ambiguous`].
pub fn identity_of(certificate: &CertificateDer<'_>) -> Result<SpiffeId, PeerError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| PeerError::Unreadable)?;
    let names = parsed
        .subject_alternative_name()
        .map_err(|_| PeerError::Unreadable)?;
    let mut ids = names
        .iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| match name {
            GeneralName::URI(uri) => uri.parse::<SpiffeId>().ok(),
            _ => None,
        });
    let id = ids.next().ok_or(PeerError::NoIdentity)?;
    if ids.any(|other| other != id) {
        return Err(PeerError::Ambiguous);
    }
    Ok(id)
}

/// Why a peer whose certificate chain may well be valid is not who it has to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The certificate cannot be parsed.
    #[error("the peer's certificate cannot be read")]
    Unreadable,
    /// No URI subject alternative name is an identity of the mesh.
    #[error("the peer's certificate holds no identity spiffe://<trust domain>/ns/<namespace>/sa/<account>")]
    NoIdentity,
    /// More than one identity: nobody could say which of them a policy is about.
    #[error("the peer's certificate holds several SPIFFE ids")]
    Ambiguous,
    /// The identity belongs to a trust domain that is neither ours nor one of its aliases.
    #[error("the peer {0} is not of our trust domain")]
    TrustDomain(SpiffeId),
    /// A server proved another identity than those that the destination may have.
    #[error("the peer is {actual}, expected {}", OneOf(expected))]
    Unexpected {
        /// The identity that the server proved.
        actual: SpiffeId,
        /// The identities that would have been accepted.
        expected: Arc<[SpiffeId]>,
    },
}

struct OneOf<'a>(&'a [SpiffeId]);

impl fmt::Display for OneOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(index, id)| {
            let separator = if index == 0 { "" } else { " or " };
            write!(f, "{separator}{id}")
        })
    }
}

/// What is worth telling about one certificate of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateDetail {
    /// The certificate itself.
    pub der: CertificateDer<'static>,
    /// The serial number in lower-case hexadecimal.
    pub serial: String,
    /// The first moment at which it is valid.
    pub not_before: Timestamp,
    /// The last moment at which it is valid.
    pub not_after: Timestamp,
}

impl CertificateDetail {
    /// Reads a certificate; `None` when it cannot be parsed.
    #[must_use]
    pub fn read(certificate: &CertificateDer<'_>) -> Option<CertificateDetail> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let validity = parsed.validity();
        Some(CertificateDetail {
            der: certificate.clone().into_owned(),
            serial: parsed
                .raw_serial()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            not_before: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
            not_after: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
        })
    }
}

#[cfg(test)]
mod tests;
