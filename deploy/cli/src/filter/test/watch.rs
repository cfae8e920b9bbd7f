//! What a hook did, found by looking at everything before and after it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use cairn_wasm::{Exchange, Filter, HookFailure, MetricReading, Value};
use http::HeaderMap;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::world::{Asked, Services};

/// A line that the filter logged.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    pub(super) level: String,
    pub(super) text: String,
}

/// The filter's log.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<Line>>>);

/// What one call of a hook came to.
#[derive(Debug, Default)]
pub(super) struct Hook {
    pub(super) hook: &'static str,
    /// In a word; nothing for a hook that decides nothing.
    pub(super) verdict: Option<String>,
    pub(super) failure: Option<HookFailure>,
    /// Of a body hook: the part that it was given.
    pub(super) part: Option<Part>,
    pub(super) changes: Vec<Change>,
    /// What goes on in place of the part.
    pub(super) replaced: Option<Vec<u8>>,
    /// What is to be known beyond that.
    pub(super) remark: Option<String>,
    pub(super) log: Vec<Line>,
    pub(super) counted: Vec<String>,
    pub(super) metadata: Vec<(String, Value)>,
    /// Bytes that it keeps for later hooks.
    pub(super) state: usize,
    pub(super) calls: Vec<Asked>,
    pub(super) cpu: Duration,
    /// Bytes of linear memory afterwards.
    pub(super) memory: u64,
}

/// A part of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) bytes: usize,
    pub(super) end: bool,
}

/// A line of a head or of trailers that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Added(String, String),
    Removed(String, String),
    Replaced(String, String, String),
}

/// Looks at everything that a hook may touch.
pub(super) struct Watch<'a> {
    filter: &'a Filter,
    lines: Lines,
    services: Arc<Services>,
    busy: Duration,
    metrics: Vec<MetricReading>,
    metadata: Vec<(String, Value)>,
    head: Vec<(String, String)>,
}

impl<'a> Watch<'a> {
    /// From now on.
    pub(super) fn new(filter: &'a Filter, lines: Lines, services: Arc<Services>) -> Watch<'a> {
        Watch {
            busy: filter.spec().meter.busy(),
            metrics: filter.spec().metrics.read(),
            filter,
            lines,
            services,
            metadata: Vec::new(),
            head: Vec::new(),
        }
    }

    /// What was logged so far, and is none of a hook's: by `configure`.
    pub(super) fn so_far(&self) -> Vec<Line> {
        self.lines.take()
    }

    /// Before a hook that may change this head.
    pub(super) fn before(&mut self, head: Vec<(String, String)>) {
        self.head = head;
    }

    /// After the hook: what it did, but for its verdict.
    pub(super) fn after(
        &mut self,
        hook: &'static str,
        exchange: &Exchange,
        head: &[(String, String)],
    ) -> Hook {
        let spec = self.filter.spec();
        let busy = spec.meter.busy();
        let metrics = spec.metrics.read();
        let metadata: Vec<(String, Value)> = exchange
            .notes()
            .filter(|note| **note.0 == *spec.name)
            .map(|(_, key, value)| (key.to_owned(), value.clone()))
            .collect();
        let found = Hook {
            hook,
            changes: changes(&self.head, head),
            log: self.lines.take(),
            counted: counted(&self.metrics, &metrics),
            metadata: metadata
                .iter()
                .filter(|note| !self.metadata.contains(note))
                .cloned()
                .collect(),
            state: exchange.state(&spec.plugin).len(),
            calls: self.services.take(),
            cpu: busy.saturating_sub(self.busy),
            memory: u64::try_from(spec.meter.memory()).unwrap_or_default(),
            ..Hook::default()
        };
        (self.busy, self.metrics, self.metadata) = (busy, metrics, metadata);
        found
    }
}

/// Lines of headers as text.
pub(super) fn lines(headers: &HeaderMap) -> Vec<(String, String)> {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    };
    headers.iter().map(line).collect()
}

/// What is different, name by name.
pub(super) fn changes(before: &[(String, String)], after: &[(String, String)]) -> Vec<Change> {
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in before.iter().chain(after) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut changes = Vec::new();
    for name in names {
        let of = |lines: &[(String, String)]| -> Vec<String> {
            let values = lines.iter().filter(|(known, _)| known == name);
            values.map(|(_, value)| value.clone()).collect()
        };
        let (old, new) = (of(before), of(after));
        match (old.as_slice(), new.as_slice()) {
            (old, new) if old == new => {}
            ([old], [new]) => changes.push(Change::Replaced(name.clone(), old.clone(), new.clone())),
            (old, new) => {
                // Lines that are there before and after stay unmentioned.
                let common = old.iter().zip(new).take_while(|(old, new)| old == new).count();
                let removed = old.iter().skip(common).cloned();
                changes.extend(removed.map(|value| Change::Removed(name.clone(), value)));
                let added = new.iter().skip(common).cloned();
                changes.extend(added.map(|value| Change::Added(name.clone(), value)));
            }
        }
    }
    changes
}

/// What was counted between two readings.
fn counted(before: &[MetricReading], after: &[MetricReading]) -> Vec<String> {
    let mut counted = Vec::new();
    for metric in after {
        let old = before.iter().find(|old| old.name == metric.name);
        for series in &metric.series {
            let old = old.and_then(|old| old.series.iter().find(|old| old.values == series.values));
            if old == Some(series) {
                continue;
            }
            let (value, count) = old.map_or((0.0, 0), |old| (old.value, old.count));
            let labels = metric.labels.iter().zip(&series.values);
            let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={value:?}")).collect();
            let labels = if labels.is_empty() {
                String::new()
            } else {
                format!("{{{}}}", labels.join(", "))
            };
            let change = match metric.kind {
                "gauge" => format!("= {}", series.value),
                "histogram" => format!("{} observed, sum +{}", series.count - count, series.value - value),
                _ => format!("+{}", series.value - value),
            };
            counted.push(format!("{} {}{labels} {change}", metric.kind, metric.name));
        }
    }
    counted
}

impl Lines {
    /// Keeps the lines of filters from now on, of all levels, and nothing else of the process.
    pub(super) fn install() -> anyhow::Result<Lines> {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::registry().with(lines.clone());
        tracing::subscriber::set_global_default(subscriber).context("there is a log already")?;
        Ok(lines)
    }

    /// What came since this was asked last.
    pub(super) fn take(&self) -> Vec<Line> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == "filter"
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Line {
            level: event.metadata().level().as_str().to_ascii_lowercase(),
            text: text.0,
        });
    }
}

/// The message of an event.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
