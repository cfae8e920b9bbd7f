use http::Method;

use super::watch::{Change, changes};
use super::*;

fn lines(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    let line = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    lines.iter().map(line).collect()
}

#[test]
fn heads_are_compared_name_by_name() {
    let before = lines(&[("a", "1"), ("b", "1"), ("c", "1"), ("c", "2"), ("d", "1")]);
    let after = lines(&[("b", "2"), ("c", "1"), ("c", "3"), ("d", "1"), ("e", "1")]);
    let change =
        |kind: fn(String, String) -> Change, name: &str, value: &str| kind(name.to_owned(), value.to_owned());
    assert_eq!(
        changes(&before, &after),
        [
            change(Change::Removed, "a", "1"),
            Change::Replaced("b".to_owned(), "1".to_owned(), "2".to_owned()),
            change(Change::Removed, "c", "2"),
            change(Change::Added, "c", "3"),
            change(Change::Added, "e", "1"),
        ]
    );
    assert_eq!(changes(&before, &before), []);
}

#[test]
fn requests_are_read_as_they_are_written() {
    let request = message::request("post /a?b=c").unwrap();
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("post", "/a?b=c")
    );
    let request = message::request("/a").unwrap();
    assert_eq!((request.method, request.target.as_str()), (Method::GET, "/a"));
    let request = message::request("GET http://reviews:9080/a HTTP/1.1").unwrap();
    assert_eq!(
        (request.authority.as_str(), request.target.as_str()),
        ("reviews:9080", "/a")
    );
    for text in ["", "GET", "GET a", "GET /a b c", "G{T /", "CONNECT /"] {
        assert!(message::request(text).is_err(), "{text}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let at = format!("@{}", file.path().display());
    let whole = "PUT /a HTTP/1.1\r\nHost: b\nX-C: d\r\nx-c: e\ncontent-length: 99\n\nbody\n";
    std::fs::write(file.path(), whole).unwrap();
    let request = message::request(&at).unwrap();
    assert_eq!(request.authority.as_str(), "b");
    let values: Vec<_> = request.message.headers.get_all("x-c").iter().collect();
    assert_eq!(values, ["d", "e"]);
    assert!(!request.message.headers.contains_key("content-length"));
    assert_eq!(request.message.body, "body\n");
    let mut request = request;
    request.message.headers.insert("host", "c:80".parse().unwrap());
    request.settle_host().unwrap();
    assert_eq!(
        (request.authority.as_str(), request.message.headers.get("host")),
        ("c:80", None)
    );
    std::fs::write(file.path(), "GET /\nno header").unwrap();
    let error = format!("{:#}", message::request(&at).unwrap_err());
    assert!(error.contains("\"no header\" is no header"), "{error}");
    assert!(message::request("@/nowhere").is_err());
}

#[test]
fn attributes_and_services_are_read_as_they_are_written() {
    let value = |text: &str| world::attribute(text).unwrap().1;
    assert_eq!(value("a=true"), Value::Boolean(true));
    assert_eq!(value("a=80"), Value::Int(80));
    assert_eq!(value("a=0.5"), Value::Float(0.5));
    assert_eq!(value("a=b=c"), Value::Text("b=c".to_owned()));
    assert_eq!(value("a=nan"), Value::Text("nan".to_owned()));
    assert_eq!(value(r#"a=["x"]"#), Value::Texts(vec!["x".to_owned()]));
    assert!(world::attribute("a").is_err() && world::attribute("=a").is_err());

    let canned = |text: &str| world::service(text).map(|(_, canned)| canned);
    let answer = |status, body: &'static str| Canned::Answer(status, body.into());
    assert_eq!(canned("a:80=200").unwrap(), answer(StatusCode::OK, ""));
    assert_eq!(
        canned(r#"a:80=403:{"a":1}"#).unwrap(),
        answer(StatusCode::FORBIDDEN, r#"{"a":1}"#)
    );
    assert_eq!(canned("a:80=timeout").unwrap(), Canned::Timeout);
    assert_eq!(canned("a:80=refused").unwrap(), Canned::Refused);
    for text in [
        "a:80",
        "a=200",
        "a:b=200",
        ":80=200",
        "a:80=soon",
        "a:80=200:@/nowhere",
    ] {
        assert!(canned(text).is_err(), "{text}");
    }
}
