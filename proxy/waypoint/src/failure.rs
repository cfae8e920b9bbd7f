//! Why a request failed, and the one table that says what its client is told.
//!
//! Every phase of the pipeline ends in a value or in a [`Failure`]. The statuses, bodies, response flags and
//! details are Envoy's, so dashboards and runbooks written for Istio's own waypoint read the same here.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use cairn_http::upgrade::BridgeError;
use cairn_jwt::Refusal;
use cairn_wasm::{LocalReply, Reason};
use http::{HeaderValue, StatusCode};

use crate::filtering::{self, Stopped};
use crate::target::Misread;
use crate::upload;

/// Who caused a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client, or what it sent.
    Downstream,
    /// The endpoint, or the way to it.
    Upstream,
    /// This waypoint, by configuration.
    Local,
}

/// Envoy's response flags, in the order in which Envoy prints them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u32);

impl Flags {
    /// No endpoint was healthy.
    pub const NO_HEALTHY_UPSTREAM: Flags = Flags(1);
    /// The response did not come in time.
    pub const UPSTREAM_TIMEOUT: Flags = Flags(1 << 1);
    /// All retries were used.
    pub const RETRIES_EXCEEDED: Flags = Flags(1 << 2);
    /// The endpoint could not be connected to.
    pub const UPSTREAM_CONNECTION_FAILURE: Flags = Flags(1 << 3);
    /// The endpoint closed the connection.
    pub const UPSTREAM_TERMINATION: Flags = Flags(1 << 4);
    /// No route matched.
    pub const NO_ROUTE: Flags = Flags(1 << 5);
    /// The route names a destination that does not exist.
    pub const NO_CLUSTER: Flags = Flags(1 << 6);
    /// A fault delayed the request.
    pub const DELAY_INJECTED: Flags = Flags(1 << 7);
    /// A fault answered the request.
    pub const FAULT_INJECTED: Flags = Flags(1 << 8);
    /// The client went away.
    pub const DOWNSTREAM_TERMINATION: Flags = Flags(1 << 9);
    /// The client broke the protocol.
    pub const DOWNSTREAM_PROTOCOL_ERROR: Flags = Flags(1 << 10);
    /// The endpoint broke the protocol.
    pub const UPSTREAM_PROTOCOL_ERROR: Flags = Flags(1 << 11);
    /// The client sent no more of its request.
    pub const STREAM_IDLE: Flags = Flags(1 << 12);
    /// The endpoint reset the stream.
    pub const UPSTREAM_REMOTE_RESET: Flags = Flags(1 << 13);

    /// As much was under way as may be.
    pub const UPSTREAM_OVERFLOW: Flags = Flags(1 << 14);
    /// The name of the endpoint has no address.
    pub const DNS_FAILURE: Flags = Flags(1 << 15);
    /// The connection has lasted as long as it may.
    pub const DURATION_TIMEOUT: Flags = Flags(1 << 16);
    /// An authorization server refuses.
    pub const UNAUTHORIZED_EXTERNALLY: Flags = Flags(1 << 17);

    const NAMES: [(Flags, &'static str); 18] = [
        (Flags::NO_HEALTHY_UPSTREAM, "UH"),
        (Flags::RETRIES_EXCEEDED, "URX"),
        (Flags::UPSTREAM_TIMEOUT, "UT"),
        (Flags::UPSTREAM_REMOTE_RESET, "UR"),
        (Flags::UPSTREAM_CONNECTION_FAILURE, "UF"),
        (Flags::UPSTREAM_TERMINATION, "UC"),
        (Flags::UPSTREAM_OVERFLOW, "UO"),
        (Flags::NO_ROUTE, "NR"),
        (Flags::NO_CLUSTER, "NC"),
        (Flags::DELAY_INJECTED, "DI"),
        (Flags::FAULT_INJECTED, "FI"),
        (Flags::DOWNSTREAM_TERMINATION, "DC"),
        (Flags::DOWNSTREAM_PROTOCOL_ERROR, "DPE"),
        (Flags::UNAUTHORIZED_EXTERNALLY, cairn_ext_authz::FLAG),
        (Flags::STREAM_IDLE, "SI"),
        (Flags::UPSTREAM_PROTOCOL_ERROR, "UPE"),
        (Flags::DNS_FAILURE, "DF"),
        (Flags::DURATION_TIMEOUT, "DT"),
    ];

    /// Both sets of flags.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all of `other` is set.
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// The text of a metric label; the common sets are static.
    pub(crate) fn label(self) -> Cow<'static, str> {
        if self.is_empty() {
            return Cow::Borrowed("-");
        }
        match Self::NAMES.iter().find(|(flag, _)| *flag == self) {
            Some((_, name)) => Cow::Borrowed(name),
            None => Cow::Owned(self.to_string()),
        }
    }

