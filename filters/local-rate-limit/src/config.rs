//! What limits there are, as users write them.

use std::time::Duration;

use serde::Deserialize;

use crate::bucket::Rate;

/// The configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Config {
    limits: Vec<LimitForm>,
    /// Tell clients what they have left.
    #[serde(default = "yes")]
    pub(crate) headers: bool,
    /// Let requests through while the store is full of other buckets.
    #[serde(default)]
    pub(crate) when_full: WhenFull,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LimitForm {
    name: String,
    #[serde(default)]
    by: By,
    #[serde(default)]
    path_prefix: String,
    requests: u32,
    #[serde(default)]
    per: Per,
    burst: Option<u32>,
}

/// Who shares a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum By {
    /// All requests.
    #[default]
    Everyone,
    /// Those of one identity of the mesh; those without one share a bucket.
    Identity,
    /// Those with one value of this header; those without it share a bucket.
    Header(String),
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Per {
    #[default]
    Second,
    Minute,
    Hour,
    Day,
}

/// What becomes of a request that there is no room for a bucket for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum WhenFull {
    /// It goes on.
    #[default]
    Allow,
    /// It is answered 429.
    Deny,
}

/// One limit.
#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) name: String,
    pub(crate) by: By,
    pub(crate) path_prefix: String,
    pub(crate) rate: Rate,
    /// `RateLimit-Policy`.
    pub(crate) policy: String,
}

impl Config {
    /// The limits, if all can be kept.
    pub(crate) fn limits(&self) -> Result<Vec<Limit>, String> {
        if self.limits.is_empty() {
            return Err("limits: there is none; the filter would do nothing".to_owned());
        }
        self.limits
            .iter()
            .enumerate()
            .map(|(index, form)| {
                let twice = self
                    .limits
                    .iter()
                    .skip(index + 1)
                    .any(|other| other.name == form.name);
                if twice {
                    return Err(format!("limits[{index}].name: `{}` is there twice", form.name));
                }
                form.compile().map_err(|error| format!("limits[{index}].{error}"))
            })
            .collect()
    }
}

impl LimitForm {
    fn compile(&self) -> Result<Limit, String> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(plain) {
            return Err("name: 1 to 64 letters, digits and `-_.`".to_owned());
        }
        let burst = self.burst.unwrap_or(self.requests);
        if self.requests == 0 || burst == 0 {
            return Err(
                "requests and burst are 1 at least; to refuse everybody, use an AuthorizationPolicy"
                    .to_owned(),
            );
        }
        if !self.path_prefix.is_empty() && !self.path_prefix.starts_with('/') {
            return Err("pathPrefix: begins with a slash".to_owned());
        }
        if matches!(&self.by, By::Header(name) if name.is_empty()) {
            return Err("by.header: is empty".to_owned());
        }
        let window = self.per.duration();
        Ok(Limit {
            name: self.name.clone(),
            by: self.by.clone(),
            path_prefix: self.path_prefix.clone(),
            rate: Rate::new(self.requests, window, burst),
            policy: format!("\"{}\";q={};w={}", self.name, self.requests, window.as_secs()),
        })
    }
}

impl Per {
    fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Per::Second => 1,
            Per::Minute => 60,
            Per::Hour => 3_600,
            Per::Day => 86_400,
        })
    }
}

fn yes() -> bool {
    true
}
