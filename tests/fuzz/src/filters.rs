//! What registries send on the way to a filter, and what filters ask for.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use cairn_fetch::{DockerConfig, ImageReference, Source};
use cairn_http::body::Body;
use cairn_http::serve::{Settings, serve_http1};
use cairn_wasm::fuzz::Edit;
use cairn_wasm::{RequestHead, ResponseHead};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use crate::Target;

pub(crate) const MANIFEST: Target = Target {
    name: "manifest",
    run: |data| {
        if let Ok((digest, _)) = cairn_fetch::fuzz::manifest(data) {
            // It becomes part of an address.
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b':';
            assert!(digest.starts_with("sha256:") && digest.bytes().all(legal), "{digest}");
        }
    },
    seeds: &[
        br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.wasm.config.v0+json","digest":"sha256:2222222222222222222222222222222222222222222222222222222222222222","size":2},"layers":[{"mediaType":"application/wasm","digest":"sha256:1111111111111111111111111111111111111111111111111111111111111111","size":5}]}"#,
        br#"{"schemaVersion":2,"manifests":[{"mediaType":"m","digest":"sha256:1111111111111111111111111111111111111111111111111111111111111111","size":18446744073709551615,"platform":{"os":"wasip2","architecture":"wasm"},"annotations":{"vnd.docker.reference.type":"x"}},{"digest":"sha256:1111111111111111111111111111111111111111111111111111111111111111","size":0,"platform":{"os":"linux","architecture":"amd64"}}]}"#,
        br#"{"schemaVersion":2,"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","digest":"sha256:../..","size":-1}]}"#,
    ],
};

pub(crate) const CHALLENGE: Target = Target {
    name: "challenge",
    run: |data| drop(cairn_fetch::fuzz::challenge(data)),
    seeds: &[
        b"Bearer realm=\"https://auth.example/token\",service=\"registry\",scope=\"repository:a/b:pull\"",
        b"Basic realm=\"a \\\"b\\\"\", Bearer realm=x",
        b"Digest a=b, , Negotiate dG9rZW4=",
    ],
};

pub(crate) const LAYER: Target = Target {
    name: "layer",
    run: |data| {
        for compressed in [false, true] {
            if let Some(module) = cairn_fetch::fuzz::layer(data, compressed, 100) {
                assert!(module.len() <= 100, "{} bytes", module.len());
            }
        }
    },
    seeds: &[
        b"plugin.wasm\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x000000644\0",
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03+\xc8)M\xcf\xcc\xd3+O,\xce\x05\0",
        b"\x1f\x8b\x08\x1c\0\0\0\0\0\x03\x05\0extraname\0comment\0",
    ],
};

pub(crate) const DOCKER_CONFIG: Target = Target {
    name: "docker_config",
    run: |data| {
        if let Err(error) = DockerConfig::parse(data) {
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    },
    seeds: &[
        br#"{"auths":{"https://index.docker.io/v1/":{"username":"a","password":"hunter2"},"r.io:5000":{"auth":"YTpodW50ZXIy"}},"credsStore":"desktop"}"#,
        br#"{"auths":{"r.io":{"identitytoken":"hunter2","registrytoken":"hunter2"}},"credHelpers":{"r.io":"x"}}"#,
    ],
};

pub(crate) const SOURCE: Target = Target {
    name: "source",
    run: |data| {
        let Ok(text) = std::str::from_utf8(data) else {
            return;
        };
        if let Ok(source) = text.parse::<Source>() {
            assert!(
                !source.to_string().contains('@') || text.contains('@'),
                "{source}"
            );
        }
        if let Ok(image) = text.parse::<ImageReference>() {
            assert!(
                !image.registry().is_empty() && !image.repository().is_empty(),
                "{text:?}"
            );
            let climbs = image
                .repository()
                .split('/')
                .any(|part| matches!(part, "" | "." | ".."));
            assert!(!climbs, "{text:?}");
            let strange =
                |letter: char| letter.is_whitespace() || letter.is_control() || "?#@\\".contains(letter);
            assert!(!image.registry().contains(strange), "{text:?}");
            assert!(!image.repository().contains(strange), "{text:?}");
        }
    },
    seeds: &[
        b"oci://ghcr.io/a/b:1@sha256:1111111111111111111111111111111111111111111111111111111111111111",
        b"https://user:pass@example.com:8443/a/../b.wasm?x#y",
        b"file:///opt/filter.wasm",
        b"[::1]:5000/a__b/c-d:latest",
        b"ubuntu",
    ],
};

/// One change a line: `=NAME VALUE`, `+NAME VALUE` or `-NAME`; in values, `\` begins an escape of two letters.
pub(crate) const EDITS: Target = Target {
    name: "edits",
    run: |data| {
        let edits: Vec<Edit> = data.split(|byte| *byte == b'\n').filter_map(edit).collect();
        request(&edits);
        response(&edits);
        let (mut trailers, before) = (fields(), fields());
        if cairn_wasm::fuzz::trailers(&mut trailers, edits).is_err() {
            assert_eq!(trailers, before);
        }
        assert!(!trailers.contains_key("content-length") && !trailers.contains_key("transfer-encoding"));
    },
    seeds: &[
        b"=x-a 1\n+x-a 2\n-x-b",
        b"=:path /a?b\n=:method POST\n=:authority app:80\n=:status 404",
        b"=x-a 1\\rx\\nx-b: 2\n=:path /a HTTP/1.1\\r\\nx: y",
        b"=content-length 5\n+transfer-encoding chunked\n-connection\n=host b\n=:scheme https",
        b"=:path //a/../b%2e;c#d\n=:authority user@[::1]:1\n=:method HEAD",
        b"=te trailers\n=upgrade h2c\n=x-forwarded-client-cert URI=a\n=X-A \xff\\0",
    ],
};

fn edit(line: &[u8]) -> Option<Edit> {
    let (kind, rest) = line.split_first()?;
    let space = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
    let (name, value) = rest.split_at(space);
    let name = String::from_utf8(unescaped(name)).ok()?;
    let value = unescaped(value.strip_prefix(b" ").unwrap_or(value));
    match kind {
        b'=' => Some(Edit::Set(name, value)),
        b'+' => Some(Edit::Append(name, value)),
        _ => Some(Edit::Remove(name)),
    }
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = text.iter().copied();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.extend(match byte {
            b'\\' => bytes.next().map(|letter| match letter {
                b'r' => b'\r',
                b'n' => b'\n',
                b'0' => 0,
                other => other,
            }),
            byte => Some(byte),
        });
    }
    plain
}

