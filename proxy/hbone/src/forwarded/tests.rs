#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;

use super::*;

fn client(address: &str, port: Option<u16>) -> Forwarded {
    Forwarded {
        client: Some(address.parse().unwrap()),
        client_port: port,
        host: None,
    }
}

#[test]
fn what_ztunnel_writes() {
    let forwarded = Forwarded::new(
        "10.0.0.1:1234".parse().unwrap(),
        Some("hello.default.svc.cluster.local"),
    );
    let text = "for=\"10.0.0.1:1234\";host=hello.default.svc.cluster.local";
    assert_eq!(forwarded.to_header().unwrap(), text);
    assert_eq!(parse(text), Some(forwarded));
    let forwarded = Forwarded::new("[2001:db8::1]:1".parse().unwrap(), None);
    assert_eq!(forwarded.to_header().unwrap(), "for=\"[2001:db8::1]:1\"");
    assert_eq!(parse("for=\"[2001:db8::1]:1\""), Some(forwarded));
}

#[test]
fn other_forms_of_the_standard() {
    assert_eq!(
        parse("for=192.0.2.60;proto=http;by=203.0.113.43"),
        Some(client("192.0.2.60", None))
    );
    assert_eq!(
        parse("For=\"[2001:db8:cafe::17]:4711\""),
        Some(client("2001:db8:cafe::17", Some(4711)))
    );
    assert_eq!(
        parse("for=192.0.2.43, for=198.51.100.17"),
        Some(client("192.0.2.43", None))
    );
    assert_eq!(
        parse(" for = 192.0.2.43 ; proto = \"a;b,\\\"c\" "),
        Some(client("192.0.2.43", None))
    );
    let host = Forwarded {
        host: Some("example.com:80".into()),
        ..Forwarded::default()
    };
    assert_eq!(parse("for=unknown;HOST=\"example.com:80\""), Some(host.clone()));
    assert_eq!(parse(&host.to_string()), Some(host));
}

#[test]
fn malformed_or_empty() {
    for text in [
        "",
        " ",
        ";",
        ",",
        "for",
        "for=",
        "=",
        "for=\"",
        "for=\"1.2.3.4\\",
        "for=\"1.2.3.4\"x",
        "for=_hidden",
        "for=\"[::1\"",
        "for=1.2.3.4x",
        "for=\"1.2.3.4]\"",
        "host=\"a b\"",
        "host=\"\"",
        "host=a/b",
        "for=1.2.3.4;",
    ] {
        assert_eq!(parse(text), None, "{text}");
    }
    assert_eq!(
        parse("for=\"1.2.3.4:99999\""),
        Some(client("1.2.3.4", None)),
        "the address is good enough"
    );
    assert_eq!(
        parse(&format!("for=1.2.3.4;x={}", "y".repeat(9000))),
        None,
        "too long"
    );
}

#[test]
fn what_cannot_be_written_is_left_out() {
    let forwarded = Forwarded {
        host: Some("a\r\nb".into()),
        ..Forwarded::default()
    };
    assert_eq!(forwarded.to_header(), None);
}

proptest! {
    #[test]
    fn no_text_is_trouble(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn no_header_is_trouble(text in "((for|host|by)=[\"\\[\\]0-9a-f:.;,\\\\]{0,12};?){0,4}") {
        if let Some(forwarded) = parse(&text) {
            prop_assert_eq!(parse(&forwarded.to_string()), Some(forwarded));
        }
    }

    #[test]
    fn every_client_both_ways(ip in any::<IpAddr>(), client_port in any::<Option<u16>>(), host in "[a-z][a-z.:]{0,9}") {
        let forwarded = Forwarded { client: Some(ip), client_port, host: Some(host) };
        prop_assert_eq!(parse(&forwarded.to_string()), Some(forwarded));
    }
}
