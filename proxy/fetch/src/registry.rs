//! Pulling from a registry and pushing to it, by the OCI distribution specification.
//!
//! A [`Session`] is one pull or one push: it finds out how the registry wants to be spoken to, logs in when it is asked to,
//! and then asks for manifests and blobs, or sends them. Logins are not shared between sessions, so that what one plugin
//! may pull says nothing about another.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use url::Url;

use crate::challenge::challenge;
use crate::client::{Ask, Connector, Reply, send};
use crate::credentials::Credential;
use crate::digest::Digest;
use crate::error::FetchError;
use crate::manifest;
use crate::reference::ImageReference;
use crate::source::plain;

mod login;
mod upload;

/// Larger manifests are refused by registries, too.
const MAX_MANIFEST: u64 = 4 * 1024 * 1024;

/// What a session is for; a registry is asked for the right to that and to nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Pull,
    Push,
}

/// One pull or push of one image.
pub(crate) struct Session<'a> {
    connector: &'a Connector,
    image: &'a ImageReference,
    credential: Option<&'a Credential>,
    purpose: Purpose,
    base: Url,
    authorization: Option<HeaderValue>,
}

impl<'a> Session<'a> {
    /// Begins a session. Nothing is asked yet.
    pub(crate) fn new(
        connector: &'a Connector,
        image: &'a ImageReference,
        credential: Option<&'a Credential>,
        purpose: Purpose,
    ) -> Result<Self, FetchError> {
        let base = format!("https://{}/v2/{}/", image.endpoint(), image.repository());
        let base = Url::parse(&base).map_err(|error| FetchError::Image {
            image: image.to_string(),
            reason: format!("its registry is no host: {error}"),
        })?;
        Ok(Self {
            connector,
            image,
            credential,
            purpose,
            base,
            authorization: None,
        })
    }

    /// What the registry says the digest of the image is. `None`: it does not say.
    pub(crate) async fn digest(&mut self) -> Result<Option<Digest>, FetchError> {
        let reply = self
            .ask(&Question::new(Method::HEAD, self.manifest_path()))
            .await?;
        match reply.status.as_u16() {
            // There are registries that know of no HEAD.
            405 | 501 => return Ok(None),
            _ => {}
        }
        let reply = self.success(reply).await?;
        let digest = reply.headers.get("docker-content-digest");
        Ok(digest.and_then(|digest| digest.to_str().ok()?.parse().ok()))
    }

    /// The manifest of the image, and its digest.
    pub(crate) async fn manifest(&mut self) -> Result<(Bytes, Digest), FetchError> {
        let bytes = self.get_manifest(&self.manifest_path()).await?;
        let digest = Digest::of(&bytes);
        if let Some(expected) = self.image.digest() {
            self.check(expected, digest)?;
        }
        Ok((bytes, digest))
    }

