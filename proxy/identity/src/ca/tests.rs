#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rcgen::Certificate;
use rustls_pki_types::pem::PemObject;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::foundry::id;

const DOMAIN: &str = "cluster.local";

fn open(dir: &Path) -> Result<LocalCa, String> {
    LocalCa::open_or_create(dir, DOMAIN).map_err(|error| error.to_string())
}

fn place(dir: &Path, certificate: &Certificate, key_pem: &str, root: &Certificate) {
    fs::write(dir.join("ca-cert.pem"), certificate.pem()).unwrap();
    fs::write(dir.join("ca-key.pem"), key_pem).unwrap();
    fs::write(dir.join("root-cert.pem"), root.pem()).unwrap();
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

#[test]
fn makes_the_plug_in_layout_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("ca");
    let first = open(&dir).unwrap();
    for file in ["ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem"] {
        assert!(dir.join(file).is_file(), "{file}");
    }
    let mode = fs::metadata(dir.join("ca-key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = open(&dir).unwrap();
    assert_eq!(first.roots, second.roots);
    assert!(
        second.intermediates.is_empty(),
        "a root that signs itself is not sent along"
    );
}

#[test]
fn racing_creators_agree() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("ca");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let dir = dir.clone();
            std::thread::spawn(move || open(&dir).unwrap().roots)
        })
        .collect();
    let roots: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(roots.iter().all(|other| *other == roots[0]));
    assert!(
        !fs::read_dir(&dir)
            .unwrap()
            .any(|file| file.unwrap().path().extension().unwrap_or_default() == "new")
    );
}

#[test]
fn a_leaf_is_what_the_mesh_expects() {
    let dir = tempfile::tempdir().unwrap();
    let ca = open(dir.path()).unwrap();
    let issued = ca.sign(&id("sleep"), Duration::from_secs(3600)).unwrap();
    assert_eq!(issued.chain.len(), 1);
    let (_, leaf) = X509Certificate::from_der(&issued.chain[0]).unwrap();
    assert_eq!(leaf.subject().iter().count(), 0);
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    assert!(names.critical);
    assert_eq!(names.value.general_names.len(), 1);
    let usage = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && usage.client_auth);
    assert!(!leaf.is_ca());
    let authority = leaf.iter_extensions().any(|extension| {
        matches!(
            extension.parsed_extension(),
            ParsedExtension::AuthorityKeyIdentifier(_)
        )
    });
    assert!(authority);
    let now = i64::try_from(since_epoch().as_secs()).unwrap();
    let (start, end) = (
        leaf.validity().not_before.timestamp(),
        leaf.validity().not_after.timestamp(),
    );
    assert!(
        (now - 122..=now - 118).contains(&start),
        "back-dated for slow clocks: {}",
        start - now
    );
    assert!((now + 3599..=now + 3602).contains(&end), "{}", end - now);
}

#[test]
fn a_leaf_does_not_outlive_the_ca() {
    let dir = tempfile::tempdir().unwrap();
    let mut params = authority();
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(since_epoch().as_secs() + 600);
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap();
    place(dir.path(), &root, &key.serialize_pem(), &root);
    let issued = open(dir.path())
        .unwrap()
        .sign(&id("sleep"), Duration::from_secs(3600))
        .unwrap();
    let expiry = |der| CertificateDetail::read(der).unwrap().not_after;
    assert_eq!(expiry(&issued.chain[0]), expiry(&issued.roots[0]));
}

#[test]
fn foreign_and_malformed_identities_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ca = open(dir.path()).unwrap();
    for bad in [
        SpiffeId::new("elsewhere", "a", "b"),
        SpiffeId::new(DOMAIN, "a/b", "c"),
        SpiffeId::new(DOMAIN, "", "c"),
    ] {
        assert!(
            matches!(ca.sign(&bad, CLOCK_SKEW), Err(IssueError::Refused(_))),
            "{bad}"
        );
    }
}

#[test]
fn keys_of_other_kinds() {
    for algorithm in [
        &rcgen::PKCS_RSA_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let key = KeyPair::generate_for(algorithm).unwrap();
        let root = authority().self_signed(&key).unwrap();
        place(dir.path(), &root, &key.serialize_pem(), &root);
        open(dir.path()).unwrap_or_else(|error| panic!("{algorithm:?}: {error}"));
    }
}

