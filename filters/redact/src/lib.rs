//! Masks what must not leave in the bodies of responses. See the README.

mod mask;
mod pattern;
mod program;

use cairn_filter::metrics::Counter;
use cairn_filter::{BodyVerdict, Exchange, Filter, Head, HeadVerdict, Reply, Subscriptions};
use serde::Deserialize;

use crate::mask::{Pattern, Place};
use crate::program::Program;

cairn_filter::export!(Redact, schema = include_str!("../schema.json"));

/// The configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    patterns: Vec<PatternForm>,
    #[serde(default = "text_types")]
    content_types: Vec<String>,
    #[serde(default)]
    encoded: Encoded,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PatternForm {
    name: String,
    literal: Option<String>,
    regex: Option<String>,
    #[serde(default = "replacement")]
    replacement: String,
}

/// What becomes of a response whose body is compressed although nobody asked for that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Encoded {
    /// The client gets 502.
    #[default]
    Block,
    /// It goes on as it is.
    Pass,
}

fn text_types() -> Vec<String> {
    [
        "text/",
        "application/json",
        "application/xml",
        "application/problem+json",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn replacement() -> String {
    "[redacted]".to_owned()
}

/// The filter.
struct Redact {
    patterns: Vec<Pattern>,
    content_types: Vec<String>,
    encoded: Encoded,
    matches: Counter,
    responses: Counter,
}

impl Filter for Redact {
    type Config = Config;

    fn configure(config: Config) -> Result<Redact, String> {
        if config.patterns.is_empty() {
            return Err("patterns: there is none; the filter would do nothing".to_owned());
        }
        let patterns = config
            .patterns
            .into_iter()
            .enumerate()
            .map(|(index, form)| {
                form.compile()
                    .map_err(|error| format!("patterns[{index}]: {error}"))
            })
            .collect::<Result<_, String>>()?;
        Ok(Redact {
            patterns,
            content_types: config
                .content_types
                .iter()
                .map(|kind| kind.to_ascii_lowercase())
                .collect(),
            encoded: config.encoded,
            matches: Counter::new("redact_matches", &["pattern"])?,
            responses: Counter::new("redact_responses", &["outcome"])?,
        })
    }

    fn subscriptions(&self) -> Subscriptions {
        let none: [&str; 0] = [];
        Subscriptions::new()
            .request_head(none)
            .response_head(["content-type", "content-encoding"])
            .response_body_stream()
    }

    /// What is compressed cannot be read, and half of a secret cannot be found.
    fn on_request_head(&self, _: &Exchange<'_>, _: &Head) -> HeadVerdict {
        HeadVerdict::next()
            .remove("accept-encoding")
            .remove("range")
            .remove("if-range")
    }

    fn on_response_head(&self, _: &Exchange<'_>, head: &Head) -> HeadVerdict {
        let kind = head.get("content-type").unwrap_or_default().to_ascii_lowercase();
        if head.end_of_stream() || !self.content_types.iter().any(|wanted| kind.starts_with(wanted)) {
            self.responses.increment(&["other"]);
            return HeadVerdict::done();
        }
        let plain = |coding: &str| {
            coding
                .split(',')
                .all(|coding| coding.trim().is_empty() || coding.trim().eq_ignore_ascii_case("identity"))
        };
        if !head.get_all("content-encoding").all(plain) {
            self.responses.increment(&["encoded"]);
            return match self.encoded {
                Encoded::Pass => HeadVerdict::done(),
                Encoded::Block => Reply::new(502)
                    .problem("Bad gateway", "The response is encoded and cannot be checked.")
                    .details("redact_encoded")
                    .into(),
            };
        }
        self.responses.increment(&["searched"]);
        // These would be about bytes that the client does not get.
        HeadVerdict::next()
            .remove("content-md5")
            .remove("digest")
            .remove("content-digest")
            .remove("repr-digest")
            .remove("accept-ranges")
    }

    fn on_response_body(&self, exchange: &Exchange<'_>, part: &[u8], end: bool) -> BodyVerdict {
        let mut place: Place = exchange.state().unwrap_or_default();
        let mut counts = vec![0_u32; self.patterns.len()];
        let masked = place.mask(&self.patterns, part, end, &mut counts);
        for (pattern, count) in self.patterns.iter().zip(counts).filter(|(_, count)| *count > 0) {
            self.matches.add(&[&pattern.name], count.into());
        }
        if end {
            exchange.set_metadata("matches", i64::try_from(place.matches).unwrap_or(i64::MAX));
        }
        if let Err(error) = exchange.set_state(&place) {
            // Without the state, what was kept would be lost, and a secret could pass.
            cairn_filter::error!("{error}");
            return Reply::new(500).details("redact_state").into();
        }
        BodyVerdict::Replace(masked)
    }
}

impl PatternForm {
    fn compile(self) -> Result<Pattern, String> {
        let node = match (&self.literal, &self.regex) {
            (Some(literal), None) => pattern::literal(literal),
            (None, Some(regex)) => pattern::parse(regex)?,
            _ => return Err("has either `literal` or `regex`".to_owned()),
        };
        Ok(Pattern {
            program: Program::new(&node)?,
            name: self.name,
            replacement: self.replacement.into_bytes(),
        })
    }
}

#[cfg(test)]
mod tests;
