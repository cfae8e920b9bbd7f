//! AuthorizationPolicy, PeerAuthentication, RequestAuthentication.

use super::Support::{Differently, NotYet, Yes};
use super::{Section, Table};

const TOKEN: &str = "tokens are not read yet, so no request has one; a policy that would let something pass for want of one denies what it selects";

pub(super) const AUTHORIZATION_POLICY: Table = Table {
    about: "A policy that cannot be read or compiled, or that asks for what cannot be known at its place, denies what it selects, and says so. \
            Policies with targets are the waypoint's, those with a selector the ztunnel's.",
    sections: &[
        Section {
            under: &["spec"],
            rows: &[
                (
                    "selector",
                    Differently(
                        "also enforced by a waypoint of the 2022 form (class `istio-mesh`, no listeners)",
                    ),
                ),
                ("targetRef", Yes),
                ("targetRefs", Yes),
                (
                    "action",
                    Differently(
                        "`ALLOW` and `DENY` act. `CUSTOM` denies what matches, for no outside authority is asked yet; `AUDIT` has no effect yet. Both are reported",
                    ),
                ),
                ("provider", NotYet),
                ("rules[].to[].operation", Yes),
                (
                    "rules[].when",
                    Differently(
                        "`request.auth.…` as `requestPrincipals`, `remote.ip` as `remoteIpBlocks`; a key that is not known denies what the policy selects, instead of its rule being left out",
                    ),
                ),
            ],
        },
        Section {
            under: &["spec.rules[].from[].source"],
            rows: &[
                ("principals", Yes),
                ("notPrincipals", Yes),
                ("requestPrincipals", Differently(TOKEN)),
                ("notRequestPrincipals", Differently(TOKEN)),
                ("namespaces", Yes),
                ("notNamespaces", Yes),
                ("serviceAccounts", Yes),
                ("notServiceAccounts", Yes),
                ("trustDomains", Yes),
                ("notTrustDomains", Yes),
                ("ipBlocks", Yes),
                ("notIpBlocks", Yes),
                ("remoteIpBlocks", Differently(REMOTE)),
                ("notRemoteIpBlocks", Differently(REMOTE)),
            ],
        },
    ],
};

const REMOTE: &str = "the address of the client, as `ipBlocks`; a waypoint of Istio believes whatever the client writes into `X-Forwarded-For`";

pub(super) const PEER_AUTHENTICATION: Table = Table {
    about: "The ztunnel enforces it. A waypoint takes nothing but mutual TLS in any case. `DISABLE` is `PERMISSIVE`: tunnels are always taken.",
    sections: &[Section {
        under: &["spec"],
        rows: &[("selector", Yes), ("mtls", Yes), ("portLevelMtls", Yes)],
    }],
};

pub(super) const REQUEST_AUTHENTICATION: Table = Table {
    about: "Not enforced: requests pass with any token or none, and `cairn validate` calls it an error.",
    sections: &[Section {
        under: &["spec"],
        rows: &[
            ("selector", NotYet),
            ("targetRef", NotYet),
            ("targetRefs", NotYet),
            ("jwtRules", NotYet),
        ],
    }],
};
