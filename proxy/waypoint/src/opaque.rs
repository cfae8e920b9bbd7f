//! Connections that are not HTTP: authorized by what is known of a connection, then carried as bytes.
//!
//! Filters are not called for what a port declares to be something else than HTTP. Where it declares nothing, nobody goes
//! past a filter by not looking like HTTP at first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cairn_balance::{Outcome, Picked};
use cairn_http::upgrade::{Count, Counters, Timeouts, bridge};
use cairn_telemetry::traffic::{Reporter, SecurityPolicy, TcpLabels, TcpSeries};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;

use crate::access_log::{Record, UpstreamLocal};
use crate::breaker::Overflow;
use crate::cluster::Cluster;
use crate::downstream::{Downstream, Held};
use crate::exchange::Scope;
use crate::failure::{Failure, Flags, UpstreamFault};
use crate::hello::{self, Hello};
use crate::plan::Plans;
use crate::proxy::Proxy;
use crate::sought::Sought;
use crate::upstream::{Stream, Upstream};
use crate::{authorize, failure};

/// How long a connection may be silent: Envoy's default for TCP.
const TIMEOUTS: Timeouts = Timeouts {
    idle: Some(Duration::from_secs(3600)),
    half_closed: Some(Duration::from_secs(300)),
};
/// How long a client may take to say the hello of its TLS.
const HELLO: Duration = Duration::from_secs(5);
/// Endpoints that are tried before the connection is given up.
const ATTEMPTS: usize = 3;

/// Carries one connection to its end. What may be TLS is asked for the name of the server that it wants.
pub(crate) async fn serve(
    proxy: &Proxy,
    downstream: &Downstream,
    client: impl AsyncRead + AsyncWrite + Unpin,
    may_be_tls: bool,
) {
    let began = Instant::now();
    let asks = || {
        let plans = proxy.plans.load();
        Scope::of(&plans, &downstream.target, &downstream.peer).asks_for_server_name(downstream)
    };
    if may_be_tls || asks() {
        let Ok((hello, client)) = hello::read(client, HELLO).await else {
            return;
        };
        carry(proxy, downstream, client, hello, began).await;
    } else {
        carry(proxy, downstream, client, Hello::Unread, began).await;
    }
}

async fn carry(
    proxy: &Proxy,
    downstream: &Downstream,
    client: impl AsyncRead + AsyncWrite + Unpin,
    hello: Hello,
    began: Instant,
) {
    let plans = proxy.plans.load_full();
    let scope = Scope::of(&plans, &downstream.target, &downstream.peer);
    let mut record = Record::new(downstream.local, downstream.remote);
    let labels = TcpLabels {
        reporter: Reporter::Waypoint,
        source: downstream.labels.clone(),
        destination: proxy.unknown.clone(),
        service: scope.labels(proxy),
        response_flags: Flags::default().label(),
        connection_security_policy: SecurityPolicy::MutualTls,
    };
    record.server_name = hello.name().cloned();
    let server_name = hello.name().map(AsRef::as_ref);
    let unknown = match &hello {
        Hello::Unreadable => true,
        Hello::Unread => scope.asks_for_server_name(downstream),
        Hello::Tls(_) | Hello::Other => false,
    };
    let opened = if unknown {
        // It may be for a name that policies forbid, or that is led elsewhere.
        Err(Failure::UnreadableHello)
    } else {
        open(downstream, &scope, &plans, server_name, &mut record).await
    };
    match opened {
        Ok(Opened {
            stream,
            endpoint,
            permit: _permit,
            timeouts,
            longest,
        }) => {
            let labels = TcpLabels {
                destination: endpoint.data.labels.clone(),
                ..labels
            };
            let series = proxy.tcp.series(&labels);
            series.opened();
            let carried = Carried {
                series: &series,
                counters: Counters::default(),
            };
            tokio::select! {
                bridged = bridge(client, stream, timeouts, &carried) => if let Some(error) = bridged.error {
                    (record.flags, record.details) = failure::broken(&error);
                },
                () = downstream.drain.forced() => record.details = "drained".into(),
                () = end_of(longest) => (record.flags, record.details) = failure::outlived(),
                failure = authorize::revoked(proxy, downstream, Held::Connection(&hello), plans.version) => {
                    let reply = failure.reply();
                    (record.flags, record.details) = (reply.flags, reply.details);
                }
            }
            series.closed();
            record.received = carried.counters.sent.into_inner();
            record.sent = carried.counters.received.into_inner();
        }
        Err(failure) => {
            let reply = failure.reply();
            record.flags = reply.flags;
            record.details = reply.details;
            proxy
                .tcp
                .series(&TcpLabels {
                    response_flags: reply.flags.label(),
                    ..labels
                })
                .failed();
        }
    }
    record.duration = began.elapsed();
    write(proxy, &plans, &record);
}

