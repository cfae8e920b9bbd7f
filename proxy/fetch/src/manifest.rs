//! Manifests of images, and where in an image the module is.

use serde::Deserialize;

use crate::digest::Digest;

/// What is accepted as a manifest, as the `Accept` of a request for one.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";

/// A layer of `docker build`.
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// A layer of `buildah`, and of `docker build` with OCI media types.
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// The same, uncompressed.
const OCI_PLAIN_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// The layer of an artifact of `oras` in Istio's and Solo's convention.
pub(crate) const SOLO_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
/// The config of such an artifact.
pub(crate) const SOLO_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
/// The layer of an artifact in CNCF's convention.
pub(crate) const CNCF_LAYER: &str = "application/wasm";
/// The config of such an artifact.
pub(crate) const CNCF_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The manifest of one image.
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What a registry answers for the name of an image: an image, or a list of images by platform.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    schema_version: u32,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

/// A pointer to a blob or to another manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    pub(crate) size: u64,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

/// How a layer holds the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// It is the module.
    Bare,
    /// A tar archive with a `plugin.wasm`.
    Tar,
    /// The same, compressed.
    TarGzip,
}

/// The step that a manifest leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The layer with the module.
    Layer(Descriptor, Packing),
    /// The manifest of the image for WebAssembly.
    Image(Descriptor),
}

impl Descriptor {
    pub(crate) fn digest(&self) -> Result<Digest, String> {
        self.digest
            .parse()
            .ok()
            .filter(|_| self.digest.starts_with("sha256:"))
            .ok_or_else(|| format!("the digest {:?} is not one of SHA-256", self.digest))
    }

    /// Signatures and provenance that build tools add to an index; no image.
    fn is_attestation(&self) -> bool {
        self.annotations.contains_key("vnd.docker.reference.type")
    }

    /// How well a platform suits: a component's before a module's before whatever calls itself WebAssembly.
    fn suits(&self) -> Option<u8> {
        let platform = self.platform.as_ref()?;
        match (platform.os.as_str(), platform.architecture.as_str()) {
            ("wasip2", _) => Some(0),
            ("wasip1", _) => Some(1),
            ("wasi", _) | (_, "wasm" | "wasm32") => Some(2),
            _ => None,
        }
    }

    fn platform(&self) -> String {
        match &self.platform {
            Some(platform) => format!("{}/{}", platform.os, platform.architecture),
            None => "no platform".to_owned(),
        }
    }
}

impl Manifest {
    /// Reads a manifest; the error says what is wrong with it.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, String> {
        let manifest: Self =
            serde_json::from_slice(json).map_err(|error| format!("its manifest cannot be read: {error}"))?;
        if manifest.schema_version != 2 {
            return Err(format!(
                "its manifest has schema version {}; push it again with a current tool",
                manifest.schema_version
            ));
        }
        Ok(manifest)
    }

    /// Where to go from here; the error says why nowhere.
    pub(crate) fn step(self) -> Result<Step, String> {
        match (self.manifests, self.layers) {
            (Some(images), _) => choose_image(images).map(Step::Image),
            (None, Some(layers)) => choose_layer(layers).map(|(layer, packing)| Step::Layer(layer, packing)),
            (None, None) => Err("its manifest lists neither layers nor images".to_owned()),
        }
    }
}

fn choose_image(images: Vec<Descriptor>) -> Result<Descriptor, String> {
    let mut images: Vec<Descriptor> = images.into_iter().filter(|one| !one.is_attestation()).collect();
    if let [only] = images.as_slice() {
        return Ok(only.clone());
    }
    let platforms: Vec<String> = images.iter().map(Descriptor::platform).collect();
    images.retain(|one| one.suits().is_some());
    // The first of those that suit equally well: sorting is stable.
    images.sort_by_key(Descriptor::suits);
    images.into_iter().next().ok_or_else(|| {
        format!(
            "it is a list of images of which none is for wasm, wasip1 or wasip2 ({})",
            platforms.join(", ")
        )
    })
}

fn choose_layer(layers: Vec<Descriptor>) -> Result<(Descriptor, Packing), String> {
    let count = layers.len();
    let mut bare = layers
        .iter()
        .filter(|layer| matches!(layer.media_type.as_str(), SOLO_LAYER | CNCF_LAYER));
    match (bare.next(), bare.next()) {
        (Some(layer), None) => return Ok((layer.clone(), Packing::Bare)),
        (Some(_), Some(_)) => {
            return Err("it has several layers that are modules; publish one each".to_owned());
        }
        (None, _) => {}
    }
    let Some(last) = layers.into_iter().next_back() else {
        return Err("it has no layers".to_owned());
    };
    match last.media_type.as_str() {
        DOCKER_LAYER if count > 1 => Err(format!(
            "as a docker image it must have one layer and has {count}; build it FROM scratch with one COPY"
        )),
        DOCKER_LAYER | OCI_LAYER => Ok((last, Packing::TarGzip)),
        OCI_PLAIN_LAYER => Ok((last, Packing::Tar)),
        other => Err(format!(
            "its last layer is of type {other:?}; supported are {CNCF_LAYER}, {SOLO_LAYER}, {OCI_LAYER} and {DOCKER_LAYER}"
        )),
    }
}

#[cfg(test)]
mod tests;
