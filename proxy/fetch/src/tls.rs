//! TLS towards servers that publish modules: the public web's, unlike the mesh's.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// The two ways to trust a server. Each is built when it is first needed: the system's roots take a while to read.
#[derive(Debug)]
pub(crate) struct Trust {
    roots: Option<Arc<RootCertStore>>,
    verified: OnceLock<Result<Arc<ClientConfig>, Error>>,
    unverified: OnceLock<Result<Arc<ClientConfig>, Error>>,
}

impl Trust {
    /// Trusts what `roots` vouch for; `None`: the system's.
    pub(crate) fn new(roots: Option<Arc<RootCertStore>>) -> Self {
        Self {
            roots,
            verified: OnceLock::new(),
            unverified: OnceLock::new(),
        }
    }

    /// Settings that take only servers that prove their name.
    pub(crate) fn verified(&self) -> Result<Arc<ClientConfig>, Error> {
        self.verified
            .get_or_init(|| {
                let roots = self.roots.clone().map_or_else(system, Ok)?;
                let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                    .with_safe_default_protocol_versions()?
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                Ok(Arc::new(config))
            })
            .clone()
    }

    /// Settings that take any server, for the registries that are named as insecure.
    pub(crate) fn unverified(&self) -> Result<Arc<ClientConfig>, Error> {
        self.unverified
            .get_or_init(|| {
                let provider = Arc::new(aws_lc_rs::default_provider());
                let config = ClientConfig::builder_with_provider(provider.clone())
                    .with_safe_default_protocol_versions()?
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(Anyone { provider }))
                    .with_no_client_auth();
                Ok(Arc::new(config))
            })
            .clone()
    }
}

fn system() -> Result<Arc<RootCertStore>, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(Error::General(
            "this system has no root certificates; install ca-certificates or set SSL_CERT_FILE".to_owned(),
        ));
    }
    Ok(Arc::new(roots))
}

/// Takes every certificate, as a registry that is named as insecure asks for.
#[derive(Debug)]
struct Anyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
