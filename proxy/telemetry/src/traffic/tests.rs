#![allow(clippy::unwrap_used, clippy::panic)]

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{
    HttpLabels, HttpMetrics, Interned, Reporter, RequestProtocol, SecurityPolicy, SeriesOptions,
    ServiceLabels, TcpLabels, TcpMetrics, WorkloadLabels,
};
use crate::metrics::{Format, Registry};

fn workload(name: &str) -> Interned<WorkloadLabels> {
    Interned::new(WorkloadLabels {
        workload: name.into(),
        namespace: "default".into(),
        principal: format!("spiffe://cluster.local/ns/default/sa/{name}").into(),
        app: name.into(),
        version: "v1".into(),
        canonical_service: name.into(),
        canonical_revision: "v1".into(),
        cluster: "Kubernetes".into(),
        region: "r1".into(),
        zone: "".into(),
    })
}

fn service() -> Interned<ServiceLabels> {
    Interned::new(ServiceLabels {
        host: "helloworld.default.svc.cluster.local".into(),
        name: "helloworld".into(),
        namespace: "default".into(),
    })
}

fn ok(source: &str) -> HttpLabels {
    HttpLabels {
        source: workload(source),
        destination: workload("helloworld"),
        service: service(),
        response_code: 200,
        connection_security_policy: SecurityPolicy::MutualTls,
        ..HttpLabels::default()
    }
}

/// The labels of the first sample of a metric, as names and values.
fn labels_of(text: &str, metric: &str) -> Vec<(String, String)> {
    let prefix = format!("{metric}{{");
    let line = text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap();
    let (labels, _) = line.rsplit_once('}').unwrap();
    let pairs = labels
        .strip_suffix('"')
        .unwrap()
        .split("\",")
        .map(|pair| pair.split_once("=\"").unwrap());
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn names(labels: &[(String, String)]) -> Vec<&str> {
    labels.iter().map(|(name, _)| name.as_str()).collect()
}

fn value<'l>(labels: &'l [(String, String)], name: &str) -> &'l str {
    labels
        .iter()
        .find(|(label, _)| label == name)
        .map(|(_, value)| value.as_str())
        .unwrap()
}

#[test]
fn http_labels_are_those_of_a_waypoint_in_its_order() {
    let registry = Registry::new();
    let http = HttpMetrics::register(&registry, SeriesOptions::default());
    http.series(&ok("sleep")).observe(Duration::from_millis(3), 0, 60);
    let text = registry.encode(Format::Text);
    let labels = labels_of(&text, "istio_requests_total");
    assert_eq!(
        names(&labels).join(" "),
        "reporter source_workload source_canonical_service source_canonical_revision source_workload_namespace \
         source_principal source_app source_version source_cluster destination_workload \
         destination_workload_namespace destination_principal destination_app destination_version \
         destination_service destination_canonical_service destination_canonical_revision \
         destination_service_name destination_service_namespace destination_cluster request_protocol \
         response_code grpc_response_status response_flags connection_security_policy"
    );
    for (name, expected) in [
        ("reporter", "waypoint"),
        ("source_principal", "spiffe://cluster.local/ns/default/sa/sleep"),
        ("destination_service", "helloworld.default.svc.cluster.local"),
        ("request_protocol", "http"),
        ("response_code", "200"),
        ("grpc_response_status", ""),
        ("response_flags", "-"),
        ("connection_security_policy", "mutual_tls"),
    ] {
        assert_eq!(value(&labels, name), expected, "{name}");
    }
}

#[test]
fn tcp_labels_are_those_of_a_ztunnel_in_its_order() {
    let registry = Registry::new();
    let tcp = TcpMetrics::register(&registry, SeriesOptions::default());
    let series = tcp.series(&TcpLabels {
        reporter: Reporter::Source,
        source: workload("sleep"),
        destination: workload("helloworld"),
        service: service(),
        connection_security_policy: SecurityPolicy::MutualTls,
        ..TcpLabels::default()
    });
    series.opened();
    series.add_sent(10);
    series.add_received(5);
    let text = registry.encode(Format::Text);
    let labels = labels_of(&text, "istio_tcp_connections_opened_total");
    assert_eq!(
        names(&labels).join(" "),
        "reporter source_workload source_canonical_service source_canonical_revision source_workload_namespace \
         source_principal source_app source_version source_cluster destination_service \
         destination_service_namespace destination_service_name destination_workload \
         destination_canonical_service destination_canonical_revision destination_workload_namespace \
         destination_principal destination_app destination_version destination_cluster request_protocol \
         response_flags connection_security_policy source_region destination_region"
    );
    assert_eq!(value(&labels, "reporter"), "source");
    assert_eq!(value(&labels, "request_protocol"), "tcp");
    assert!(text.contains("istio_tcp_sent_bytes_total{"), "{text}");
    assert!(text.contains("istio_tcp_received_bytes_total{"), "{text}");
    assert!(!text.contains("istio_tcp_connections_failed_total"), "{text}");
    assert!(!text.contains("istio_tcp_connections_closed_total"), "{text}");
    series.closed();
    assert!(
        registry
            .encode(Format::Text)
            .contains("istio_tcp_connections_closed_total{")
    );
}

#[test]
fn what_is_not_known_says_so() {
    let registry = Registry::new();
    let http = HttpMetrics::register(&registry, SeriesOptions::default());
    http.series(&HttpLabels::default()).observe(Duration::ZERO, 0, 0);
    let labels = labels_of(&registry.encode(Format::Text), "istio_requests_total");
    assert_eq!(value(&labels, "source_workload"), "unknown");
    assert_eq!(value(&labels, "destination_service"), "unknown");
    assert_eq!(value(&labels, "connection_security_policy"), "unknown");
    assert_eq!(value(&labels, "response_code"), "0");
}

