//! A certificate ready for use: everything that TLS needs, built once instead of once per connection.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::Resumption;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;

use crate::verify::{ClientVerifier, ServerVerifier, TrustDomains, provider};
use crate::{CertificateDetail, IssuedCertificate, PeerError, SpiffeId, identity_of};

/// The protocol that is spoken inside TLS.
const ALPN: &[u8] = b"h2";

/// A certificate of one workload with the TLS settings made from it.
pub struct Credential {
    id: SpiffeId,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    verifier: ServerVerifier,
    leaf: CertificateDetail,
    chain: Vec<CertificateDer<'static>>,
    roots: Vec<CertificateDer<'static>>,
}

impl Credential {
    /// Makes the TLS settings for what a CA has issued to `id`.
    ///
    /// # Errors
    /// The certificate is not one of `id`, cannot be read, does not fit its key, or comes with no usable root.
    pub(crate) fn new(
        id: SpiffeId,
        issued: IssuedCertificate,
        domains: TrustDomains,
    ) -> Result<Credential, CredentialError> {
        let IssuedCertificate { chain, key, roots } = issued;
        let first = chain.first().ok_or(PeerError::Unreadable)?;
        let leaf = CertificateDetail::read(first).ok_or(PeerError::Unreadable)?;
        let actual = identity_of(first)?;
        if actual != id {
            return Err(CredentialError::Identity { actual });
        }
        let mut anchors = RootCertStore::empty();
        for root in &roots {
            anchors.add(root.clone())?;
        }
        let anchors = Arc::new(anchors);
        let certified = CertifiedKey::from_der(chain.clone(), key, provider())?;
        let certificate = Arc::new(SingleCertAndKey::from(certified));
        let verifier = ServerVerifier {
            roots: anchors.clone(),
            domains: domains.clone(),
            expected: Arc::default(),
        };

        let mut server = ServerConfig::builder_with_provider(provider().clone())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(ClientVerifier::new(anchors, domains)?))
            .with_cert_resolver(certificate.clone());
        server.alpn_protocols = vec![ALPN.to_vec()];
        // A resumed session would skip the verification of the peer against the current roots.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;

        let mut client = ClientConfig::builder_with_provider(provider().clone())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier.clone()))
            .with_client_cert_resolver(certificate);
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.resumption = Resumption::disabled();
        client.enable_sni = false;

        let (server, client) = (Arc::new(server), Arc::new(client));
        Ok(Credential {
            id,
            server,
            client,
            verifier,
            leaf,
            chain,
            roots,
        })
    }

    /// Whom this certificate speaks for.
    #[must_use]
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// Settings of a TLS server: TLS 1.3, a client certificate of our trust domain required, no tickets.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }

    /// Settings of a TLS client that accepts any server of our trust domain.
    ///
    /// [`tls::connect`](crate::tls::connect) narrows that to the identities that a destination may have.
    #[must_use]
    pub fn client_config(&self) -> Arc<ClientConfig> {
        self.client.clone()
    }

    /// The same settings, accepting only the identities in `expected`; an empty slice is any of our trust domain.
    ///
    /// The copy shares all that is costly (key, certificate, roots), so that the wrong server is refused within the
    /// handshake, before it has seen our certificate.
    pub(crate) fn client_config_for(&self, expected: &[SpiffeId]) -> Arc<ClientConfig> {
        if expected.is_empty() {
            return self.client.clone();
        }
        let mut config = ClientConfig::clone(&self.client);
        let verifier = ServerVerifier {
            expected: expected.into(),
            ..self.verifier.clone()
        };
        config.dangerous().set_certificate_verifier(Arc::new(verifier));
        Arc::new(config)
    }

    /// The serial number in lower-case hexadecimal.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.leaf.serial
    }

    /// The first moment at which the certificate is valid.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.leaf.not_before
    }

    /// The last moment at which the certificate is valid.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.leaf.not_after
    }

    /// Whether the certificate has not expired yet.
    #[must_use]
    pub fn is_current(&self) -> bool {
        Timestamp::now() < self.leaf.not_after
    }

    /// The leaf, then the intermediates.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The trust anchors that peers are verified against.
    #[must_use]
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("id", &self.id)
            .field("serial", &self.leaf.serial)
            .field("not_after", &self.leaf.not_after)
            .finish_non_exhaustive()
    }
}

/// Why what a CA issued cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The certificate is of somebody else.
    #[error("the CA issued a certificate for {actual} instead")]
    Identity {
        /// Whose certificate it is.
        actual: SpiffeId,
    },
    /// The certificate proves no identity.
    #[error("the CA issued a certificate that cannot be used: {0}")]
    Certificate(#[from] PeerError),
    /// The key, the chain or a root is refused by the TLS library.
    #[error("the issued certificate, its key or its root is unusable: {0}")]
    Tls(#[from] rustls::Error),
    /// No root came with the certificate.
    #[error("the CA named no root certificate")]
    Roots(#[from] VerifierBuilderError),
}
