#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

fn domains() -> TrustDomains {
    TrustDomains::new("new-td", &["old-td".to_owned()])
}

#[test]
fn principals_of_the_mesh_expand_to_all_its_domains() {
    let both = vec!["new-td/ns/foo/sa/bar", "old-td/ns/foo/sa/bar"];
    assert_eq!(domains().expand_principal("new-td/ns/foo/sa/bar"), both);
    assert_eq!(domains().expand_principal("old-td/ns/foo/sa/bar"), both);
    assert_eq!(domains().expand_principal("cluster.local/ns/foo/sa/bar"), both);
    assert_eq!(
        domains().expand_principal("cluster.local/ns/foo/sa/*"),
        ["new-td/ns/foo/sa/*", "old-td/ns/foo/sa/*"]
    );
    assert_eq!(
        domains().expand_principal("*-td/ns/foo/sa/bar"),
        ["*-td/ns/foo/sa/bar"]
    );
    assert_eq!(
        domains().expand_principal("*w-td/ns/foo/sa/bar"),
        ["*w-td/ns/foo/sa/bar", "old-td/ns/foo/sa/bar"]
    );
}

#[test]
fn other_principals_stay_as_they_are() {
    for value in [
        "*",
        "other/ns/foo/sa/bar",
        "*/ns/foo/sa/bar",
        "cluster.local/ns/foo/*",
        "cluster.local/*",
        "sa/bar",
        "new-td",
    ] {
        assert_eq!(domains().expand_principal(value), [value]);
    }
}

#[test]
fn trust_domains_expand_when_they_are_the_meshs() {
    assert_eq!(domains().expand_domain("old-td"), ["new-td", "old-td"]);
    assert_eq!(domains().expand_domain("cluster.local"), ["cluster.local"]);
    assert_eq!(domains().expand_domain("*-td"), ["*-td"]);
}

#[test]
fn principals_that_no_peer_can_have() {
    for value in [
        "sa/bar",
        "foo/bar",
        "other/ns/foo/sa/bar",
        "new-td/ns/*/sa/bar",
        "new-td/ns/foo/sa/",
        "new-td/foo/bar/sa/x",
        "new-td/ns/foo/x*",
        "other/*",
        "other/ns/foo/*",
        "new-td/sa*",
        "*/sa/foo/bar",
        "*x/foo/sa/bar",
        "*foo/bar",
        "new-td/ns/foo/sa/bar/baz",
        "spiffe:*",
    ] {
        assert!(domains().why_never(value).is_some(), "{value}");
    }
    for value in [
        "*",
        "new-td/ns/foo/sa/bar",
        "old-td/ns/foo/sa/bar",
        "*/ns/foo/sa/bar",
        "*bar",
        "*/sa/bar",
        "*a/bar",
        "*s/foo/sa/bar",
        "new*",
        "new-td/*",
        "new-td/n*",
        "new-td/ns/*",
        "new-td/ns/foo*",
        "new-td/ns/foo/*",
        "new-td/ns/foo/sa/b*",
        "*d/ns/foo/sa/bar",
    ] {
        assert_eq!(domains().why_never(value), None, "{value}");
    }
}
