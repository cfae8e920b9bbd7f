//! What the mesh's settings say of every service.

use cairn_api::istio::AccessLogEncoding;
use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::Problem;
use cairn_mesh::MeshSettings;
use cairn_route::{LocalityPreference, Retry};

use crate::access_log::Format;

/// The retries of routes that say nothing about them.
pub(super) fn mesh_retry(settings: &MeshSettings) -> (Retry, Vec<Problem>) {
    let object = ObjectRef::new(Kind::ConfigMap, "istio-system", "istio");
    match &settings.config.default_http_retry_policy {
        Some(written) => cairn_route::compile_retry(written, object, "data.mesh.defaultHttpRetryPolicy"),
        None => (Retry::default(), Vec::new()),
    }
}

/// What the mesh prefers where no rule says otherwise.
pub(super) fn mesh_locality(
    settings: &MeshSettings,
    problems: &mut Vec<Problem>,
) -> Option<LocalityPreference> {
    let form = settings.config.locality_lb_setting.as_ref()?;
    let object = ObjectRef::new(Kind::ConfigMap, "istio-system", "istio");
    let (preference, found) = LocalityPreference::of_mesh(form, &object, "data.mesh.localityLbSetting");
    problems.extend(found);
    Some(preference)
}

/// The format of the access log, when MeshConfig asks for one.
pub(super) fn access_log(settings: &MeshSettings, problems: &mut Vec<Problem>) -> Option<Format> {
    if settings.access_log_file.is_empty() {
        return None;
    }
    let json = settings.access_log_encoding == AccessLogEncoding::Json;
    if json || settings.access_log_format.is_empty() {
        return Some(if json {
            Format::istio_json()
        } else {
            Format::istio()
        });
    }
    let (format, unknown) = Format::text(&settings.access_log_format);
    problems.extend(unknown.into_iter().map(|operator| {
        Problem::warning(
            ObjectRef::new(Kind::ConfigMap, "istio-system", "istio"),
            "data.mesh",
            format!("accessLogFormat: {operator} is not known and is always printed as -"),
            "remove it",
        )
    }));
    Some(format)
}