    /// Whether no flag is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// `-` when empty, else Envoy's short names joined by commas.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        let mut separator = "";
        for (flag, name) in Self::NAMES {
            if self.contains(flag) {
                write!(f, "{separator}{name}")?;
                separator = ",";
            }
        }
        Ok(())
    }
}

/// Why a connection to an endpoint did not come about or did not last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamFault {
    /// Nothing was sent: the connection could not be made. The text is the transport's own reason.
    Connect(String),
    /// The connection could not be made in time.
    ConnectTimeout,
    /// The connection ended before the head of the response.
    Terminated,
    /// The endpoint refused the stream before processing it (HTTP/2 REFUSED_STREAM).
    Refused,
    /// What came back was not HTTP.
    Protocol,
    /// The endpoint does not offer what the request asks for, such as a WebSocket over HTTP/2 (RFC 8441). Envoy asks all
    /// the same and is answered with a reset; so this reads as one.
    Unsupported,
}

/// Why a request did not get its endpoint's response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// An authorization policy forbids the request; the text names policy and rule for the log, never for the client.
    Denied(Arc<str>),
    /// An authorization server refuses the request, or cannot be asked.
    ExternallyRefused(Box<cairn_ext_authz::Refusal>),
    /// The request's token is not good.
    Unauthenticated(Box<Refusal>),
    /// A fault's abort.
    Aborted(StatusCode),
    /// A fault's abort with a gRPC status.
    AbortedGrpc(u8),
    /// No route of the service's VirtualServices matches.
    NoRoute,
    /// The route cannot be carried out as it is written.
    BrokenRoute,
    /// The destination of the route is unknown to the mesh.
    ClusterNotFound,
    /// No healthy endpoint.
    NoHealthyUpstream,
    /// The host that the request names has no address that may be connected to.
    NameNotResolved,
    /// The last attempt failed in this way, after `retries` retries.
    Upstream {
        /// What happened.
        fault: UpstreamFault,
        /// How many attempts came before.
        retries: u32,
    },
    /// The route's timeout passed.
    ResponseTimeout,
    /// The last attempt took longer than one may, after `retries` retries.
    PerTryTimeout {
        /// How many attempts came before.
        retries: u32,
    },
    /// As much is under way to the destination as may be.
    Overflow,
    /// The path cannot be normalised without ambiguity.
    AmbiguousPath,
    /// The request names no host.
    MissingHost,
    /// The target is in a form that a proxy does not serve.
    BadTarget,
    /// The request asks to switch to a protocol that is not carried.
    UpgradeRefused,
    /// A filter answers itself.
    Replied(Box<LocalReply>),
    /// A filter has failed, and its plugin says that the exchange fails with it.
    Filter {
        /// Namespace and name.
        plugin: Arc<str>,
        /// Why.
        reason: Reason,
    },
    /// The connection is not HTTP, on a port that does not say so, and a filter has to see what goes there.
    Unfiltered {
        /// Namespace and name.
        plugin: Arc<str>,
    },
    /// The hello of the connection's TLS cannot be read, so nobody knows which server it is for.
    UnreadableHello,
    /// A filter wants the whole of a request's body, which is too large for that.
    RequestTooLarge,
    /// A filter wants the whole of a response's body, which is too large for that.
    ResponseTooLarge,
    /// The client sent a broken body or went away while sending it.
    DownstreamBody,
    /// The client sent a part of its body and then, for too long, nothing.
    StreamIdle,
}

