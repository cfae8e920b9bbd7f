//! The part of httpbin that a mesh is tried with.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Map, Value, json};

use super::Call;

/// The longest `/delay`, as httpbin has it.
const MAX_DELAY: f64 = 10.0;
const MAX_BYTES: usize = 1 << 20;

pub(super) async fn answer(call: &Call) -> Response<Full<Bytes>> {
    let path = call.path();
    match path {
        "/headers" => super::json(&json!({"headers": headers(&call.headers)})),
        "/get" | "/post" | "/put" | "/delete" | "/patch" | "/anything" => echo(call),
        _ if path.starts_with("/anything/") => echo(call),
        _ => parametrised(call, path).await,
    }
}

async fn parametrised(call: &Call, path: &str) -> Response<Full<Bytes>> {
    if let Some(code) = path.strip_prefix("/status/") {
        let code = code
            .parse()
            .ok()
            .and_then(|code: u16| StatusCode::from_u16(code).ok());
        return super::status(code.unwrap_or(StatusCode::BAD_REQUEST));
    }
    if let Some(seconds) = path.strip_prefix("/delay/") {
        let seconds: f64 = seconds.parse().unwrap_or_default();
        // What is no number at all stays so when it is clamped.
        let delay = Duration::try_from_secs_f64(seconds.clamp(0.0, MAX_DELAY)).unwrap_or_default();
        tokio::time::sleep(delay).await;
        return echo(call);
    }
    if let Some(count) = path.strip_prefix("/bytes/") {
        let count = count.parse().unwrap_or(0).min(MAX_BYTES);
        return super::typed("application/octet-stream", "x".repeat(count));
    }
    super::status(StatusCode::NOT_FOUND)
}

fn echo(call: &Call) -> Response<Full<Bytes>> {
    super::json(&json!({
        "method": call.method.as_str(),
        "url": call.uri.to_string(),
        "headers": headers(&call.headers),
        "data": String::from_utf8_lossy(&call.body),
    }))
}

fn headers(headers: &HeaderMap) -> Value {
    let mut members = Map::new();
    for name in headers.keys() {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        members.insert(name.to_string(), Value::String(values.join(",")));
    }
    Value::Object(members)
}
