//! A filter that does on command what filters usually do. It is there for the benchmarks of the host; its README lists the
//! commands.

use cairn_filter::{BodyVerdict, Exchange, Filter, Head, HeadVerdict, Subscriptions};
use serde::Deserialize;

cairn_filter::export!(Bench);

/// What tells one build of the module from another; benchmarks overwrite it.
static GENERATION: &str = "generation-a";

/// The lines that `read` reads.
const LINES: [&str; 10] = [
    ":method",
    ":path",
    ":authority",
    "user-agent",
    "accept",
    "accept-encoding",
    "authorization",
    "cookie",
    "x-b3-traceid",
    "x-tenant",
];

/// The filter.
struct Bench(Config);

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    head: Option<HeadWork>,
    body: Option<BodyWork>,
    turns: u64,
    note: String,
}

/// What to do with a request's head.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HeadWork {
    Nothing,
    See,
    Read,
    Mark,
}

/// What to do with a request's body.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BodyWork {
    Pass,
    Replace,
}

impl Filter for Bench {
    type Config = Config;

    fn configure(config: Config) -> Result<Bench, String> {
        Ok(Bench(config))
    }

    fn subscriptions(&self) -> Subscriptions {
        let wanted = Subscriptions::new();
        let wanted = match self.0.head {
            None => wanted,
            Some(HeadWork::Nothing | HeadWork::Mark) => wanted.request_head::<&str>([]),
            Some(HeadWork::Read) => wanted.request_head(LINES),
            Some(HeadWork::See) => wanted.request_head_all(),
        };
        match self.0.body {
            None => wanted,
            Some(BodyWork::Pass | BodyWork::Replace) => wanted.request_body_stream(),
        }
    }

    fn on_request_head(&self, _: &Exchange<'_>, head: &Head) -> HeadVerdict {
        work(self.0.turns);
        match self.0.head {
            None | Some(HeadWork::Nothing | HeadWork::See) => HeadVerdict::next(),
            Some(HeadWork::Read) => {
                let bytes: usize = LINES.iter().filter_map(|name| head.get(name)).map(str::len).sum();
                HeadVerdict::next().append("x-bench", bytes.to_string())
            }
            Some(HeadWork::Mark) => {
                let generation = std::hint::black_box(GENERATION);
                HeadVerdict::next().append("x-bench", format!("{generation}-{}", self.0.note))
            }
        }
    }

    fn on_request_body(&self, _: &Exchange<'_>, part: &[u8], _: bool) -> BodyVerdict {
        match self.0.body {
            None | Some(BodyWork::Pass) => BodyVerdict::Pass,
            Some(BodyWork::Replace) => BodyVerdict::Replace(part.to_vec()),
        }
    }
}

/// Computes something that cannot be left out.
fn work(turns: u64) {
    let mut value = turns | 1;
    for _ in 0..turns {
        value ^= value << 13;
        value ^= value >> 7;
        value ^= value << 17;
    }
    std::hint::black_box(value);
}

#[cfg(test)]
mod tests;
