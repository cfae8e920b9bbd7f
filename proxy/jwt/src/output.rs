//! Claims as header fields.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde_json::Number;

use crate::claim::{Claim, Claims};

/// The claim that a rule names: nested names have dots between, but a claim that has the dots in its own name
/// (`https://example.com/roles`) goes first; Envoy does not find it.
pub(crate) fn find<'a>(claims: &'a Claims, name: &str) -> Option<&'a Claim> {
    claims.get(name).or_else(|| claims.at(name.split('.')))
}

/// What is written for a claim, as Envoy does it: strings and booleans as they are, lists and objects as their JSON in
/// base64. `None`: `null`, the empty string, and what cannot be in a header field.
pub(crate) fn value(claim: &Claim) -> Option<HeaderValue> {
    let text = match claim {
        Claim::Null => return None,
        Claim::Bool(value) => value.to_string(),
        Claim::Number(number) => decimal(number),
        Claim::Text(text) => {
            return HeaderValue::from_bytes(text.as_bytes())
                .ok()
                .filter(|v| !v.is_empty());
        }
        Claim::List(_) | Claim::Object(_) => STANDARD.encode(serde_json::to_vec(claim).ok()?),
    };
    HeaderValue::try_from(text).ok()
}

/// Whole numbers exactly; others with six digits after the point, which is what Envoy writes.
fn decimal(number: &Number) -> String {
    match number.as_f64() {
        Some(value) if number.is_f64() && (value.fract() != 0.0 || value.abs() >= u64::MAX as f64) => {
            format!("{value:.6}")
        }
        Some(value) if number.is_f64() => format!("{value:.0}"),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests;
