use std::net::SocketAddr;

use rcgen::{ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType, date_time_ymd};
use rustls::ServerConfig;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::foundry::{Accepted, Authority, Leaf, dns, endpoint, listener, self_signed, soon, uri};
use crate::settings::{ClientCertificate, Trust};

const HOST: &str = "db.example.com";

/// A handshake of `settings` with an endpoint, for `name`.
async fn meet(
    settings: &TlsSettings,
    server: ServerConfig,
    name: Option<&str>,
    alpn: Alpn,
) -> (Result<TlsStream<TcpStream>, TlsError>, Accepted) {
    let (address, accepted) = endpoint(server).await;
    let tls = Tls::new(settings).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let connected = soon(tls.connect(stream, name, alpn)).await;
    (connected, soon(accepted).await.unwrap())
}

/// Why `settings` do not take the endpoint; `None`: they do.
async fn refusal(settings: &TlsSettings, server: ServerConfig) -> Option<TlsError> {
    refusal_for(settings, server, Some(HOST)).await
}

async fn refusal_for(settings: &TlsSettings, server: ServerConfig, name: Option<&str>) -> Option<TlsError> {
    let (connected, accepted) = meet(settings, server, name, Alpn::None).await;
    assert_eq!(connected.is_ok(), accepted.is_ok(), "both ends know of a refusal");
    connected.err()
}

