//! Lets only those in that have a key. See the README.

use cairn_filter::metrics::Counter;
use cairn_filter::{Exchange, Filter, Head, HeadVerdict, Reply, Subscriptions};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

cairn_filter::export!(ApiKey, schema = include_str!("../schema.json"));

/// gRPC's UNAUTHENTICATED.
const UNAUTHENTICATED: u32 = 16;

/// The configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    keys: Vec<KeyForm>,
    #[serde(default = "header")]
    header: String,
    /// A word that stands before the key: `Bearer`.
    scheme: Option<String>,
    #[serde(default = "realm")]
    realm: String,
    /// The service is not shown the key.
    #[serde(default = "yes")]
    remove: bool,
    /// The service is told the key's name in this header.
    name_header: Option<String>,
    #[serde(default)]
    exempt_paths: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyForm {
    name: String,
    sha256: String,
}

fn header() -> String {
    "x-api-key".to_owned()
}

fn realm() -> String {
    "api".to_owned()
}

fn yes() -> bool {
    true
}

/// The filter.
struct ApiKey {
    config: Config,
    keys: Vec<Key>,
    challenge: String,
    requests: Counter,
}

/// A key that is let in.
struct Key {
    name: String,
    digest: [u8; 32],
}

impl Filter for ApiKey {
    type Config = Config;

    fn configure(config: Config) -> Result<ApiKey, String> {
        if config.keys.is_empty() {
            return Err("keys: there is none; nobody could come in".to_owned());
        }
        let keys = config
            .keys
            .iter()
            .enumerate()
            .map(|(index, form)| {
                let digest = digest(&form.sha256).ok_or_else(|| {
                    format!(
                        "keys[{index}].sha256: must be the 64 hexadecimal digits of the key's SHA-256 hash"
                    )
                })?;
                if form.name.is_empty() {
                    return Err(format!("keys[{index}].name: is empty"));
                }
                Ok(Key {
                    name: form.name.clone(),
                    digest,
                })
            })
            .collect::<Result<Vec<_>, String>>()?;
        if config.realm.contains(['"', '\\']) || !config.realm.is_ascii() {
            return Err("realm: ASCII without quotes and backslashes".to_owned());
        }
        let scheme = config.scheme.as_deref().unwrap_or("ApiKey");
        Ok(ApiKey {
            challenge: format!("{scheme} realm=\"{}\"", config.realm),
            keys,
            requests: Counter::new("api_key_requests", &["key", "outcome"])?,
            config,
        })
    }

    fn subscriptions(&self) -> Subscriptions {
        Subscriptions::new().request_head([self.config.header.as_str(), ":path"])
    }

    fn on_request_head(&self, exchange: &Exchange<'_>, head: &Head) -> HeadVerdict {
        let path = head.path().unwrap_or_default();
        if self.config.exempt_paths.iter().any(|exempt| exempt == path) {
            self.requests.increment(&["", "exempt"]);
            // A name that nobody has verified would be taken for one that was.
            return match &self.config.name_header {
                Some(name) => HeadVerdict::next().remove(name),
                None => HeadVerdict::next(),
            };
        }
        let Some(sent) = self.sent(head) else {
            self.requests.increment(&["", "missing"]);
            return self.refuse("A key is needed.", "api_key_missing").into();
        };
        let Some(key) = self.find(sent) else {
            self.requests.increment(&["", "unknown"]);
            return self.refuse("The key is not known.", "api_key_unknown").into();
        };
        self.requests.increment(&[&key.name, "allowed"]);
        exchange.set_metadata("key", key.name.as_str());
        let mut verdict = HeadVerdict::next();
        if self.config.remove {
            verdict = verdict.remove(&self.config.header);
        }
        if let Some(name) = &self.config.name_header {
            verdict = verdict.set(name, key.name.as_str());
        }
        verdict
    }
}

impl ApiKey {
    /// The key that the client has sent. Several are as good as none: which of them would count?
    fn sent<'a>(&self, head: &'a Head) -> Option<&'a [u8]> {
        let mut lines = head
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(&self.config.header));
        let (_, value) = lines.next()?;
        if lines.next().is_some() {
            return None;
        }
        let Some(scheme) = &self.config.scheme else {
            return Some(value);
        };
        let (word, key) = value.split_at_checked(scheme.len())?;
        let key = key.strip_prefix(b" ")?;
        word.eq_ignore_ascii_case(scheme.as_bytes())
            .then_some(key.trim_ascii())
    }

    /// The key of this hash. All are compared, each in full: how long it takes tells nothing about any.
    fn find(&self, sent: &[u8]) -> Option<&Key> {
        let digest = Sha256::digest(sent);
        let mut found = None;
        for key in &self.keys {
            let equal: Choice = key.digest.as_slice().ct_eq(digest.as_slice());
            if bool::from(equal) {
                found = Some(key);
            }
        }
        found
    }

    fn refuse(&self, detail: &str, reason: &str) -> Reply {
        Reply::new(401)
            .problem("Unauthorized", detail)
            .header("www-authenticate", self.challenge.as_str())
            .grpc(UNAUTHENTICATED)
            .details(reason)
    }
}

fn digest(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(pair).ok()?;
        // Also "+f" would parse as a number.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
