//! Lets only those request bodies through that fit a JSON schema. See the README.

mod parse;
mod schema;
mod validate;

use cairn_filter::metrics::Counter;
use cairn_filter::serde_json::Value;
use cairn_filter::{BodyVerdict, Exchange, Filter, Head, HeadVerdict, Reply, Subscriptions};
use serde::Deserialize;

use crate::schema::Schema;

cairn_filter::export!(JsonSchema, schema = include_str!("../schema.json"));

/// gRPC's INVALID_ARGUMENT.
const INVALID_ARGUMENT: u32 = 3;

/// The configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    rules: Vec<RuleForm>,
    #[serde(default = "max_bytes")]
    max_bytes: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RuleForm {
    #[serde(default)]
    path_prefix: String,
    #[serde(default = "methods")]
    methods: Vec<String>,
    schema: Value,
}

fn max_bytes() -> u32 {
    64 << 10
}

fn methods() -> Vec<String> {
    ["POST", "PUT", "PATCH"].map(str::to_owned).to_vec()
}

/// The filter.
struct JsonSchema {
    rules: Vec<Rule>,
    max_bytes: u32,
    requests: Counter,
}

/// Which requests must fit which schema.
struct Rule {
    path_prefix: String,
    methods: Vec<String>,
    schema: Schema,
}

impl Filter for JsonSchema {
    type Config = Config;

    fn configure(config: Config) -> Result<JsonSchema, String> {
        if config.rules.is_empty() {
            return Err("rules: there is none; the filter would do nothing".to_owned());
        }
        let compile = |(index, form): (usize, RuleForm)| {
            let schema =
                Schema::compile(&form.schema).map_err(|error| format!("rules[{index}].schema: {error}"))?;
            Ok(Rule {
                path_prefix: form.path_prefix,
                methods: form.methods,
                schema,
            })
        };
        let rules = config.rules.into_iter().enumerate().map(compile);
        Ok(JsonSchema {
            rules: rules.collect::<Result<_, String>>()?,
            max_bytes: config.max_bytes,
            requests: Counter::new("json_schema_requests", &["outcome"])?,
        })
    }

    fn subscriptions(&self) -> Subscriptions {
        Subscriptions::new()
            .request_head([":method", ":path", "content-type", "content-encoding"])
            .request_body_buffer(self.max_bytes)
    }

    fn on_request_head(&self, exchange: &Exchange<'_>, head: &Head) -> HeadVerdict {
        let Some(index) = self.rule_of(head) else {
            return HeadVerdict::done();
        };
        if head.has("content-encoding") || !head.get("content-type").is_some_and(is_json) {
            return self
                .refuse(415, "The body must be JSON, and not compressed.")
                .into();
        }
        if head.end_of_stream() {
            return self.refuse(400, "There is no body.").into();
        }
        match exchange.set_state(&index) {
            Ok(()) => HeadVerdict::next(),
            Err(error) => {
                cairn_filter::error!("{error}");
                Reply::new(500).details("json_schema_state").into()
            }
        }
    }

    fn on_request_body(&self, exchange: &Exchange<'_>, body: &[u8], _: bool) -> BodyVerdict {
        let rule = exchange
            .state::<u32>()
            .and_then(|index| self.rules.get(usize::try_from(index).ok()?));
        let Some(rule) = rule else {
            return Reply::new(500).details("json_schema_state").into();
        };
        let value = match parse::parse(body) {
            Ok(value) => value,
            Err(error) => return self.refuse(400, &format!("The body is not JSON: {error}")).into(),
        };
        match rule.schema.check(&value) {
            Ok(()) => {
                self.requests.increment(&["valid"]);
                BodyVerdict::Pass
            }
            Err(mismatch) => {
                exchange.set_metadata("pointer", mismatch.pointer.as_str());
                let place = if mismatch.pointer.is_empty() {
                    "The body"
                } else {
                    &mismatch.pointer
                };
                self.refuse(400, &format!("{place} {}", mismatch.message)).into()
            }
        }
    }
}

impl JsonSchema {
    fn rule_of(&self, head: &Head) -> Option<u32> {
        let (method, path) = (head.method()?, head.path()?);
        let index = self.rules.iter().position(|rule| {
            path.starts_with(&rule.path_prefix) && rule.methods.iter().any(|known| known == method)
        })?;
        u32::try_from(index).ok()
    }

    fn refuse(&self, status: u16, detail: &str) -> Reply {
        self.requests
            .increment(&[if status == 415 { "not_json" } else { "invalid" }]);
        let title = if status == 415 {
            "Unsupported media type"
        } else {
            "Bad request"
        };
        Reply::new(status)
            .problem(title, detail)
            .grpc(INVALID_ARGUMENT)
            .details("json_schema")
    }
}

/// `application/json`, and types whose names end with `+json`.
fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

#[cfg(test)]
mod tests;
