//! What a filter wants to be called for, in words and as JSON.

use cairn_wasm::{BodyInterest, Lines, Subscriptions};
use serde_json::{Value, json};

/// Each hook that is called, with what it is given.
pub(super) fn described(subscriptions: &Subscriptions) -> Vec<String> {
    let heads = [
        ("on-request-head", &subscriptions.request_head),
        ("on-response-head", &subscriptions.response_head),
    ];
    let [request_head, response_head] =
        heads.map(|(hook, lines)| lines.as_ref().map(|lines| format!("{hook} ({})", words(lines))));
    let [request_body, response_body] = [
        ("on-request-body", subscriptions.request_body),
        ("on-response-body", subscriptions.response_body),
    ]
    .map(|(hook, interest)| match interest {
        BodyInterest::None => None,
        BodyInterest::Stream => Some(format!("{hook} (each part as it comes)")),
        BodyInterest::Buffer(bytes) => Some(format!("{hook} (the whole, of at most {bytes} bytes)")),
    });
    let flag = |wanted: bool, hook: &str| wanted.then(|| hook.to_owned());
    let tick = subscriptions.tick.map(|every| format!("tick (every {every:?})"));
    [
        request_head,
        request_body,
        flag(subscriptions.request_trailers, "on-request-trailers"),
        response_head,
        response_body,
        flag(subscriptions.response_trailers, "on-response-trailers"),
        flag(subscriptions.done, "on-done"),
        tick,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The same for programs.
pub(super) fn json(subscriptions: &Subscriptions) -> Value {
    json!({
        "requestHead": subscriptions.request_head.as_ref().map(named),
        "requestBody": body(subscriptions.request_body),
        "requestTrailers": subscriptions.request_trailers,
        "responseHead": subscriptions.response_head.as_ref().map(named),
        "responseBody": body(subscriptions.response_body),
        "responseTrailers": subscriptions.response_trailers,
        "done": subscriptions.done,
        "tickMilliseconds": subscriptions.tick.map(|every| u64::try_from(every.as_millis()).unwrap_or(u64::MAX)),
    })
}

fn words(lines: &Lines) -> String {
    match names(lines) {
        None => "all lines".to_owned(),
        Some(names) if names.is_empty() => "none of its lines".to_owned(),
        Some(names) => names.join(", "),
    }
}

fn named(lines: &Lines) -> Value {
    names(lines).map_or_else(|| json!("all"), |names| json!(names))
}

/// The names that are asked for; `None` for all.
fn names(lines: &Lines) -> Option<Vec<&str>> {
    match lines {
        Lines::All => None,
        Lines::Named { pseudo, fields } => {
            let pseudo = pseudo.iter().map(String::as_str);
            Some(
                pseudo
                    .chain(fields.iter().map(http::HeaderName::as_str))
                    .collect(),
            )
        }
    }
}

fn body(interest: BodyInterest) -> Value {
    match interest {
        BodyInterest::None => Value::Null,
        BodyInterest::Stream => json!("stream"),
        BodyInterest::Buffer(bytes) => json!({"buffer": bytes}),
    }
}
