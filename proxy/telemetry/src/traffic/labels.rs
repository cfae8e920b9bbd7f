//! The label sets of Istio's standard metrics.

use std::borrow::Cow;
use std::fmt::Write;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use crate::metrics::escape_label_value;

/// A value that is hashed once and shared: cloning is one addition, comparing is mostly comparing addresses.
#[derive(Debug)]
pub struct Interned<T>(Arc<(u64, T)>);

impl<T: Hash> Interned<T> {
    /// Hashes and shares a value. Make it where the value comes from, not for each request.
    pub fn new(value: T) -> Self {
        static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(Arc::new((STATE.hash_one(&value), value)))
    }
}

impl<T> Clone for Interned<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Interned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.1
    }
}

impl<T: Hash> From<T> for Interned<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Hash + Default> Default for Interned<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: PartialEq> PartialEq for Interned<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || *self.0 == *other.0
    }
}

impl<T: Eq> Eq for Interned<T> {}

impl<T> Hash for Interned<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.0);
    }
}

/// What is known of one end: the source of a connection, or the destination that was chosen for it.
///
/// An empty value is reported as `unknown`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct WorkloadLabels {
    /// The workload: the Deployment rather than the Pod.
    pub workload: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// The SPIFFE id that the peer has proved, `spiffe://…`; never what it merely says of itself.
    pub principal: Arc<str>,
    /// The label `app`.
    pub app: Arc<str>,
    /// The label `version`.
    pub version: Arc<str>,
    /// The canonical service.
    pub canonical_service: Arc<str>,
    /// The canonical revision.
    pub canonical_revision: Arc<str>,
    /// The cluster.
    pub cluster: Arc<str>,
    /// The region; a label of TCP metrics only, and only if it is known.
    pub region: Arc<str>,
    /// The zone; a label of TCP metrics only, and only if it is known.
    pub zone: Arc<str>,
}

/// The service that was addressed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ServiceLabels {
    /// The full host name, `reviews.default.svc.cluster.local`.
    pub host: Arc<str>,
    /// The short name.
    pub name: Arc<str>,
    /// The namespace.
    pub namespace: Arc<str>,
}

/// Who reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Reporter {
    /// The ztunnel of the client.
    Source,
    /// The ztunnel of the server.
    Destination,
    /// A waypoint.
    #[default]
    Waypoint,
}

/// The protocol of what was proxied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum RequestProtocol {
    /// HTTP of any version.
    #[default]
    Http,
    /// gRPC.
    Grpc,
    /// Anything else.
    Tcp,
}

/// How the client's connection was protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SecurityPolicy {
    /// Both ends have proved who they are.
    MutualTls,
    /// No protection.
    None,
    /// Not known to the reporter.
    #[default]
    Unknown,
}

/// The labels of HTTP and gRPC metrics, in the order in which Istio's waypoint writes them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpLabels {
    /// Who reports.
    pub reporter: Reporter,
    /// The client.
    pub source: Interned<WorkloadLabels>,
    /// The endpoint that was chosen.
    pub destination: Interned<WorkloadLabels>,
    /// The service that was addressed.
    pub service: Interned<ServiceLabels>,
    /// The protocol.
    pub request_protocol: RequestProtocol,
    /// The status; 0 when there was no response.
    pub response_code: u16,
    /// The gRPC status. Istio leaves the label empty, not `unknown`, for what is not gRPC.
    pub grpc_response_status: Option<u32>,
    /// Envoy's flags, `-` for none.
    pub response_flags: Cow<'static, str>,
    /// How the client's connection was protected.
    pub connection_security_policy: SecurityPolicy,
}

impl Default for HttpLabels {
    fn default() -> Self {
        Self {
            reporter: Reporter::default(),
            source: Interned::default(),
            destination: Interned::default(),
            service: Interned::default(),
            request_protocol: RequestProtocol::Http,
            response_code: 0,
            grpc_response_status: None,
            response_flags: Cow::Borrowed("-"),
            connection_security_policy: SecurityPolicy::default(),
        }
    }
}

/// The labels of TCP metrics, in the order in which Istio's ztunnel writes them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TcpLabels {
    /// Who reports.
    pub reporter: Reporter,
    /// The client.
    pub source: Interned<WorkloadLabels>,
    /// The endpoint that was chosen.
    pub destination: Interned<WorkloadLabels>,
    /// The service that was addressed.
    pub service: Interned<ServiceLabels>,
    /// Envoy's flags, `-` for none.
    pub response_flags: Cow<'static, str>,
    /// How the connection was protected.
    pub connection_security_policy: SecurityPolicy,
}

impl Default for TcpLabels {
    fn default() -> Self {
        Self {
            reporter: Reporter::default(),
            source: Interned::default(),
            destination: Interned::default(),
            service: Interned::default(),
            response_flags: Cow::Borrowed("-"),
            connection_security_policy: SecurityPolicy::default(),
        }
    }
}

impl Reporter {
    fn as_str(self) -> &'static str {
        match self {
            Reporter::Source => "source",
            Reporter::Destination => "destination",
            Reporter::Waypoint => "waypoint",
        }
    }
}

impl RequestProtocol {
    fn as_str(self) -> &'static str {
        match self {
            RequestProtocol::Http => "http",
            RequestProtocol::Grpc => "grpc",
            RequestProtocol::Tcp => "tcp",
        }
    }
}

