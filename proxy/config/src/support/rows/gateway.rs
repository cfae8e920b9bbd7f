//! The Gateway API.

use super::Support::{Differently, NotApplicable, NotYet, Yes};
use super::{Row, Section, Table};

const OWN_TLS: &str = "a waypoint takes tunnels, with the TLS of the mesh";

pub(super) const GATEWAY_CLASS: Table = Table {
    about: "",
    sections: &[Section {
        under: &["spec"],
        rows: &[
            (
                "controllerName",
                Differently(
                    "nothing depends on it: a waypoint is known by the name of its class, or by its listener",
                ),
            ),
            ("description", Yes),
            ("parametersRef", NotYet),
        ],
    }],
};

pub(super) const GATEWAY: Table = Table {
    about: "A waypoint is a Gateway of the class `istio-waypoint` or `cairn-waypoint`, or of another with exactly one listener, for HBONE on port \
            15008. One of the class `istio-mesh` without listeners is a waypoint of the 2022 form.",
    sections: &[Section {
        under: &["spec"],
        rows: &[
            ("gatewayClassName", Yes),
            ("addresses", Yes),
            ("infrastructure", NotYet),
            (
                "allowedListeners",
                NotApplicable("a waypoint has exactly one listener"),
            ),
            ("tls", NotApplicable(OWN_TLS)),
            ("listeners[].name", Yes),
            (
                "listeners[].hostname",
                NotApplicable("what a tunnel leads to decides, whatever the host name"),
            ),
            ("listeners[].port", Yes),
            ("listeners[].protocol", Yes),
            ("listeners[].tls", NotApplicable(OWN_TLS)),
            ("listeners[].allowedRoutes.namespaces", Yes),
            (
                "listeners[].allowedRoutes.kinds",
                NotApplicable("routes attach to services, not to the waypoint"),
            ),
        ],
    }],
};

const ROUTES_ABOUT: &str = "Its parents are Services and ServiceEntries of its own namespace; it goes before VirtualServices of the same port. One for \
                            the clients of its own namespace alone, whose parent is in another, is reported and does not act.";

pub(super) const HTTP_ROUTE: Table = Table {
    about: ROUTES_ABOUT,
    sections: &[
        Section {
            under: &["spec"],
            rows: ROUTE,
        },
        Section {
            under: &["spec"],
            rows: &[
                ("rules[].filters[].requestRedirect", Yes),
                ("rules[].filters[].urlRewrite", Yes),
                ("rules[].filters[].cors", Yes),
                (
                    "rules[].backendRefs[].filters[].requestRedirect",
                    NotApplicable(OF_BACKEND),
                ),
                (
                    "rules[].backendRefs[].filters[].urlRewrite",
                    NotApplicable(OF_BACKEND),
                ),
                ("rules[].backendRefs[].filters[].cors", NotApplicable(OF_BACKEND)),
                ("rules[].timeouts", Yes),
                ("rules[].retry", Yes),
            ],
        },
    ],
};

pub(super) const GRPC_ROUTE: Table = Table {
    about: ROUTES_ABOUT,
    sections: &[Section {
        under: &["spec"],
        rows: ROUTE,
    }],
};

const OF_BACKEND: &str =
    "a backend has filters of headers alone; what it gets of the requests is answered 500";

/// What routes of HTTP and of gRPC have in common.
const ROUTE: &[Row] = &[
    ("parentRefs", Yes),
    (
        "hostnames",
        NotApplicable("within a mesh the parent decides, whatever the host name"),
    ),
    ("rules[].name", Yes),
    ("rules[].matches", Yes),
    ("rules[].filters[].type", Yes),
    ("rules[].filters[].requestHeaderModifier", Yes),
    ("rules[].filters[].responseHeaderModifier", Yes),
    ("rules[].filters[].requestMirror", Yes),
    (
        "rules[].filters[].extensionRef",
        NotApplicable(
            "there is no extension that it could name; the rule answers 500, as for any that is not known",
        ),
    ),
    ("rules[].backendRefs[].group", Yes),
    ("rules[].backendRefs[].kind", Yes),
    (
        "rules[].backendRefs[].namespace",
        Differently("a ReferenceGrant of a namespace other than the route's must allow it"),
    ),
    ("rules[].backendRefs[].name", Yes),
    ("rules[].backendRefs[].port", Yes),
    ("rules[].backendRefs[].weight", Yes),
    ("rules[].backendRefs[].filters[].type", Yes),
    ("rules[].backendRefs[].filters[].requestHeaderModifier", Yes),
    ("rules[].backendRefs[].filters[].responseHeaderModifier", Yes),
    (
        "rules[].backendRefs[].filters[].requestMirror",
        NotApplicable(OF_BACKEND),
    ),
    (
        "rules[].backendRefs[].filters[].extensionRef",
        NotApplicable(OF_BACKEND),
    ),
    (
        "rules[].sessionPersistence",
        Differently(
            "acts, by a cookie or header that names the endpoint; a waypoint of Istio does not know it",
        ),
    ),
];

/// What routes of connections have in common.
const CONNECTIONS: &[Row] = &[
    ("parentRefs", Yes),
    ("rules[].name", Yes),
    ("rules[].backendRefs", Yes),
];

pub(super) const TCP_ROUTE: Table = Table {
    about: ROUTES_ABOUT,
    sections: &[Section {
        under: &["spec"],
        rows: CONNECTIONS,
    }],
};

pub(super) const TLS_ROUTE: Table = Table {
    about: ROUTES_ABOUT,
    sections: &[
        Section {
            under: &["spec"],
            rows: CONNECTIONS,
        },
        Section {
            under: &["spec"],
            rows: &[("hostnames", Yes)],
        },
    ],
};

pub(super) const BACKEND_TLS_POLICY: Table = Table {
    about: "A DestinationRule's `tls` for the same port goes before it.",
    sections: &[Section {
        under: &["spec"],
        rows: &[
            ("targetRefs", Yes),
            (
                "validation.caCertificateRefs",
                Differently("several are taken together, and Secrets besides ConfigMaps"),
            ),
            ("validation.wellKnownCACertificates", Yes),
            ("validation.hostname", Yes),
            ("validation.subjectAltNames", Yes),
            (
                "options",
                Differently("none is known; what one would have changed is reported"),
            ),
        ],
    }],
};

pub(super) const REFERENCE_GRANT: Table = Table {
    about: "",
    sections: &[Section {
        under: &["spec"],
        rows: &[("from", Yes), ("to", Yes)],
    }],
};