    /// Another manifest of the same repository, by its digest.
    pub(crate) async fn manifest_of(&mut self, digest: Digest) -> Result<Bytes, FetchError> {
        let bytes = self.get_manifest(&format!("manifests/{digest}")).await?;
        self.check(digest, Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// A blob, by its digest.
    pub(crate) async fn blob(&mut self, digest: Digest, limit: u64) -> Result<Bytes, FetchError> {
        let reply = self
            .ask(&Question::new(Method::GET, format!("blobs/{digest}")))
            .await?;
        let bytes = self.success(reply).await?.bytes(limit, &self.what()).await?;
        self.check(digest, Digest::of(&bytes))?;
        Ok(bytes)
    }

    fn manifest_path(&self) -> String {
        format!("manifests/{}", self.image.manifest())
    }

    async fn get_manifest(&mut self, path: &str) -> Result<Bytes, FetchError> {
        let reply = self.ask(&Question::new(Method::GET, path.to_owned())).await?;
        let what = format!("the manifest of {}", self.what());
        self.success(reply).await?.bytes(MAX_MANIFEST, &what).await
    }

    fn check(&self, expected: Digest, actual: Digest) -> Result<(), FetchError> {
        if expected == actual {
            return Ok(());
        }
        Err(FetchError::Checksum {
            what: self.what(),
            expected: expected.to_string(),
            actual: actual.to_string(),
        })
    }

    fn what(&self) -> String {
        format!("the image {}", self.image)
    }

    /// Sends a request, and sends it again with a login when the registry asks for one.
    async fn ask(&mut self, question: &Question) -> Result<Reply, FetchError> {
        let reply = self.reach(question).await?;
        if reply.status != StatusCode::UNAUTHORIZED || self.authorization.is_some() {
            return Ok(reply);
        }
        // A challenge that another server gave, after a redirect, is none of the registry's.
        let ours = reply.url.origin() == self.base.origin();
        let Some(challenge) = challenge(&reply.headers).filter(|_| ours) else {
            return Ok(reply);
        };
        drop(reply);
        self.authorization = self.login(&challenge).await?;
        self.reach(question).await
    }

    /// Sends a request as it is: over TLS, or, to a registry that is named as insecure and has none, without.
    async fn reach(&mut self, question: &Question) -> Result<Reply, FetchError> {
        let answer = self.send(question).await;
        let without = match &answer {
            Err(FetchError::Tls { .. }) => true,
            Err(FetchError::Connect { .. }) => self.base.port().is_none(),
            _ => false,
        };
        if !without || self.base.scheme() != "https" || !self.connector.insecure.names(&self.base) {
            return answer;
        }
        let mut plain = self.base.clone();
        if plain.set_scheme("http").is_err() {
            return answer;
        }
        self.base = plain;
        self.send(question).await
    }

    async fn send(&self, question: &Question) -> Result<Reply, FetchError> {
        let url = self
            .base
            .join(&question.path)
            .map_err(|error| broken(&self.base, error.to_string()))?;
        let mut ask = Ask::new(question.method.clone(), url);
        if let Some((kind, body)) = &question.content {
            ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            ask.body = body.clone();
        } else if question.path.starts_with("manifests/") {
            ask.headers
                .insert(ACCEPT, HeaderValue::from_static(manifest::ACCEPT));
        }
        if let Some(authorization) = &self.authorization {
            ask.headers.insert(AUTHORIZATION, authorization.clone());
        }
        send(self.connector, ask).await
    }

    /// As [`Reply::success`], with advice that fits a registry.
    async fn success(&self, reply: Reply) -> Result<Reply, FetchError> {
        match reply.success().await {
            Err(FetchError::Unauthorized {
                url, status, detail, ..
            }) => Err(FetchError::Unauthorized {
                url,
                status,
                detail,
                advice: self.advice(),
            }),
            other => other,
        }
    }

    fn advice(&self) -> &'static str {
        match (self.purpose, self.credential.is_some()) {
            (Purpose::Pull, true) => {
                "check that the credentials in imagePullSecret are current and may pull this image"
            }
            (Purpose::Pull, false) => {
                "name a Secret with credentials for this registry in imagePullSecret, and check the image's name"
            }
            (Purpose::Push, true) => {
                "check that the credentials of this registry are current and may push to this repository"
            }
            (Purpose::Push, false) => {
                "log in to this registry, as with docker login, and check the image's name"
            }
        }
    }
}

/// What a registry is asked, or told.
struct Question {
    method: Method,
    /// Within the repository.
    path: String,
    /// The media type and the bytes of what is sent.
    content: Option<(&'static str, Bytes)>,
}

impl Question {
    fn new(method: Method, path: String) -> Self {
        Self {
            method,
            path,
            content: None,
        }
    }
}

fn broken(url: &Url, reason: impl Into<String>) -> FetchError {
    FetchError::Exchange {
        url: plain(url),
        reason: reason.into(),
    }
}

/// A header value that is not shown in logs.
fn secret(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
