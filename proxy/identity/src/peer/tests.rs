#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use rcgen::SanType;

use super::*;
use crate::foundry::Foundry;

const SLEEP: &str = "spiffe://cluster.local/ns/default/sa/sleep";
const HELLO: &str = "spiffe://cluster.local/ns/default/sa/hello";

fn read(uris: &[&str]) -> Result<SpiffeId, PeerError> {
    identity_of(&Foundry::new().cast(uris, |_| {}).chain[0])
}

#[test]
fn one_identity_among_other_names() {
    assert_eq!(read(&[SLEEP]).unwrap().as_str(), SLEEP);
    assert_eq!(
        read(&["https://example.com", "spiffe://td/other/form", SLEEP])
            .unwrap()
            .as_str(),
        SLEEP
    );
    assert_eq!(read(&[SLEEP, SLEEP]).unwrap().as_str(), SLEEP);
}

#[test]
fn none_or_several_identities() {
    assert_eq!(read(&[]), Err(PeerError::NoIdentity));
    assert_eq!(
        read(&["spiffe://cluster.local/workload"]),
        Err(PeerError::NoIdentity)
    );
    assert_eq!(read(&[SLEEP, HELLO]), Err(PeerError::Ambiguous));
}

#[test]
fn only_uri_names_count() {
    let issued = Foundry::new().cast(&[], |params| {
        params.subject_alt_names = vec![SanType::DnsName(SLEEP.try_into().unwrap())];
    });
    assert_eq!(identity_of(&issued.chain[0]), Err(PeerError::NoIdentity));
}

#[test]
fn garbage_is_unreadable() {
    assert_eq!(
        identity_of(&CertificateDer::from(vec![0x30, 0x82, 0xff])),
        Err(PeerError::Unreadable)
    );
}

#[test]
fn an_unexpected_peer_is_told_with_what_was_expected() {
    let expected: Arc<[SpiffeId]> = Arc::new([SLEEP.parse().unwrap(), HELLO.parse().unwrap()]);
    let error = PeerError::Unexpected {
        actual: SpiffeId::new("td", "a", "b"),
        expected,
    };
    assert_eq!(
        error.to_string(),
        format!("the peer is spiffe://td/ns/a/sa/b, expected {SLEEP} or {HELLO}")
    );
}
