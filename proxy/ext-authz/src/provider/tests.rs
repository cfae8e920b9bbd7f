#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

use super::BodyLimit;
use crate::error::CheckError;
use crate::fixtures::{over_grpc, over_http};
use crate::refusal::{ERROR, Refusal};

#[test]
fn settings_have_istios_defaults() {
    for provider in [over_http(json!({})), over_grpc(json!({}))] {
        assert_eq!((provider.name(), provider.port()), ("authz", 9000));
        assert_eq!(provider.service().to_string(), "authz.foo.svc.cluster.local");
        assert_eq!(provider.timeout(), Duration::from_secs(600));
        assert_eq!(provider.body(), None);
        assert!(!provider.clear_route_cache());
        assert!(provider.templates().is_empty());
        let refusal = provider.settle(CheckError::Timeout).unwrap_err();
        assert_eq!(*refusal, Refusal::new(StatusCode::FORBIDDEN, ERROR));
    }
    assert!(over_grpc(json!({})).is_grpc());
    assert!(!over_http(json!({})).is_grpc());
}

#[test]
fn settings_are_what_is_written() {
    let written = json!({
        "timeout": "0.25s",
        "clearRouteCache": true,
        "statusOnError": "503",
        "includeRequestBodyInCheck": {"maxRequestBytes": 4096, "allowPartialMessage": true},
    });
    for provider in [over_http(written.clone()), over_grpc(written)] {
        assert_eq!(provider.timeout(), Duration::from_millis(250));
        assert!(provider.clear_route_cache());
        let body = BodyLimit {
            bytes: 4096,
            partial: true,
        };
        assert_eq!(provider.body(), Some(body));
        let refusal = provider.settle(CheckError::TooLarge).unwrap_err();
        assert_eq!(*refusal, Refusal::new(StatusCode::SERVICE_UNAVAILABLE, ERROR));
    }
    assert_eq!(
        over_http(json!({"timeout": "0s"})).timeout(),
        Duration::from_secs(600)
    );
    let templates = over_http(json!({"includeAdditionalHeadersInCheck": {"X-Method": "%REQ(:METHOD)%"}}));
    let templates: Vec<(&str, &str)> = templates
        .templates()
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    assert_eq!(templates, [("x-method", "%REQ(:METHOD)%")]);
}

#[test]
fn failures_pass_where_the_provider_fails_open() {
    let unable = || CheckError::Unable {
        status: Some(StatusCode::TOO_MANY_REQUESTS),
        refusal: Box::new(Refusal::new(StatusCode::FORBIDDEN, ERROR).with_body(Bytes::from_static(b"later"))),
    };
    let open = over_grpc(json!({"failOpen": true}));
    for error in [
        CheckError::Timeout,
        CheckError::Connect("refused".to_owned()),
        unable(),
    ] {
        assert!(open.settle(error).is_ok());
    }
    let closed = over_grpc(json!({"statusOnError": "500"}));
    let refusal = closed.settle(unable()).unwrap_err();
    assert_eq!(
        (refusal.status.as_u16(), refusal.body.as_ref()),
        (429, &b"later"[..])
    );
    let unable = CheckError::Unable {
        status: None,
        refusal: Box::new(Refusal::new(StatusCode::FORBIDDEN, ERROR)),
    };
    assert_eq!(closed.settle(unable).unwrap_err().status.as_u16(), 500);
}
