//! Greets the service, blocks who says so, and signs the response.

use cairn_filter::{Exchange, Filter, Head, HeadVerdict, Reply, Subscriptions};
use serde::Deserialize;

cairn_filter::export!(Greeter);

/// The configuration.
#[derive(Deserialize)]
struct Config {
    #[serde(default = "hello")]
    greeting: String,
}

fn hello() -> String {
    "hello".to_owned()
}

struct Greeter {
    greeting: String,
}

impl Filter for Greeter {
    type Config = Config;

    fn configure(config: Config) -> Result<Greeter, String> {
        Ok(Greeter {
            greeting: config.greeting,
        })
    }

    // What is not asked for is not called and costs nothing.
    fn subscriptions(&self) -> Subscriptions {
        Subscriptions::new()
            .request_head(["x-blocked"])
            .response_head([""; 0])
    }

    fn on_request_head(&self, _exchange: &Exchange<'_>, head: &Head) -> HeadVerdict {
        if head.get("x-blocked").is_some() {
            return Reply::new(403)
                .header("content-type", "text/plain")
                .body("blocked\n")
                .details("blocked")
                .into();
        }
        HeadVerdict::next().set("x-greeting", self.greeting.as_str())
    }

    fn on_response_head(&self, _exchange: &Exchange<'_>, _head: &Head) -> HeadVerdict {
        HeadVerdict::next().set("x-filtered-by", "rust")
    }
}

#[cfg(test)]
mod tests;