/// When a connection has lasted as long as it may.
async fn end_of(longest: Option<Duration>) {
    match longest {
        Some(longest) => tokio::time::sleep(longest).await,
        None => std::future::pending().await,
    }
}

/// Counts what one connection carries where all are counted, and for its own line.
struct Carried<'a> {
    series: &'a TcpSeries,
    counters: Counters,
}

impl Count for Carried<'_> {
    fn sent(&self, bytes: u64) {
        self.series.add_received(bytes);
        self.counters.sent(bytes);
    }

    fn received(&self, bytes: u64) {
        self.series.add_sent(bytes);
        self.counters.received(bytes);
    }
}

/// A connection to an endpoint, which counts for as long as this is there.
struct Opened {
    stream: Stream,
    endpoint: Picked<Upstream>,
    permit: Option<OwnedSemaphorePermit>,
    timeouts: Timeouts,
    /// How long it may last.
    longest: Option<Duration>,
}

/// Authorizes the connection and opens one to an endpoint; one that cannot be reached is passed over for another.
async fn open(
    downstream: &Downstream,
    scope: &Scope,
    plans: &Plans,
    server_name: Option<&str>,
    record: &mut Record,
) -> Result<Opened, Failure> {
    authorize::check(scope.policies(downstream.access(server_name)))?;
    if let Some(attached) = scope.unmissable() {
        let plugin = Arc::clone(&attached.spec.label);
        tracing::warn!(
            %plugin,
            destination = %downstream.local,
            "refused a connection that is not HTTP: declare the port's protocol as tcp to have it carried past filters"
        );
        return Err(Failure::Unfiltered { plugin });
    }
    let cluster: &Arc<Cluster> = scope.cluster_of(&downstream.connection(server_name))?;
    record.upstream_cluster = Arc::clone(&cluster.name);
    let hash = cluster.affinity_of_connection(downstream.remote.ip());
    let permit = match &cluster.breaker {
        None => None,
        Some(breaker) => breaker.connect().await.map_err(|Overflow| Failure::Overflow)?,
    };
    let timeouts = match cluster.tcp_idle {
        None => TIMEOUTS,
        Some(idle) => Timeouts {
            idle: (!idle.is_zero()).then_some(idle),
            ..TIMEOUTS
        },
    };
    let mut failed = Vec::new();
    let mut failure = Failure::NoHealthyUpstream;
    while failed.len() < ATTEMPTS {
        let sought = Sought {
            mesh: &plans.mesh,
            source: downstream.remote,
            destination: downstream.local,
            host: server_name,
        };
        let endpoint = match cluster.choose(sought, hash, &failed).await {
            Ok(endpoint) if failed.contains(&endpoint.data.address) => break,
            Ok(endpoint) => endpoint,
            Err(reason) if failed.is_empty() => return Err(reason),
            Err(_) => break,
        };
        record.upstream_host = Some(endpoint.data.address);
        match endpoint.data.connections.open(&sought).await {
            Ok(stream) => {
                cluster.observe(&endpoint, Outcome::Status(200));
                let local = stream.local_address();
                record.upstream_local = Some(local.map_or(UpstreamLocal::Tunnel, UpstreamLocal::Address));
                return Ok(Opened {
                    stream,
                    endpoint,
                    permit,
                    timeouts,
                    longest: cluster.tcp_longest,
                });
            }
            Err(error) => {
                cluster.observe(&endpoint, Outcome::Unreachable);
                let retries = u32::try_from(failed.len()).unwrap_or(u32::MAX);
                failure = Failure::Upstream {
                    fault: UpstreamFault::Connect(error.to_string()),
                    retries,
                };
                failed.push(endpoint.data.address);
            }
        }
    }
    Err(failure)
}

fn write(proxy: &Proxy, plans: &Plans, record: &Record) {
    if let Some(format) = &plans.access_log {
        proxy.access_log.write(|line| format.write(record, line));
    }
}
