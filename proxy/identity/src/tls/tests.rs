#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::Arc;

use rcgen::ExtendedKeyUsagePurpose;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsConnector;

use super::*;
use crate::foundry::{Foundry, id};

const LIMIT: Duration = Duration::from_secs(5);

type Accepted = Result<(server::TlsStream<DuplexStream>, SpiffeId), TlsError>;
type Connected = Result<(client::TlsStream<DuplexStream>, SpiffeId), TlsError>;

async fn meet(client: &Credential, server: &Credential, expected: &[SpiffeId]) -> (Connected, Accepted) {
    let (near, far) = duplex(64 * 1024);
    tokio::join!(connect(near, client, expected, LIMIT), accept(far, server, LIMIT))
}

/// Handshakes with a client of our own making, which shows the server no certificate.
async fn accept_from(config: ClientConfig, server: &Credential) -> Accepted {
    let (near, far) = duplex(64 * 1024);
    let connector = TlsConnector::from(Arc::new(config));
    tokio::spawn(async move {
        let name = ServerName::try_from("cluster.local").unwrap();
        if let Ok(mut tls) = connector.connect(name, near).await {
            let _ = tls.read(&mut [0]).await;
        }
    });
    accept(far, server, LIMIT).await
}

/// Verifies nothing, sends nothing, offers `versions`.
fn anonymous(foundry: &Foundry, versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(foundry.root.clone()).unwrap();
    let mut config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let verifier = foundry.credential(&id("anyone")).client_config();
    config
        .dangerous()
        .set_certificate_verifier(Arc::new(Trusting(verifier)));
    config
}

#[derive(Debug)]
struct Trusting(Arc<ClientConfig>);

impl rustls::client::danger::ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0
            .crypto_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[tokio::test]
async fn both_ends_know_each_other() {
    let foundry = Foundry::new();
    let (sleep, hello) = (foundry.credential(&id("sleep")), foundry.credential(&id("hello")));
    let (client, server) = meet(&sleep, &hello, &[id("other"), id("hello")]).await;
    let ((mut client, server_id), (mut server, client_id)) = (client.unwrap(), server.unwrap());
    assert_eq!((server_id, client_id), (id("hello"), id("sleep")));
    {
        let (_, session) = server.get_ref();
        assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        assert_eq!(session.alpn_protocol(), Some(b"h2".as_slice()));
        assert_eq!(session.server_name(), None);
        let suite = session.negotiated_cipher_suite().unwrap().suite();
        assert_eq!(suite, rustls::CipherSuite::TLS13_AES_256_GCM_SHA384);
    }
    client.write_all(b"ping").await.unwrap();
    client.shutdown().await.unwrap();
    let mut heard = Vec::new();
    server.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"ping");
}

#[tokio::test]
async fn a_server_of_another_identity_is_refused() {
    let foundry = Foundry::new();
    let (sleep, hello) = (foundry.credential(&id("sleep")), foundry.credential(&id("hello")));
    let (client, server) = meet(&sleep, &hello, &[id("other")]).await;
    let Err(TlsError::Peer(PeerError::Unexpected { actual, expected })) = client else {
        panic!("{client:?}");
    };
    assert_eq!((actual, &*expected), (id("hello"), &[id("other")][..]));
    assert!(
        matches!(server, Err(TlsError::Handshake(_))),
        "the server never sees our certificate"
    );
}

#[tokio::test]
async fn other_trust_domains_are_refused_unless_aliases() {
    let foundry = Foundry::new();
    let stranger = SpiffeId::new("elsewhere", "default", "sleep");
    let (away, home) = (foundry.credential(&stranger), foundry.credential(&id("hello")));
    let (_, server) = meet(&away, &home, &[id("hello")]).await;
    assert!(matches!(server, Err(TlsError::Peer(PeerError::TrustDomain(id))) if id == stranger));
    let (client, _) = meet(&home, &away, &[]).await;
    assert!(matches!(client, Err(TlsError::Peer(PeerError::TrustDomain(id))) if id == stranger));

    let open = foundry.credential_with(&id("hello"), &["elsewhere"], |_| {});
    let (client, server) = meet(&away, &open, &[id("hello")]).await;
    assert_eq!(
        (client.unwrap().1, server.unwrap().1),
        (id("hello"), stranger.clone())
    );
    let (client, _) = meet(
        &open,
        &foundry.credential_with(&stranger, &["cluster.local"], |_| {}),
        &[],
    )
    .await;
    assert_eq!(client.unwrap().1, stranger);
}

#[tokio::test]
async fn another_ca_is_refused_on_both_sides() {
    let (ours, theirs) = (Foundry::new(), Foundry::new());
    let (sleep, hello) = (ours.credential(&id("sleep")), theirs.credential(&id("hello")));
    let (client, server) = meet(&sleep, &hello, &[id("hello")]).await;
    assert!(matches!(client, Err(TlsError::Handshake(_))));
    assert!(matches!(server, Err(TlsError::Handshake(_))));
}

#[tokio::test]
async fn the_extended_key_usage_counts() {
    let foundry = Foundry::new();
    let both = foundry.credential(&id("both"));
    let only = |usage| {
        foundry.credential_with(&id("only"), &[], |params| {
            params.extended_key_usages = vec![usage]
        })
    };
    let client_only = only(ExtendedKeyUsagePurpose::ClientAuth);
    let server_only = only(ExtendedKeyUsagePurpose::ServerAuth);
    assert!(meet(&both, &client_only, &[]).await.0.is_err());
    assert!(meet(&server_only, &both, &[]).await.1.is_err());
    let (client, server) = meet(&client_only, &server_only, &[]).await;
    assert!(client.is_ok() && server.is_ok());
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let foundry = Foundry::new();
    let old = foundry.credential_with(&id("old"), &[], |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1)
    });
    assert!(!old.is_current());
    let hello = foundry.credential(&id("hello"));
    assert!(meet(&old, &hello, &[]).await.1.is_err());
    assert!(meet(&hello, &old, &[]).await.0.is_err());
}

#[tokio::test]
async fn a_client_without_certificate_is_refused() {
    let foundry = Foundry::new();
    let hello = foundry.credential(&id("hello"));
    let error = accept_from(anonymous(&foundry, &[&TLS13]), &hello)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no certificates"), "{error}");
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let foundry = Foundry::new();
    let hello = foundry.credential(&id("hello"));
    let error = accept_from(anonymous(&foundry, &[&TLS12]), &hello)
        .await
        .unwrap_err();
    assert!(matches!(error, TlsError::Handshake(_)), "{error}");
}

#[tokio::test]
async fn a_client_need_not_offer_alpn() {
    let foundry = Foundry::new();
    let (sleep, hello) = (foundry.credential(&id("sleep")), foundry.credential(&id("hello")));
    let mut config = ClientConfig::clone(&sleep.client_config());
    config.alpn_protocols.clear();
    let (_, peer) = accept_from(config, &hello).await.unwrap();
    assert_eq!(peer, id("sleep"));
}

#[tokio::test(start_paused = true)]
async fn silence_is_limited() {
    let foundry = Foundry::new();
    let sleep = foundry.credential(&id("sleep"));
    let (_near, far) = duplex(64);
    assert!(matches!(accept(far, &sleep, LIMIT).await, Err(TlsError::Timeout)));
    let (near, _far) = duplex(64 * 1024);
    assert!(matches!(
        connect(near, &sleep, &[], LIMIT).await,
        Err(TlsError::Timeout)
    ));
}
