//! The client's end of a tunnel: who is there, and what was asked for.

use std::net::SocketAddr;
use std::sync::Arc;

use cairn_hbone::DrainWatch;
use cairn_identity::SpiffeId;
use cairn_jwt::Authenticated;
use cairn_mesh::{Snapshot, Workload};
use cairn_route::{Connection, Note, RequestHead, SourceWorkload};
use cairn_telemetry::traffic::{Interned, WorkloadLabels};
use http::request::Parts;
use http::uri::Authority;

use crate::hello::Hello;
use crate::labels;
use crate::plan::RoutePlan;

/// One CONNECT stream that has been admitted. What it carries is one connection of the client's application.
pub(crate) struct Downstream {
    /// The identity that the client's ztunnel has proven for it.
    pub(crate) peer: SpiffeId,
    /// The client's workload, when the mesh knows one of that address and identity.
    pub(crate) source: Option<Arc<Workload>>,
    pub(crate) labels: Interned<WorkloadLabels>,
    /// The client's address.
    pub(crate) remote: SocketAddr,
    /// The address that the client connected to.
    pub(crate) local: SocketAddr,
    /// The address that the client connected to, as an authority.
    pub(crate) authority: Authority,
    pub(crate) target: Target,
    pub(crate) drain: DrainWatch,
}

/// What was authorized and is open: asked about again whenever the configuration changes.
#[derive(Clone, Copy)]
pub(crate) enum Held<'a> {
    /// A connection that is not HTTP, and what it began with.
    Connection(&'a Hello),
    /// What a request has opened.
    Request(&'a Asked),
}

/// A request as it was authorized: asked about again for as long as what it opened is open.
pub(crate) struct Asked {
    pub(crate) parts: Parts,
    pub(crate) authority: Authority,
    pub(crate) noted: Vec<Note>,
    pub(crate) token: Option<Authenticated>,
    /// The providers whose authorization servers have decided.
    pub(crate) asked: Vec<Arc<str>>,
}

/// What has been found out about a request beside its head.
#[derive(Clone, Copy, Default)]
pub(crate) struct Learnt<'a> {
    /// What filters have noted.
    pub(crate) noted: &'a [Note],
    /// Who it is from, by its token.
    pub(crate) token: Option<&'a Authenticated>,
}

impl Asked {
    pub(crate) fn learnt(&self) -> Learnt<'_> {
        Learnt {
            noted: &self.noted,
            token: self.token.as_ref(),
        }
    }
}

/// What a tunnel leads to.
#[derive(Clone)]
pub(crate) enum Target {
    /// A port of a service, by the service's id.
    Service(Arc<str>, u16),
    /// An address of one workload, by its uid, and the way there.
    Workload(Arc<str>, SocketAddr, Arc<RoutePlan>),
}

impl Downstream {
    pub(crate) fn new(
        mesh: &Snapshot,
        peer: SpiffeId,
        remote: SocketAddr,
        local: SocketAddr,
        target: Target,
        drain: DrainWatch,
    ) -> Option<Downstream> {
        let authority = Authority::try_from(local.to_string()).ok()?;
        // The address alone proves nothing: the workload is believed only when it has the proven identity.
        let source = mesh
            .workload_by_ip(remote.ip())
            .filter(|workload| workload.identity == peer)
            .cloned();
        let labels = source
            .as_deref()
            .map_or_else(|| labels::peer(&peer), labels::workload);
        Some(Downstream {
            peer,
            source,
            labels,
            remote,
            local,
            authority,
            target,
            drain,
        })
    }

    /// The connection as policies see it. Nothing is known of what it carries but the name that its TLS asks for.
    pub(crate) fn access<'a>(&'a self, server_name: Option<&'a str>) -> cairn_authz::Request<'a> {
        cairn_authz::Request {
            peer: Some(&self.peer),
            source_ip: self.remote.ip(),
            remote_ip: self.remote.ip(),
            destination: self.local,
            http: None,
            sni: server_name,
        }
    }

    /// A request on it as policies see it: the very path that is matched and forwarded.
    pub(crate) fn access_of<'a>(
        &'a self,
        parts: &'a Parts,
        authority: &'a Authority,
        learnt: Learnt<'a>,
    ) -> cairn_authz::Request<'a> {
        cairn_authz::Request {
            http: Some(cairn_authz::Http {
                method: parts.method.as_str(),
                path: parts.uri.path(),
                authority: authority.as_str(),
                headers: &parts.headers,
                noted: learnt.noted,
                token: learnt.token,
            }),
            ..self.access(None)
        }
    }

    /// A request on it as routes see it.
    pub(crate) fn head_of<'a>(
        &'a self,
        parts: &'a Parts,
        authority: &'a Authority,
        learnt: Learnt<'a>,
    ) -> RequestHead<'a> {
        RequestHead {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query(),
            authority: authority.as_str(),
            scheme: "http",
            headers: &parts.headers,
            noted: learnt.noted,
            token: learnt.token,
            source: self.caller(),
        }
    }

    /// The connection as routes see it.
    pub(crate) fn connection<'a>(&'a self, server_name: Option<&'a str>) -> Connection<'a> {
        Connection {
            destination: self.local.ip(),
            client: self.remote.ip(),
            server_name,
            source: self.caller(),
        }
    }

    fn caller(&self) -> Option<SourceWorkload<'_>> {
        self.source.as_deref().map(|workload| SourceWorkload {
            labels: &workload.labels,
            namespace: &workload.namespace,
        })
    }
}
