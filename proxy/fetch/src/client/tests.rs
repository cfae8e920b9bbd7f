use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::names::Names;
use super::*;
use crate::tls::Trust;

fn connector(addresses: &[&str]) -> Connector {
    let mut connector = Connector::new(Insecure::default(), Trust::new(None), true);
    let addresses: Vec<IpAddr> = addresses.iter().map(|one| one.parse().unwrap()).collect();
    connector.names = Names::Fixed(addresses);
    connector
}

async fn ask(connector: &Connector, url: &str) -> Result<Reply, FetchError> {
    send(connector, Ask::new(Method::GET, Url::parse(url).unwrap())).await
}

/// A server that answers once and returns the head of what it was asked.
async fn answer(listener: TcpListener, answer: &'static str) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_name_is_judged_by_its_addresses() {
    for address in ["169.254.169.254", "fe80::1", "fd00:ec2::254"] {
        for url in ["http://metadata.internal/", "https://metadata.internal/"] {
            let error = ask(&connector(&[address]), url).await.err().unwrap();
            assert!(matches!(error, FetchError::Forbidden { .. }), "{error}");
            assert!(error.to_string().contains("metadata.internal"), "{error}");
        }
    }
    let error = ask(&connector(&[]), "http://nowhere/").await.err().unwrap();
    assert!(matches!(error, FetchError::Resolve { .. }), "{error}");
}

#[tokio::test]
async fn of_several_addresses_only_those_allowed_are_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connector = connector(&["169.254.169.254", "127.0.0.1"]);
    let url = format!("http://mixed:{port}/a%20b?c=d");
    let (reply, head) = tokio::join!(
        ask(&connector, &url),
        answer(listener, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"),
    );
    assert_eq!(&reply.unwrap().bytes(2, "it").await.unwrap()[..], b"hi");
    assert!(head.starts_with("GET /a%20b?c=d HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: mixed:{port}\r\n")), "{head}");
}

#[tokio::test]
async fn redirects_stay_within_what_may_be_followed() {
    for (from, to, reason) in [
        ("https://h/", "http://h/", "leaves TLS"),
        ("http://h/", "file:///etc/passwd", "neither http nor https"),
        ("http://h/", "http://u:secret@h/", "a user or a password"),
        ("http://h/", "http://[", "no address"),
    ] {
        let from = Url::parse(from).unwrap();
        let error = target(&connector(&[]), &from, to).unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains("secret"), "{error}");
    }
    let from = Url::parse("http://h/a/b").unwrap();
    for (to, expected) in [
        ("c", "http://h/a/c"),
        ("/c", "http://h/c"),
        ("//i/c", "http://i/c"),
        ("https://i", "https://i/"),
    ] {
        assert_eq!(target(&connector(&[]), &from, to).unwrap().as_str(), expected);
    }
}

#[test]
fn an_error_tells_what_a_registry_says_and_nothing_else() {
    let said = |body: &str| detail(body.as_bytes());
    assert_eq!(
        said(r#"{"errors": [{"code": "DENIED", "message": "no\nway"}, {"code": "X"}]}"#),
        ": noway, X"
    );
    for other in ["secret", "{}", r#"{"password": "secret"}"#, r#"{"errors": []}"#] {
        assert_eq!(said(other), "", "{other}");
    }
    assert!(
        said(&format!(
            r#"{{"errors": [{{"message": "{}"}}]}}"#,
            "a".repeat(900)
        ))
        .len()
            < 300
    );
}

#[test]
fn insecure_hosts_are_named_with_or_without_port() {
    let names = |list: &[&str], url: &str| {
        let list: Vec<String> = list.iter().map(|one| (*one).to_owned()).collect();
        Insecure::new(&list).names(&Url::parse(url).unwrap())
    };
    assert!(names(&["R.io"], "https://r.io:5000/"));
    assert!(names(&["r.io:443"], "https://r.io/"));
    assert!(names(&["*"], "https://any/"));
    assert!(
        !names(&["r.io:5000"], "https://r.io/")
            && !names(&["r.io"], "https://evil.r.io/")
            && !names(&[], "https://r.io/")
    );
}
