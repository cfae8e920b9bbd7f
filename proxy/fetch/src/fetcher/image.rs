//! Modules of registries.

use bytes::Bytes;

use super::{Module, Origin, PullPolicy, Request, Shared, credential, module};
use crate::cache::{Entry, Name};
use crate::credentials::Credential;
use crate::digest::Digest;
use crate::error::FetchError;
use crate::format;
use crate::manifest::{Descriptor, Manifest, Packing, Step};
use crate::reference::ImageReference;
use crate::registry::{Purpose, Session};
use crate::unpack::{Unpacking, unpack};

/// The layer of an image that holds its module, and what it was found by.
struct Found {
    /// The digest that the image's name stands for.
    top: Digest,
    layer: Descriptor,
    packing: Packing,
}

impl Shared {
    pub(super) async fn image(
        &self,
        image: &ImageReference,
        request: &Request,
    ) -> Result<Module, FetchError> {
        let name = name_of(image, request);
        if may_be_cached(image, request)
            && let Some(module) = self.cached(name).await
        {
            return Ok(module);
        }
        let mut session = Session::new(&self.connector, image, credential(request), Purpose::Pull)?;
        if let Some(module) = self.unchanged(&mut session, image, request).await? {
            self.keep(vec![name], entry_of(&module)).await;
            return Ok(module);
        }
        let found = find(&mut session, image, request).await?;
        let bytes = self.take(&mut session, image, &found).await?;
        format::check(&bytes, &request.source.to_string())?;
        let entry = Entry {
            sha256: Digest::of(&bytes),
            image: Some(found.top),
            bytes,
        };
        self.keep(vec![name, content(image, found.top)], entry.clone())
            .await;
        Ok(module(entry, Origin::Network))
    }

    /// The module of the digest that the image's name stands for by now, when the cache has it. The registry has been
    /// asked, and so has decided who may have it.
    async fn unchanged(
        &self,
        session: &mut Session<'_>,
        image: &ImageReference,
        request: &Request,
    ) -> Result<Option<Module>, FetchError> {
        if self.cache.is_none() {
            return Ok(None);
        }
        let Some(digest) = session.digest().await? else {
            return Ok(None);
        };
        let wanted = [image.digest(), request.sha256];
        if wanted.into_iter().flatten().any(|wanted| wanted != digest) {
            return Ok(None);
        }
        Ok(self.cached(content(image, digest)).await)
    }

    /// Downloads and unpacks the module.
    async fn take(
        &self,
        session: &mut Session<'_>,
        image: &ImageReference,
        found: &Found,
    ) -> Result<Bytes, FetchError> {
        let large = || FetchError::TooLarge {
            what: format!("the module in {image}"),
            limit: self.max_size,
        };
        if found.layer.size > self.max_size {
            return Err(large());
        }
        let digest = found.layer.digest().map_err(|reason| unreadable(image, reason))?;
        let layer = session.blob(digest, self.max_size).await?;
        let (packing, limit) = (found.packing, self.max_size);
        match tokio::task::spawn_blocking(move || unpack(layer, packing, limit)).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(Unpacking::TooLarge)) => Err(large()),
            Ok(Err(Unpacking::Failed(reason))) => Err(unreadable(image, reason)),
            Err(_) => Err(FetchError::Interrupted {
                what: image.to_string(),
            }),
        }
    }
}

/// Reads manifests down to the layer, and checks what was asked for on the way.
async fn find(
    session: &mut Session<'_>,
    image: &ImageReference,
    request: &Request,
) -> Result<Found, FetchError> {
    let wrong = |reason| unreadable(image, reason);
    let (json, top) = session.manifest().await?;
    let mut found = top;
    let mut step = Manifest::parse(&json).and_then(Manifest::step).map_err(wrong)?;
    if let Step::Image(descriptor) = &step {
        found = descriptor.digest().map_err(wrong)?;
        let json = session.manifest_of(found).await?;
        step = Manifest::parse(&json).and_then(Manifest::step).map_err(wrong)?;
    }
    if let Some(expected) = request.sha256
        && expected != top
        && expected != found
    {
        let actual = if top == found {
            top.to_string()
        } else {
            format!("{top} as a list and {found} as an image")
        };
        return Err(FetchError::Checksum {
            what: format!("the image {image}"),
            expected: expected.to_string(),
            actual,
        });
    }
    match step {
        Step::Layer(layer, packing) => Ok(Found { top, layer, packing }),
        Step::Image(_) => Err(wrong("it is a list of lists".to_owned())),
    }
}

/// Whether the cache will do without asking the registry.
fn may_be_cached(image: &ImageReference, request: &Request) -> bool {
    let fixed = image.digest().is_some() || request.sha256.is_some();
    fixed
        || match request.pull_policy {
            PullPolicy::Always => false,
            PullPolicy::IfNotPresent => true,
            PullPolicy::Unspecified => !image.floats(),
        }
}

/// The name of what a request led to.
fn name_of(image: &ImageReference, request: &Request) -> Name {
    let expected = request.sha256.map(|sha256| sha256.hex()).unwrap_or_default();
    let credential = credential(request).map(|one| Credential::fingerprint(one).hex());
    Name::of(&[
        "image",
        &image.to_string(),
        &expected,
        &credential.unwrap_or_default(),
    ])
}

/// The name of what a digest stands for in a repository, for whoever the registry lets see it.
fn content(image: &ImageReference, digest: Digest) -> Name {
    Name::of(&["content", image.registry(), image.repository(), &digest.hex()])
}

fn entry_of(module: &Module) -> Entry {
    Entry {
        bytes: module.bytes.clone(),
        sha256: module.sha256,
        image: module.image,
    }
}

fn unreadable(image: &ImageReference, reason: String) -> FetchError {
    FetchError::Image {
        image: image.to_string(),
        reason,
    }
}
