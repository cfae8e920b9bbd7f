#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::{AppProtocol, Exported};

#[test]
fn protocols_of_ports() {
    let cases = [
        (80, "http", None, AppProtocol::Http),
        (80, "http-web", None, AppProtocol::Http),
        (80, "HTTP-web", None, AppProtocol::Http),
        (80, "httpish", None, AppProtocol::Unknown),
        (80, "http2", None, AppProtocol::Http2),
        (80, "grpc-api", None, AppProtocol::Grpc),
        (80, "grpc-web-api", None, AppProtocol::Grpc),
        (443, "https", None, AppProtocol::Tls),
        (443, "tls-x", None, AppProtocol::Tls),
        (80, "tcp", None, AppProtocol::Tcp),
        (80, "redis-cache", None, AppProtocol::Tcp),
        (80, "", None, AppProtocol::Unknown),
        (80, "web", None, AppProtocol::Unknown),
        // Servers that speak first.
        (3306, "db", None, AppProtocol::Tcp),
        (3306, "http-db", None, AppProtocol::Http),
        // What is said about the application counts more than a name.
        (80, "tcp", Some("http"), AppProtocol::Http),
        (80, "http", Some("kubernetes.io/h2c"), AppProtocol::Http2),
        (80, "", Some("kubernetes.io/ws"), AppProtocol::Http),
        (80, "", Some("kubernetes.io/wss"), AppProtocol::Tls),
        (80, "http", Some("example.org/own"), AppProtocol::Unknown),
        // ServiceEntries write capitals.
        (80, "x", Some("GRPC"), AppProtocol::Grpc),
        (80, "x", Some("MONGO"), AppProtocol::Tcp),
    ];
    for (number, name, app_protocol, expected) in cases {
        assert_eq!(
            AppProtocol::of(number, name, app_protocol),
            expected,
            "{number} {name} {app_protocol:?}"
        );
    }
}

#[test]
fn lists_of_namespaces_say_who_sees_a_service() {
    let of = |list: &[&str]| Exported::of(list, "own");
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[" "]), None);
    assert_eq!(of(&["a", "*"]), Some(Exported::Everywhere));
    let cases: [(&[&str], &[&str]); 4] = [
        (&["."], &["own"]),
        (&[".", " a"], &["a", "own"]),
        (&["~"], &[]),
        (&["b"], &["b"]),
    ];
    for (list, seeing) in cases {
        let exported = of(list).unwrap();
        for namespace in ["a", "b", "own"] {
            assert_eq!(
                exported.includes(namespace),
                seeing.contains(&namespace),
                "{list:?} {namespace}"
            );
        }
        assert_eq!(exported.meets(&Exported::Everywhere), !seeing.is_empty());
        assert_eq!(Exported::Everywhere.meets(&exported), !seeing.is_empty());
    }
    assert!(of(&["a", "."]).unwrap().meets(&of(&["a"]).unwrap()));
    assert!(!of(&["b"]).unwrap().meets(&of(&["a", "."]).unwrap()));
}
