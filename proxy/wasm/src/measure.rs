//! Metrics that filters keep themselves.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Metrics that one plugin may define.
const METRICS: usize = 32;
/// Labels of one metric.
const LABELS: usize = 8;
/// Sets of label values that are counted on their own; the rest is counted together.
const SERIES: usize = 256;
/// Bytes of one label value.
const VALUE: usize = 128;
/// Upper bounds of a histogram's buckets, as exponents of two.
const EXPONENTS: std::ops::RangeInclusive<i32> = -10..=20;
const OTHER: &str = "other";
/// What the proxy itself tells of filters. A name that is there twice makes all metrics of the proxy unreadable.
pub(crate) const RESERVED: [&str; 8] = [
    "calls",
    "cpu_seconds",
    "dropped_log_lines",
    "failing",
    "failures",
    "instances",
    "load_failures",
    "memory_bytes",
];
/// What kinds of metrics add to their names.
const SUFFIXES: [&str; 5] = ["_total", "_bucket", "_sum", "_count", "_created"];

/// What a metric measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// Suffix, labels and value.
pub(crate) type Sample = (&'static str, String, f64);

/// The samples of one metric, of all plugins that have it.
pub(crate) struct Family {
    pub(crate) kind: Kind,
    pub(crate) samples: Vec<Sample>,
}

/// A metric that a plugin has defined, as it is at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricReading {
    /// Its name, without `cairn_filter_` before it.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// What was counted, by the values of the labels, in their order.
    pub series: Vec<SeriesReading>,
}

/// What was counted under one set of label values.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesReading {
    /// The values, in the order of the labels.
    pub values: Vec<String>,
    /// The value; of a histogram the sum of its observations.
    pub value: f64,
    /// Observations of a histogram; 0 of others.
    pub count: u64,
}

/// The metrics of one plugin. They survive its generations.
#[derive(Debug)]
pub struct GuestMetrics {
    plugin: Arc<str>,
    metrics: Mutex<Vec<Metric>>,
}

#[derive(Debug)]
struct Metric {
    /// The newest that has defined it.
    generation: u64,
    kind: Kind,
    name: String,
    labels: Vec<String>,
    series: HashMap<Vec<String>, Series>,
    /// It has more sets of labels than are kept.
    overflowed: bool,
}

#[derive(Clone, Debug, Default)]
struct Series {
    value: f64,
    count: u64,
    /// Of a histogram: observations in each bucket, the last one without a bound.
    buckets: Vec<u64>,
}

impl Metric {
    fn is_like(&self, other: &Metric) -> bool {
        self.name == other.name && self.kind == other.kind && self.labels == other.labels
    }
}

impl GuestMetrics {
    /// No metrics yet.
    pub fn new(plugin: &str) -> GuestMetrics {
        GuestMetrics {
            plugin: plugin.into(),
            metrics: Mutex::default(),
        }
    }

