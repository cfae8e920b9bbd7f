//! What a test tells.

use std::fmt::Write as _;
use std::time::Duration;

use cairn_wasm::{Grant, MetricReading, Subscriptions, Value};
use serde_json::{Value as Json, json};

use super::super::subscriptions;
use super::run::{Ran, Sent};
use super::watch::{Change, Hook, Line};
use crate::out::{self, Paint};

/// The most of a body that is shown to people.
const SHOWN: usize = 300;

/// All that is known when a test has ended.
pub(super) struct Report {
    pub(super) file: String,
    /// What the filter was granted because it asked.
    pub(super) assumed: Vec<Grant>,
    pub(super) took: Duration,
    pub(super) subscriptions: Subscriptions,
    pub(super) request: String,
    pub(super) identity: String,
    pub(super) response: String,
    pub(super) ran: Ran,
    pub(super) metrics: Vec<MetricReading>,
}

impl Report {
    /// For people.
    pub(super) fn text(&self, paint: Paint) -> String {
        let mut text = format!(
            "{}: loaded and configured in {:.0?}\n",
            paint.title(&self.file),
            self.took
        );
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        for grant in &self.assumed {
            line(format!("  granted for this test: {}", grant.annotation()));
        }
        let hooks = subscriptions::described(&self.subscriptions);
        line(if hooks.is_empty() {
            "  subscribes to nothing with this configuration".to_owned()
        } else {
            format!("  subscribes to {}", hooks.join(", "))
        });
        if !self.metrics.is_empty() {
            let metrics: Vec<String> = self.metrics.iter().map(metric).collect();
            line(format!("  defines {}", metrics.join(", ")));
        }
        for logged in &self.ran.configuring {
            line(format!("  log {:<5} {}", logged.level, logged.text));
        }
        line(format!("\n{} from {}", paint.title(&self.request), self.identity));
        let mut reached = false;
        for hook in &self.ran.hooks {
            if !reached && is_after_the_service(hook.hook) {
                reached = true;
                line(self.reached(paint));
            }
            line(called(hook, paint).trim_end().to_owned());
        }
        if !reached {
            line(self.reached(paint));
        }
        line(format!(
            "\n{}{}",
            paint.title(format_args!("the client gets, from {}:", self.ran.by)),
            sent(&self.ran.response)
        ));
        text
    }

