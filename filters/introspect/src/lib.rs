//! Lets only those in whose token the authorization server calls active (RFC 7662). See the README.

mod encode;
mod token;

use std::time::Duration;

use cairn_filter::metrics::Counter;
use cairn_filter::outbound::Call;
use cairn_filter::{Exchange, Filter, Head, HeadVerdict, Reply, Subscriptions, clock, debug, shared, warn};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::token::Token;

cairn_filter::export!(Introspect, schema = include_str!("../schema.json"));

/// gRPC's PERMISSION_DENIED, UNAVAILABLE and UNAUTHENTICATED.
const PERMISSION_DENIED: u32 = 7;
const UNAVAILABLE: u32 = 14;
const UNAUTHENTICATED: u32 = 16;

/// The configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    target: String,
    path: String,
    client_id: Option<String>,
    client_secret: Option<String>,
    /// The variable of the environment that holds the secret.
    client_secret_env: Option<String>,
    #[serde(default)]
    required_scopes: Vec<String>,
    audience: Option<String>,
    #[serde(default = "claims")]
    claims: Vec<String>,
    #[serde(default = "cache_seconds")]
    cache_seconds: u32,
    #[serde(default = "inactive_cache_seconds")]
    inactive_cache_seconds: u32,
    #[serde(default = "timeout_ms")]
    timeout_ms: u32,
    #[serde(default = "realm")]
    realm: String,
    #[serde(default = "yes")]
    forward_token: bool,
}

fn claims() -> Vec<String> {
    ["sub", "client_id", "username", "scope"]
        .map(str::to_owned)
        .to_vec()
}

fn cache_seconds() -> u32 {
    60
}

fn inactive_cache_seconds() -> u32 {
    10
}

fn timeout_ms() -> u32 {
    1000
}

fn realm() -> String {
    "api".to_owned()
}

fn yes() -> bool {
    true
}

/// The filter.
struct Introspect {
    config: Config,
    /// `Authorization` for the server.
    credentials: Option<String>,
    requests: Counter,
    lookups: Counter,
}

impl Filter for Introspect {
    type Config = Config;

    fn configure(config: Config) -> Result<Introspect, String> {
        if !config.path.starts_with('/') {
            return Err("path: begins with a slash".to_owned());
        }
        let plain = |text: &str| {
            text.bytes()
                .all(|byte| (b' '..127).contains(&byte) && !b"\"\\".contains(&byte))
        };
        if !plain(&config.realm) || !config.required_scopes.iter().all(|scope| plain(scope)) {
            return Err("realm and requiredScopes: ASCII without quotes and backslashes".to_owned());
        }
        Ok(Introspect {
            credentials: config.credentials()?,
            requests: Counter::new("introspect_requests", &["outcome"])?,
            lookups: Counter::new("introspect_lookups", &["from"])?,
            config,
        })
    }

    fn subscriptions(&self) -> Subscriptions {
        Subscriptions::new().request_head(["authorization"])
    }

    fn on_request_head(&self, exchange: &Exchange<'_>, head: &Head) -> HeadVerdict {
        let Some(sent) = sent(head) else {
            return self.refuse(401, "missing", "").into();
        };
        let Some(token) = self.look_up(sent) else {
            self.requests.increment(&["unavailable"]);
            return Reply::new(503)
                .problem("Service unavailable", "The token cannot be checked now.")
                .grpc(UNAVAILABLE)
                .details("introspect_unavailable")
                .into();
        };
        let for_us = |audience: &String| token.is_for(audience);
        if !token.is_active(clock::wall()) || !self.config.audience.as_ref().is_none_or(for_us) {
            return self.refuse(401, "inactive", ", error=\"invalid_token\"").into();
        }
        let scopes = &self.config.required_scopes;
        if !scopes.iter().all(|scope| token.has_scope(scope)) {
            let error = format!(", error=\"insufficient_scope\", scope=\"{}\"", scopes.join(" "));
            return self.refuse(403, "insufficient_scope", &error).into();
        }
        for name in &self.config.claims {
            if let Some(value) = token.claim(name) {
                exchange.set_metadata(name, value);
            }
        }
        self.requests.increment(&["active"]);
        if self.config.forward_token {
            HeadVerdict::next()
        } else {
            HeadVerdict::next().remove("authorization")
        }
    }
}

