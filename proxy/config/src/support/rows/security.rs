//! AuthorizationPolicy, PeerAuthentication, RequestAuthentication.

use super::Support::{Differently, Yes};
use super::{Section, Table};

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
                        "`CUSTOM` asks several providers where policies name several, and asks about HTTP requests only: other connections that match, as far as can be told, are denied. `AUDIT` writes matches to the log",
                    ),
                ),
                ("provider", Yes),
                ("rules[].to[].operation", Yes),
                (
                    "rules[].when",
                    Differently(
                        "`remote.ip` as `remoteIpBlocks`; a key that is not known denies what the policy selects, instead of its rule being left out",
                    ),
                ),
            ],
        },
        Section {
            under: &["spec.rules[].from[].source"],
            rows: &[
                ("principals", Yes),
                ("notPrincipals", Yes),
                ("requestPrincipals", Yes),
                ("notRequestPrincipals", Yes),
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
    about: "Waypoints verify tokens; ztunnels see none.",
    sections: &[Section {
        under: &["spec"],
        rows: &[
            (
                "selector",
                Differently(
                    "binds to a waypoint of the 2022 form (class `istio-mesh`, no listeners), and to no other",
                ),
            ),
            ("targetRef", Yes),
            ("targetRefs", Yes),
            (
                "jwtRules",
                Differently(
                    "tokens signed with a shared secret (`HS256` and its like), with `crit`, with a member that is named twice or longer than 32 KiB are refused; keys of RSA below 2048 bits are passed over; \
                     the waypoint itself fetches `jwksUri`, ahead of time, and never because of an unknown `kid` more than once a minute; a rule that is wrong refuses the tokens of its issuer",
                ),
            ),
        ],
    }],
};
