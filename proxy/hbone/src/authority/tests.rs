#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> Result<Authority, AuthorityError> {
    Ok(Authority::Ip(text.parse().unwrap()))
}

fn host(host: &str, port: u16) -> Result<Authority, AuthorityError> {
    Ok(Authority::Host {
        host: host.to_owned(),
        port,
    })
}

#[test]
fn addresses() {
    assert_eq!(parse("10.0.0.1:80"), ip("10.0.0.1:80"));
    assert_eq!(parse("[2001:db8::1]:8080"), ip("[2001:db8::1]:8080"));
    assert_eq!(parse("[::1]:65535"), ip("[::1]:65535"));
}

#[test]
fn an_address_has_one_form_only() {
    assert_eq!(parse("[::ffff:10.0.0.1]:80"), ip("10.0.0.1:80"));
    for other in [
        "127.1:80",
        "0x7f000001:80",
        "2130706433:80",
        "0177.0.0.1:80",
        "1.2.3.4.:80",
        "a.0x1:80",
    ] {
        assert_eq!(parse(other), Err(AuthorityError::Host), "{other}");
    }
}

#[test]
fn hosts() {
    assert_eq!(
        parse("hello.default.svc.cluster.local:80"),
        host("hello.default.svc.cluster.local", 80)
    );
    assert_eq!(parse("HELLO.Default.:80"), host("hello.default", 80));
    assert_eq!(parse("a_b-c:1"), host("a_b-c", 1));
    assert_eq!(parse("1.example:1"), host("1.example", 1));
    assert_eq!(parse("x.0xz:1"), host("x.0xz", 1));
}

#[test]
fn ports_are_required_and_plain() {
    for text in [
        "",
        "10.0.0.1",
        "hello",
        "10.0.0.1:",
        "10.0.0.1:0",
        "10.0.0.1:+80",
        "10.0.0.1:-1",
        "h:65536",
        "h:８０",
    ] {
        assert_eq!(parse(text), Err(AuthorityError::Port), "{text}");
    }
    assert_eq!(parse("h:00080"), host("h", 80));
}

#[test]
fn malformed_hosts() {
    let long_label = format!("{}:80", "x".repeat(64));
    let long_name = format!("{}x:80", "x.".repeat(127));
    for text in [
        ":80",
        ".:80",
        "a..b:80",
        "[::1:80",
        "::1]:80",
        "::1:80",
        "[10.0.0.1]:80",
        "[fe80::1%eth0]:80",
        "[fe80::1%1]:80",
        "user@host:80",
        "user:secret@host:80",
        "http://host:80",
        "a/b:80",
        "a b:80",
        "ä:80",
        "*.example:80",
        "a\0:80",
        &long_label,
        &long_name,
    ] {
        assert_eq!(parse(text), Err(AuthorityError::Host), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_is_trouble(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn what_parses_is_written_as_it_is_read(text in r"(\[[0-9a-f:.]{0,20}\]|[0-9A-Za-z._-]{0,20}):[0-9]{0,6}") {
        if let Ok(authority) = parse(&text) {
            prop_assert_eq!(parse(&authority.to_string()), Ok(authority));
        }
    }

    #[test]
    fn every_address_parses(address in any::<SocketAddr>()) {
        prop_assume!(address.port() != 0);
        let SocketAddr::V4(_) = address else {
            let plain = SocketAddr::new(address.ip(), address.port());
            let expected = SocketAddr::new(plain.ip().to_canonical(), plain.port());
            prop_assert_eq!(parse(&plain.to_string()), Ok(Authority::Ip(expected)));
            return Ok(());
        };
        prop_assert_eq!(parse(&address.to_string()), Ok(Authority::Ip(address)));
    }
}
