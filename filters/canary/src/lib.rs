//! Keeps each client on one variant of a service. See the README.

use cairn_filter::metrics::Counter;
use cairn_filter::{Exchange, Filter, Head, HeadVerdict, Subscriptions, random};
use serde::Deserialize;

cairn_filter::export!(Canary, schema = include_str!("../schema.json"));

/// The configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    variants: Vec<Variant>,
    #[serde(default = "header")]
    header: String,
    #[serde(default)]
    cookie: Cookie,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    name: String,
    weight: u32,
}

#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Cookie {
    name: String,
    path: String,
    /// In seconds; of a session without.
    max_age: Option<u32>,
    secure: bool,
}

impl Default for Cookie {
    fn default() -> Cookie {
        Cookie {
            name: "variant".to_owned(),
            path: "/".to_owned(),
            max_age: None,
            secure: true,
        }
    }
}

fn header() -> String {
    "x-variant".to_owned()
}

/// The filter.
struct Canary {
    config: Config,
    total: u64,
    requests: Counter,
}

impl Filter for Canary {
    type Config = Config;

    fn configure(config: Config) -> Result<Canary, String> {
        let total = config
            .variants
            .iter()
            .map(|variant| u64::from(variant.weight))
            .sum();
        if total == 0 {
            return Err("variants: the weights come to 0; there is nothing to choose from".to_owned());
        }
        for (index, variant) in config.variants.iter().enumerate() {
            if !is_token(&variant.name) {
                return Err(format!(
                    "variants[{index}].name: letters, digits and `-_.`, as it is sent in a cookie and a header"
                ));
            }
            if config
                .variants
                .iter()
                .skip(index + 1)
                .any(|other| other.name == variant.name)
            {
                return Err(format!(
                    "variants[{index}].name: `{}` is there twice",
                    variant.name
                ));
            }
        }
        if !is_token(&config.cookie.name) {
            return Err("cookie.name: letters, digits and `-_.`".to_owned());
        }
        let plain = |letter: char| letter.is_ascii_graphic() && letter != ';';
        if !config.cookie.path.starts_with('/') || !config.cookie.path.chars().all(plain) {
            return Err("cookie.path: a path without blanks and semicolons".to_owned());
        }
        Ok(Canary {
            config,
            total,
            requests: Counter::new("canary_requests", &["variant", "chosen"])?,
        })
    }

    fn subscriptions(&self) -> Subscriptions {
        let none: [&str; 0] = [];
        Subscriptions::new().request_head(["cookie"]).response_head(none)
    }

    fn on_request_head(&self, exchange: &Exchange<'_>, head: &Head) -> HeadVerdict {
        let kept = head
            .cookie(&self.config.cookie.name)
            .and_then(|name| self.kept(name));
        let variant = match kept {
            Some(variant) => {
                self.requests.increment(&[&variant.name, "before"]);
                variant
            }
            None => {
                let Some(variant) = self.draw(random::number()) else {
                    return HeadVerdict::next().remove(&self.config.header);
                };
                self.requests.increment(&[&variant.name, "now"]);
                exchange.set_state_bytes(variant.name.as_bytes());
                variant
            }
        };
        exchange.set_metadata("variant", variant.name.as_str());
        HeadVerdict::next().set(&self.config.header, variant.name.as_str())
    }

    fn on_response_head(&self, exchange: &Exchange<'_>, _: &Head) -> HeadVerdict {
        let chosen = exchange.state_bytes();
        match std::str::from_utf8(&chosen) {
            Ok(name) if !name.is_empty() => {
                HeadVerdict::next().append("set-cookie", self.config.cookie.line(name))
            }
            _ => HeadVerdict::next(),
        }
    }
}

impl Canary {
    /// The variant that a client was given before. One that has no weight any more is withdrawn from those who have it.
    fn kept(&self, name: &str) -> Option<&Variant> {
        self.config
            .variants
            .iter()
            .find(|variant| variant.name == name && variant.weight > 0)
    }

    /// A variant by weight, for a number that nobody can foretell.
    fn draw(&self, chance: u64) -> Option<&Variant> {
        let mut point = chance % self.total;
        self.config.variants.iter().find(|variant| {
            let weight = u64::from(variant.weight);
            let within = point < weight;
            point = point.saturating_sub(weight);
            within
        })
    }
}

impl Cookie {
    /// `Set-Cookie` (RFC 6265).
    fn line(&self, value: &str) -> String {
        let mut line = format!(
            "{}={value}; Path={}; HttpOnly; SameSite=Lax",
            self.name, self.path
        );
        if let Some(seconds) = self.max_age {
            line.push_str(&format!("; Max-Age={seconds}"));
        }
        if self.secure {
            line.push_str("; Secure");
        }
        line
    }
}

fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}

#[cfg(test)]
mod tests;
