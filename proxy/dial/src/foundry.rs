//! Authorities, certificates and endpoints for tests, the odd ones included.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, server};

use crate::settings::{ClientCertificate, TlsSettings, Trust};
use crate::verify::cryptography;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Fails instead of hanging.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

/// A listener on loopback and where it listens.
pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Who issues certificates and lists.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key.
pub(crate) struct Leaf {
    /// The leaf and the intermediates after it.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) pem: String,
    pub(crate) key: KeyPair,
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(serial(99));
    params
}

fn serial(number: u8) -> SerialNumber {
    SerialNumber::from_slice(&[1, number])
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let issuer = CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate().unwrap());
        Authority {
            issuer: issuer.unwrap(),
        }
    }

    /// Another authority that this one vouches for; its serial number is 99.
    pub(crate) fn vouch_for(&self, name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::signed_by(authority_params(name), key, &self.issuer);
        Authority {
            issuer: issuer.unwrap(),
        }
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        self.issuer.pem().into_bytes()
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::Authorities(self.pem())
    }

    /// Settings that trust it.
    pub(crate) fn settings(&self) -> TlsSettings {
        TlsSettings {
            trust: self.trust(),
            ..TlsSettings::default()
        }
    }

    pub(crate) fn leaf(&self, names: &[SanType]) -> Leaf {
        self.leaf_with(names, |_| {})
    }

    /// A certificate with the serial number 7, otherwise as `change` leaves it.
    pub(crate) fn leaf_with(&self, names: &[SanType], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "endpoint");
        params.subject_alt_names = names.to_vec();
        params.serial_number = Some(serial(7));
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf {
            pem: certificate.pem(),
            chain: vec![certificate.into()],
            key,
        }
    }

    /// A list that ends in `year` and holds these serial numbers, PEM.
    pub(crate) fn revocation_list(&self, revoked: &[u8], year: i32) -> Vec<u8> {
        let revoked = revoked.iter().map(|&number| RevokedCertParams {
            serial_number: serial(number),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params
            .signed_by(&self.issuer)
            .unwrap()
            .pem()
            .unwrap()
            .into_bytes()
    }
}

pub(crate) fn self_signed(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![dns(name)];
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Leaf {
        pem: certificate.pem(),
        chain: vec![certificate.into()],
        key,
    }
}

pub(crate) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

pub(crate) fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

impl Leaf {
    /// Also shows who vouches for its issuer.
    pub(crate) fn with(mut self, intermediate: &Authority) -> Leaf {
        self.chain.push(intermediate.issuer.der().clone());
        self
    }

    pub(crate) fn client(&self) -> ClientCertificate {
        ClientCertificate {
            chain: self.pem.clone().into_bytes(),
            key: self.key.serialize_pem().into_bytes(),
        }
    }

    fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// Serves with it.
    pub(crate) fn server(&self) -> ServerConfig {
        self.server_of(rustls::DEFAULT_VERSIONS)
    }

    pub(crate) fn server_of(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        ServerConfig::builder_with_provider(cryptography().clone())
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key_der())
            .unwrap()
    }

    /// Serves with it, to clients that `authority` vouches for.
    pub(crate) fn server_for(&self, authority: &Authority) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&authority.pem()).unwrap())
            .unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), cryptography().clone());
        ServerConfig::builder_with_provider(cryptography().clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(self.chain.clone(), self.key_der())
            .unwrap()
    }
}

/// What a server has of one connection.
pub(crate) type Accepted = std::io::Result<server::TlsStream<TcpStream>>;

/// Accepts one connection and serves one handshake.
pub(crate) async fn endpoint(config: ServerConfig) -> (SocketAddr, JoinHandle<Accepted>) {
    let (listener, address) = listener().await;
    let accepted = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        TlsAcceptor::from(Arc::new(config)).accept(stream).await
    });
    (address, accepted)
}
