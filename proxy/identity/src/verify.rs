//! Verification of peers: chain to the roots, extended key usage, identity. Host names play no part.

use std::sync::{Arc, LazyLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::{PeerError, SpiffeId, identity_of};

/// AWS-LC with the TLS 1.3 suites of the mesh in Istio's order. Not the process default, which is somebody else's choice.
pub(crate) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        let suites = vec![
            aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
            aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
            aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ];
        Arc::new(CryptoProvider {
            cipher_suites: suites,
            ..aws_lc_rs::default_provider()
        })
    });
    &PROVIDER
}

/// Our trust domain and its aliases.
#[derive(Clone, Debug)]
pub(crate) struct TrustDomains(Arc<[String]>);

impl TrustDomains {
    pub(crate) fn new(own: &str, aliases: &[String]) -> TrustDomains {
        TrustDomains(
            std::iter::once(own.to_owned())
                .chain(aliases.iter().cloned())
                .collect(),
        )
    }

    fn check(&self, id: SpiffeId) -> Result<SpiffeId, PeerError> {
        if self.0.iter().any(|domain| domain == id.trust_domain()) {
            Ok(id)
        } else {
            Err(PeerError::TrustDomain(id))
        }
    }
}

/// What a server asks of a client: a valid chain, and an identity of our trust domain.
#[derive(Debug)]
pub(crate) struct ClientVerifier {
    chain: Arc<dyn ClientCertVerifier>,
    domains: TrustDomains,
}

impl ClientVerifier {
    pub(crate) fn new(
        roots: Arc<RootCertStore>,
        domains: TrustDomains,
    ) -> Result<ClientVerifier, VerifierBuilderError> {
        // Without the hints a client sends the one certificate that it has, whatever its root is called.
        let chain = WebPkiClientVerifier::builder_with_provider(roots, provider().clone())
            .clear_root_hint_subjects()
            .build()?;
        Ok(ClientVerifier { chain, domains })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(end_entity, intermediates, now)?;
        identity_of(end_entity)
            .and_then(|id| self.domains.check(id))
            .map_err(rejection)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// What a client asks of a server: a valid chain, and one of the expected identities; when none is named, any of
/// our trust domain.
#[derive(Clone, Debug)]
pub(crate) struct ServerVerifier {
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) domains: TrustDomains,
    pub(crate) expected: Arc<[SpiffeId]>,
}

impl ServerVerifier {
    fn check(&self, id: SpiffeId) -> Result<SpiffeId, PeerError> {
        if self.expected.is_empty() {
            self.domains.check(id)
        } else if self.expected.contains(&id) {
            Ok(id)
        } else {
            Err(PeerError::Unexpected {
                actual: id,
                expected: self.expected.clone(),
            })
        }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = provider().signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)?;
        identity_of(end_entity)
            .and_then(|id| self.check(id))
            .map_err(rejection)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Carries our reason through rustls, which [`reason`] takes out again.
fn rejection(error: PeerError) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
}

/// The reason why a verifier of this module ended a handshake, if that is what `error` is about.
pub(crate) fn reason(error: &std::io::Error) -> Option<PeerError> {
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
            inner.downcast_ref::<PeerError>().cloned()
        }
        _ => None,
    }
}
