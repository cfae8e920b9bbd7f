//! The `baggage` header (W3C Baggage): what a peer says about its workload, for telemetry only.
//!
//! Nothing in here is proven; identities come from certificates.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header.
pub const HEADER: HeaderName = HeaderName::from_static("baggage");

/// Longest header that is read (W3C Baggage, section 3.3.2).
const MAX_HEADER: usize = 8192;

/// Longest value that is kept: no Kubernetes name is longer.
const MAX_VALUE: usize = 253;

/// The description of a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baggage {
    /// `k8s.cluster.name`.
    pub cluster: Option<String>,
    /// `k8s.namespace.name`.
    pub namespace: Option<String>,
    /// `k8s.<kind>.name`.
    pub workload: Option<Workload>,
    /// `service.name`: the canonical service.
    pub service: Option<String>,
    /// `service.version`: the canonical revision.
    pub version: Option<String>,
    /// `cloud.region`.
    pub region: Option<String>,
    /// `cloud.availability_zone`.
    pub zone: Option<String>,
}

/// What runs the workload, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name.
    pub name: String,
}

/// The kinds of things that run pods, as far as the header tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkloadKind {
    /// A Deployment.
    Deployment,
    /// A CronJob.
    CronJob,
    /// A Pod of its own.
    Pod,
    /// A Job.
    Job,
}

impl WorkloadKind {
    const ALL: [WorkloadKind; 4] = [
        WorkloadKind::Deployment,
        WorkloadKind::CronJob,
        WorkloadKind::Pod,
        WorkloadKind::Job,
    ];

    fn key(self) -> &'static str {
        match self {
            WorkloadKind::Deployment => "k8s.deployment.name",
            WorkloadKind::CronJob => "k8s.cronjob.name",
            WorkloadKind::Pod => "k8s.pod.name",
            WorkloadKind::Job => "k8s.job.name",
        }
    }
}

/// Reads one header value. What cannot be read, or is not known, is left out; the first of two equal keys counts.
///
/// ```
/// let baggage = cairn_hbone::baggage::parse("k8s.namespace.name=default,k8s.deployment.name=sleep,user=me");
/// assert_eq!(baggage.namespace.as_deref(), Some("default"));
/// assert_eq!(baggage.workload.unwrap().name, "sleep");
/// ```
#[must_use]
pub fn parse(text: &str) -> Baggage {
    let mut baggage = Baggage::default();
    baggage.read(text);
    baggage
}

impl Baggage {
    /// Reads all headers of that name.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Baggage {
        let mut baggage = Baggage::default();
        for text in headers
            .get_all(HEADER)
            .iter()
            .filter_map(|value| value.to_str().ok())
        {
            baggage.read(text);
        }
        baggage
    }

    /// The header value; `None` when there is nothing to say.
    #[must_use]
    pub fn to_header(&self) -> Option<HeaderValue> {
        let text = self.to_string();
        if text.is_empty() {
            None
        } else {
            HeaderValue::try_from(text).ok()
        }
    }

    fn read(&mut self, text: &str) {
        if text.len() > MAX_HEADER {
            return;
        }
        for member in text.split(',') {
            // Properties follow a semicolon; no member of ours has any.
            let pair = member.split(';').next().unwrap_or_default();
            let Some((key, value)) = pair.split_once('=') else {
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            if is_value(value) {
                self.set(key, value);
            }
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        if let Some(kind) = WorkloadKind::ALL.into_iter().find(|kind| kind.key() == key) {
            self.workload.get_or_insert_with(|| Workload {
                kind,
                name: value.to_owned(),
            });
            return;
        }
        let field = match key {
            "k8s.cluster.name" => &mut self.cluster,
            "k8s.namespace.name" => &mut self.namespace,
            "service.name" => &mut self.service,
            "service.version" => &mut self.version,
            "cloud.region" => &mut self.region,
            "cloud.availability_zone" => &mut self.zone,
            _ => return,
        };
        field.get_or_insert_with(|| value.to_owned());
    }
}

/// The header value. A field whose text the header cannot carry is left out.
impl fmt::Display for Baggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workload = self
            .workload
            .as_ref()
            .map(|workload| (workload.kind.key(), workload.name.as_str()));
        let field = |key, value: &'_ Option<String>| value.as_deref().map(|value| (key, value.to_owned()));
        let members = [
            field("k8s.cluster.name", &self.cluster),
            field("k8s.namespace.name", &self.namespace),
            workload.map(|(key, name)| (key, name.to_owned())),
            field("service.name", &self.service),
            field("service.version", &self.version),
            field("cloud.region", &self.region),
            field("cloud.availability_zone", &self.zone),
        ];
        let mut separator = "";
        for (key, value) in members.iter().flatten().filter(|(_, value)| is_value(value)) {
            write!(f, "{separator}{key}={value}")?;
            separator = ",";
        }
        Ok(())
    }
}

/// A non-empty text of baggage octets: visible ASCII but `"`, `,`, `;` and `\`.
fn is_value(text: &str) -> bool {
    let octet = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\');
    !text.is_empty() && text.len() <= MAX_VALUE && text.bytes().all(octet)
}

#[cfg(test)]
mod tests;