impl SecurityPolicy {
    fn as_str(self) -> &'static str {
        match self {
            SecurityPolicy::MutualTls => "mutual_tls",
            SecurityPolicy::None => "none",
            SecurityPolicy::Unknown => "unknown",
        }
    }
}

/// A set of labels that a series can have.
pub(super) trait Labels: Clone + Eq + Hash + Send + Sync + 'static {
    /// What stands for all the series that there is no room for.
    fn overflow() -> Self;

    /// The labels as they stand between the braces of a sample.
    fn render(&self) -> String;
}

impl Labels for HttpLabels {
    fn overflow() -> Self {
        let other = other_workload();
        Self {
            source: other.clone(),
            destination: other,
            service: other_service(),
            response_flags: Cow::Borrowed(OTHER),
            ..Self::default()
        }
    }

    fn render(&self) -> String {
        let (source, destination, service) = (&*self.source, &*self.destination, &*self.service);
        let mut out = Rendered::new(self.reporter);
        out.known("source_workload", &source.workload);
        out.known("source_canonical_service", &source.canonical_service);
        out.known("source_canonical_revision", &source.canonical_revision);
        out.known("source_workload_namespace", &source.namespace);
        out.known("source_principal", &source.principal);
        out.known("source_app", &source.app);
        out.known("source_version", &source.version);
        out.known("source_cluster", &source.cluster);
        out.known("destination_workload", &destination.workload);
        out.known("destination_workload_namespace", &destination.namespace);
        out.known("destination_principal", &destination.principal);
        out.known("destination_app", &destination.app);
        out.known("destination_version", &destination.version);
        out.known("destination_service", &service.host);
        out.known("destination_canonical_service", &destination.canonical_service);
        out.known("destination_canonical_revision", &destination.canonical_revision);
        out.known("destination_service_name", &service.name);
        out.known("destination_service_namespace", &service.namespace);
        out.known("destination_cluster", &destination.cluster);
        out.known("request_protocol", self.request_protocol.as_str());
        out.number("response_code", Some(self.response_code.into()));
        out.number("grpc_response_status", self.grpc_response_status);
        out.known("response_flags", &self.response_flags);
        out.known(
            "connection_security_policy",
            self.connection_security_policy.as_str(),
        );
        out.0
    }
}

impl Labels for TcpLabels {
    fn overflow() -> Self {
        let other = other_workload();
        Self {
            source: other.clone(),
            destination: other,
            service: other_service(),
            response_flags: Cow::Borrowed(OTHER),
            ..Self::default()
        }
    }

    fn render(&self) -> String {
        let (source, destination, service) = (&*self.source, &*self.destination, &*self.service);
        let mut out = Rendered::new(self.reporter);
        out.known("source_workload", &source.workload);
        out.known("source_canonical_service", &source.canonical_service);
        out.known("source_canonical_revision", &source.canonical_revision);
        out.known("source_workload_namespace", &source.namespace);
        out.known("source_principal", &source.principal);
        out.known("source_app", &source.app);
        out.known("source_version", &source.version);
        out.known("source_cluster", &source.cluster);
        out.known("destination_service", &service.host);
        out.known("destination_service_namespace", &service.namespace);
        out.known("destination_service_name", &service.name);
        out.known("destination_workload", &destination.workload);
        out.known("destination_canonical_service", &destination.canonical_service);
        out.known("destination_canonical_revision", &destination.canonical_revision);
        out.known("destination_workload_namespace", &destination.namespace);
        out.known("destination_principal", &destination.principal);
        out.known("destination_app", &destination.app);
        out.known("destination_version", &destination.version);
        out.known("destination_cluster", &destination.cluster);
        out.known("request_protocol", RequestProtocol::Tcp.as_str());
        out.known("response_flags", &self.response_flags);
        out.known(
            "connection_security_policy",
            self.connection_security_policy.as_str(),
        );
        out.present("source_region", &source.region);
        out.present("source_zone", &source.zone);
        out.present("destination_region", &destination.region);
        out.present("destination_zone", &destination.zone);
        out.0
    }
}

const OTHER: &str = "other";

fn other_workload() -> Interned<WorkloadLabels> {
    let other: Arc<str> = OTHER.into();
    Interned::new(WorkloadLabels {
        workload: other.clone(),
        namespace: other.clone(),
        principal: other.clone(),
        app: other.clone(),
        version: other.clone(),
        canonical_service: other.clone(),
        canonical_revision: other.clone(),
        cluster: other,
        ..WorkloadLabels::default()
    })
}

fn other_service() -> Interned<ServiceLabels> {
    let other: Arc<str> = OTHER.into();
    Interned::new(ServiceLabels {
        host: other.clone(),
        name: other.clone(),
        namespace: other,
    })
}

/// Labels that are being written.
struct Rendered(String);

impl Rendered {
    fn new(reporter: Reporter) -> Self {
        let mut out = String::with_capacity(1024);
        out.push_str("reporter=\"");
        out.push_str(reporter.as_str());
        out.push('"');
        Self(out)
    }

    fn known(&mut self, name: &str, value: &str) {
        self.begin(name);
        escape_label_value(&mut self.0, if value.is_empty() { "unknown" } else { value });
        self.0.push('"');
    }

    fn present(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.known(name, value);
        }
    }

    fn number(&mut self, name: &str, value: Option<u32>) {
        self.begin(name);
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _ = write!(self.0, "{value}");
        }
        self.0.push('"');
    }

    fn begin(&mut self, name: &str) {
        self.0.push(',');
        self.0.push_str(name);
        self.0.push_str("=\"");
    }
}