impl Failure {
    /// Who caused it.
    pub fn side(&self) -> Side {
        match self {
            Failure::AmbiguousPath
            | Failure::MissingHost
            | Failure::BadTarget
            | Failure::UpgradeRefused
            | Failure::UnreadableHello
            | Failure::Unauthenticated(_)
            | Failure::RequestTooLarge
            | Failure::DownstreamBody
            | Failure::StreamIdle => Side::Downstream,
            Failure::Upstream { .. } | Failure::ResponseTimeout | Failure::PerTryTimeout { .. } => {
                Side::Upstream
            }
            _ => Side::Local,
        }
    }

    /// What the client is told, what the log says.
    pub fn reply(&self) -> Reply {
        let reply = |status, body: &'static str, flags, details: &'static str| Reply {
            status,
            body: Cow::Borrowed(body),
            flags,
            details: Cow::Borrowed(details),
            grpc_status: None,
            close: false,
            overloaded: false,
            challenge: None,
        };
        let none = Flags::default();
        match self {
            Failure::Denied(details) => Reply {
                details: Cow::Owned(details.to_string()),
                ..reply(StatusCode::FORBIDDEN, "RBAC: access denied", none, "")
            },
            Failure::ExternallyRefused(refusal) => reply(
                refusal.status,
                "",
                Flags::UNAUTHORIZED_EXTERNALLY,
                refusal.details,
            ),
            Failure::Unauthenticated(refusal) => Reply {
                details: Cow::Owned(refusal.details()),
                challenge: Some(refusal.challenge().clone()),
                ..reply(refusal.status(), refusal.body(), none, "")
            },
            Failure::Aborted(status) => reply(
                *status,
                "fault filter abort",
                Flags::FAULT_INJECTED,
                "fault_filter_abort",
            ),
            Failure::AbortedGrpc(code) => Reply {
                grpc_status: Some(*code),
                ..reply(
                    StatusCode::OK,
                    "fault filter abort",
                    Flags::FAULT_INJECTED,
                    "fault_filter_abort",
                )
            },
            Failure::NoRoute => reply(StatusCode::NOT_FOUND, "", Flags::NO_ROUTE, "route_not_found"),
            Failure::BrokenRoute => reply(
                StatusCode::INTERNAL_SERVER_ERROR,
                "",
                Flags::NO_CLUSTER,
                "route_not_usable",
            ),
            Failure::ClusterNotFound => reply(
                StatusCode::SERVICE_UNAVAILABLE,
                "",
                Flags::NO_CLUSTER,
                "cluster_not_found",
            ),
            Failure::NoHealthyUpstream => reply(
                StatusCode::SERVICE_UNAVAILABLE,
                "no healthy upstream",
                Flags::NO_HEALTHY_UPSTREAM,
                "no_healthy_upstream",
            ),
            Failure::NameNotResolved => reply(
                StatusCode::SERVICE_UNAVAILABLE,
                "DNS resolution failure",
                Flags::DNS_FAILURE,
                "dns_resolution_failure",
            ),
            Failure::Upstream { fault, retries } => upstream_reply(fault, *retries),
            Failure::ResponseTimeout => reply(
                StatusCode::GATEWAY_TIMEOUT,
                "upstream request timeout",
                Flags::UPSTREAM_TIMEOUT,
                "response_timeout",
            ),
            Failure::PerTryTimeout { retries } => reply(
                StatusCode::GATEWAY_TIMEOUT,
                "upstream request timeout",
                if *retries > 0 {
                    Flags::UPSTREAM_TIMEOUT.with(Flags::RETRIES_EXCEEDED)
                } else {
                    Flags::UPSTREAM_TIMEOUT
                },
                "upstream_per_try_timeout",
            ),
            Failure::Overflow => Reply {
                overloaded: true,
                ..reply(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "upstream connect error or disconnect/reset before headers. reset reason: overflow",
                    Flags::UPSTREAM_OVERFLOW,
                    "upstream_reset_before_response_started{overflow}",
                )
            },
            Failure::AmbiguousPath => Reply {
                close: true,
                ..reply(StatusCode::BAD_REQUEST, "", none, "path_normalization_failed")
            },
            Failure::MissingHost => Reply {
                close: true,
                ..reply(StatusCode::BAD_REQUEST, "", none, "missing_host_header")
            },
            Failure::BadTarget => Reply {
                close: true,
                ..reply(StatusCode::NOT_FOUND, "", Flags::NO_ROUTE, "route_not_found")
            },
            Failure::UpgradeRefused => Reply {
                close: true,
                ..reply(StatusCode::FORBIDDEN, "", none, "upgrade_failed")
            },
            Failure::Replied(replied) => Reply {
                details: Cow::Owned(replied.details.clone()),
                grpc_status: replied.grpc_status,
                ..reply(replied.status, "", none, "")
            },
            Failure::Filter { plugin, reason } => Reply {
                details: Cow::Owned(format!("wasm_fail_stream{{{plugin}:{reason}}}")),
                ..reply(StatusCode::SERVICE_UNAVAILABLE, "", none, "")
            },
            Failure::Unfiltered { plugin } => Reply {
                details: Cow::Owned(format!("not_http_for_filter{{{plugin}}}")),
                ..reply(StatusCode::FORBIDDEN, "", none, "")
            },
            Failure::UnreadableHello => Reply {
                close: true,
                ..reply(
                    StatusCode::BAD_REQUEST,
                    "",
                    Flags::DOWNSTREAM_PROTOCOL_ERROR,
                    "tls_hello_not_readable",
                )
            },
            Failure::RequestTooLarge => reply(
                StatusCode::PAYLOAD_TOO_LARGE,
                "Payload Too Large",
                none,
                "request_payload_too_large",
            ),
            Failure::ResponseTooLarge => reply(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Internal Server Error",
                none,
                "response_payload_too_large",
            ),
            Failure::DownstreamBody => Reply {
                close: true,
                ..reply(
                    StatusCode::BAD_REQUEST,
                    "Bad Request",
                    Flags::DOWNSTREAM_TERMINATION,
                    "downstream_remote_disconnect",
                )
            },
            Failure::StreamIdle => Reply {
                close: true,
                ..reply(
                    StatusCode::REQUEST_TIMEOUT,
                    "stream timeout",
                    Flags::STREAM_IDLE,
                    "stream_idle_timeout",
                )
            },
        }
    }
}

