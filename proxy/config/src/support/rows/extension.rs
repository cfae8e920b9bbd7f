//! WasmPlugin, TrafficExtension, Telemetry.

use super::Support::{Differently, NotApplicable, NotYet, Yes};
use super::{Row, Section, Table};

const ABOUT: &str = "What filters may do, and what becomes of requests when one fails, is in [filters.md](filters.md). With a `selector` a filter \
                     is for sidecars: no waypoint runs it, which is reported.";

pub(super) const WASM_PLUGIN: Table = Table {
    about: ABOUT,
    sections: &[
        Section {
            under: &["spec"],
            rows: PLACE,
        },
        Section {
            under: &["spec"],
            rows: &[("targetRef", Yes)],
        },
        Section {
            under: &["spec"],
            rows: MODULE,
        },
    ],
};

pub(super) const TRAFFIC_EXTENSION: Table = Table {
    about: ABOUT,
    sections: &[
        Section {
            under: &["spec"],
            rows: PLACE,
        },
        Section {
            under: &["spec"],
            rows: &[(
                "lua",
                NotApplicable("scripts are not run; requests are refused as by a filter that fails"),
            )],
        },
        Section {
            under: &["spec.wasm"],
            rows: MODULE,
        },
    ],
};

/// Where a filter stands.
const PLACE: &[Row] = &[
    ("selector", Yes),
    (
        "targetRefs",
        Differently(
            "without any, in the root namespace or the waypoint's, a filter is for all that the waypoint serves; a waypoint of Istio asks for a target",
        ),
    ),
    ("phase", Yes),
    ("priority", Yes),
    ("match[].mode", Yes),
    (
        "match[].ports",
        Differently("acts; with ports, a waypoint of Istio never runs the filter"),
    ),
];

/// What a filter is.
const MODULE: &[Row] = &[
    (
        "url",
        Differently("a component of [Cairn's contract](../wit/README.md); modules of proxy-wasm are not run"),
    ),
    ("sha256", Yes),
    ("imagePullPolicy", Yes),
    ("imagePullSecret", Yes),
    ("verificationKey", NotYet),
    ("pluginConfig", Yes),
    (
        "pluginName",
        Differently("the name under which the filter notes things, by default its own"),
    ),
    (
        "failStrategy",
        Differently(
            "what failed costs its own request alone: the next one has a fresh instance. In Envoy the filter refuses all that follow, or is left out of them; `FAIL_RELOAD` here tries the same request once more",
        ),
    ),
    ("vmConfig", Yes),
    (
        "type",
        Differently("`NETWORK` is refused as a filter that fails: filters see HTTP"),
    ),
];

pub(super) const TELEMETRY: Table = Table {
    about: "Metrics, access log and traces are as without it.",
    sections: &[Section {
        under: &["spec"],
        rows: &[
            ("selector", NotYet),
            ("targetRef", NotYet),
            ("targetRefs", NotYet),
            ("tracing", NotYet),
            ("metrics", NotYet),
            ("accessLogging", NotYet),
        ],
    }],
};
