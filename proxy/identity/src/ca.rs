//! A certificate authority in a directory, for meshes that have no CA service.

mod directory;

use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::string::Ia5String;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::RootCertStore;
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};

use crate::verify::provider;
use crate::{BoxFuture, CertificateDetail, IssueError, IssuedCertificate, Issuer, SpiffeId};
use directory::Files;

pub use directory::CaError;

/// How far the clock of a peer may be behind ours.
const CLOCK_SKEW: Duration = Duration::from_secs(120);

/// How long a CA certificate that we made is valid: ten years.
const CA_VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// A CA whose certificate and key lie in a directory of Istio's plug-in layout.
///
/// | file | content |
/// |---|---|
/// | `ca-cert.pem` | the certificate that signs |
/// | `ca-key.pem` | its private key: ECDSA, RSA or Ed25519, as PKCS#8, SEC1 or PKCS#1 |
/// | `root-cert.pem` | the trust anchors of the mesh |
/// | `cert-chain.pem` | from the signing certificate up to the root; may be missing |
pub struct LocalCa {
    trust_domain: String,
    issuer: rcgen::Issuer<'static, KeyPair>,
    /// What follows the leaf in a handshake.
    intermediates: Vec<CertificateDer<'static>>,
    roots: Vec<CertificateDer<'static>>,
    /// When the signing certificate expires, in time since 1970.
    expiry: Duration,
}

impl LocalCa {
    /// Opens the CA in `dir`, or makes one there when the directory is empty or missing.
    ///
    /// Safe to be called by several processes at once: one of them makes the CA, the others open it. A CA that was
    /// put there by hand is never changed.
    ///
    /// # Errors
    /// One sentence that names the file and what is wrong with it.
    pub fn open_or_create(dir: &Path, trust_domain: &str) -> Result<LocalCa, CaError> {
        let files = directory::open_or_create(dir, || generate(trust_domain))?;
        let key = files.key_pair()?;
        let signing = files.signing_certificate()?;
        let expiry = CertificateDetail::read(&signing)
            .and_then(|detail| Duration::try_from(detail.not_after.as_duration()).ok())
            .ok_or_else(|| files.malformed_certificate())?;
        let issuer =
            rcgen::Issuer::from_ca_cert_der(&signing, key).map_err(|source| CaError::Certificate {
                path: files.certificate.clone(),
                source,
            })?;
        let ca = LocalCa {
            trust_domain: trust_domain.to_owned(),
            issuer,
            intermediates: files.intermediates(&signing)?,
            roots: files.roots()?,
            expiry,
        };
        ca.prove(&files)?;
        Ok(ca)
    }

    /// Issues a certificate and verifies it, so that a CA that nobody would trust is found out now and not by peers.
    fn prove(&self, files: &Files) -> Result<(), CaError> {
        let unusable = |reason: String| CaError::Unusable {
            path: files.certificate.clone(),
            reason,
        };
        let probe = SpiffeId::new(&self.trust_domain, "cairn", "probe");
        let issued = self
            .sign(&probe, CLOCK_SKEW)
            .map_err(|error| unusable(error.to_string()))?;
        let mut anchors = RootCertStore::empty();
        for root in &issued.roots {
            anchors
                .add(root.clone())
                .map_err(|error| unusable(error.to_string()))?;
        }
        let (leaf, intermediates) = issued
            .chain
            .split_first()
            .ok_or_else(|| files.malformed_certificate())?;
        ParsedCertificate::try_from(leaf)
            .and_then(|leaf| {
                let algorithms = provider().signature_verification_algorithms.all;
                rustls::client::verify_server_cert_signed_by_trust_anchor(
                    &leaf,
                    &anchors,
                    intermediates,
                    UnixTime::now(),
                    algorithms,
                )
            })
            .map_err(|error| unusable(error.to_string()))
    }

    fn sign(&self, id: &SpiffeId, ttl: Duration) -> Result<IssuedCertificate, IssueError> {
        if !id.is_valid() {
            return Err(IssueError::Refused(format!("{id} is not a valid SPIFFE id")));
        }
        if id.trust_domain() != self.trust_domain {
            return Err(IssueError::Refused(format!(
                "{id} is not of trust domain {}",
                self.trust_domain
            )));
        }
        let failed = |error: rcgen::Error| IssueError::Failed(Box::new(error));
        let key = KeyPair::generate().map_err(failed)?;
        let uri = Ia5String::try_from(id.as_str()).map_err(failed)?;
        let now = since_epoch();
        // Certificates count in whole seconds: a part of one is rounded in favour of its owner.
        let end = Duration::from_secs((now + ttl).as_secs() + 1).min(self.expiry);

        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + now.saturating_sub(CLOCK_SKEW);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + end;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &self.issuer).map_err(failed)?;

        let mut chain = vec![leaf.into()];
        chain.extend(self.intermediates.iter().cloned());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(IssuedCertificate {
            chain,
            key,
            roots: self.roots.clone(),
        })
    }
}

impl Issuer for LocalCa {
    fn issue<'a>(
        &'a self,
        id: &'a SpiffeId,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<IssuedCertificate, IssueError>> {
        Box::pin(async move { self.sign(id, ttl) })
    }
}

impl std::fmt::Debug for LocalCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalCa")
            .field("trust_domain", &self.trust_domain)
            .finish_non_exhaustive()
    }
}

/// A new self-signed CA: certificate and key as PEM.
fn generate(trust_domain: &str) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let now = since_epoch();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, trust_domain);
    params
        .distinguished_name
        .push(DnType::CommonName, "Cairn local CA");
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + now.saturating_sub(CLOCK_SKEW);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + (now + CA_VALIDITY);
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
