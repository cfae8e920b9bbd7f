//! What authorization servers answer.

use bytes::Bytes;
use cairn_api::istio::{ExtAuthzGrpc, MeshExtensionProvider};
use cairn_api::meta::{Kind, ObjectRef};
use cairn_ext_authz::{Allowed, CheckError, Providers, Refusal, Verdict};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};

use crate::Target;

/// The answer over gRPC: the message alone, and the whole body.
pub(crate) const CHECK_RESPONSE: Target = Target {
    name: "check_response",
    run: |data| {
        let object = ObjectRef::new(Kind::ConfigMap, "istio-system", "istio");
        let (providers, problems) = Providers::compile(&[provider()], &object);
        assert!(problems.is_empty(), "{problems:?}");
        let provider = providers.named("authz").expect("the provider");
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes();
        let framed = [&[0], &length[..], data].concat();
        let status = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
        let trailers = HeaderMap::from_iter([status]);
        for body in [framed.as_slice(), data] {
            let mut answer = Response::new(Bytes::copy_from_slice(body));
            let kind = HeaderValue::from_static("application/grpc");
            answer.headers_mut().insert(CONTENT_TYPE, kind);
            match provider.verdict(answer, Some(&trailers)) {
                Verdict::Allowed(allowed) => passes(&allowed),
                Verdict::Denied(refusal) | Verdict::Error(CheckError::Unable { refusal, .. }) => refuses(&refusal),
                Verdict::Error(error) => assert!(provider.settle(error).is_err(), "a failure lets it pass"),
            }
        }
    },
    seeds: &[
        b"\0\0\0\0\0",
        b"\x0a\x02\x08\x07",
        // All fields, as another program writes them.
        b"\x0a\x03\x12\x01m\x1av\x12\x11\x0a\x0f\x0a\x06x-user\x12\x05alice\x12\x11\x0a\x0b\x0a\x06x-more\x1a\x01\xe4\x12\x02\x08\x01\x12\x0d\x0a\x07\x0a\x05x-not\x12\0\x18\x03\x1a\x12\x0a\x10\x0a\x03old\x12\x09\x11\0\0\0\0\0\0\xf8?*\x06x-gone2\x15\x0a\x11\x0a\x0aset-cookie\x12\x03a=1\x18\x01:\x06\x0a\x01k\x12\x01vB\x04gone\"`\x0a\x1a\x0a\x04list\x12\x122\x10\x0a\x09\x11\0\0\0\0\0\0\xf0?\x0a\x03\x1a\x01b\x0a\x0a\x0a\x04none\x12\x02\x08\0\x0a\x1c\x0a\x06struct\x12\x12*\x10\x0a\x0e\x0a\x01n\x12\x09\x11\0\0\0\0\0\0\0@\x0a\x0b\x0a\x04text\x12\x03\x1a\x01a\x0a\x0b\x0a\x05truth\x12\x02 \x01",
        b"\x0a\x02\x08\x10\x12(\x0a\x03\x08\x91\x03\x12\x1d\x0a\x19\x0a\x0ccontent-type\x12\x09text/html\x18\x02\x1a\x02no",
        b"\x0a\x02\x08\x10*(\x0a\x03\x08\x91\x03\x12\x1d\x0a\x19\x0a\x0ccontent-type\x12\x09text/html\x18\x02\x1a\x02no",
        b"\x1a\x1e\x12\x0e\x0a\x0c\x0a\x05:path\x12\x03/b?\x12\x0c\x0a\x0a\x0a\x04host\x12\x02h:",
    ],
};

fn provider() -> MeshExtensionProvider {
    MeshExtensionProvider {
        name: "authz".to_owned(),
        envoy_ext_authz_grpc: Some(ExtAuthzGrpc {
            service: "authz.default.svc.cluster.local".to_owned(),
            port: Some(9000),
            ..ExtAuthzGrpc::default()
        }),
        ..MeshExtensionProvider::default()
    }
}

/// What an answer makes of a request is one that can be sent.
fn passes(allowed: &Allowed) {
    let request = Request::get("/a?k=w&gone=1&%67one").header(HOST, "helloworld:5000");
    let request = request.header(CONTENT_LENGTH, "5").header("x-user", "mallory");
    let (mut parts, ()) = request.body(()).expect("a request").into_parts();
    let before = parts.clone();
    if allowed.apply(&mut parts).is_ok() {
        let target = parts.uri.path_and_query().expect("a target");
        assert!(
            target.as_str().starts_with('/') && parts.uri.authority().is_none(),
            "{parts:?}"
        );
        assert!(
            parts.headers.contains_key(HOST) && parts.method != Method::CONNECT,
            "{parts:?}"
        );
        assert!(
            is_framed_as_before(&parts.headers) && parts.headers.len() <= 100,
            "{parts:?}"
        );
        let same =
            (&parts.method, &parts.uri, &parts.headers) == (&before.method, &before.uri, &before.headers);
        assert!(same || !allowed.leaves_request(), "{parts:?}");
    }
    let mut response = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static("5"))]);
    allowed.apply_to_response(&mut response);
    assert!(
        is_framed_as_before(&response) && response.len() <= 101,
        "{response:?}"
    );
}

fn is_framed_as_before(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_LENGTH).is_some_and(|length| length == "5")
        && !headers.contains_key(TRANSFER_ENCODING)
}

/// A refusal is a response that can be sent.
fn refuses(refusal: &Refusal) {
    assert!((200..600).contains(&refusal.status.as_u16()), "{refusal:?}");
    let framed =
        refusal.headers.contains_key(CONTENT_LENGTH) || refusal.headers.contains_key(TRANSFER_ENCODING);
    assert!(!framed && refusal.headers.len() <= 101, "{refusal:?}");
}
