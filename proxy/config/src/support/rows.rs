//! The tables of what acts.
//!
//! **To act on a new field, change its row in the table of its kind; a field that the types have and no row covers fails a test.** Paths are
//! those of the document: `[]` stands for every item of a list, `{}` for every name of a mapping. A row covers its field and everything below
//! it, so name the leaves where they differ. `field=VALUE` covers only that value. No field may have two rows.

mod extension;
mod gateway;
mod routing;
mod security;
mod services;
mod traffic_policy;
mod unread;

use cairn_api::meta::Kind;

pub(super) use unread::UNREAD;

/// What becomes of a field. The words say how and why, to users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Support {
    /// It acts as in a waypoint of Istio.
    Yes,
    /// It acts, and not as there.
    Differently(&'static str),
    /// It has no effect, and is not meant to have one here. Reported where it is written.
    NotApplicable(&'static str),
    /// It is read, and has no effect in this version. Reported where it is written.
    NotYet,
}

/// The path of a field, and what becomes of it.
pub(super) type Row = (&'static str, Support);

/// What a kind says, and what becomes of it.
pub(super) struct Table {
    /// What holds for the whole kind; a sentence or more, or nothing.
    pub(super) about: &'static str,
    pub(super) sections: &'static [Section],
}

/// Rows, and the fields that they are below: several where the same form stands more than once.
pub(super) struct Section {
    pub(super) under: &'static [&'static str],
    pub(super) rows: &'static [Row],
}

/// The table of a kind. `None` for the objects of Kubernetes itself: they describe much that is no concern of a mesh, and are not held
/// against tables.
pub(super) const fn table(kind: Kind) -> Option<&'static Table> {
    match kind {
        Kind::VirtualService => Some(&routing::VIRTUAL_SERVICE),
        Kind::DestinationRule => Some(&traffic_policy::DESTINATION_RULE),
        Kind::ServiceEntry => Some(&services::SERVICE_ENTRY),
        Kind::WorkloadEntry => Some(&services::WORKLOAD_ENTRY),
        Kind::AuthorizationPolicy => Some(&security::AUTHORIZATION_POLICY),
        Kind::PeerAuthentication => Some(&security::PEER_AUTHENTICATION),
        Kind::RequestAuthentication => Some(&security::REQUEST_AUTHENTICATION),
        Kind::Telemetry => Some(&extension::TELEMETRY),
        Kind::WasmPlugin => Some(&extension::WASM_PLUGIN),
        Kind::TrafficExtension => Some(&extension::TRAFFIC_EXTENSION),
        Kind::GatewayClass => Some(&gateway::GATEWAY_CLASS),
        Kind::Gateway => Some(&gateway::GATEWAY),
        Kind::HttpRoute => Some(&gateway::HTTP_ROUTE),
        Kind::GrpcRoute => Some(&gateway::GRPC_ROUTE),
        Kind::TcpRoute => Some(&gateway::TCP_ROUTE),
        Kind::TlsRoute => Some(&gateway::TLS_ROUTE),
        Kind::BackendTlsPolicy => Some(&gateway::BACKEND_TLS_POLICY),
        Kind::ReferenceGrant => Some(&gateway::REFERENCE_GRANT),
        _ => None,
    }
}

impl Support {
    /// Whether the field has an effect.
    pub(super) const fn acts(self) -> bool {
        matches!(self, Support::Yes | Support::Differently(_))
    }
}

impl Table {
    /// Every row, with the whole path of its field.
    pub(super) fn rows(&self) -> impl Iterator<Item = (String, Support)> {
        self.sections.iter().flat_map(|section| {
            let under = section.under.iter();
            under.flat_map(|under| {
                let rows = section.rows.iter();
                rows.map(move |(field, support)| (format!("{under}.{field}"), *support))
            })
        })
    }
}
