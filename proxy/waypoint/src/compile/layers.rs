//! What DestinationRules and BackendTLSPolicies have put upon connections: the PROXY protocol, TLS, a tunnel.
//!
//! What cannot be put on is not left out: nothing is sent then, since it could have been meant to be encrypted, or to be sent to
//! nobody else.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cairn_api::k8s::Secret;
use cairn_api::meta::{Key, ObjectRef};
use cairn_config::Problem;
use cairn_dial::{
    ClientCertificate as Shown, Fingerprint, Layers, Method, ProxyHeader, TlsSettings, Trust as Trusted,
    Tunnel,
};
use cairn_mesh::{Origin, Service, ServicePort};
use cairn_route::{
    ClientCertificate, ClientTls, HostPolicy, ProxyProtocol, TlsOrigination, TrafficPolicy, Trust,
};

use super::Shared;
use super::memory::Memory;
use crate::files;

/// Bytes of a file of certificates that are read.
const LONGEST: u64 = 8 << 20;

/// What TLS is built from, by who asks for it; or why it cannot be.
struct Material {
    settings: Result<TlsSettings, String>,
    source: Option<ObjectRef>,
    field: &'static str,
}

impl Shared<'_> {
    /// The layers of connections to a port. An error: nothing may be sent there.
    pub(super) fn layers(
        &self,
        service: &Service,
        port: &ServicePort,
        traffic: &TrafficPolicy,
        sources: &[ObjectRef],
        memory: &mut Memory,
    ) -> Result<Option<Arc<Layers>>, Vec<Problem>> {
        let tls = match self.material(service, port, traffic, sources) {
            None => None,
            Some(Material {
                settings,
                source,
                field,
            }) => {
                let made = settings.and_then(|settings| memory.tls(&settings));
                Some(made.map_err(|reason| {
                    let message = format!("{reason}; nothing is sent to {}", service.hostname);
                    let problem = |source| Problem::error(source, field, message, "");
                    source.map(problem).into_iter().collect::<Vec<_>>()
                })?)
            }
        };
        let tunnel = traffic.tunnel.as_ref().map(|tunnel| {
            let method = if tunnel.by_post {
                Method::Post
            } else {
                Method::Connect
            };
            Tunnel::new(method, &tunnel.host, tunnel.port).map_err(|error| {
                let message = format!("{error}; nothing is sent to {}", service.hostname);
                let problem = |source: &ObjectRef| {
                    Problem::error(source.clone(), "spec.trafficPolicy.tunnel", message, "")
                };
                sources.first().map(problem).into_iter().collect::<Vec<_>>()
            })
        });
        let layers = Layers {
            proxy_protocol: traffic.proxy_protocol.map(|version| match version {
                ProxyProtocol::V1 => ProxyHeader::V1,
                ProxyProtocol::V2 => ProxyHeader::V2,
            }),
            tls,
            tunnel: tunnel.transpose()?,
        };
        Ok((!layers.is_empty()).then(|| Arc::new(layers)))
    }

    /// What TLS towards a service is built from now, wherever a rule asks for it: it may change without the rule.
    pub(super) fn secrets_of(
        &self,
        service: &Service,
        policy: Option<&HostPolicy>,
    ) -> Vec<Option<Fingerprint>> {
        if policy.is_none() && self.backend_tls_of(service).is_empty() {
            return Vec::new();
        }
        let nothing = TrafficPolicy::default();
        let mut found = Vec::new();
        for port in &service.ports {
            let all = policy.map(|policy| policy.traffic_policy(None, port.number));
            let subsets = policy.into_iter().flat_map(HostPolicy::subsets);
            let subsets = subsets.filter_map(|it| Some(policy?.traffic_policy(Some(&it.name), port.number)));
            let all = all.unwrap_or_else(|| nothing.clone());
            for traffic in std::iter::once(all).chain(subsets) {
                if let Some(material) = self.material(service, port, &traffic, &[]) {
                    found.push(material.settings.ok().map(|settings| settings.fingerprint()));
                }
            }
        }
        found
    }

    fn material(
        &self,
        service: &Service,
        port: &ServicePort,
        traffic: &TrafficPolicy,
        sources: &[ObjectRef],
    ) -> Option<Material> {
        let policy = || {
            let is_kubernetes = service.origin == Origin::Kubernetes;
            let policies = Some(&self.backend_tls).filter(|_| is_kubernetes)?;
            policies.find(&service.namespace, &service.name, &port.name)
        };
        let (tls, source, field) = match &traffic.tls {
            Some(tls) => (tls, sources.first().cloned(), "spec.trafficPolicy.tls"),
            None => {
                let found = policy()?;
                (&found.tls, Some(found.source.clone()), "spec.validation")
            }
        };
        let settings = match tls {
            ClientTls::Disable | ClientTls::IstioMutual => return None,
            ClientTls::Unusable => Err("it cannot be known what TLS was meant".to_owned()),
            // Who compiles without serving is elsewhere, with other files.
            ClientTls::Originate(origination) if self.offline && names_files(origination) => return None,
            ClientTls::Originate(origination) => self.settings(service, origination),
        };
        Some(Material {
            settings,
            source,
            field,
        })
    }

    fn settings(&self, service: &Service, wanted: &TlsOrigination) -> Result<TlsSettings, String> {
        let (trust, revoked) = match &wanted.trust {
            Trust::Anyone => (Trusted::Anyone, None),
            Trust::System { revoked } => (Trusted::System, revoked.as_ref()),
            Trust::File { authorities, revoked } => {
                (Trusted::Authorities(self.file(authorities)?), revoked.as_ref())
            }
            Trust::Pem(text) => (Trusted::Authorities(text.clone().into_bytes()), None),
            Trust::Secret(name) => {
                let own = self.secret(name)?;
                let beside = format!("{name}-cacert");
                let mut authorities = any_of(own, &["ca.crt", "cacert"])?;
                if let (None, Ok(other)) = (&authorities, self.secret(&beside)) {
                    authorities = any_of(other, &["ca.crt", "cacert"])?;
                }
                (authorities.map_or(Trusted::System, Trusted::Authorities), None)
            }
        };
        let mut revoked = revoked.map(|path| self.file(path)).transpose()?;
        let client = match &wanted.client {
            None => None,
            Some(ClientCertificate::Files { certificate, key }) => Some(Shown {
                chain: self.file(certificate)?,
                key: self.file(key)?,
            }),
            Some(ClientCertificate::Secret(name)) => {
                let secret = self.secret(name)?;
                let part = |keys: &[&str]| {
                    let found = any_of(secret, keys)?;
                    found.ok_or_else(|| format!("Secret {name} has no `{}`", keys.join("` or `")))
                };
                Some(Shown {
                    chain: part(&["tls.crt", "cert"])?,
                    key: part(&["tls.key", "key"])?,
                })
            }
        };
        if let Trust::Secret(name) = &wanted.trust {
            revoked = any_of(self.secret(name)?, &["ca.crl", "crl"])?;
        }
        let mut subject_alt_names = wanted.subject_alt_names.clone();
        if subject_alt_names.is_empty() && wanted.trust != Trust::Anyone {
            subject_alt_names.clone_from(&service.alternative_names);
        }
        Ok(TlsSettings {
            trust,
            revoked,
            client,
            subject_alt_names,
            sni: wanted.sni.clone(),
        })
    }

    /// Of the waypoint's namespace, as for gateways.
    fn secret(&self, name: &str) -> Result<&Secret, String> {
        let key = Key::new(self.waypoint.key.namespace.as_str(), name);
        let found = self.state.objects.secrets.get(&key);
        found
            .map(AsRef::as_ref)
            .ok_or_else(|| format!("there is no Secret {key}"))
    }

    /// Each is read once for a version.
    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        use std::io::Read as _;
        let path = PathBuf::from(path);
        if let Some((_, read)) = self.files.borrow().get(&path) {
            return read.clone();
        }
        let stamp = files::stamp(&path);
        let read = || {
            let mut bytes = Vec::new();
            let file = std::fs::File::open(&path)?;
            file.take(LONGEST + 1).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        let read = read().map_err(|error| format!("{} cannot be read: {error}", path.display()));
        let read = read.and_then(|bytes| match bytes.len() as u64 {
            0..=LONGEST => Ok(bytes),
            _ => Err(format!("{} is longer than {LONGEST} bytes", path.display())),
        });
        self.files.borrow_mut().insert(path, (stamp, read.clone()));
        read
    }
}

fn names_files(wanted: &TlsOrigination) -> bool {
    matches!(wanted.client, Some(ClientCertificate::Files { .. }))
        || matches!(
            wanted.trust,
            Trust::File { .. } | Trust::System { revoked: Some(_) }
        )
}

/// The first of these entries that a Secret has. One that cannot be decoded is not left out: something else would act in its place.
fn any_of(secret: &Secret, keys: &[&str]) -> Result<Option<Vec<u8>>, String> {
    for key in keys {
        if let Some(text) = secret.string_data.get(*key) {
            return Ok(Some(text.reveal().as_bytes().to_vec()));
        }
        if let Some(coded) = secret.data.get(*key) {
            let mut text = coded.reveal().to_owned();
            text.retain(|letter| !letter.is_ascii_whitespace());
            let name = &secret.metadata.name;
            let decoded = STANDARD.decode(text);
            return decoded
                .map(Some)
                .map_err(|_| format!("Secret {name} has no base64 under `{key}`"));
        }
    }
    Ok(None)
}