#[test]
fn an_intermediate_ca_sends_its_chain() {
    let dir = tempfile::tempdir().unwrap();
    let root_key = KeyPair::generate().unwrap();
    let mut root_params = authority();
    root_params.distinguished_name.push(DnType::CommonName, "root");
    let root = root_params.self_signed(&root_key).unwrap();
    let issuer = rcgen::Issuer::new(root_params, root_key);
    let key = KeyPair::generate().unwrap();
    let mut params = authority();
    params.distinguished_name.push(DnType::CommonName, "intermediate");
    let intermediate = params.signed_by(&key, &issuer).unwrap();
    place(dir.path(), &intermediate, &key.serialize_pem(), &root);
    for chain in [
        None,
        Some(intermediate.pem()),
        Some(intermediate.pem() + &root.pem()),
    ] {
        if let Some(chain) = chain {
            fs::write(dir.path().join("cert-chain.pem"), chain).unwrap();
        }
        let issued = open(dir.path()).unwrap().sign(&id("sleep"), CLOCK_SKEW).unwrap();
        assert_eq!(issued.chain[1..], [intermediate.der().clone()]);
        assert_eq!(issued.roots, [root.der().clone()]);
    }
}

#[test]
fn a_key_after_its_parameters() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap();
    let file = dir.path().join("ca-key.pem");
    let key = fs::read_to_string(&file).unwrap();
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    fs::write(&file, format!("{parameters}{key}")).unwrap();
    open(dir.path()).unwrap();
}

#[test]
fn mistakes_are_named() {
    let parent = tempfile::tempdir().unwrap();
    let fresh = |name: &str| {
        let dir = parent.path().join(name);
        open(&dir).unwrap();
        dir
    };
    let complaint = |dir: &Path, file: &str, what: &str| {
        let error = open(dir).unwrap_err();
        assert!(
            error.contains(&dir.join(file).display().to_string()) && error.contains(what),
            "{error}"
        );
        assert!(!error.contains('\n'));
    };

    let error = open(&parent.path().join("no/such")).unwrap_err();
    assert!(
        error.contains("no/such: its parent directory does not exist"),
        "{error}"
    );

    let dir = parent.path().join("file");
    fs::write(&dir, "").unwrap();
    assert!(open(&dir).unwrap_err().contains("is not a directory"));

    for file in ["ca-key.pem", "root-cert.pem", "ca-cert.pem"] {
        let dir = fresh(&format!("without-{file}"));
        fs::remove_file(dir.join(file)).unwrap();
        complaint(&dir, file, "is missing");
    }
    for file in ["ca-key.pem", "root-cert.pem", "ca-cert.pem", "cert-chain.pem"] {
        let dir = fresh(&format!("garbage-{file}"));
        fs::write(dir.join(file), "garbage").unwrap();
        complaint(&dir, file, "in PEM form");
        // Not a permission, which root may ignore: a directory cannot be read as a file by anybody.
        fs::remove_file(dir.join(file)).unwrap();
        fs::create_dir(dir.join(file)).unwrap();
        complaint(&dir, file, "cannot read");
    }

    let dir = fresh("mismatch");
    fs::write(
        dir.join("ca-key.pem"),
        KeyPair::generate().unwrap().serialize_pem(),
    )
    .unwrap();
    complaint(&dir, "ca-key.pem", "does not belong to the certificate in");
}

#[test]
fn a_ca_that_nobody_would_trust_is_refused() {
    let other = authority().self_signed(&KeyPair::generate().unwrap()).unwrap();
    let mut expired = authority();
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let mut leaf = authority();
    leaf.is_ca = IsCa::ExplicitNoCa;
    for (params, root) in [(expired, None), (leaf, None), (authority(), Some(other))] {
        let dir = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        // Below a root, for a trust anchor itself is not checked for its dates.
        let top = KeyPair::generate().unwrap();
        let mut top_params = authority();
        top_params.distinguished_name.push(DnType::CommonName, "top");
        let top_certificate = top_params.self_signed(&top).unwrap();
        let signed = params
            .signed_by(&key, &rcgen::Issuer::new(top_params, &top))
            .unwrap();
        place(
            dir.path(),
            &signed,
            &key.serialize_pem(),
            &root.unwrap_or(top_certificate),
        );
        let error = open(dir.path()).unwrap_err();
        assert!(error.contains("ca-cert.pem do not verify"), "{error}");
    }
}

#[test]
fn roots_may_be_several() {
    let dir = tempfile::tempdir().unwrap();
    let ca = open(dir.path()).unwrap();
    let other = authority().self_signed(&KeyPair::generate().unwrap()).unwrap();
    let file = dir.path().join("root-cert.pem");
    fs::write(&file, fs::read_to_string(&file).unwrap() + &other.pem()).unwrap();
    let both = open(dir.path()).unwrap();
    assert_eq!(both.roots, [ca.roots[0].clone(), other.der().clone()]);
    assert!(CertificateDer::from_pem_file(&file).is_ok());
}
