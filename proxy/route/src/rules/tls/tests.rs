#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// `json!` values are written in place.
#![allow(clippy::needless_pass_by_value)]

use serde_json::{Value, json};

use super::*;
use crate::rules::testing::compiled;

fn tls(form: Value) -> (ClientTls, Vec<String>) {
    compiled(form, ClientTls::new)
}

fn sound(form: Value) -> TlsOrigination {
    match tls(form) {
        (ClientTls::Originate(origination), problems) if problems.is_empty() => origination,
        other => panic!("{other:?}"),
    }
}

#[test]
fn modes_without_settings() {
    for form in [
        json!({}),
        json!({"mode": "DISABLE"}),
        json!({"mode": "DISABLE", "sni": "a"}),
    ] {
        assert_eq!(tls(form), (ClientTls::Disable, Vec::new()));
    }
    let mutual = json!({"mode": "ISTIO_MUTUAL", "sni": "a"});
    assert_eq!(tls(mutual), (ClientTls::IstioMutual, Vec::new()));
}

#[test]
fn simple_trusts_the_system_or_what_is_named() {
    let simple = sound(json!({"mode": "SIMPLE", "sni": "a.com", "subjectAltNames": ["a.com", "b.com"]}));
    assert_eq!(
        simple,
        TlsOrigination {
            client: None,
            trust: Trust::System { revoked: None },
            subject_alt_names: vec!["a.com".to_owned(), "b.com".to_owned()],
            sni: Some("a.com".to_owned()),
        }
    );
    let trust = |form: Value| sound(form).trust;
    assert_eq!(
        trust(json!({"mode": "SIMPLE", "caCertificates": "/ca.pem", "caCrl": "/crl.pem"})),
        Trust::File {
            authorities: "/ca.pem".to_owned(),
            revoked: Some("/crl.pem".to_owned()),
        }
    );
    assert_eq!(
        trust(json!({"mode": "SIMPLE", "caCertificates": "system"})),
        Trust::System { revoked: None }
    );
    assert_eq!(
        trust(json!({"mode": "SIMPLE", "credentialName": "ca"})),
        Trust::Secret("ca".to_owned())
    );
    assert_eq!(
        trust(json!({"mode": "SIMPLE", "insecureSkipVerify": true})),
        Trust::Anyone
    );
}

#[test]
fn mutual_shows_a_certificate() {
    let files = sound(json!({"mode": "MUTUAL", "clientCertificate": "/c.pem", "privateKey": "/k.pem"}));
    let expected = ClientCertificate::Files {
        certificate: "/c.pem".to_owned(),
        key: "/k.pem".to_owned(),
    };
    assert_eq!(files.client, Some(expected));
    let secret = sound(json!({"mode": "MUTUAL", "credentialName": "mine"}));
    assert_eq!(secret.client, Some(ClientCertificate::Secret("mine".to_owned())));
    assert_eq!(secret.trust, Trust::Secret("mine".to_owned()));
}

#[test]
fn what_cannot_be_meant_is_not_sent() {
    for (form, problem) in [
        (json!({"sni": "a.com"}), "error f.mode"),
        (
            json!({"mode": "MUTUAL", "clientCertificate": "/c.pem"}),
            "error f.privateKey",
        ),
        (
            json!({"mode": "MUTUAL", "privateKey": "/k.pem"}),
            "error f.clientCertificate",
        ),
        (
            json!({"mode": "SIMPLE", "insecureSkipVerify": true, "subjectAltNames": ["a"]}),
            "error f.insecureSkipVerify",
        ),
        (
            json!({"mode": "SIMPLE", "insecureSkipVerify": true, "caCertificates": "/ca"}),
            "error f.insecureSkipVerify",
        ),
        (
            json!({"mode": "MUTUAL", "credentialName": "a", "privateKey": "/k.pem"}),
            "error f.credentialName",
        ),
    ] {
        assert_eq!(
            tls(form.clone()),
            (ClientTls::Unusable, vec![problem.to_owned()]),
            "{form}"
        );
    }
    // This is safe whatever was meant.
    assert_eq!(
        tls(json!({"mode": "ISTIO_MUTUAL", "privateKey": "/k.pem"})),
        (ClientTls::IstioMutual, vec!["error f".to_owned()])
    );
}