impl Introspect {
    /// What is known about a token: from the cache, else from the server. `None` if the server does not answer as it should.
    fn look_up(&self, sent: &str) -> Option<Token> {
        // The token itself must not stand in the store.
        let key = encode::hexadecimal(&Sha256::digest(sent));
        if let Some(token) = shared::get(&key).and_then(|entry| Token::read(&entry.value)) {
            self.lookups.increment(&["cache"]);
            return Some(token);
        }
        self.lookups.increment(&["server"]);
        let token = self.ask(sent)?.trimmed(&self.config.claims);
        let now = clock::wall();
        let longest = if token.is_active(now) {
            self.config.cache_seconds
        } else {
            self.config.inactive_cache_seconds
        };
        let ttl = Duration::from_secs(longest.into());
        let ttl = if token.is_active(now) {
            token.rest(now).map_or(ttl, |rest| rest.min(ttl))
        } else {
            ttl
        };
        if !ttl.is_zero()
            && let Err(error) = shared::set(&key, &token.to_bytes(), Some(ttl))
        {
            debug!("the answer cannot be kept: {error:?}");
        }
        Some(token)
    }

    fn ask(&self, sent: &str) -> Option<Token> {
        let body = format!("token={}&token_type_hint=access_token", encode::form(sent));
        let mut call = Call::post(&self.config.target, &self.config.path, body)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .timeout(Duration::from_millis(self.config.timeout_ms.into()));
        if let Some(credentials) = &self.credentials {
            call = call.header("authorization", credentials.as_str());
        }
        match call.send() {
            Ok(answer) if answer.status() == 200 => {
                let token = Token::read(answer.body());
                if token.is_none() {
                    warn!("{} answers something else than RFC 7662 says", self.config.target);
                }
                token
            }
            Ok(answer) => {
                warn!("{} answers {}", self.config.target, answer.status());
                None
            }
            Err(error) => {
                warn!("{} does not answer: {error:?}", self.config.target);
                None
            }
        }
    }

    fn refuse(&self, status: u16, outcome: &str, error: &str) -> Reply {
        self.requests.increment(&[outcome]);
        let (title, grpc) = match status {
            403 => ("Forbidden", PERMISSION_DENIED),
            _ => ("Unauthorized", UNAUTHENTICATED),
        };
        let detail = match outcome {
            "missing" => "A token is needed.",
            "inactive" => "The token is not valid.",
            _ => "The token has not all scopes that are needed.",
        };
        let challenge = format!("Bearer realm=\"{}\"{error}", self.config.realm);
        Reply::new(status)
            .problem(title, detail)
            .header("www-authenticate", challenge)
            .grpc(grpc)
            .details(&format!("introspect_{outcome}"))
    }
}

impl Config {
    fn credentials(&self) -> Result<Option<String>, String> {
        let secret = match (&self.client_secret, &self.client_secret_env) {
            (Some(_), Some(_)) => return Err("clientSecret and clientSecretEnv: one of them".to_owned()),
            (None, Some(name)) => Some(std::env::var(name).map_err(|_| {
                format!("clientSecretEnv: there is no variable `{name}` in the plugin's `vmConfig.env`")
            })?),
            (secret, None) => secret.clone(),
        };
        match (&self.client_id, secret) {
            (Some(id), Some(secret)) => {
                // RFC 6749, 2.3.1: both are encoded as in a form first.
                let pair = format!("{}:{}", encode::form(id), encode::form(&secret));
                Ok(Some(format!("Basic {}", encode::base64(pair.as_bytes()))))
            }
            (None, None) => Ok(None),
            _ => Err("clientId and a secret: both or none".to_owned()),
        }
    }
}

/// The token of `Authorization: Bearer` (RFC 6750, 2.1), if there is just one such line.
fn sent(head: &Head) -> Option<&str> {
    let mut lines = head.get_all("authorization");
    let line = lines.next()?;
    if lines.next().is_some() {
        return None;
    }
    let (scheme, token) = line.split_once(' ')?;
    let token = token.trim();
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    let is_token = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.bytes().all(legal);
    is_token.then_some(token)
}

#[cfg(test)]
mod tests;