fn fields() -> HeaderMap {
    HeaderMap::from_iter([
        (http::header::ACCEPT, HeaderValue::from_static("*/*")),
        (http::header::COOKIE, HeaderValue::from_static("a=b")),
    ])
}

/// What an endpoint reads in what is sent for a changed head is that head, and no other request.
fn request(edits: &[Edit]) {
    let begin = RequestHead {
        method: Method::GET,
        target: PathAndQuery::from_static("/a?b"),
        authority: Authority::from_static("app"),
        scheme: "http",
        headers: fields(),
    };
    let mut head = begin.clone();
    if cairn_wasm::fuzz::request(&mut head, edits.to_vec()).is_err() {
        assert_eq!(
            (&head.method, &head.target, &head.authority, &head.headers),
            (&begin.method, &begin.target, &begin.authority, &begin.headers)
        );
        return;
    }
    let mut bytes = format!(
        "{} {} HTTP/1.1\r\nhost: {}\r\n",
        head.method, head.target, head.authority
    )
    .into_bytes();
    for (name, value) in &head.headers {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    let read = read(&bytes);
    assert!(read.len() <= 1, "{} requests", read.len());
    for parts in read {
        assert_eq!(parts.method, head.method);
        assert_eq!(parts.uri.path_and_query(), Some(&head.target));
        assert_eq!(parts.headers.len(), head.headers.len() + 1);
        for name in head.headers.keys() {
            let values = |headers: &HeaderMap| -> Vec<Vec<u8>> {
                let values = headers.get_all(name).iter();
                values
                    .map(|value| value.as_bytes().trim_ascii().to_vec())
                    .collect()
            };
            assert_eq!(values(&parts.headers), values(&head.headers));
        }
    }
}

fn response(edits: &[Edit]) {
    let begin = ResponseHead {
        status: StatusCode::OK,
        headers: fields(),
    };
    let mut head = begin.clone();
    if cairn_wasm::fuzz::response(&mut head, edits.to_vec()).is_err() {
        assert_eq!((head.status, &head.headers), (begin.status, &begin.headers));
    }
    assert!(
        !matches!(head.status.as_u16(), 100..200 | 204 | 205 | 304),
        "{}",
        head.status
    );
    for framing in ["content-length", "transfer-encoding", "connection", "upgrade"] {
        assert!(!head.headers.contains_key(framing), "{framing}");
    }
}

/// The heads of the requests that the bytes are.
fn read(bytes: &[u8]) -> Vec<Parts> {
    let seen = Arc::<Mutex<Vec<Parts>>>::default();
    let recorded = Arc::clone(&seen);
    crate::http::block_on(async {
        let (client, server) = duplex(bytes.len().max(1));
        let (mut reader, mut writer) = tokio::io::split(client);
        let answer = move |request: Request<Body>| {
            let (parts, _) = request.into_parts();
            recorded
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(parts);
            async { Ok::<_, Infallible>(Response::new(Body::empty())) }
        };
        let send = async {
            let _ = writer.write_all(bytes).await;
            let _ = writer.shutdown().await;
        };
        let receive = async {
            let _ = reader.read_to_end(&mut Vec::new()).await;
        };
        let settings = Settings::default();
        let serve = serve_http1(server, answer, &settings, std::future::pending());
        tokio::join!(send, receive, serve);
    });
    std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner))
}
