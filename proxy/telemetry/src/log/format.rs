//! The two looks of a log line, those of Istio's ztunnel, so that its users' log pipelines go on working.
//!
//! A line is a line: control characters in messages and values are escaped, whatever they were made of.

use std::fmt::{self, Write};
use std::io;

use jiff::Timestamp;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber, span};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// `<time>\t<level>\t<target:span{fields}>\t<message>\t<field=value ...>`
pub(super) struct Plain;

/// `{"level":…,"time":…,"scope":…,"message":…,<fields>,"<span>":{…}}`
pub(super) struct Json;

/// The fields of spans in a plain line.
pub(super) struct PlainFields;

/// The fields of spans in a JSON line: `,"field":value` for each.
pub(super) struct JsonFields;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let origin = Origin::of(event);
        write!(
            out,
            "{}\t{}\t{}",
            now(),
            origin.level(event),
            origin.target(event)
        )?;
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            write!(out, ":{}", span.name())?;
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
                && !fields.is_empty()
            {
                write!(out, "{{{}}}", fields.fields)?;
            }
        }
        out.write_char('\t')?;
        let mut message = Message {
            out: Escaped(&mut out),
            result: Ok(()),
        };
        event.record(&mut message);
        message.result?;
        let mut fields = PlainVisitor {
            out: &mut out,
            separator: '\t',
            result: Ok(()),
        };
        event.record(&mut fields);
        fields.result?;
        out.write_char('\n')
    }
}

impl<'w> FormatFields<'w> for PlainFields {
    fn format_fields<R: RecordFields>(&self, mut out: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = PlainVisitor {
            out: &mut out,
            separator: '\0',
            result: Ok(()),
        };
        fields.record(&mut visitor);
        visitor.result
    }
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let origin = Origin::of(event);
        write!(
            out,
            r#"{{"level":"{}","time":"{}","scope":"#,
            origin.level(event),
            now()
        )?;
        json(&mut out, origin.target(event))?;
        let mut text = String::new();
        let mut message = Message {
            out: &mut text,
            result: Ok(()),
        };
        event.record(&mut message);
        message.result?;
        out.write_str(r#","message":"#)?;
        json(&mut out, &text)?;
        let mut fields = JsonVisitor {
            out: &mut out,
            result: Ok(()),
        };
        event.record(&mut fields);
        fields.result?;
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                out.write_char(',')?;
                json(&mut out, span.name())?;
                write!(out, ":{{{}}}", fields.fields.trim_start_matches(','))?;
            }
        }
        out.write_str("}\n")
    }
}

impl<'w> FormatFields<'w> for JsonFields {
    fn format_fields<R: RecordFields>(&self, mut out: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = JsonVisitor {
            out: &mut out,
            result: Ok(()),
        };
        fields.record(&mut visitor);
        visitor.result
    }

    fn add_fields(&self, current: &'w mut FormattedFields<Self>, fields: &span::Record<'_>) -> fmt::Result {
        self.format_fields(current.as_writer(), fields)
    }
}

fn now() -> impl fmt::Display {
    struct Micros(Timestamp);
    impl fmt::Display for Micros {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(formatter, "{:.6}", self.0)
        }
    }
    Micros(Timestamp::now())
}

/// The real target of an event that came in through the `log` crate, whose events all have the target `log`.
#[derive(Default)]
struct Origin {
    target: Option<String>,
}

impl Origin {
    fn of(event: &Event<'_>) -> Self {
        let mut origin = Self::default();
        if event.metadata().target() == "log" {
            event.record(&mut origin);
        }
        origin
    }

    fn target<'e>(&'e self, event: &Event<'e>) -> &'e str {
        self.target
            .as_deref()
            .unwrap_or_else(|| event.metadata().target())
    }

    fn level(&self, event: &Event<'_>) -> &'static str {
        match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        }
    }
}

impl Visit for Origin {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "log.target" {
            self.target = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// Whether a field belongs behind the message: not the message itself, nor what the `log` crate adds.
fn is_shown(field: &Field) -> bool {
    field.name() != "message" && !field.name().starts_with("log.")
}

fn name(field: &Field) -> &str {
    field.name().trim_start_matches("r#")
}

/// Writes the message and nothing else.
struct Message<W> {
    out: W,
    result: fmt::Result,
}

impl<W: Write> Visit for Message<W> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.result = self.out.write_str(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.result = write!(self.out, "{value:?}");
        }
    }
}

/// Writes `field=value` pairs with a space between them.
struct PlainVisitor<'a, W> {
    out: &'a mut W,
    /// What precedes the next field; NUL for nothing.
    separator: char,
    result: fmt::Result,
}

impl<W: Write> PlainVisitor<'_, W> {
    fn pair(&mut self, field: &Field, value: impl fmt::Display) {
        if self.result.is_err() || !is_shown(field) {
            return;
        }
        let separator = std::mem::replace(&mut self.separator, ' ');
        if separator != '\0' {
            self.result = self.out.write_char(separator);
        }
        self.result = self
            .result
            .and_then(|()| write!(self.out, "{}={value}", name(field)));
    }
}

impl<W: Write> Visit for PlainVisitor<'_, W> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.pair(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.pair(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.pair(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.pair(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.pair(field, format_args!("{value:?}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        let quoted = text.starts_with('"') && text.ends_with('"') && text.len() > 1;
        let plain = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '"');
        if !text.contains(char::is_control) && (quoted || plain) {
            self.pair(field, text);
        } else {
            self.pair(field, format_args!("{text:?}"));
        }
    }
}

/// Writes `,"field":value` pairs.
struct JsonVisitor<'a, W> {
    out: &'a mut W,
    result: fmt::Result,
}

impl<W: Write> JsonVisitor<'_, W> {
    fn pair(&mut self, field: &Field, value: &(impl Serialize + ?Sized)) {
        if self.result.is_err() || !is_shown(field) {
            return;
        }
        self.result = self.out.write_char(',');
        self.result = self.result.and_then(|()| json(self.out, name(field)));
        self.result = self.result.and_then(|()| self.out.write_char(':'));
        self.result = self.result.and_then(|()| json(self.out, value));
    }
}

impl<W: Write> Visit for JsonVisitor<'_, W> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.pair(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.pair(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.pair(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.pair(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.pair(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.pair(field, &format_args!("{value:?}"));
    }
}

fn json(out: &mut impl Write, value: &(impl Serialize + ?Sized)) -> fmt::Result {
    serde_json::to_writer(Utf8(out), value).map_err(|_| fmt::Error)
}

/// Lets serde_json, which writes bytes, write to a text.
struct Utf8<'a, W>(&'a mut W);

impl<W: Write> io::Write for Utf8<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Escapes control characters on their way.
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(char::is_control) {
            let (before, after) = rest.split_at(at);
            self.0.write_str(before)?;
            let mut characters = after.chars();
            if let Some(control) = characters.next() {
                write!(self.0, "{}", control.escape_default())?;
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}
