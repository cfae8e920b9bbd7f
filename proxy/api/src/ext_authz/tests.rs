//! Messages as Google's own protobuf library writes them (Python, `xds-protos` 1.85, deterministic).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use prost::Message;

use super::*;

const REQUEST: &[u8] = b"\x0a\xa8\x01\x0a;\x0a\x0e\x0a\x0c\x12\x0810.0.0.1\x18\0\x12\x05sleep\x1a\x0c\x0a\x03app\x12\x05sleep\"\x14spiffe://a/ns/b/sa/c\x12\x0b\x0a\x09\x0a\x07\x12\x03::1\x18P\"W\x0a\x08\x08\x80\xe2\xcf\xaa\x06\x10\x05\x12K\x0a\x011\x12\x03GET\x1a\x0a\x0a\x05:path\x12\x01/\x1a\x06\x0a\x01x\x12\x01y\"\x01/*\x01h2\x04httpH\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01R\x06HTTP/2Z\x01tb\x01\xffj\x08\x0a\x06\x0a\x01x\x1a\x01\xe4b\x03\x0a\x01s";

const OK: &[u8] = b"\x0a\x03\x12\x01m\x1av\x12\x11\x0a\x0f\x0a\x06x-user\x12\x05alice\x12\x11\x0a\x0b\x0a\x06x-more\x1a\x01\xe4\x12\x02\x08\x01\x12\x0d\x0a\x07\x0a\x05x-not\x12\0\x18\x03\x1a\x12\x0a\x10\x0a\x03old\x12\x09\x11\0\0\0\0\0\0\xf8?*\x06x-gone2\x15\x0a\x11\x0a\x0aset-cookie\x12\x03a=1\x18\x01:\x06\x0a\x01k\x12\x01vB\x04gone\"`\x0a\x1a\x0a\x04list\x12\x122\x10\x0a\x09\x11\0\0\0\0\0\0\xf0?\x0a\x03\x1a\x01b\x0a\x0a\x0a\x04none\x12\x02\x08\0\x0a\x1c\x0a\x06struct\x12\x12*\x10\x0a\x0e\x0a\x01n\x12\x09\x11\0\0\0\0\0\0\0@\x0a\x0b\x0a\x04text\x12\x03\x1a\x01a\x0a\x0b\x0a\x05truth\x12\x02 \x01";

const DENIED: &[u8] = b"\x0a\x02\x08\x10\x12(\x0a\x03\x08\x91\x03\x12\x1d\x0a\x19\x0a\x0ccontent-type\x12\x09text/html\x18\x02\x1a\x02no";

const ERROR: &[u8] = b"\x0a\x02\x08\x10*(\x0a\x03\x08\x91\x03\x12\x1d\x0a\x19\x0a\x0ccontent-type\x12\x09text/html\x18\x02\x1a\x02no";

/// A message that is written as it was read, so that no field of it was passed over.
fn whole<M: Message + Default>(bytes: &[u8]) -> M {
    let message = M::decode(bytes).unwrap();
    assert_eq!(
        message.encode_to_vec().escape_ascii().to_string(),
        bytes.escape_ascii().to_string()
    );
    message
}

#[test]
fn questions_are_envoys() {
    let attributes = whole::<CheckRequest>(REQUEST).attributes.unwrap();
    let source = attributes.source.unwrap();
    assert_eq!(
        (source.service.as_str(), source.labels["app"].as_str()),
        ("sleep", "sleep")
    );
    assert_eq!(source.principal, "spiffe://a/ns/b/sa/c");
    let address = source.address.unwrap().socket_address.unwrap();
    assert_eq!(
        (address.address.as_str(), address.port_value),
        ("10.0.0.1", Some(0))
    );
    let request = attributes.request.unwrap();
    let time = request.time.unwrap();
    assert_eq!((time.seconds, time.nanos), (1_700_000_000, 5));
    let http = request.http.unwrap();
    let texts = [
        http.id,
        http.method,
        http.path,
        http.host,
        http.scheme,
        http.protocol,
        http.body,
    ];
    assert_eq!(texts, ["1", "GET", "/", "h", "http", "HTTP/2", "t"]);
    assert_eq!((http.size, http.raw_body.as_ref()), (-1, &b"\xff"[..]));
    assert_eq!(
        (http.headers[":path"].as_str(), http.headers["x"].as_str()),
        ("/", "y")
    );
    let raw = &http.header_map.unwrap().headers[0];
    assert_eq!((raw.key.as_str(), raw.raw_value.as_ref()), ("x", &b"\xe4"[..]));
    assert_eq!(attributes.tls_session.unwrap().sni, "s");
}

#[test]
fn answers_are_envoys() {
    let answer = whole::<CheckResponse>(OK);
    assert_eq!(answer.status.map(|status| status.code), Some(0));
    let Some(HttpResponse::Ok(ok)) = answer.http_response else {
        panic!("it allows")
    };
    let options: Vec<(&str, &[u8], Option<bool>, i32)> = ok
        .headers
        .iter()
        .map(|option| {
            let header = option.header.as_ref().unwrap();
            (
                header.key.as_str(),
                header.value.as_ref(),
                option.append,
                option.append_action,
            )
        })
        .collect();
    assert_eq!(
        options,
        [
            ("x-user", &b"alice"[..], None, 0),
            ("x-more", b"", Some(true), 0),
            ("x-not", b"", Some(false), 3),
        ]
    );
    assert_eq!(ok.headers_to_remove, ["x-gone"]);
    assert_eq!(ok.response_headers_to_add[0].append_action, 1);
    assert_eq!(
        (
            ok.query_parameters_to_set[0].key.as_str(),
            ok.query_parameters_to_remove[0].as_str()
        ),
        ("k", "gone")
    );
    assert_eq!(
        ok.dynamic_metadata.unwrap().fields["old"].kind,
        Some(Kind::Number(1.5))
    );
    let noted = serde_json::Value::Object(answer.dynamic_metadata.unwrap().into());
    let expected = r#"{"list":[1.0,"b"],"none":null,"struct":{"n":2.0},"text":"a","truth":true}"#;
    assert_eq!(noted.to_string(), expected);
}

#[test]
fn refusals_are_envoys() {
    let Some(HttpResponse::Denied(denied)) = whole::<CheckResponse>(DENIED).http_response else {
        panic!("it denies")
    };
    let Some(HttpResponse::Error(error)) = whole::<CheckResponse>(ERROR).http_response else {
        panic!("it fails")
    };
    assert_eq!(denied, error);
    assert_eq!(
        (denied.status.unwrap().code, denied.body.as_ref()),
        (401, &b"no"[..])
    );
    assert_eq!(denied.headers[0].append_action, 2);
}
