//! The filter of the README: who calls, as a header for the service, and a door that stays closed.

use cairn_filter::{Exchange, Filter, Head, HeadVerdict, Reply, Subscriptions, export, serde};

#[derive(serde::Deserialize)]
#[serde(crate = "cairn_filter::serde", deny_unknown_fields)]
struct Config {
    /// Requests below this path are refused.
    closed: String,
}

struct Greet(Config);

impl Filter for Greet {
    type Config = Config;

    fn configure(config: Config) -> Result<Greet, String> {
        Ok(Greet(config))
    }

    fn subscriptions(&self) -> Subscriptions {
        Subscriptions::new().request_head([":path"])
    }

    fn on_request_head(&self, exchange: &Exchange<'_>, head: &Head) -> HeadVerdict {
        if head.path().unwrap_or_default().starts_with(&self.0.closed) {
            return Reply::new(403).body("Closed.\n").details("closed").into();
        }
        let caller = exchange.source_principal().unwrap_or_default();
        HeadVerdict::next().set("x-caller", caller)
    }
}

export!(Greet);

#[cfg(test)]
mod tests {
    use cairn_filter::testing::{Harness, Request};

    use super::{Greet, Reply};

    #[test]
    fn the_door_is_closed_and_callers_are_named() {
        let harness = Harness::<Greet>::new(r#"{"closed": "/admin"}"#).unwrap();
        let refused = harness.request(Request::get("/admin/keys"));
        assert_eq!(refused.reply().map(Reply::status), Some(403));

        let passed = harness.request(Request::get("/").principal("cluster.local/ns/default/sa/sleep"));
        assert_eq!(
            passed.request_field("x-caller").as_deref(),
            Some("cluster.local/ns/default/sa/sleep")
        );
    }

    #[test]
    fn a_mistake_in_the_configuration_is_named() {
        let error = Harness::<Greet>::new(r#"{"close": "/"}"#).unwrap_err();
        assert!(error.starts_with("pluginConfig.close: unknown field"), "{error}");
    }
}
