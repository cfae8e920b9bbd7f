//! Lets each caller send so many requests in a time, and answers 429 beyond. See the README.

mod bucket;
mod config;

use std::hash::{DefaultHasher, Hash, Hasher};

use cairn_filter::metrics::Counter;
use cairn_filter::shared::{self, SetError};
use cairn_filter::{Exchange, Filter, Head, HeadVerdict, Reply, Subscriptions, clock, warn};

use crate::bucket::Taken;
use crate::config::{By, Config, Limit, WhenFull};

cairn_filter::export!(LocalRateLimit, schema = include_str!("../schema.json"));

/// gRPC's RESOURCE_EXHAUSTED.
const RESOURCE_EXHAUSTED: u32 = 8;
/// The longest value that is part of a key as it is.
const LONGEST: usize = 128;

/// The filter.
struct LocalRateLimit {
    limits: Vec<Limit>,
    headers: bool,
    when_full: WhenFull,
    requests: Counter,
}

impl Filter for LocalRateLimit {
    type Config = Config;

    fn configure(config: Config) -> Result<LocalRateLimit, String> {
        Ok(LocalRateLimit {
            limits: config.limits()?,
            headers: config.headers,
            when_full: config.when_full,
            requests: Counter::new("rate_limit_requests", &["limit", "outcome"])?,
        })
    }

    fn subscriptions(&self) -> Subscriptions {
        let headers = self.limits.iter().filter_map(|limit| match &limit.by {
            By::Header(name) => Some(name.as_str()),
            By::Everyone | By::Identity => None,
        });
        let wanted = Subscriptions::new().request_head(headers.chain([":path"]));
        if self.headers {
            wanted.response_head(["ratelimit"])
        } else {
            wanted
        }
    }

    fn on_request_head(&self, exchange: &Exchange<'_>, head: &Head) -> HeadVerdict {
        let path = head.path().unwrap_or_default();
        let mut tightest: Option<(&Limit, Taken)> = None;
        for limit in self
            .limits
            .iter()
            .filter(|limit| path.starts_with(&limit.path_prefix))
        {
            let taken = match take(limit, &limit.key(exchange, head)) {
                Ok(taken) => taken,
                Err(error) => {
                    self.requests.increment(&[&limit.name, "error"]);
                    warn!("limit {}: the bucket cannot be kept: {error:?}", limit.name);
                    match self.when_full {
                        WhenFull::Allow => continue,
                        WhenFull::Deny => return refused(limit, 1).into(),
                    }
                }
            };
            if taken.full_at.is_none() {
                self.requests.increment(&[&limit.name, "limited"]);
                exchange.set_metadata("limited_by", limit.name.as_str());
                return self.refuse(limit, taken).into();
            }
            self.requests.increment(&[&limit.name, "allowed"]);
            if tightest.as_ref().is_none_or(|(_, other)| taken.left < other.left) {
                tightest = Some((limit, taken));
            }
        }
        if let Some((limit, taken)) = tightest.filter(|_| self.headers) {
            exchange.set_state_bytes(told(limit, taken).join("\n").as_bytes());
        }
        HeadVerdict::next()
    }

    fn on_response_head(&self, exchange: &Exchange<'_>, _: &Head) -> HeadVerdict {
        let state = exchange.state_bytes();
        let mut lines = state.split(|byte| *byte == b'\n');
        match (lines.next(), lines.next()) {
            (Some(policy), Some(left)) => HeadVerdict::next()
                .append("ratelimit-policy", policy)
                .append("ratelimit", left),
            _ => HeadVerdict::next(),
        }
    }
}

impl LocalRateLimit {
    fn refuse(&self, limit: &Limit, taken: Taken) -> Reply {
        let reply = refused(limit, seconds(taken));
        if !self.headers {
            return reply;
        }
        let [policy, left] = told(limit, taken);
        reply.header("ratelimit-policy", policy).header("ratelimit", left)
    }
}

impl Limit {
    /// Under which the bucket is kept.
    fn key(&self, exchange: &Exchange<'_>, head: &Head) -> String {
        let caller = match &self.by {
            By::Everyone => return self.name.clone(),
            By::Identity => exchange.source_principal(),
            By::Header(name) => head
                .bytes(name)
                .map(|value| String::from_utf8_lossy(value).into_owned()),
        };
        // With a mark for those that have none, so that nobody shares their bucket by sending an empty value.
        let Some(caller) = caller else {
            return format!("{}!", self.name);
        };
        match caller.char_indices().nth(LONGEST) {
            None => format!("{}={caller}", self.name),
            Some((end, _)) => {
                let mut hasher = DefaultHasher::new();
                caller.hash(&mut hasher);
                let begin = caller.get(..end).unwrap_or_default();
                format!("{}~{begin}{:016x}", self.name, hasher.finish())
            }
        }
    }
}

fn take(limit: &Limit, key: &str) -> Result<Taken, SetError> {
    let now = u64::try_from(clock::wall().as_nanos()).unwrap_or(u64::MAX);
    shared::update(key, Some(limit.rate.refill()), |kept| {
        let full_at = kept.and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
        let taken = limit.rate.take(full_at.map(u64::from_le_bytes), now);
        (taken.full_at.map(|at| at.to_le_bytes().to_vec()), taken)
    })
}

fn refused(limit: &Limit, wait: u64) -> Reply {
    Reply::new(429)
        .problem(
            "Too many requests",
            &format!("The limit {} is reached.", limit.name),
        )
        .header("retry-after", wait.to_string())
        .grpc(RESOURCE_EXHAUSTED)
        .details("rate_limited")
}

/// `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10.
fn told(limit: &Limit, taken: Taken) -> [String; 2] {
    let left = format!("\"{}\";r={};t={}", limit.name, taken.left, seconds(taken));
    [limit.policy.clone(), left]
}

/// Whole seconds: one too many is better than one too few, which would be refused.
fn seconds(taken: Taken) -> u64 {
    let wait = taken.wait;
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
