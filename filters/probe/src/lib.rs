//! A filter that does on command what filters should and should not do. It is there for the tests of the host; its
//! README lists the commands.

mod action;
mod config;
mod misdeed;

use cairn_filter::metrics::{Counter, Gauge, Histogram};
use cairn_filter::{BodyVerdict, Edits, Exchange, Fields, Filter, Head, HeadVerdict, Subscriptions};

use crate::action::{Action, After};
use crate::config::{Config, Configure};

#[cfg(feature = "ticker")]
cairn_filter::export_ticking!(Probe);
#[cfg(not(feature = "ticker"))]
cairn_filter::export!(Probe);

/// The filter.
struct Probe {
    config: Config,
    metrics: Metrics,
}

/// One of each kind.
pub(crate) struct Metrics {
    pub(crate) calls: Counter,
    pub(crate) last: Gauge,
    pub(crate) values: Histogram,
}

impl Filter for Probe {
    type Config = Config;

    fn configure(config: Config) -> Result<Probe, String> {
        match config.configure {
            Configure::Ok => {}
            Configure::Error => return Err("configured to refuse its configuration".to_owned()),
            Configure::Panic => misdeed::panic("configured to panic in `configure`"),
            Configure::Spin => misdeed::spin(),
        }
        if let Some(name) = &config.define {
            Counter::new(name, &[])?;
        }
        let metrics = Metrics {
            calls: Counter::new("probe_calls", &["label"])?,
            last: Gauge::new("probe_last", &[])?,
            values: Histogram::new("probe_values", &[])?,
        };
        Ok(Probe { config, metrics })
    }

    fn subscriptions(&self) -> Subscriptions {
        self.config.subscriptions()
    }

    fn on_request_head(&self, exchange: &Exchange<'_>, _: &Head) -> HeadVerdict {
        self.head("request_head", &self.config.request_head, exchange)
    }

    fn on_request_body(&self, exchange: &Exchange<'_>, part: &[u8], end: bool) -> BodyVerdict {
        self.body("request_body", &self.config.request_body, exchange, part, end)
    }

    fn on_request_trailers(&self, exchange: &Exchange<'_>, _: &Fields) -> Edits {
        self.trailers("request_trailers", &self.config.request_trailers, exchange)
    }

    fn on_response_head(&self, exchange: &Exchange<'_>, _: &Head) -> HeadVerdict {
        self.head("response_head", &self.config.response_head, exchange)
    }

    fn on_response_body(&self, exchange: &Exchange<'_>, part: &[u8], end: bool) -> BodyVerdict {
        self.body("response_body", &self.config.response_body, exchange, part, end)
    }

    fn on_response_trailers(&self, exchange: &Exchange<'_>, _: &Fields) -> Edits {
        self.trailers("response_trailers", &self.config.response_trailers, exchange)
    }

    fn on_done(&self, exchange: &Exchange<'_>) {
        if self.wanted("done", exchange)
            && let Some(action) = &self.config.done
        {
            action.act(Some(exchange), &self.metrics);
        }
    }
}

#[cfg(feature = "ticker")]
impl cairn_filter::Ticker for Probe {
    fn tick(&self) {
        if let Some(action) = &self.config.tick {
            action.act(None, &self.metrics);
        }
    }
}

impl Probe {
    fn head(&self, hook: &str, action: &Option<Action>, exchange: &Exchange<'_>) -> HeadVerdict {
        let Some(action) = action.as_ref().filter(|_| self.wanted(hook, exchange)) else {
            return HeadVerdict::next();
        };
        match action.act(Some(exchange), &self.metrics) {
            After::Next(edits) => HeadVerdict::Next(edits),
            After::Hold => HeadVerdict::hold(),
            After::Done => HeadVerdict::done(),
            After::Reply(reply) => HeadVerdict::Reply(reply),
            // A head has no body; the words of a body hook mean nothing here.
            After::Replace(_) | After::Release(_) => HeadVerdict::next(),
        }
    }

    fn body(
        &self,
        hook: &str,
        action: &Option<Action>,
        exchange: &Exchange<'_>,
        part: &[u8],
        end: bool,
    ) -> BodyVerdict {
        let Some(action) = action.as_ref().filter(|_| self.wanted(hook, exchange)) else {
            return BodyVerdict::Pass;
        };
        match action.act(Some(exchange), &self.metrics) {
            After::Hold if !end => BodyVerdict::Hold,
            After::Replace(body) => BodyVerdict::Replace(body.unwrap_or_else(|| part.to_ascii_uppercase())),
            After::Release(edits) if end => {
                BodyVerdict::release(edits.set("x-length", part.len().to_string()))
            }
            After::Release(_) => BodyVerdict::Hold,
            After::Next(edits) if !edits.is_empty() => BodyVerdict::release(edits),
            After::Reply(reply) => BodyVerdict::Reply(reply),
            After::Next(_) | After::Hold | After::Done => BodyVerdict::Pass,
        }
    }

    fn trailers(&self, hook: &str, action: &Option<Action>, exchange: &Exchange<'_>) -> Edits {
        let Some(action) = action.as_ref().filter(|_| self.wanted(hook, exchange)) else {
            return Edits::new();
        };
        match action.act(Some(exchange), &self.metrics) {
            After::Next(edits) | After::Release(edits) => edits,
            After::Hold | After::Done | After::Reply(_) | After::Replace(_) => Edits::new(),
        }
    }

    /// Whether this request is one to act upon at this hook.
    fn wanted(&self, hook: &str, exchange: &Exchange<'_>) -> bool {
        !self.config.only_marked
            || exchange
                .request_field("x-probe")
                .is_some_and(|marks| marks.split(',').any(|mark| is_hook(mark.trim(), hook)))
    }
}

/// Whether a mark names the hook, or the hook of this plugin as `PLUGIN.HOOK`.
fn is_hook(mark: &str, hook: &str) -> bool {
    match mark.split_once('.') {
        Some((plugin, of)) => of == hook && plugin == cairn_filter::plugin::name(),
        None => mark == hook,
    }
}

#[cfg(test)]
mod tests;
