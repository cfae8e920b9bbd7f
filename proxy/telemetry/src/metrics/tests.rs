#![allow(clippy::unwrap_used)]

use std::time::{Duration, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{ACCEPT, HeaderValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::{Format, ProcessSample, Registry, escape_label_value};

fn accepting(accept: &'static str) -> Format {
    Format::negotiate(&HeaderMap::from_iter([(
        ACCEPT,
        HeaderValue::from_static(accept),
    )]))
}

#[test]
fn the_scraper_chooses_the_format() {
    assert_eq!(Format::negotiate(&HeaderMap::new()), Format::Text);
    assert_eq!(accepting("*/*"), Format::Text);
    assert_eq!(
        accepting("application/openmetrics-text; version=1.0.0"),
        Format::OpenMetrics
    );
    let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    assert_eq!(accepting(prometheus), Format::OpenMetrics);
    assert_eq!(
        accepting("application/openmetrics-text;q=0.3,text/plain;q=0.9"),
        Format::Text
    );
    assert_eq!(accepting("application/openmetrics-text;q=0"), Format::Text);
    assert_eq!(accepting("application/openmetrics-text;q=nonsense"), Format::Text);
}

#[test]
fn both_formats_name_a_counter_in_their_own_way() {
    let registry = Registry::new();
    let counter = Family::<[(&str, &str); 1], Counter>::default();
    registry.register("cairn_things", "Number of things.", counter.clone());
    counter.get_or_create(&[("what", "a\"b")]).inc();
    registry.observe_counter("cairn_seen", "Number seen.", || 3);
    registry.observe_gauge("cairn_level", "The level.", || 0.5);
    assert_eq!(
        registry.encode(Format::Text),
        "# HELP cairn_things_total Number of things.\n\
         # TYPE cairn_things_total counter\n\
         cairn_things_total{what=\"a\\\"b\"} 1\n\
         # HELP cairn_seen_total Number seen.\n\
         # TYPE cairn_seen_total counter\n\
         cairn_seen_total 3\n\
         # HELP cairn_level The level.\n\
         # TYPE cairn_level gauge\n\
         cairn_level 0.5\n"
    );
    assert_eq!(
        registry.encode(Format::OpenMetrics),
        "# HELP cairn_things Number of things.\n\
         # TYPE cairn_things counter\n\
         cairn_things_total{what=\"a\\\"b\"} 1\n\
         # HELP cairn_seen Number seen.\n\
         # TYPE cairn_seen counter\n\
         cairn_seen_total 3\n\
         # HELP cairn_level The level.\n\
         # TYPE cairn_level gauge\n\
         cairn_level 0.5\n\
         # EOF\n"
    );
}

#[test]
fn build_and_process_are_described() {
    let registry = Registry::new();
    registry.build_info("waypoint", "0.1.0\"");
    registry.process(|| ProcessSample {
        cpu: Duration::from_millis(1500),
        resident_memory: 4096,
        virtual_memory: 8192,
        open_files: 5,
        max_open_files: 1024,
        started: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
    });
    let text = registry.encode(Format::Text);
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        samples,
        [
            "istio_build{component=\"waypoint\",tag=\"0.1.0\\\"\"} 1",
            "process_cpu_seconds_total 1.5",
            "process_resident_memory_bytes 4096",
            "process_virtual_memory_bytes 8192",
            "process_open_fds 5",
            "process_max_fds 1024",
            "process_start_time_seconds 1700000000",
        ]
    );
}

#[test]
fn label_values_are_escaped() {
    let escaped = |value| {
        let mut out = String::new();
        escape_label_value(&mut out, value);
        out
    };
    assert_eq!(escaped(""), "");
    assert_eq!(escaped("plain ünïcode"), "plain ünïcode");
    assert_eq!(escaped(r#"a\b"c"#), r#"a\\b\"c"#);
    assert_eq!(escaped("\"\"\n\n\\"), r#"\"\"\n\n\\"#);
}