impl From<&Stopped> for Failure {
    fn from(stopped: &Stopped) -> Failure {
        match stopped {
            Stopped::Replied(reply) => Failure::Replied(reply.clone()),
            Stopped::Failed { plugin, reason } => Failure::Filter {
                plugin: Arc::clone(plugin),
                reason: *reason,
            },
            Stopped::TooLarge {
                side: filtering::Side::Request,
                ..
            } => Failure::RequestTooLarge,
            Stopped::TooLarge { .. } => Failure::ResponseTooLarge,
            Stopped::Stalled {
                side: filtering::Side::Request,
            } => Failure::StreamIdle,
            Stopped::Stalled { .. } => Failure::ResponseTimeout,
            Stopped::Target(misread) => Failure::from(*misread),
            Stopped::Broken {
                side: filtering::Side::Request,
                error,
            } if upload::is_stalled(error) => Failure::StreamIdle,
            Stopped::Broken {
                side: filtering::Side::Request,
                ..
            } => Failure::DownstreamBody,
            Stopped::Broken { .. } => Failure::Upstream {
                fault: UpstreamFault::Terminated,
                retries: 0,
            },
        }
    }
}

impl From<Misread> for Failure {
    fn from(misread: Misread) -> Failure {
        match misread {
            Misread::Method => Failure::BadTarget,
            Misread::Path => Failure::AmbiguousPath,
        }
    }
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Failure {
        Failure::from(&stopped)
    }
}

