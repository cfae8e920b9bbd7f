//! The two text formats: Prometheus' 0.0.4 and OpenMetrics 1.0.

use std::fmt::{Display, Write};

use http::HeaderMap;
use http::header::ACCEPT;

/// Writes metrics at each scrape.
pub trait Expose: Send + Sync + 'static {
    /// Writes families, each with all of its samples.
    fn expose(&self, out: &mut Exposition<'_>);
}

/// A text format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own text format.
    #[default]
    Text,
    /// OpenMetrics.
    OpenMetrics,
}

impl Format {
    /// The value of `content-type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What a scraper prefers by its `accept` header: OpenMetrics only if it is named, and not less than plain text.
    pub fn negotiate(headers: &HeaderMap) -> Format {
        let mut open_metrics = 0u16;
        let mut text = 0u16;
        for value in headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
        {
            for range in value.split(',') {
                let mut parts = range.split(';').map(str::trim);
                let weighed = match parts.next() {
                    Some(media) if media.eq_ignore_ascii_case("application/openmetrics-text") => {
                        &mut open_metrics
                    }
                    Some(media) if media.eq_ignore_ascii_case("text/plain") => &mut text,
                    _ => continue,
                };
                *weighed = (*weighed).max(weight(parts));
            }
        }
        if open_metrics > 0 && open_metrics >= text {
            Format::OpenMetrics
        } else {
            Format::Text
        }
    }
}

/// The `q` parameter in thousandths, 1 when there is none.
fn weight<'a>(mut parameters: impl Iterator<Item = &'a str>) -> u16 {
    let q = parameters.find_map(|parameter| parameter.strip_prefix("q=").or(parameter.strip_prefix("Q=")));
    let q = q.map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
    (q.clamp(0.0, 1.0) * 1000.0) as u16
}

/// What a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// A text that is being written.
#[derive(Debug)]
pub struct Exposition<'a> {
    out: &'a mut String,
    format: Format,
    /// The name of the samples of the present family.
    name: String,
}

impl<'a> Exposition<'a> {
    pub(super) fn new(out: &'a mut String, format: Format) -> Self {
        Self {
            out,
            format,
            name: String::new(),
        }
    }

    /// The format that is written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Begins a family. The name of a counter is without `_total`.
    pub fn family(&mut self, name: &str, help: &str, kind: Kind) {
        self.name.clear();
        self.name.push_str(name);
        let (kind, described) = match (kind, self.format) {
            (Kind::Counter, _) => {
                self.name.push_str("_total");
                (
                    "counter",
                    if self.format == Format::Text {
                        self.name.as_str()
                    } else {
                        name
                    },
                )
            }
            (Kind::Gauge, _) => ("gauge", name),
            (Kind::Histogram, _) => ("histogram", name),
        };
        self.out.push_str("# HELP ");
        self.out.push_str(described);
        self.out.push(' ');
        escape(self.out, help, self.format == Format::OpenMetrics);
        self.out.push_str("\n# TYPE ");
        self.out.push_str(described);
        self.out.push(' ');
        self.out.push_str(kind);
        self.out.push('\n');
    }

    /// Writes a sample of the family: its suffix (`_sum`, or nothing), its labels as `a="b",c="d"`, its value.
    pub fn sample(&mut self, suffix: &str, labels: &str, value: impl Display) {
        self.out.push_str(&self.name);
        self.out.push_str(suffix);
        if !labels.is_empty() {
            self.out.push('{');
            self.out.push_str(labels);
            self.out.push('}');
        }
        self.value(value);
    }

    /// Writes a bucket of a histogram.
    pub(super) fn bucket(&mut self, labels: &str, bound: &str, value: u64) {
        self.out.push_str(&self.name);
        self.out.push_str("_bucket{");
        if !labels.is_empty() {
            self.out.push_str(labels);
            self.out.push(',');
        }
        self.out.push_str("le=\"");
        self.out.push_str(bound);
        // OpenMetrics writes numbers in labels in one way only.
        if self.format == Format::OpenMetrics && bound.bytes().all(|byte| byte.is_ascii_digit()) {
            self.out.push_str(".0");
        }
        self.out.push_str("\"}");
        self.value(value);
    }

    fn value(&mut self, value: impl Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, " {value}");
    }
}

/// Appends a label value with `\`, `"` and line feeds escaped.
pub fn escape_label_value(out: &mut String, value: &str) {
    escape(out, value, true);
}

fn escape(out: &mut String, text: &str, quotes: bool) {
    for piece in text.split_inclusive(['\\', '"', '\n']) {
        match piece.as_bytes().last() {
            Some(b'\\') => {
                out.push_str(piece);
                out.push('\\');
            }
            Some(b'"') if quotes => {
                out.push_str(piece.trim_end_matches('"'));
                out.push_str("\\\"");
            }
            Some(b'\n') => {
                out.push_str(piece.trim_end_matches('\n'));
                out.push_str("\\n");
            }
            _ => out.push_str(piece),
        }
    }
}