fn certificate(refused: Option<TlsError>) -> CertificateError {
    match refused {
        Some(TlsError::Certificate(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn simple() {
    let authority = Authority::new("a");
    let leaf = authority.leaf(&[dns(HOST)]);
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let server = leaf.server_of(versions);
        let (connected, accepted) = meet(&authority.settings(), server, Some(HOST), Alpn::None).await;
        let (mut client, mut server) = (connected.unwrap(), accepted.unwrap());
        assert_eq!(client.alpn(), None);
        assert!(!client.is_resumed());
        assert_eq!(server.get_ref().1.server_name(), Some(HOST));
        assert!(client.is_write_vectored());
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut text = String::new();
        soon(server.read_to_string(&mut text)).await.unwrap();
        assert_eq!(text, "question");
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        text.clear();
        soon(client.read_to_string(&mut text)).await.unwrap();
        assert_eq!(text, "answer");
    }
}

#[tokio::test]
async fn mutual() {
    let (authority, clients) = (Authority::new("a"), Authority::new("clients"));
    let leaf = authority.leaf(&[dns(HOST)]);
    let shown = clients.leaf(&[dns("waypoint")]);
    let settings = TlsSettings {
        client: Some(shown.client()),
        ..authority.settings()
    };
    let (connected, accepted) = meet(&settings, leaf.server_for(&clients), Some(HOST), Alpn::None).await;
    connected.unwrap();
    let accepted = accepted.unwrap();
    assert_eq!(accepted.get_ref().1.peer_certificates(), Some(&shown.chain[..]));
    // Without it the endpoint refuses, which shows at the latest when it is read from.
    let server = leaf.server_for(&clients);
    let (connected, accepted) = meet(&authority.settings(), server, Some(HOST), Alpn::None).await;
    assert!(accepted.is_err());
    if let Ok(mut stream) = connected {
        soon(stream.read_u8()).await.unwrap_err();
    }
}

#[tokio::test]
async fn certificates_of_others_are_refused() {
    let (authority, other) = (Authority::new("same"), Authority::new("same"));
    let refused = refusal(&authority.settings(), other.leaf(&[dns(HOST)]).server()).await;
    let text = refused.as_ref().map(ToString::to_string).unwrap();
    assert!(text.ends_with("trust the authority that issued it"), "{text}");
    // The name is the same, the key is not.
    let reason = certificate(refused);
    assert!(
        matches!(
            reason,
            CertificateError::UnknownIssuer | CertificateError::BadSignature
        ),
        "{reason:?}"
    );
    // There are machines that know no authority.
    if let Err(error) = Tls::new(&TlsSettings::default()) {
        assert_eq!(error, SettingsError::NoSystemAuthority);
        return;
    }
    let stranger = Authority::new("stranger").leaf(&[dns(HOST)]).server();
    assert_eq!(
        certificate(refusal(&TlsSettings::default(), stranger).await),
        CertificateError::UnknownIssuer
    );
}

#[tokio::test]
async fn certificates_out_of_time_are_refused() {
    let authority = Authority::new("a");
    let old = authority.leaf_with(&[dns(HOST)], |params| {
        params.not_after = date_time_ymd(2020, 1, 1)
    });
    let reason = certificate(refusal(&authority.settings(), old.server()).await);
    assert!(
        matches!(reason, CertificateError::ExpiredContext { .. }),
        "{reason:?}"
    );
    let new = authority.leaf_with(&[dns(HOST)], |params| {
        params.not_before = date_time_ymd(4000, 1, 1)
    });
    let reason = certificate(refusal(&authority.settings(), new.server()).await);
    assert!(
        matches!(reason, CertificateError::NotValidYetContext { .. }),
        "{reason:?}"
    );
}

#[tokio::test]
async fn certificates_for_clients_are_refused() {
    let authority = Authority::new("a");
    let leaf = authority.leaf_with(&[dns(HOST)], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    certificate(refusal(&authority.settings(), leaf.server()).await);
}

#[tokio::test]
async fn anyone_is_taken_who_has_the_key() {
    let anyone = TlsSettings {
        trust: Trust::Anyone,
        ..TlsSettings::default()
    };
    let old = self_signed("other", |params| params.not_after = date_time_ymd(2020, 1, 1));
    for versions in [&[&TLS12][..], &[&TLS13]] {
        assert!(refusal(&anyone, old.server_of(versions)).await.is_none());
        // The certificate of one, the key of another.
        let forged = rustls::sign::CertifiedKey::new(
            old.chain.clone(),
            rustls::crypto::aws_lc_rs::sign::any_supported_type(
                &rustls_pki_types::PrivatePkcs8KeyDer::from(KeyPair::generate().unwrap().serialize_der())
                    .into(),
            )
            .unwrap(),
        );
        let mut server = old.server_of(versions);
        server.cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(forged));
        assert_eq!(
            certificate(refusal(&anyone, server).await),
            CertificateError::BadSignature
        );
    }
}

/// Whether an endpoint whose certificate is for `presented` is taken by settings that expect `expected`.
async fn is_taken(authority: &Authority, expected: &[&str], presented: &[SanType]) -> bool {
    let settings = TlsSettings {
        subject_alt_names: expected.iter().map(|&name| name.to_owned()).collect(),
        ..authority.settings()
    };
    // The name of the connection is another, and does not count.
    match refusal_for(&settings, authority.leaf(presented).server(), Some("other.org")).await {
        None => true,
        Some(TlsError::Names(_)) => false,
        Some(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn one_of_the_names_has_to_be_there() {
    let authority = Authority::new("a");
    let spiffe = "spiffe://cluster.local/ns/a/sa/b";
    let mail = SanType::Rfc822Name("a@b.org".try_into().unwrap());
    let address = SanType::IpAddress("fd00::1".parse().unwrap());
    for (expected, presented) in [
        (&["a.org"][..], &[dns("a.org")][..]),
        (&["A.org"], &[dns("a.ORG")]),
        (&["no.org", "a.org"], &[dns("b.org"), dns("a.org")]),
        (&["x.a.org"], &[dns("*.a.org")]),
        (&["*.a.org"], &[dns("*.a.org")]),
        (&[spiffe], &[uri(spiffe)]),
        (&["fd00:0::1"], std::slice::from_ref(&address)),
        (&["a@b.org"], &[mail]),
    ] {
        assert!(is_taken(&authority, expected, presented).await, "{expected:?}");
    }
    for (expected, presented) in [
        (&["a.org"][..], &[dns("b.org")][..]),
        (&["a.org"], &[dns("x.a.org")]),
        (&["x.y.a.org"], &[dns("*.a.org")]),
        (&["a.org"], &[dns("*.a.org")]),
        (&["*.a.org"], &[dns("x.a.org")]),
        (&[spiffe], &[uri("spiffe://cluster.local/ns/a/sa/B")]),
        (&["spiffe://cluster.local/ns/a/sa"], &[uri(spiffe)]),
        (&["fd00::2"], &[address]),
        // The common name of all of them.
        (&["endpoint"], &[dns("a.org")]),
        (&["endpoint"], &[]),
    ] {
        assert!(!is_taken(&authority, expected, presented).await, "{expected:?}");
    }
}

#[tokio::test]
async fn without_names_the_server_name_counts() {
    let authority = Authority::new("a");
    let leaf = authority.leaf(&[dns(HOST), SanType::IpAddress([192, 0, 2, 1].into())]);
    let settings = authority.settings();
    for name in [Some(HOST), Some("192.0.2.1"), None] {
        assert!(
            refusal_for(&settings, leaf.server(), name).await.is_none(),
            "{name:?}"
        );
    }
    for name in ["other.org", "192.0.2.2", "0.0.0.0", "[fd00::1]"] {
        let refused = refusal_for(&settings, leaf.server(), Some(name)).await.unwrap();
        assert!(matches!(refused, TlsError::Names(_)), "{name}: {refused}");
    }
    let refused = refusal_for(&settings, leaf.server(), Some("other.org"))
        .await
        .unwrap();
    assert_eq!(
        refused.to_string(),
        "the certificate is for db.example.com or 192.0.2.1, and has to be for other.org; correct the certificate or \
         `subjectAltNames`"
    );
    let (address, _accepted) = endpoint(leaf.server()).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let tls = Tls::new(&settings).unwrap();
    let error = tls
        .connect(stream, Some("not a name"), Alpn::None)
        .await
        .unwrap_err();
    assert!(matches!(error, TlsError::ServerName(name) if name == "not a name"));
}

#[tokio::test]
async fn a_fixed_server_name_is_sent_and_not_asked_for() {
    let authority = Authority::new("a");
    let settings = TlsSettings {
        sni: Some("fixed.example.com".to_owned()),
        ..authority.settings()
    };
    for name in [Some("other.org"), None] {
        let server = authority.leaf(&[dns("third.org")]).server();
        let (connected, accepted) = meet(&settings, server, name, Alpn::None).await;
        connected.unwrap();
        let sent = accepted.unwrap().get_ref().1.server_name().map(str::to_owned);
        assert_eq!(sent.as_deref(), Some("fixed.example.com"));
    }
    let stranger = Authority::new("b").leaf(&[dns("fixed.example.com")]);
    certificate(refusal(&settings, stranger.server()).await);
}

#[tokio::test]
async fn server_names_that_are_none_are_not_sent() {
    let authority = Authority::new("a");
    let leaf = authority.leaf(&[SanType::IpAddress([192, 0, 2, 1].into())]);
    for name in [Some("192.0.2.1"), None] {
        let (connected, accepted) = meet(&authority.settings(), leaf.server(), name, Alpn::None).await;
        connected.unwrap();
        assert_eq!(accepted.unwrap().get_ref().1.server_name(), None);
    }
}

#[tokio::test]
async fn protocols_are_agreed_upon() {
    let authority = Authority::new("a");
    let leaf = authority.leaf(&[dns(HOST)]);
    for (offered, known, agreed) in [
        (Alpn::Either, &["h2", "http/1.1"][..], Some(Protocol::Http2)),
        (Alpn::Either, &["http/1.1"], Some(Protocol::Http1)),
        (Alpn::Http1, &["h2", "http/1.1"], Some(Protocol::Http1)),
        (Alpn::Http2, &["h2", "http/1.1"], Some(Protocol::Http2)),
        (Alpn::Http2, &[], None),
        (Alpn::None, &["h2", "http/1.1"], None),
    ] {
        let mut server = leaf.server();
        server.alpn_protocols = known.iter().map(|one| one.as_bytes().to_vec()).collect();
        let (connected, accepted) = meet(&authority.settings(), server, Some(HOST), offered).await;
        assert_eq!(connected.unwrap().alpn(), agreed, "{offered:?} {known:?}");
        accepted.unwrap();
    }
    let mut server = leaf.server();
    server.alpn_protocols = vec![b"h2".to_vec()];
    let (connected, _) = meet(&authority.settings(), server, Some(HOST), Alpn::Http1).await;
    assert!(matches!(connected, Err(TlsError::Handshake(_))));
}

fn with_lists(settings: &TlsSettings, lists: &[Vec<u8>]) -> TlsSettings {
    TlsSettings {
        revoked: Some(lists.concat()),
        ..settings.clone()
    }
}

#[tokio::test]
async fn revoked_certificates_are_refused() {
    let root = Authority::new("root");
    let between = root.vouch_for("between");
    let leaf = between.leaf(&[dns(HOST)]).with(&between);
    let all = root.settings();
    assert!(refusal(&all, leaf.server()).await.is_none());
    let (none, other) = (
        root.revocation_list(&[], 4000),
        between.revocation_list(&[8], 4000),
    );
    let fine = with_lists(&all, &[none.clone(), other.clone()]);
    assert!(refusal(&fine, leaf.server()).await.is_none());

    let leafs = between.revocation_list(&[8, 7], 4000);
    let settings = with_lists(&all, &[none.clone(), leafs.clone()]);
    assert_eq!(
        certificate(refusal(&settings, leaf.server()).await),
        CertificateError::Revoked
    );
    let betweens = root.revocation_list(&[99], 4000);
    let settings = with_lists(&all, &[betweens, other]);
    assert_eq!(
        certificate(refusal(&settings, leaf.server()).await),
        CertificateError::Revoked
    );
    // Nobody says anything of the leaf.
    let settings = with_lists(&all, std::slice::from_ref(&none));
    assert_eq!(
        certificate(refusal(&settings, leaf.server()).await),
        CertificateError::UnknownRevocationStatus
    );
    let old = with_lists(&all, &[none.clone(), between.revocation_list(&[], 2025)]);
    let reason = certificate(refusal(&old, leaf.server()).await);
    assert!(
        matches!(reason, CertificateError::ExpiredRevocationListContext { .. }),
        "{reason:?}"
    );
    // A list by somebody else of the same name.
    let forged = root.vouch_for("between").revocation_list(&[], 4000);
    let settings = with_lists(&all, &[none.clone(), forged]);
    assert!(refusal(&settings, leaf.server()).await.is_some());
    // Lists among the authorities.
    let settings = TlsSettings {
        trust: Trust::Authorities([root.pem(), none, leafs].concat()),
        ..TlsSettings::default()
    };
    assert_eq!(
        certificate(refusal(&settings, leaf.server()).await),
        CertificateError::Revoked
    );
}

#[tokio::test]
async fn a_certificate_may_be_its_own_authority() {
    let trusting = |leaf: &Leaf| TlsSettings {
        trust: Trust::Authorities(leaf.pem.clone().into_bytes()),
        ..TlsSettings::default()
    };
    // As `openssl req -x509` makes it.
    let as_authority = self_signed(HOST, |params| {
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    let issued = Authority::new("a").leaf(&[dns(HOST)]);
    for leaf in [&as_authority, &issued] {
        assert!(refusal(&trusting(leaf), leaf.server()).await.is_none());
        // For its names, in its time, and as long as nobody is asked whether it has been revoked.
        let other = refusal_for(&trusting(leaf), leaf.server(), Some("other.org")).await;
        assert!(matches!(other, Some(TlsError::Names(_))), "{other:?}");
        let lists = [Authority::new("a").revocation_list(&[], 4000)];
        certificate(refusal(&with_lists(&trusting(leaf), &lists), leaf.server()).await);
    }
    let old = self_signed(HOST, |params| params.not_after = date_time_ymd(2020, 1, 1));
    assert_eq!(
        certificate(refusal(&trusting(&old), old.server()).await),
        CertificateError::Expired
    );
    let new = self_signed(HOST, |params| params.not_before = date_time_ymd(4000, 1, 1));
    assert_eq!(
        certificate(refusal(&trusting(&new), new.server()).await),
        CertificateError::NotValidYet
    );
    let reason = certificate(refusal(&trusting(&issued), as_authority.server()).await);
    assert!(
        matches!(
            reason,
            CertificateError::UnknownIssuer | CertificateError::Other(_)
        ),
        "{reason:?}"
    );
}

/// One connection after another to the same endpoint; whether the second goes on with the session of the first.
async fn resumes(
    first: (&Tls, Option<&str>),
    second: (&Tls, Option<&str>),
    server: &Arc<ServerConfig>,
) -> bool {
    let (listener, address) = listener().await;
    let acceptor = tokio_rustls::TlsAcceptor::from(server.clone());
    let serve = tokio::spawn(async move {
        for _ in 0..2 {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            stream.write_all(b".").await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = stream.read(&mut [0]).await;
        }
    });
    let mut resumed = Vec::new();
    for (tls, name) in [first, second] {
        let stream = TcpStream::connect(address as SocketAddr).await.unwrap();
        let mut stream = soon(tls.connect(stream, name, Alpn::None)).await.unwrap();
        let mut text = String::new();
        soon(stream.read_to_string(&mut text)).await.unwrap();
        resumed.push(stream.is_resumed());
        stream.shutdown().await.unwrap();
    }
    soon(serve).await.unwrap();
    assert!(!resumed[0]);
    resumed[1]
}

#[tokio::test]
async fn sessions_are_resumed_and_not_shared() {
    let authority = Authority::new("a");
    let leaf = authority.leaf(&[dns(HOST), dns("b.example.com")]);
    let fresh = || Tls::new(&authority.settings()).unwrap();
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let server = Arc::new(leaf.server_of(versions));
        let tls = fresh();
        assert!(resumes((&tls, Some(HOST)), (&tls.clone(), Some(HOST)), &server).await);
        let tls = fresh();
        assert!(resumes((&tls, None), (&tls, None), &server).await);
        let tls = fresh();
        assert!(!resumes((&tls, Some(HOST)), (&tls, Some("b.example.com")), &server).await);
        let tls = fresh();
        // Nobody asked for a name before.
        assert!(!resumes((&tls, None), (&tls, Some(HOST)), &server).await);
        assert!(!resumes((&fresh(), Some(HOST)), (&fresh(), Some(HOST)), &server).await);
    }
}

#[tokio::test]
async fn an_end_that_is_not_announced_is_an_error() {
    let authority = Authority::new("a");
    let server = authority.leaf(&[dns(HOST)]).server();
    let (connected, accepted) = meet(&authority.settings(), server, Some(HOST), Alpn::None).await;
    let (mut client, mut server) = (connected.unwrap(), accepted.unwrap());
    server.write_all(b"half of").await.unwrap();
    server.flush().await.unwrap();
    server.into_inner().0.shutdown().await.unwrap();
    let mut text = String::new();
    let error = soon(client.read_to_string(&mut text)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn what_is_not_tls_is_an_error() {
    let (listener, address) = listener().await;
    let serve = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        stream
    });
    let tls = Tls::new(&Authority::new("a").settings()).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let error = soon(tls.connect(stream, Some(HOST), Alpn::None))
        .await
        .unwrap_err();
    assert!(matches!(error, TlsError::Handshake(_)), "{error}");
    soon(serve).await.unwrap();
}

#[test]
fn settings_that_are_wrong_say_so() {
    let authority = Authority::new("a");
    let (leaf, other) = (authority.leaf(&[]), authority.leaf(&[]));
    let fine = authority.settings();
    let wrong = |change: &dyn Fn(&mut TlsSettings)| {
        let mut settings = fine.clone();
        change(&mut settings);
        Tls::new(&settings).unwrap_err()
    };
    let trust = |pem: &[u8]| wrong(&|settings| settings.trust = Trust::Authorities(pem.to_vec()));
    assert_eq!(trust(b""), SettingsError::NoAuthority);
    assert_eq!(
        trust(&authority.revocation_list(&[], 4000)),
        SettingsError::NoAuthority
    );
    let bad = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let second = trust(&[&authority.pem()[..], bad].concat());
    assert!(
        matches!(second, SettingsError::BadAuthority { place: 2, .. }),
        "{second}"
    );
    let cut = trust(&authority.pem()[..100]);
    assert!(matches!(
        cut,
        SettingsError::NoAuthority | SettingsError::BadAuthority { place: 1, .. }
    ));

    let revoked = |pem: &[u8]| wrong(&|settings| settings.revoked = Some(pem.to_vec()));
    assert_eq!(revoked(&authority.pem()), SettingsError::NoRevocationList);
    let bad = b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    let second = revoked(&[&authority.revocation_list(&[], 4000)[..], bad].concat());
    assert!(matches!(
        second,
        SettingsError::BadRevocationList { place: 2, .. }
    ));

    let client = |chain: Vec<u8>, key: Vec<u8>| {
        let client = ClientCertificate { chain, key };
        wrong(&|settings| settings.client = Some(client.clone()))
    };
    let (own, another) = (leaf.client(), other.client());
    assert!(matches!(
        client(own.key.clone(), own.key.clone()),
        SettingsError::ClientChain(_)
    ));
    assert!(matches!(
        client(own.chain.clone(), own.chain.clone()),
        SettingsError::ClientKey(_)
    ));
    assert!(matches!(
        client(own.chain.clone(), another.key),
        SettingsError::ClientPair(_)
    ));
    assert!(!format!("{own:?}").contains("key:"), "keys are not printed");

    assert_eq!(
        wrong(&|settings| settings.subject_alt_names = vec![String::new()]),
        SettingsError::EmptyName
    );
    assert_eq!(
        wrong(&|settings| settings.sni = Some("*.example.com".to_owned())),
        SettingsError::Sni("*.example.com".to_owned())
    );
    let anyone = |change: &dyn Fn(&mut TlsSettings)| {
        wrong(&|settings| {
            settings.trust = Trust::Anyone;
            change(settings);
        })
    };
    assert!(matches!(
        anyone(&|settings| settings.subject_alt_names = vec!["a".to_owned()]),
        SettingsError::AnyoneRestricted("subject alternative names")
    ));
    let list = authority.revocation_list(&[], 4000);
    assert!(matches!(
        anyone(&|settings| settings.revoked = Some(list.clone())),
        SettingsError::AnyoneRestricted("revocation lists")
    ));
}

#[test]
fn equal_settings_make_equal_tls() {
    let authority = Authority::new("a");
    let fine = TlsSettings {
        subject_alt_names: vec!["a".to_owned(), "b".to_owned()],
        client: Some(authority.leaf(&[]).client()),
        ..authority.settings()
    };
    let tls = Tls::new(&fine).unwrap();
    assert_eq!(tls.fingerprint(), fine.fingerprint());
    let mut turned = fine.clone();
    turned.subject_alt_names.reverse();
    assert_eq!(Tls::new(&turned).unwrap(), tls);
    assert_eq!(format!("{tls:?}").len(), "Tls()".len() + 64);
    let changes: [&dyn Fn(&mut TlsSettings); 7] = [
        &|settings| settings.trust = Trust::System,
        &|settings| settings.trust = Trust::Anyone,
        &|settings| settings.revoked = Some(Vec::new()),
        &|settings| settings.client = None,
        &|settings| settings.client = Some(authority.leaf(&[]).client()),
        &|settings| settings.subject_alt_names = vec!["ab".to_owned()],
        &|settings| settings.sni = Some("a".to_owned()),
    ];
    let mut seen = std::collections::HashSet::from([fine.fingerprint()]);
    for change in changes {
        let mut changed = fine.clone();
        change(&mut changed);
        assert!(seen.insert(changed.fingerprint()), "{changed:?}");
    }
}