    fn reached(&self, paint: Paint) -> String {
        match &self.ran.request {
            Some(request) => format!(
                "\n{}{}\n\n{}",
                paint.title("the service gets:"),
                sent(request),
                paint.title(format_args!("{} from the service", self.response))
            ),
            None => format!("\n{}", paint.title("the service gets nothing")),
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Json {
        let metrics = self
            .metrics
            .iter()
            .map(|metric| json!({"name": metric.name, "kind": metric.kind, "labels": metric.labels}));
        json!({
            "file": self.file,
            "granted": self.assumed.iter().map(|grant| grant.annotation()).collect::<Vec<_>>(),
            "loadMicroseconds": microseconds(self.took),
            "subscriptions": subscriptions::json(&self.subscriptions),
            "metrics": metrics.collect::<Vec<_>>(),
            "log": self.ran.configuring,
            "hooks": self.ran.hooks.iter().map(hook_json).collect::<Vec<_>>(),
            "request": self.ran.request.as_ref().map(sent_json),
            "response": sent_json(&self.ran.response),
            "responseBy": self.ran.by,
            "failed": self.ran.has_failed(),
        })
    }
}

fn is_after_the_service(hook: &str) -> bool {
    !hook.starts_with("on-request")
}

fn metric(metric: &MetricReading) -> String {
    let labels = if metric.labels.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", metric.labels.join(", "))
    };
    format!("{} {}{labels}", metric.kind, metric.name)
}

/// What one hook did, in lines.
fn called(hook: &Hook, paint: Paint) -> String {
    let verdict = match (&hook.failure, &hook.verdict) {
        (Some(failure), _) => paint.bad(format_args!("failed, {failure}")),
        (None, Some(verdict)) => paint.good(verdict),
        (None, None) => paint.good("ok"),
    };
    let part = hook.part.map_or_else(String::new, |part| {
        let end = if part.end { ", the last" } else { "" };
        format!(" of {}{end}", out::count(part.bytes, "byte"))
    });
    // Of a hook that failed, the instance is gone.
    let memory = match hook.failure {
        Some(_) => String::new(),
        None => format!(", {}", out::size(hook.memory)),
    };
    let cost = format!("{:.1?} of CPU{memory}", hook.cpu);
    let mut text = format!(
        "\n{}{part}: {verdict}  {}\n",
        paint.title(hook.hook),
        paint.quiet(cost)
    );
    let mut line = |line: String| {
        // A String takes whatever is written to it.
        let _ = writeln!(text, "  {line}");
    };
    for change in &hook.changes {
        line(match change {
            Change::Added(name, value) => paint.good(format_args!("+ {name}: {value}")),
            Change::Removed(name, value) => paint.bad(format_args!("- {name}: {value}")),
            Change::Replaced(name, old, new) => format!("~ {name}: {old} → {new}"),
        });
    }
    if let Some(body) = &hook.replaced {
        line(format!("body becomes {}", shown(body)));
    }
    if let Some(remark) = &hook.remark {
        line(remark.clone());
    }
    for call in &hook.calls {
        line(format!(
            "call {} {}{} → {}",
            call.method, call.target, call.path, call.answer
        ));
    }
    for (key, value) in &hook.metadata {
        line(format!("metadata {key} = {}", value_json(value)));
    }
    for counted in &hook.counted {
        line(format!("metric {counted}"));
    }
    for Line { level, text } in &hook.log {
        line(format!("log {level:<5} {text}"));
    }
    if hook.state > 0 {
        line(format!(
            "keeps {} for later hooks",
            out::count(hook.state, "byte")
        ));
    }
    text
}

/// A message in lines.
fn sent(sent: &Sent) -> String {
    let mut text = String::new();
    for (name, value) in &sent.head {
        let _ = write!(text, "\n  {name}: {value}");
    }
    if !sent.body.is_empty() {
        let _ = write!(text, "\n  {}", shown(&sent.body));
    }
    for (name, value) in &sent.trailers {
        let _ = write!(text, "\n  {name}: {value}  (trailer)");
    }
    text
}

/// A body, or its begin, with what is no text escaped.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let begin: String = text.chars().take(SHOWN).collect();
    let more = if begin.len() < text.len() { " …" } else { "" };
    format!("{begin:?}{more} ({})", out::count(body.len(), "byte"))
}

fn hook_json(hook: &Hook) -> Json {
    let changes = hook.changes.iter().map(|change| match change {
        Change::Added(name, value) => json!({"change": "added", "name": name, "value": value}),
        Change::Removed(name, value) => json!({"change": "removed", "name": name, "value": value}),
        Change::Replaced(name, old, new) => {
            json!({"change": "replaced", "name": name, "old": old, "value": new})
        }
    });
    let metadata: serde_json::Map<String, Json> = hook
        .metadata
        .iter()
        .map(|(key, value)| (key.clone(), value_json(value)))
        .collect();
    json!({
        "hook": hook.hook,
        "verdict": hook.verdict,
        "failure": hook.failure.as_ref().map(|failure| json!({
            "reason": failure.reason.as_str(),
            "message": failure.message,
        })),
        "part": hook.part.map(|part| json!({"bytes": part.bytes, "end": part.end})),
        "changes": changes.collect::<Vec<_>>(),
        "body": hook.replaced.as_deref().map(String::from_utf8_lossy),
        "remark": hook.remark,
        "calls": hook.calls,
        "metadata": metadata,
        "counted": hook.counted,
        "log": hook.log,
        "stateBytes": hook.state,
        "cpuMicroseconds": microseconds(hook.cpu),
        "memoryBytes": hook.memory,
    })
}

fn sent_json(sent: &Sent) -> Json {
    json!({
        "head": sent.head,
        "body": String::from_utf8_lossy(&sent.body),
        "trailers": sent.trailers,
    })
}

fn value_json(value: &Value) -> Json {
    match value {
        Value::Boolean(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Text(value) => json!(value),
        Value::Bytes(value) => json!(String::from_utf8_lossy(value)),
        Value::Texts(values) => json!(values),
    }
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
