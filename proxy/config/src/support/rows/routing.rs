//! VirtualService.

use super::Support::{Differently, NotApplicable, Yes};
use super::{Section, Table};

const HEADERS: &str = "`@request.auth.claims.NAME`, which acts on gateways only in Istio, is a claim of the request's token; `@filter.metadata[NAME][KEY]` is what a filter has noted";
const LABELS: &str =
    "the labels of the client's workload; a waypoint of Istio leaves out what matches by them";
const NAMESPACE: &str = "the namespace of the client; a waypoint of Istio compares its own";
const HEADER_VALUES: &str = "of Envoy's variables (`%…%`) in values, those of address, protocol, time, route and response are known; with another the route answers 500";

pub(super) const VIRTUAL_SERVICE: Table = Table {
    about: "Those of the service's namespace and of the waypoint's apply. `gateways` names `mesh` or nothing: what is for other gateways only \
            has no effect on a waypoint. A route that cannot be carried out answers 500, instead of being left out for the next one to match; of a VirtualService with a match \
            that is wrong, the last version that was right stays in force.",
    sections: &[Section {
        under: &["spec"],
        rows: &[
            ("hosts", Yes),
            ("gateways", Yes),
            ("exportTo", Yes),
            ("http[].name", Yes),
            ("http[].match[].name", Yes),
            ("http[].match[].uri", Yes),
            ("http[].match[].ignoreUriCase", Yes),
            ("http[].match[].scheme", Yes),
            ("http[].match[].method", Yes),
            ("http[].match[].authority", Yes),
            ("http[].match[].headers", Differently(HEADERS)),
            ("http[].match[].withoutHeaders", Differently(HEADERS)),
            ("http[].match[].queryParams", Yes),
            ("http[].match[].port", Yes),
            ("http[].match[].gateways", Yes),
            ("http[].match[].sourceLabels", Differently(LABELS)),
            ("http[].match[].sourceNamespace", Differently(NAMESPACE)),
            (
                "http[].match[].statPrefix",
                NotApplicable(
                    "it names statistics that are Envoy's own; metrics here are Istio's, by service and workload",
                ),
            ),
            ("http[].route[].destination", Yes),
            ("http[].route[].weight", Yes),
            ("http[].route[].headers", Differently(HEADER_VALUES)),
            ("http[].redirect", Yes),
            (
                "http[].directResponse",
                Differently("the body may have 1 MiB; a waypoint of Istio takes 4 KiB at most"),
            ),
            ("http[].rewrite", Yes),
            (
                "http[].delegate",
                Differently(
                    "one that is not there, or has no route that can be taken, answers 500; Istio leaves the route out",
                ),
            ),
            (
                "http[].timeout",
                Differently("a client may shorten it by `x-envoy-upstream-rq-timeout-ms`, never lengthen it"),
            ),
            ("http[].retries.attempts", Yes),
            ("http[].retries.perTryTimeout", Yes),
            ("http[].retries.retryOn", Yes),
            (
                "http[].retries.retryIgnorePreviousHosts",
                Differently(
                    "an endpoint that failed is avoided with `consistentHash` too, where Istio tries it again",
                ),
            ),
            (
                "http[].retries.retryRemoteLocalities",
                Differently("once every locality has been tried, any will do"),
            ),
            ("http[].retries.backoff", Yes),
            ("http[].fault.delay.fixedDelay", Yes),
            (
                "http[].fault.delay.exponentialDelay",
                NotApplicable("Istio does not act on it; without `fixedDelay` the route answers 500"),
            ),
            ("http[].fault.delay.percentage", Yes),
            ("http[].fault.delay.percent", Yes),
            ("http[].fault.abort.httpStatus", Yes),
            ("http[].fault.abort.grpcStatus", Yes),
            (
                "http[].fault.abort.http2Error",
                NotApplicable("Istio does not act on it; the route answers 500"),
            ),
            ("http[].fault.abort.percentage", Yes),
            ("http[].mirror", Yes),
            ("http[].mirrorPercentage", Yes),
            ("http[].mirrorPercent", Yes),
            ("http[].mirrors", Yes),
            ("http[].corsPolicy", Yes),
            ("http[].headers", Differently(HEADER_VALUES)),
            ("tls", Yes),
            ("tcp[].match[].port", Yes),
            ("tcp[].match[].destinationSubnets", Yes),
            (
                "tcp[].match[].sourceSubnet",
                Differently("acts, by the address of the client; Istio leaves it out"),
            ),
            ("tcp[].match[].sourceLabels", Differently(LABELS)),
            ("tcp[].match[].sourceNamespace", Differently(NAMESPACE)),
            ("tcp[].match[].gateways", Yes),
            ("tcp[].route", Yes),
        ],
    }],
};
