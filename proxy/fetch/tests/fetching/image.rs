//! Images in the layouts that are in use, as bytes.

use std::io::Write as _;

use cairn_fetch::Digest;
use serde_json::json;

pub(crate) const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A manifest with the blobs that it names.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) media_type: &'static str,
    pub(crate) manifest: Vec<u8>,
    pub(crate) blobs: Vec<Vec<u8>>,
}

impl Image {
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    /// From a config and layers, each with its media type.
    pub(crate) fn new(media_type: &'static str, config: (&str, &[u8]), layers: &[(&str, Vec<u8>)]) -> Self {
        let descriptor = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "size": bytes.len(), "digest": Digest::of(bytes).to_string()});
        let described: Vec<_> = layers
            .iter()
            .map(|(kind, bytes)| descriptor(kind, bytes))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor(config.0, config.1),
            "layers": described,
        });
        let mut blobs = vec![config.1.to_vec()];
        blobs.extend(layers.iter().map(|(_, bytes)| bytes.clone()));
        Self {
            media_type,
            manifest: manifest.to_string().into_bytes(),
            blobs,
        }
    }

    /// As `docker build` makes it from scratch.
    pub(crate) fn docker(module: &[u8]) -> Self {
        let config = ("application/vnd.docker.container.image.v1+json", &b"{}"[..]);
        let layer = "application/vnd.docker.image.rootfs.diff.tar.gzip";
        Self::new(DOCKER, config, &[(layer, archive("plugin.wasm", module))])
    }

    /// As `buildah` makes it, with a layer below.
    pub(crate) fn compat(module: &[u8]) -> Self {
        let config = ("application/vnd.oci.image.config.v1+json", &b"{}"[..]);
        let layer = "application/vnd.oci.image.layer.v1.tar+gzip";
        let below = archive("plugin.wasm", b"what the layer above replaces");
        Self::new(
            OCI,
            config,
            &[(layer, below), (layer, archive("./plugin.wasm", module))],
        )
    }

    /// As `oras` makes it in Istio's convention.
    pub(crate) fn solo(module: &[u8]) -> Self {
        let config = ("application/vnd.module.wasm.config.v1+json", &b"{}"[..]);
        Self::new(
            OCI,
            config,
            &[(
                "application/vnd.module.wasm.content.layer.v1+wasm",
                module.to_vec(),
            )],
        )
    }

    /// As `wkg` makes it, by CNCF's convention.
    pub(crate) fn cncf(module: &[u8]) -> Self {
        let config = ("application/vnd.wasm.config.v0+json", &b"{\"os\":\"wasip2\"}"[..]);
        Self::new(OCI, config, &[("application/wasm", module.to_vec())])
    }

    /// A list of images by platform.
    pub(crate) fn index(images: &[(&str, &str, &Image)]) -> Self {
        let entries: Vec<_> = images
            .iter()
            .map(|(os, architecture, image)| {
                json!({
                    "mediaType": image.media_type,
                    "size": image.manifest.len(),
                    "digest": image.digest().to_string(),
                    "platform": {"os": os, "architecture": architecture},
                })
            })
            .collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        Self {
            media_type: INDEX,
            manifest: manifest.to_string().into_bytes(),
            blobs: Vec::new(),
        }
    }
}

/// A compressed archive of one file.
pub(crate) fn archive(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, name, bytes).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&archive.into_inner().unwrap()).unwrap();
    encoder.finish().unwrap()
}