    /// Defines a metric for a generation of the plugin. What an earlier one has defined otherwise begins anew.
    pub(crate) fn define(
        &self,
        generation: u64,
        kind: Kind,
        name: String,
        labels: Vec<String>,
    ) -> Result<u32, String> {
        check(&name, &labels)?;
        let mut metrics = self.lock();
        let known = metrics.iter().position(|metric| metric.name == name);
        let place = known.or_else(|| {
            // Where there is no more room, what no filter defines any more goes.
            let full = metrics.len() >= METRICS;
            let old = || metrics.iter().position(|metric| metric.generation != generation);
            if full { old() } else { None }
        });
        let fresh = Metric {
            generation,
            kind,
            name,
            labels,
            series: HashMap::new(),
            overflowed: false,
        };
        let index = place.unwrap_or(metrics.len());
        match metrics.get_mut(index) {
            Some(metric) if metric.is_like(&fresh) => metric.generation = generation,
            Some(metric) if metric.generation == generation => {
                return Err(format!(
                    "metric `{}` is defined already, with another kind or other labels",
                    fresh.name
                ));
            }
            Some(metric) => *metric = fresh,
            None if index >= METRICS => return Err(format!("there are {METRICS} metrics already")),
            None => metrics.push(fresh),
        }
        Ok(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Adds to a counter or a gauge. Nothing happens to a metric that does not exist or is of another kind.
    pub(crate) fn add(&self, metric: u32, labels: Vec<String>, by: f64) {
        self.change(metric, labels, |kind, series| match kind {
            Kind::Counter if by > 0.0 && by.is_finite() => series.value += by,
            Kind::Gauge => series.value += by,
            Kind::Counter | Kind::Histogram => {}
        });
    }

    /// Sets a gauge or adds an observation to a histogram.
    pub(crate) fn record(&self, metric: u32, labels: Vec<String>, value: f64) {
        self.change(metric, labels, |kind, series| match kind {
            Kind::Gauge => series.value = value,
            Kind::Histogram if value.is_finite() => {
                series.value += value;
                series.count += 1;
                let bucket = EXPONENTS
                    .filter(|exponent| value > f64::powi(2.0, *exponent))
                    .count();
                let buckets = EXPONENTS.count() + 1;
                series.buckets.resize(buckets, 0);
                if let Some(count) = series.buckets.get_mut(bucket) {
                    *count += 1;
                }
            }
            Kind::Counter | Kind::Histogram => {}
        });
    }

    /// What there is to read.
    pub fn read(&self) -> Vec<MetricReading> {
        let metrics = self.lock();
        let read = metrics.iter().map(|metric| {
            let series = metric.series.iter().map(|(values, series)| SeriesReading {
                values: values.clone(),
                value: series.value,
                count: series.count,
            });
            let mut series: Vec<_> = series.collect();
            series.sort_by(|one, other| one.values.cmp(&other.values));
            MetricReading {
                name: metric.name.clone(),
                kind: metric.kind.as_str(),
                labels: metric.labels.clone(),
                series,
            }
        });
        read.collect()
    }

    fn change(&self, metric: u32, mut labels: Vec<String>, change: impl FnOnce(Kind, &mut Series)) {
        let mut metrics = self.lock();
        let Some(metric) = usize::try_from(metric)
            .ok()
            .and_then(|index| metrics.get_mut(index))
        else {
            return;
        };
        if labels.len() != metric.labels.len() {
            return;
        }
        for label in &mut labels {
            if label.len() > VALUE {
                OTHER.clone_into(label);
            }
        }
        if !metric.series.contains_key(&labels) && metric.series.len() >= SERIES {
            labels.fill(OTHER.to_owned());
            if !std::mem::replace(&mut metric.overflowed, true) {
                tracing::warn!(
                    plugin = &*self.plugin,
                    "metric `{}` has more than {SERIES} sets of labels: further ones are counted together as `{OTHER}`",
                    metric.name
                );
            }
        }
        change(metric.kind, metric.series.entry(labels).or_default());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Metric>> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the samples of all metrics to those of other plugins.
    pub(crate) fn collect(&self, families: &mut BTreeMap<String, Family>) {
        for metric in self.lock().iter() {
            let name = format!("cairn_filter_{}", metric.name);
            let family = families.entry(name).or_insert_with(|| Family {
                kind: metric.kind,
                samples: Vec::new(),
            });
            // Of one name there can be one kind; whoever comes first has it.
            if family.kind != metric.kind {
                continue;
            }
            for (values, series) in &metric.series {
                let labels = self.labels(&metric.labels, values);
                match metric.kind {
                    Kind::Counter | Kind::Gauge => family.samples.push(("", labels, series.value)),
                    Kind::Histogram => histogram(&mut family.samples, &labels, series),
                }
            }
        }
    }

    fn labels(&self, names: &[String], values: &[String]) -> String {
        let mut text = String::from("plugin=\"");
        escape(&mut text, &self.plugin);
        text.push('"');
        for (name, value) in names.iter().zip(values) {
            text.push(',');
            text.push_str(name);
            text.push_str("=\"");
            escape(&mut text, value);
            text.push('"');
        }
        text
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 are not reached")]
fn histogram(lines: &mut Vec<Sample>, labels: &str, series: &Series) {
    let mut sum = 0;
    for (exponent, count) in EXPONENTS.zip(&series.buckets) {
        sum += count;
        let bound = f64::powi(2.0, exponent);
        lines.push(("_bucket", format!("{labels},le=\"{bound}\""), sum as f64));
    }
    lines.push(("_bucket", format!("{labels},le=\"+Inf\""), series.count as f64));
    lines.push(("_sum", labels.to_owned(), series.value));
    lines.push(("_count", labels.to_owned(), series.count as f64));
}

fn escape(text: &mut String, value: &str) {
    cairn_telemetry::metrics::escape_label_value(text, value);
}

/// Names that would make metrics unreadable are refused.
fn check(name: &String, labels: &[String]) -> Result<(), String> {
    if labels.len() > LABELS {
        return Err(format!("metric `{name}` has more than {LABELS} labels"));
    }
    if let Some(wrong) = std::iter::once(name).chain(labels).find(|name| !is_name(name)) {
        return Err(format!(
            "`{wrong}` is not a name of letters, digits and underscores"
        ));
    }
    if RESERVED.contains(&&**name) {
        return Err(format!("`{name}` is the name of a metric of the waypoint's own"));
    }
    if let Some(suffix) = SUFFIXES.into_iter().find(|suffix| name.ends_with(suffix)) {
        return Err(format!(
            "`{name}` ends in `{suffix}`, which is added to names where it belongs"
        ));
    }
    let twice = |(index, label): (usize, &String)| labels.iter().skip(index + 1).any(|other| other == label);
    if labels.iter().enumerate().any(twice) {
        return Err(format!("metric `{name}` has a label twice"));
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let mut letters = name.bytes();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
        && name.len() <= 64
        && name != "plugin"
        && name != "le"
}

#[cfg(test)]
mod tests;
