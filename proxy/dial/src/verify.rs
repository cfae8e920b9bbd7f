//! Whose certificates are taken, and for which names.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs as provider, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    CertRevocationListError, CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationOptionsBuilder,
    UnknownStatusPolicy,
};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// AWS-LC. Not the process default, which is somebody else's choice.
pub(crate) fn cryptography() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(provider::default_provider()));
    &PROVIDER
}

/// Who is trusted, and what has been revoked.
#[derive(Debug)]
pub(crate) struct Authorities {
    pub(crate) roots: Arc<RootCertStore>,
    /// Fingerprints of certificates that are trusted themselves.
    pub(crate) pinned: Vec<[u8; 32]>,
    pub(crate) revoked: Vec<CertRevocationList<'static>>,
}

/// Names of which a certificate must have one.
#[derive(Debug, Clone)]
pub(crate) enum Names {
    /// It need not have any.
    Any,
    /// The server name of the connection.
    OfServer,
    /// These.
    Among(Arc<[Name]>),
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Name {
    text: String,
    /// As a DNS name or an IP address, where it is one.
    host: Option<ServerName<'static>>,
}

/// What is asked of a server.
#[derive(Debug)]
pub(crate) struct Verifier {
    /// `None`: anybody is trusted.
    pub(crate) authorities: Option<Arc<Authorities>>,
    pub(crate) names: Names,
}

/// The certificate is of another name than it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the certificate is for {}, and has to be for {}; correct the certificate or `subjectAltNames`",
    listed(.presented),
    listed(.expected)
)]
pub struct NamesError {
    /// The names of which it must have one.
    pub expected: Vec<String>,
    /// Those that it has.
    pub presented: Vec<String>,
}

impl Name {
    pub(crate) fn new(text: &str) -> Name {
        Name {
            text: text.to_owned(),
            host: ServerName::try_from(text.to_owned()).ok(),
        }
    }
}

impl Authorities {
    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        // Who gave this very certificate as an authority means it. Revocation is its issuer's say, whom we then ask.
        if self.revoked.is_empty() && self.pinned.contains(&fingerprint(certificate)) {
            return in_time(certificate, now);
        }
        let lists: Vec<&CertRevocationList<'_>> = self.revoked.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            options
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build()
        });
        EndEntityCert::try_from(certificate)
            .and_then(|leaf| {
                leaf.verify_for_usage(
                    cryptography().signature_verification_algorithms.all,
                    &self.roots.roots,
                    intermediates,
                    now,
                    KeyUsage::server_auth(),
                    revocation,
                    None,
                )
                .map(drop)
            })
            .map_err(refusal)
    }
}

impl Names {
    fn check(&self, certificate: &CertificateDer<'_>, server: &ServerName<'_>) -> Result<(), Error> {
        let leaf = EndEntityCert::try_from(certificate).map_err(refusal)?;
        let is_for = |name: &ServerName<'_>| leaf.verify_is_valid_for_subject_name(name).is_ok();
        let expected = match self {
            Names::Any => return Ok(()),
            Names::OfServer if is_for(server) => return Ok(()),
            Names::OfServer => vec![server.to_str().into_owned()],
            Names::Among(names) if names.iter().any(|name| name.host.as_ref().is_some_and(is_for)) => {
                return Ok(());
            }
            Names::Among(names) => names.iter().map(|name| name.text.clone()).collect(),
        };
        let presented = presented(certificate)?;
        if matches!(self, Names::Among(_)) && presented.iter().any(|one| one.is_among(&expected)) {
            return Ok(());
        }
        let presented = presented.into_iter().map(|one| one.text).collect();
        Err(other(NamesError { expected, presented }))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(authorities) = &self.authorities {
            authorities.check(certificate, intermediates, now)?;
            self.names.check(certificate, server)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &cryptography().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &cryptography().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        cryptography()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A name that a certificate has.
struct Presented {
    text: String,
    /// Letters of a host name are equal to their capitals.
    is_host: bool,
}

impl Presented {
    fn is_among(&self, expected: &[String]) -> bool {
        expected.iter().any(|name| match self.is_host {
            true => name.eq_ignore_ascii_case(&self.text),
            false => *name == self.text,
        })
    }
}

fn presented(certificate: &CertificateDer<'_>) -> Result<Vec<Presented>, Error> {
    let certificate = parsed(certificate)?;
    let Some(names) = certificate
        .subject_alternative_name()
        .map_err(|_| CertificateError::BadEncoding)?
    else {
        return Ok(Vec::new());
    };
    let names = names.value.general_names.iter();
    Ok(names
        .filter_map(|name| {
            let (text, is_host) = match name {
                GeneralName::DNSName(name) => ((*name).to_owned(), true),
                GeneralName::URI(name) | GeneralName::RFC822Name(name) => ((*name).to_owned(), false),
                GeneralName::IPAddress(octets) => (address(octets)?.to_string(), false),
                _ => return None,
            };
            Some(Presented { text, is_host })
        })
        .collect())
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

fn in_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let certificate = parsed(certificate)?;
    let validity = certificate.validity();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

fn parsed<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    X509Certificate::from_der(certificate)
        .map(|(_, certificate)| certificate)
        .map_err(|_| CertificateError::BadEncoding.into())
}

/// What tells a certificate from all others.
pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
    bytes
}

/// As rustls says it of its own verifier, so that the endpoint is told the right alert.
fn refusal(error: webpki::Error) -> Error {
    use webpki::Error as Reason;
    match error {
        Reason::BadDer | Reason::BadDerTime | Reason::TrailingData(_) => CertificateError::BadEncoding.into(),
        Reason::CertExpired { time, not_after } => {
            CertificateError::ExpiredContext { time, not_after }.into()
        }
        Reason::InvalidCertValidity => CertificateError::Expired.into(),
        Reason::CertNotValidYet { time, not_before } => {
            CertificateError::NotValidYetContext { time, not_before }.into()
        }
        Reason::UnknownIssuer => CertificateError::UnknownIssuer.into(),
        Reason::CertRevoked => CertificateError::Revoked.into(),
        Reason::UnknownRevocationStatus => CertificateError::UnknownRevocationStatus.into(),
        Reason::CrlExpired { time, next_update } => {
            CertificateError::ExpiredRevocationListContext { time, next_update }.into()
        }
        Reason::InvalidSignatureForPublicKey => CertificateError::BadSignature.into(),
        Reason::InvalidCrlSignatureForPublicKey => CertRevocationListError::BadSignature.into(),
        Reason::IssuerNotCrlSigner => CertRevocationListError::IssuerInvalidForCrl.into(),
        reason => other(reason),
    }
}

fn other(reason: impl std::error::Error + Send + Sync + 'static) -> Error {
    CertificateError::Other(OtherError(Arc::new(reason))).into()
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "nobody".to_owned(),
        names => names.join(" or "),
    }
}
