//! Header values and other short texts.

use cairn_api::value::Duration;
use cairn_hbone::{Authority, Baggage, Forwarded, TraceParent, authority, baggage, forwarded, traceparent};
use cairn_http::grpc;
use cairn_http::path::{Normalization, normalize};
use cairn_identity::SpiffeId;
use http::HeaderValue;

use crate::Target;

pub(crate) const AUTHORITY: Target = Target {
    name: "authority",
    run: |data| {
        let Some(text) = text(data) else { return };
        if let Ok(parsed) = authority::parse(text) {
            let again: Result<Authority, _> = parsed.to_string().parse();
            assert_eq!(again.ok(), Some(parsed), "{text:?}");
        }
    },
    seeds: &[
        b"127.0.0.1:80",
        b"[::1]:15008",
        b"helloworld.default.svc.cluster.local:5000",
        b"[::ffff:10.0.0.1]:1",
        b"0x7f.1:80",
    ],
};

pub(crate) const BAGGAGE: Target = Target {
    name: "baggage",
    run: |data| {
        let Some(text) = text(data) else { return };
        let header = baggage::parse(text).to_header();
        let again = header.as_ref().and_then(value).map(baggage::parse);
        assert_eq!(again.as_ref().and_then(Baggage::to_header), header, "{text:?}");
    },
    seeds: &[
        b"k8s.cluster.name=Kubernetes,k8s.namespace.name=default,k8s.deployment.name=sleep,service.name=sleep,service.version=v1",
        b"k8s.job.name=a%20b;property=1, cloud.region = r ,cloud.availability_zone=z",
    ],
};

pub(crate) const DURATION: Target = Target {
    name: "duration",
    run: |data| {
        let Some(text) = text(data) else { return };
        if let Ok(parsed) = text.parse::<Duration>() {
            assert_eq!(parsed.to_string().parse(), Ok(parsed), "{text:?}");
        }
    },
    seeds: &[b"5s", b"1.5s", b"1h2m3s4ms", b"0.000000001s", b"9223372036s"],
};

pub(crate) const FORWARDED: Target = Target {
    name: "forwarded",
    run: |data| {
        let Some(text) = text(data) else { return };
        let header = forwarded::parse(text).and_then(|parsed| parsed.to_header());
        let again = header.as_ref().and_then(value).and_then(forwarded::parse);
        assert_eq!(again.as_ref().and_then(Forwarded::to_header), header, "{text:?}");
    },
    seeds: &[
        b"for=10.0.0.1;host=helloworld:5000;proto=http",
        b"for=\"[2001:db8::1]:4711\", for=10.0.0.2",
        b"For=\"\\\"\";by=unknown",
    ],
};

pub(crate) const GRPC_MESSAGE: Target = Target {
    name: "grpc_message",
    run: |data| {
        let Some(text) = text(data) else { return };
        let _ = grpc::decode_message(text);
        assert_eq!(grpc::decode_message(&grpc::encode_message(text)), text);
    },
    seeds: &[b"no healthy upstream", b"100%25 \xc3\xa4", b"%zz%e4%"],
};

pub(crate) const PATH: Target = Target {
    name: "path",
    run: |data| {
        let Some(text) = text(data) else { return };
        for mode in [
            Normalization::None,
            Normalization::Base,
            Normalization::MergeSlashes,
            Normalization::DecodeAndMergeSlashes,
        ] {
            let Ok(normal) = normalize(text, mode) else {
                continue;
            };
            assert!(normal.starts_with('/'), "{text:?} → {normal:?}");
            if mode != Normalization::DecodeAndMergeSlashes {
                // What decodes an escaped percent sign may find another escape the second time.
                assert_eq!(normalize(&normal, mode).as_deref(), Ok(&*normal), "{text:?}");
            }
            let path = normal.split('?').next().unwrap_or_default();
            let climbs = path.split('/').any(|segment| segment == "." || segment == "..");
            assert!(mode == Normalization::None || !climbs, "{text:?} → {normal:?}");
        }
    },
    seeds: &[
        b"/a/./b/%2e%2E/%61dmin?x=/../y",
        b"//a%2Fb/%5c..\\c",
        b"/a%00#b",
        b"/%252e%252e/x;y=/..",
    ],
};

pub(crate) const SPIFFE_ID: Target = Target {
    name: "spiffe_id",
    run: |data| {
        let Some(text) = text(data) else { return };
        if let Ok(id) = text.parse::<SpiffeId>() {
            assert_eq!(id.to_string(), text);
        }
    },
    seeds: &[
        b"spiffe://cluster.local/ns/default/sa/sleep",
        b"spiffe://a.b/ns//sa/",
        b"SPIFFE://x/ns/a/sa/b/",
    ],
};

pub(crate) const TRACEPARENT: Target = Target {
    name: "traceparent",
    run: |data| {
        let Some(text) = text(data) else { return };
        if let Some(parsed) = traceparent::parse(text) {
            let header = parsed.to_header();
            let again: Option<TraceParent> = header.as_ref().and_then(value).and_then(traceparent::parse);
            assert_eq!(again, Some(parsed), "{text:?}");
        }
    },
    seeds: &[
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        b"ff-00000000000000000000000000000000-0000000000000000-00",
        b"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    ],
};

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

fn value(header: &HeaderValue) -> Option<&str> {
    header.to_str().ok()
}