/// One row of the rescue table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status of an HTTP reply.
    pub status: StatusCode,
    /// The reason, as text for the client; empty for none.
    pub body: Cow<'static, str>,
    /// For the log and the metrics.
    pub flags: Flags,
    /// For the log.
    pub details: Cow<'static, str>,
    /// A gRPC status that the configuration asked for; else the status is mapped for gRPC clients.
    pub grpc_status: Option<u8>,
    /// Whether the client's connection must end with the reply.
    pub close: bool,
    /// Whether the client is told (`x-envoy-overloaded`) that trying again at once makes it worse.
    pub overloaded: bool,
    /// How the client is to prove who it is (`www-authenticate`).
    pub challenge: Option<HeaderValue>,
}

/// Flags and details of a connection that was carried as bytes and did not end by itself.
pub(crate) fn broken(error: &BridgeError) -> (Flags, Cow<'static, str>) {
    let (flags, details) = match error {
        BridgeError::Downstream(_) => (Flags::DOWNSTREAM_TERMINATION, "downstream_remote_disconnect"),
        BridgeError::Upstream(_) => (
            Flags::UPSTREAM_TERMINATION,
            "upstream_reset_after_response_started{connection_termination}",
        ),
        _ => (Flags::STREAM_IDLE, "idle_timeout"),
    };
    (flags, Cow::Borrowed(details))
}

/// Flags and details of a connection that was carried as bytes for as long as it may be.
pub(crate) fn outlived() -> (Flags, Cow<'static, str>) {
    (Flags::DURATION_TIMEOUT, Cow::Borrowed("max_duration_timeout"))
}

fn upstream_reply(fault: &UpstreamFault, retries: u32) -> Reply {
    let (reason, detail, flags) = match fault {
        UpstreamFault::Connect(cause) => (
            "remote connection failure",
            format!("remote_connection_failure|{}", cause.replace(' ', "_")),
            Flags::UPSTREAM_CONNECTION_FAILURE,
        ),
        UpstreamFault::ConnectTimeout => (
            "connection timeout",
            "connection_timeout".to_owned(),
            Flags::UPSTREAM_CONNECTION_FAILURE,
        ),
        UpstreamFault::Terminated => (
            "connection termination",
            "connection_termination".to_owned(),
            Flags::UPSTREAM_TERMINATION,
        ),
        UpstreamFault::Refused => (
            "remote refused stream reset",
            "remote_refused_stream_reset".to_owned(),
            Flags::UPSTREAM_REMOTE_RESET,
        ),
        UpstreamFault::Protocol => (
            "protocol error",
            "protocol_error".to_owned(),
            Flags::UPSTREAM_PROTOCOL_ERROR,
        ),
        UpstreamFault::Unsupported => (
            "remote reset",
            "remote_reset".to_owned(),
            Flags::UPSTREAM_REMOTE_RESET,
        ),
    };
    let retried = if retries > 0 {
        "retried and the latest "
    } else {
        ""
    };
    Reply {
        status: match fault {
            UpstreamFault::Protocol => StatusCode::BAD_GATEWAY,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        },
        body: Cow::Owned(format!(
            "upstream connect error or disconnect/reset before headers. {retried}reset reason: {reason}"
        )),
        flags: if retries > 0 {
            flags.with(Flags::RETRIES_EXCEEDED)
        } else {
            flags
        },
        details: Cow::Owned(format!("upstream_reset_before_response_started{{{detail}}}")),
        grpc_status: None,
        close: false,
        overloaded: false,
        challenge: None,
    }
}

#[cfg(test)]
mod tests;
