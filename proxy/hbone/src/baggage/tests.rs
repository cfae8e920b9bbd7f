#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;

use super::*;

const FULL: &str = "k8s.cluster.name=c1,k8s.namespace.name=default,k8s.deployment.name=sleep,service.name=sleep,\
                    service.version=v1,cloud.region=eu,cloud.availability_zone=eu-1";

#[test]
fn every_field_both_ways() {
    let baggage = parse(FULL);
    assert_eq!(
        baggage,
        Baggage {
            cluster: Some("c1".into()),
            namespace: Some("default".into()),
            workload: Some(Workload {
                kind: WorkloadKind::Deployment,
                name: "sleep".into()
            }),
            service: Some("sleep".into()),
            version: Some("v1".into()),
            region: Some("eu".into()),
            zone: Some("eu-1".into()),
        }
    );
    assert_eq!(baggage.to_header().unwrap(), FULL);
}

#[test]
fn every_kind() {
    for kind in WorkloadKind::ALL {
        let text = format!("{}=x", kind.key());
        let expected = Some(Workload {
            kind,
            name: "x".into(),
        });
        assert_eq!(parse(&text).workload, expected);
        assert_eq!(parse(&text).to_string(), text);
    }
}

#[test]
fn what_is_not_understood_is_left_out() {
    let text = " service.name = a ;prop=1 , ,=,x,cloud.region=,k8s.namespace.name=\"q\",cloud.availability_zone=a b,\
                service.name=second,service.version=1=2";
    let expected = Baggage {
        service: Some("a".into()),
        version: Some("1=2".into()),
        ..Baggage::default()
    };
    assert_eq!(parse(text), expected);
    assert_eq!(
        parse(&"service.name=a,".repeat(1000)),
        Baggage::default(),
        "too long a header"
    );
    assert_eq!(
        parse(&format!("service.name={}", "a".repeat(254))),
        Baggage::default(),
        "too long a value"
    );
}

#[test]
fn what_cannot_be_written_is_left_out() {
    let baggage = Baggage {
        service: Some("a,b".into()),
        version: Some("a\r\nb".into()),
        region: Some("é".into()),
        ..Baggage::default()
    };
    assert_eq!(baggage.to_header(), None);
    assert_eq!(Baggage::default().to_header(), None);
}

#[test]
fn several_headers_count_together() {
    let mut headers = HeaderMap::new();
    headers.append(HEADER, HeaderValue::from_static("service.name=a"));
    headers.append(HEADER, HeaderValue::from_bytes(b"service.version=\xff").unwrap());
    headers.append(HEADER, HeaderValue::from_static("service.name=b,cloud.region=r"));
    let baggage = Baggage::from_headers(&headers);
    assert_eq!(
        (baggage.service.as_deref(), baggage.region.as_deref()),
        (Some("a"), Some("r"))
    );
}

proptest! {
    #[test]
    fn no_text_is_trouble(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn what_is_read_can_be_written(
        text in "((k8s\\.(cluster|namespace|pod|job)\\.name|service\\.name|cloud\\.region)=[!-~ ]{0,6}[,;]?){0,6}",
    ) {
        let baggage = parse(&text);
        prop_assert_eq!(parse(&baggage.to_string()), baggage);
    }
}
