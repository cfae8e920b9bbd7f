//! The settings of the mesh as a whole.

use std::sync::Arc;

use cairn_api::istio::{AccessLogEncoding, MeshConfig, OutboundTrafficMode, PathNormalization};
use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_config::{Objects, Problem};

use crate::service::Exported;

const CONFIG_MAP: (&str, &str) = ("istio-system", "istio");
const NETWORK_LABEL: &str = "topology.istio.io/network";

/// The settings of the mesh as a whole: the text under `mesh` in the ConfigMap `istio-system/istio`, with Istio's
/// defaults for what it leaves out.
#[derive(Clone, Debug, PartialEq)]
pub struct MeshSettings {
    /// The trust domain of every identity.
    pub trust_domain: Arc<str>,
    /// Other trust domains whose identities are the mesh's own.
    pub trust_domain_aliases: Vec<String>,
    /// The namespace whose policies are about the whole mesh.
    pub root_namespace: String,
    /// Where services have their names: `<name>.<namespace>.svc.<cluster domain>`.
    pub cluster_domain: String,
    /// The name of the cluster.
    pub cluster_id: String,
    /// The name of the network of every address that says nothing else; empty when there is only one.
    pub network: String,
    /// The file of the access log; empty for none.
    pub access_log_file: String,
    /// The format of its lines; empty for Istio's.
    pub access_log_format: String,
    /// The encoding of its lines.
    pub access_log_encoding: AccessLogEncoding,
    /// How paths are normalised before anything looks at them.
    pub path_normalization: PathNormalization,
    /// Connections to destinations that the mesh does not know are refused.
    pub registry_only: bool,
    /// Everything that was written, for settings that only one reader knows.
    pub config: Arc<MeshConfig>,
}

impl Default for MeshSettings {
    fn default() -> MeshSettings {
        MeshSettings::from(MeshConfig::default())
    }
}

impl From<MeshConfig> for MeshSettings {
    fn from(config: MeshConfig) -> MeshSettings {
        let or = |text: &str, default: &str| if text.is_empty() { default } else { text }.to_owned();
        let metadata = config.default_config.as_ref().map(|proxy| &proxy.proxy_metadata);
        let cluster = metadata
            .and_then(|metadata| metadata.get("ISTIO_META_CLUSTER_ID"))
            .map(String::as_str);
        let outbound = config
            .outbound_traffic_policy
            .as_ref()
            .and_then(|policy| policy.mode);
        let normalization = config
            .path_normalization
            .as_ref()
            .and_then(|settings| settings.normalization);
        MeshSettings {
            trust_domain: or(&config.trust_domain, "cluster.local").into(),
            trust_domain_aliases: config.trust_domain_aliases.clone(),
            root_namespace: or(&config.root_namespace, CONFIG_MAP.0),
            cluster_domain: "cluster.local".to_owned(),
            cluster_id: or(cluster.unwrap_or_default(), "Kubernetes"),
            network: String::new(),
            access_log_file: config.access_log_file.clone(),
            access_log_format: config.access_log_format.clone(),
            access_log_encoding: config.access_log_encoding.unwrap_or_default(),
            path_normalization: normalization.unwrap_or_default(),
            registry_only: outbound == Some(OutboundTrafficMode::RegistryOnly),
            config: Arc::new(config),
        }
    }
}

impl MeshSettings {
    /// The fully qualified host name of a Kubernetes Service.
    #[must_use]
    pub fn hostname(&self, service: &Key) -> String {
        format!(
            "{}.{}.svc.{}",
            service.name, service.namespace, self.cluster_domain
        )
    }

    /// Who sees a service of namespace `owner` that lists these namespaces; where it lists none, the mesh says it for all.
    pub(crate) fn exported<S: AsRef<str>>(&self, list: &[S], owner: &str) -> Exported {
        let of_all = || Exported::of(&self.config.default_service_export_to, owner);
        Exported::of(list, owner).or_else(of_all).unwrap_or_default()
    }

    /// Reads the settings; those that cannot be read are reported, and the defaults hold.
    pub(crate) fn read(objects: &Objects, problems: &mut Vec<Problem>) -> MeshSettings {
        let key = Key::new(CONFIG_MAP.0, CONFIG_MAP.1);
        let text = objects.config_maps.get(&key).and_then(|map| map.data.get("mesh"));
        let config = text.and_then(|text| {
            let object = ObjectRef::from_key(Kind::ConfigMap, &key);
            let (config, found) = cairn_config::embedded::<MeshConfig>(&object, "data.mesh", text);
            problems.extend(found);
            config
        });
        let config = config.unwrap_or_default();
        let mut settings = MeshSettings::from(config);
        let root = objects
            .namespaces
            .get(&Key::new("", settings.root_namespace.as_str()));
        let network = root.and_then(|namespace| namespace.metadata.labels.get(NETWORK_LABEL));
        settings.network = network.cloned().unwrap_or_default();
        settings
    }
}

#[cfg(test)]
mod tests;
