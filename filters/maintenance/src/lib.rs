//! Answers 503 while a service is being worked on. See the README.

mod schedule;

use std::time::Duration;

use cairn_filter::metrics::Counter;
use cairn_filter::{Exchange, Filter, Head, HeadVerdict, Reply, Subscriptions, clock};
use serde::Deserialize;

use crate::schedule::{Window, WindowForm};

cairn_filter::export!(Maintenance, schema = include_str!("../schema.json"));

/// gRPC's UNAVAILABLE.
const UNAVAILABLE: u32 = 14;

/// The configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    #[serde(default)]
    always: bool,
    #[serde(default)]
    windows: Vec<WindowForm>,
    #[serde(default)]
    allow_paths: Vec<String>,
    #[serde(default)]
    allow_identities: Vec<String>,
    #[serde(default = "body")]
    body: String,
    #[serde(default = "content_type")]
    content_type: String,
    #[serde(default = "retry_after")]
    retry_after: u64,
}

fn body() -> String {
    "<!doctype html>\n<title>Back soon</title>\n<h1>Back soon</h1>\n<p>We are working on this service.</p>\n"
        .to_owned()
}

fn content_type() -> String {
    "text/html; charset=utf-8".to_owned()
}

fn retry_after() -> u64 {
    300
}

/// The filter.
struct Maintenance {
    config: Config,
    windows: Vec<Window>,
    requests: Counter,
}

impl Filter for Maintenance {
    type Config = Config;

    fn configure(config: Config) -> Result<Maintenance, String> {
        if !config.always && config.windows.is_empty() {
            return Err(
                "windows: there is none, and `always` is not set; the filter would do nothing".to_owned(),
            );
        }
        let compile = |(index, form): (usize, &WindowForm)| {
            form.compile()
                .map_err(|error| format!("windows[{index}]: {error}"))
        };
        let windows = config.windows.iter().enumerate().map(compile);
        Ok(Maintenance {
            windows: windows.collect::<Result<_, _>>()?,
            requests: Counter::new("maintenance_requests", &["outcome"])?,
            config,
        })
    }

    fn subscriptions(&self) -> Subscriptions {
        Subscriptions::new().request_head([":path"])
    }

    fn on_request_head(&self, exchange: &Exchange<'_>, head: &Head) -> HeadVerdict {
        let Some(wait) = self.wait() else {
            return HeadVerdict::next();
        };
        if self.is_allowed(exchange, head) {
            self.requests.increment(&["allowed"]);
            return HeadVerdict::next();
        }
        self.requests.increment(&["refused"]);
        exchange.set_metadata("maintenance", true);
        Reply::new(503)
            .header("content-type", self.config.content_type.as_str())
            .header("retry-after", wait.as_secs().max(1).to_string())
            .header("cache-control", "no-store")
            .body(self.config.body.as_str())
            .grpc(UNAVAILABLE)
            .details("maintenance")
            .into()
    }
}

impl Maintenance {
    /// How long it will last; `None` when nothing is being worked on.
    fn wait(&self) -> Option<Duration> {
        if self.config.always {
            return Some(Duration::from_secs(self.config.retry_after));
        }
        let now = clock::wall();
        self.windows.iter().filter_map(|window| window.rest(now)).max()
    }

    fn is_allowed(&self, exchange: &Exchange<'_>, head: &Head) -> bool {
        let path = head.path().unwrap_or_default();
        if self.config.allow_paths.iter().any(|allowed| allowed == path) {
            return true;
        }
        if self.config.allow_identities.is_empty() {
            return false;
        }
        exchange
            .source_principal()
            .is_some_and(|principal| self.config.allow_identities.contains(&principal))
    }
}

#[cfg(test)]
mod tests;
