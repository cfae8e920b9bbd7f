//! One connection, as it is told of.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use cairn_hbone::Authority;
use cairn_mesh::Service;
use cairn_telemetry::traffic::{Interned, Reporter, SecurityPolicy, ServiceLabels, TcpLabels};

use crate::party::Party;

/// Which way a connection goes, seen from the workload that this proxy serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the workload.
    Inbound,
    /// From it.
    Outbound,
}

impl Direction {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        }
    }

    fn reporter(self) -> Reporter {
        match self {
            Direction::Inbound => Reporter::Destination,
            Direction::Outbound => Reporter::Source,
        }
    }
}

/// One connection, as the access log and the metrics know it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) direction: Direction,
    /// The address of the client.
    pub(crate) source: SocketAddr,
    pub(crate) client: Party,
    /// The other end of the connection that the proxy made or took: for a tunnel, its port 15008.
    pub(crate) destination: SocketAddr,
    /// What was asked for through the tunnel.
    pub(crate) authority: Option<Authority>,
    pub(crate) service: Option<Arc<Service>>,
    pub(crate) server: Party,
}

impl Record {
    /// The labels of its metrics.
    pub(crate) fn labels(&self, flags: &'static str) -> TcpLabels {
        let service = self.service.as_deref().map(|service| ServiceLabels {
            host: Arc::clone(&service.hostname),
            name: service.name.as_str().into(),
            namespace: service.namespace.as_str().into(),
        });
        TcpLabels {
            reporter: self.direction.reporter(),
            source: self.client.labels(),
            destination: self.server.labels(),
            service: Interned::new(service.unwrap_or_default()),
            response_flags: Cow::Borrowed(flags),
            // An identity is only known where TLS has proven it.
            connection_security_policy: if self.client.identity().is_some() {
                SecurityPolicy::MutualTls
            } else {
                SecurityPolicy::Unknown
            },
        }
    }
}