#[test]
fn a_hostile_label_value_stays_inside_its_quotes() {
    let registry = Registry::new();
    let http = HttpMetrics::register(&registry, SeriesOptions::default());
    let source = WorkloadLabels {
        workload: "x\"} 1\nforged 1\n\\".into(),
        ..WorkloadLabels::default()
    };
    http.series(&HttpLabels {
        source: source.into(),
        ..HttpLabels::default()
    })
    .observe(Duration::ZERO, 0, 0);
    let text = registry.encode(Format::Text);
    assert!(
        text.contains(r#"source_workload="x\"} 1\nforged 1\n\\","#),
        "{text}"
    );
    assert!(text.lines().all(|line| !line.starts_with("forged")));
}

#[test]
fn histograms_have_istios_buckets() {
    let registry = Registry::new();
    let http = HttpMetrics::register(&registry, SeriesOptions::default());
    let series = http.series(&ok("sleep"));
    series.observe(Duration::from_micros(500), 0, 10);
    series.observe(Duration::from_micros(1_500), 2, 11);
    let buckets = |text: &str, metric: &str| {
        let prefix = format!("{metric}_bucket{{");
        let lines = text.lines().filter(|line| line.starts_with(&prefix));
        lines
            .map(|line| line.rsplit_once("le=").unwrap().1.replace("\"}", ""))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let text = registry.encode(Format::Text);
    assert_eq!(
        buckets(&text, "istio_request_duration_milliseconds").replace('"', ""),
        "0.5 1 1 1 5 2 10 2 25 2 50 2 100 2 250 2 500 2 1000 2 2500 2 5000 2 10000 2 30000 2 60000 2 \
         300000 2 600000 2 1800000 2 3600000 2 +Inf 2"
    );
    assert!(
        buckets(&text, "istio_response_bytes").starts_with("\"0.5 0 \"1 0 \"5 0 \"10 1 \"25 2 "),
        "{text}"
    );
    let sum = |metric: &str| {
        text.lines()
            .find(|line| line.starts_with(metric))
            .unwrap()
            .rsplit_once(' ')
            .unwrap()
            .1
            .to_owned()
    };
    assert_eq!(sum("istio_request_duration_milliseconds_sum"), "2");
    assert_eq!(sum("istio_request_duration_milliseconds_count"), "2");
    assert_eq!(sum("istio_response_bytes_sum"), "21");
    assert_eq!(sum("istio_request_bytes_sum"), "2");
    let open_metrics = registry.encode(Format::OpenMetrics);
    assert!(
        open_metrics.contains("le=\"0.5\"") && open_metrics.contains("le=\"1.0\""),
        "{open_metrics}"
    );
    assert!(open_metrics.ends_with("# EOF\n"));
}

#[test]
fn messages_are_counted_for_grpc_only() {
    let registry = Registry::new();
    let http = HttpMetrics::register(&registry, SeriesOptions::default());
    http.series(&ok("sleep")).observe(Duration::ZERO, 0, 0);
    assert!(!registry.encode(Format::Text).contains("istio_request_messages"));
    let grpc = HttpLabels {
        request_protocol: RequestProtocol::Grpc,
        grpc_response_status: Some(14),
        response_flags: Cow::Borrowed("UF,URX"),
        ..ok("sleep")
    };
    http.series(&grpc).add_messages(2, 3);
    let text = registry.encode(Format::Text);
    let labels = labels_of(&text, "istio_response_messages_total");
    assert_eq!(value(&labels, "grpc_response_status"), "14");
    assert_eq!(value(&labels, "response_flags"), "UF,URX");
    let samples = text
        .lines()
        .filter(|line| line.starts_with("istio_request_messages_total{"));
    assert_eq!(
        samples
            .map(|line| line.rsplit_once(' ').unwrap().1)
            .collect::<Vec<_>>(),
        ["2"]
    );
}

#[test]
fn equal_labels_share_a_series_wherever_they_were_made() {
    let http = HttpMetrics::register(&Registry::new(), SeriesOptions::default());
    assert!(Arc::ptr_eq(
        &http.series(&ok("sleep")),
        &http.series(&ok("sleep"))
    ));
    assert!(!Arc::ptr_eq(
        &http.series(&ok("sleep")),
        &http.series(&ok("curl"))
    ));
    let other_code = HttpLabels {
        response_code: 503,
        ..ok("sleep")
    };
    assert!(!Arc::ptr_eq(
        &http.series(&ok("sleep")),
        &http.series(&other_code)
    ));
}

#[test]
fn nothing_is_lost_while_others_scrape() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 300;
    let registry = Registry::new();
    let http = HttpMetrics::register(&registry, SeriesOptions::default());
    let labels: Vec<HttpLabels> = (0..20).map(|n| ok(&format!("w{n}"))).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let scraper = scope.spawn(|| {
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                let seen = total(&registry.encode(Format::Text));
                assert!(seen >= last, "a counter went back from {last} to {seen}");
                last = seen;
            }
        });
        let adders: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    for labels in labels.iter().cycle().take(ROUNDS * labels.len()) {
                        http.series(labels).observe(Duration::from_millis(1), 1, 1);
                    }
                })
            })
            .collect();
        adders.into_iter().for_each(|adder| adder.join().unwrap());
        done.store(true, Ordering::Relaxed);
        scraper.join().unwrap();
    });
    assert_eq!(
        total(&registry.encode(Format::Text)),
        (THREADS * ROUNDS * labels.len()) as u64
    );
}

fn total(text: &str) -> u64 {
    let samples = text
        .lines()
        .filter(|line| line.starts_with("istio_requests_total{"));
    samples
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum()
}
