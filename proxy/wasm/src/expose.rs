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
        "cairn_filter_load_failures",
        "Generations of filters that could not be fetched or put in force.",
        Written::Counter,
    );
    for (meter, labels) in meters() {
        out.sample("", labels, meter.load_failures());
    }
    out.family(
        "cairn_filter_failing",
        "Whether many hooks of a filter failed in the last minute.",
        Written::Gauge,
    );
    for (meter, labels) in meters() {
        out.sample("", labels, u8::from(meter.fails_often()));
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use cairn_telemetry::metrics::{Expose, Format, Registry};

    use super::*;
    use crate::measure::RESERVED;

    struct Plugins(Vec<(Arc<Meter>, Arc<GuestMetrics>)>);

    impl Expose for Plugins {
        fn expose(&self, out: &mut Exposition<'_>) {
            expose(&self.0, out);
        }
    }

    fn families(metrics: GuestMetrics) -> Vec<String> {
        let registry = Registry::new();
        let plugin = (Arc::new(Meter::new("default/p")), Arc::new(metrics));
        registry.register_source(Arc::new(Plugins(vec![plugin])));
        let text = registry.encode(Format::OpenMetrics);
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let names = types
            .filter_map(|line| line.split_once(' '))
            .map(|(name, _)| name);
        names
            .filter_map(|name| name.strip_prefix("cairn_filter_").map(str::to_owned))
            .collect()
    }

    #[test]
    fn guests_cannot_tell_under_the_names_of_the_proxy() {
        let ours: BTreeSet<_> = families(GuestMetrics::new("default/p")).into_iter().collect();
        assert_eq!(ours, RESERVED.map(str::to_owned).into());
        let metrics = GuestMetrics::new("default/p");
        let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
        for name in RESERVED
            .into_iter()
            .chain(["a_total", "a_bucket", "a_sum", "a_count", "plugin", "a b", ""])
        {
            assert!(
                metrics
                    .define(1, Kind::Counter, name.to_owned(), Vec::new())
                    .is_err(),
                "{name}"
            );
        }
        for wrong in [&["a", "a"][..], &["plugin"], &["le"], &["a b"], &["a"; 9]] {
            let defined = metrics.define(1, Kind::Counter, "a".to_owned(), labels(wrong));
            assert!(defined.is_err(), "{wrong:?}");
        }
        metrics
            .define(1, Kind::Counter, "a".to_owned(), labels(&["a", "b"]))
            .unwrap();
        let all = families(metrics);
        assert_eq!(all.len(), RESERVED.len() + 1, "{all:?}");
    }
}
