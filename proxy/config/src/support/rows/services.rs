//! ServiceEntry and WorkloadEntry.

use super::Support::{Differently, Yes};
use super::{Row, Section, Table};

pub(super) const SERVICE_ENTRY: Table = Table {
    about: "Addresses of its `status` are those of its hosts where `addresses` names none. Ports of UDP are left out.",
    sections: &[
        Section {
            under: &["spec"],
            rows: &[
                ("hosts", Yes),
                ("addresses", Yes),
                ("ports", Yes),
                (
                    "location",
                    Differently(
                        "nothing depends on it: whether an endpoint is reached by a tunnel is told by its pod or its labels",
                    ),
                ),
                ("resolution=NONE", Yes),
                ("resolution=STATIC", Yes),
                ("resolution=DNS", Yes),
                ("resolution=DNS_ROUND_ROBIN", Yes),
                (
                    "resolution=DYNAMIC_DNS",
                    Differently(
                        "of TLS too, by the name that is asked for; a name that leads into the mesh or to a link-local address is not connected to",
                    ),
                ),
                (
                    "subjectAltNames",
                    Differently(
                        "SPIFFE ids that endpoints may prove besides their own in a tunnel; all of them count for `tls` of a DestinationRule",
                    ),
                ),
                ("workloadSelector", Yes),
                ("exportTo", Yes),
            ],
        },
        Section {
            under: &["spec.endpoints[]"],
            rows: WORKLOAD,
        },
    ],
};

pub(super) const WORKLOAD_ENTRY: Table = Table {
    about: "",
    sections: &[Section {
        under: &["spec"],
        rows: WORKLOAD,
    }],
};

const WORKLOAD: &[Row] = &[
    (
        "address",
        Differently("an IP address; what has a name or a socket's path instead is left out, and reported"),
    ),
    ("ports", Yes),
    ("labels", Yes),
    (
        "network",
        Differently("heard by the preference for what is near; there are no gateways between networks"),
    ),
    ("locality", Yes),
    ("weight", Yes),
    ("serviceAccount", Yes),
];
