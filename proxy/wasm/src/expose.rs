//! The metrics of all plugins, for Prometheus.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_telemetry::metrics::{Exposition, Kind as Written, escape_label_value};

use crate::failure::Reason;
use crate::measure::{GuestMetrics, Kind};
use crate::meter::Meter;

/// Writes what is counted about plugins, and what they count themselves.
pub fn expose(plugins: &[(Arc<Meter>, Arc<GuestMetrics>)], out: &mut Exposition<'_>) {
    if plugins.is_empty() {
        return;
    }
    let labels: Vec<String> = plugins.iter().map(|(meter, _)| plugin(meter)).collect();
    let meters = || plugins.iter().map(|(meter, _)| meter).zip(&labels);
    out.family(
        "cairn_filter_calls",
        "Hooks of filters that were called.",
        Written::Counter,
    );
    for (meter, labels) in meters() {
        out.sample("", labels, meter.calls());
    }
    out.family(
        "cairn_filter_failures",
        "Hooks of filters that failed, by reason.",
        Written::Counter,
    );
    for (meter, labels) in meters() {
        for reason in Reason::ALL {
            out.sample(
                "",
                &format!("{labels},reason=\"{reason}\""),
                meter.failures(reason),
            );
        }
    }
    out.family(
        "cairn_filter_cpu_seconds",
        "Time that the guests of filters ran.",
        Written::Counter,
    );
    for (meter, labels) in meters() {
        out.sample("", labels, meter.busy().as_secs_f64());
    }
    out.family("cairn_filter_instances", "Instances of filters.", Written::Gauge);
    for (meter, labels) in meters() {
        out.sample("", labels, meter.instances());
    }
    out.family(
        "cairn_filter_memory_bytes",
        "Linear memory of the instances of filters.",
        Written::Gauge,
    );
    for (meter, labels) in meters() {
        out.sample("", labels, meter.memory());
    }
    out.family(
        "cairn_filter_dropped_log_lines",
        "Lines that filters logged beyond their limit.",
        Written::Counter,
    );
    for (meter, labels) in meters() {
        out.sample("", labels, meter.dropped_lines());
    }
    let mut families = BTreeMap::new();
    for (_, metrics) in plugins {
        metrics.collect(&mut families);
    }
    for (name, family) in families {
        let kind = match family.kind {
            Kind::Counter => Written::Counter,
            Kind::Gauge => Written::Gauge,
            Kind::Histogram => Written::Histogram,
        };
        out.family(&name, "Of the filter itself.", kind);
        for (suffix, labels, value) in family.samples {
            out.sample(suffix, &labels, value);
        }
    }
}

fn plugin(meter: &Meter) -> String {
    let mut labels = String::from("plugin=\"");
    escape_label_value(&mut labels, meter.plugin());
    labels.push('"');
    labels
}
