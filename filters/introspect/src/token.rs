//! What the authorization server says about a token (RFC 7662, 2.2).

use std::time::Duration;

use cairn_filter::serde_json::{self, Value};

/// An answer of the server, also as it is kept in the cache.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token(Value);

impl Token {
    /// Reads an answer; `None` if it is none.
    pub(crate) fn read(body: &[u8]) -> Option<Token> {
        let answer: Value = serde_json::from_slice(body).ok()?;
        answer.get("active")?.as_bool()?;
        Some(Token(answer))
    }

    /// Without the claims that nobody asks for: the cache is small.
    pub(crate) fn trimmed(mut self, claims: &[String]) -> Token {
        if let Value::Object(fields) = &mut self.0 {
            fields.retain(|name, _| {
                ["active", "exp", "scope", "aud"].contains(&name.as_str()) || claims.contains(name)
            });
        }
        self
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }

    /// It is active, and has not expired since the server said so.
    pub(crate) fn is_active(&self, now: Duration) -> bool {
        let active = self.0.get("active").and_then(Value::as_bool) == Some(true);
        active && self.rest(now).is_none_or(|rest| !rest.is_zero())
    }

    /// How long until it expires, if it does.
    pub(crate) fn rest(&self, now: Duration) -> Option<Duration> {
        let expires = self.0.get("exp")?.as_f64()?;
        // A time before 1970 or beyond all bounds is no time to live.
        let expires = Duration::try_from_secs_f64(expires).unwrap_or_default();
        Some(expires.saturating_sub(now))
    }

    pub(crate) fn has_scope(&self, wanted: &str) -> bool {
        let scope = self.0.get("scope").and_then(Value::as_str).unwrap_or_default();
        scope.split(' ').any(|scope| scope == wanted)
    }

    pub(crate) fn is_for(&self, audience: &str) -> bool {
        match self.0.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(audience)),
            _ => false,
        }
    }

    /// A claim as metadata can hold it.
    pub(crate) fn claim(&self, name: &str) -> Option<cairn_filter::Value> {
        match self.0.get(name)? {
            Value::Bool(value) => Some((*value).into()),
            Value::String(value) => Some(value.as_str().into()),
            Value::Number(value) => match value.as_i64() {
                Some(whole) => Some(whole.into()),
                None => value.as_f64().map(Into::into),
            },
            Value::Array(values) => {
                let texts: Option<Vec<String>> = values
                    .iter()
                    .map(|value| value.as_str().map(str::to_owned))
                    .collect();
                texts.map(Into::into)
            }
            Value::Null | Value::Object(_) => None,
        }
    }
}
