//! Where the module of a plugin comes from, and what it must be.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cairn_api::istio::{PullPolicy as WrittenPolicy, WasmConfig};
use cairn_api::k8s::Secret;
use cairn_api::meta::Key;
use cairn_config::Table;
use cairn_fetch::{Digest, DockerConfig, PullPolicy, Request, Source};

use super::problems::Problems;
use super::written::Written;

/// The type of Secrets with the credentials of registries, and what they are under.
const DOCKER: (&str, &str) = ("kubernetes.io/dockerconfigjson", ".dockerconfigjson");

/// Where the module is; or, why it is not to be had.
pub(super) fn module(
    written: &Written,
    wasm: &WasmConfig,
    written_in: Option<&Path>,
    secrets: &Table<Secret>,
    problems: &mut Problems,
) -> Result<Request, String> {
    let source = source(&wasm.url, written_in).inspect_err(|reason| {
        problems.error(
            &written.field("url"),
            reason.as_str(),
            "requests are refused or let through as failStrategy says",
        );
    });
    let sha256 = digest(&wasm.sha256).inspect_err(|reason| {
        problems.error(
            &written.field("sha256"),
            reason.as_str(),
            "write what sha256sum prints, or the digest of the image",
        );
    });
    let credentials = credentials(written, &wasm.image_pull_secret, secrets, problems);
    Ok(Request {
        sha256: sha256?,
        pull_policy: match wasm.image_pull_policy {
            Some(WrittenPolicy::IfNotPresent) => PullPolicy::IfNotPresent,
            Some(WrittenPolicy::Always) => PullPolicy::Always,
            Some(WrittenPolicy::Unspecified) | None => PullPolicy::Unspecified,
        },
        credentials,
        ..Request::new(source?)
    })
}

fn source(url: &str, written_in: Option<&Path>) -> Result<Source, String> {
    // `file://./filter.wasm` is beside the document that says so.
    if let Some(path) = url.trim().strip_prefix("file://./") {
        let directory = written_in.and_then(Path::parent).unwrap_or_else(|| Path::new(""));
        return Ok(Source::File(directory.join(path)));
    }
    url.parse::<Source>().map_err(|error| error.to_string())
}

fn digest(written: &str) -> Result<Option<Digest>, String> {
    match written.trim() {
        "" => Ok(None),
        digits => digits
            .parse()
            .map(Some)
            .map_err(|error: cairn_fetch::DigestError| error.to_string()),
    }
}

/// What the Secret says; without it, a registry is asked as by anyone.
fn credentials(
    written: &Written,
    name: &str,
    secrets: &Table<Secret>,
    problems: &mut Problems,
) -> Option<DockerConfig> {
    if name.is_empty() {
        return None;
    }
    let key = Key::new(&written.object.namespace, name);
    let found = match secrets.get(&key) {
        Some(secret) => docker(secret),
        None => Err("is not there".to_owned()),
    };
    found
        .inspect_err(|reason| {
            let hint = "create it with kubectl create secret docker-registry, in the namespace of the plugin; until then the registry is asked without credentials";
            problems.error(&written.field("imagePullSecret"), format!("the Secret {key} {reason}"), hint);
        })
        .ok()
}

fn docker(secret: &Secret) -> Result<DockerConfig, String> {
    let (type_, name) = DOCKER;
    if secret.type_ != type_ {
        return Err(format!("is of type `{}`, not {type_}", secret.type_));
    }
    let json = match (secret.string_data.get(name), secret.data.get(name)) {
        (Some(text), _) => text.reveal().as_bytes().to_vec(),
        (None, Some(text)) => STANDARD
            .decode(text.reveal().trim())
            .map_err(|_| format!("has no base64 under {name}"))?,
        (None, None) => return Err(format!("has nothing under {name}")),
    };
    DockerConfig::parse(&json).map_err(|error| format!("holds {error}"))
}
