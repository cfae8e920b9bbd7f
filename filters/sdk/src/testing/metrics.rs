//! Metrics that filters have announced.

use std::collections::BTreeMap;

use crate::bindings::cairn::filter::metrics::Kind;

/// The metrics of one world.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Vec<Metric>);

#[derive(Debug)]
struct Metric {
    kind: Kind,
    name: String,
    labels: Vec<String>,
    series: BTreeMap<Vec<String>, (f64, u64)>,
}

impl Metrics {
    pub(crate) fn define(&mut self, kind: Kind, name: &str, labels: &[String]) -> Result<u32, String> {
        if let Some(at) = self.0.iter().position(|metric| metric.name == name) {
            let same = self
                .0
                .get(at)
                .is_some_and(|metric| metric.kind == kind && metric.labels == labels);
            let other = || format!("metric `{name}` is defined already, with another kind or other labels");
            return same.then(|| index(at)).ok_or_else(other);
        }
        if self.0.len() >= 32 || labels.len() > 8 {
            return Err(format!(
                "metric `{name}`: at most 32 metrics with at most 8 labels each"
            ));
        }
        self.0.push(Metric {
            kind,
            name: name.to_owned(),
            labels: labels.to_vec(),
            series: BTreeMap::new(),
        });
        Ok(index(self.0.len() - 1))
    }

    pub(crate) fn add(&mut self, metric: u32, labels: &[String], by: f64) {
        self.change(metric, labels, |kind, (value, _)| match kind {
            Kind::Counter if by <= 0.0 => {}
            Kind::Counter | Kind::Gauge => *value += by,
            Kind::Histogram => {}
        });
    }

    pub(crate) fn record(&mut self, metric: u32, labels: &[String], new: f64) {
        self.change(metric, labels, |kind, (value, count)| match kind {
            Kind::Counter => {}
            Kind::Gauge => *value = new,
            Kind::Histogram => {
                *value += new;
                *count += 1;
            }
        });
    }

    /// The value of a counter or gauge, or the sum of a histogram; and how many observations that has.
    pub(crate) fn read(&self, name: &str, labels: &[&str]) -> Option<(f64, u64)> {
        let metric = self.0.iter().find(|metric| metric.name == name)?;
        let (_, series) = metric.series.iter().find(|(known, _)| *known == labels)?;
        Some(*series)
    }

    fn change(&mut self, metric: u32, labels: &[String], change: impl FnOnce(Kind, &mut (f64, u64))) {
        let metric = usize::try_from(metric)
            .ok()
            .and_then(|index| self.0.get_mut(index));
        if let Some(metric) = metric.filter(|metric| metric.labels.len() == labels.len()) {
            let series = metric.series.entry(labels.to_vec()).or_default();
            change(metric.kind, series);
        }
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
