//! Sending blobs and manifests.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use url::Url;

use crate::client::{Ask, Reply, send, target};
use crate::digest::Digest;
use crate::error::FetchError;

use super::{Question, Session, broken};

impl Session<'_> {
    /// Sends a blob, in one piece, unless it is there already; whether it was sent.
    pub(crate) async fn put_blob(&mut self, bytes: Bytes) -> Result<bool, FetchError> {
        let digest = Digest::of(&bytes);
        if self.has_blob(digest).await? {
            return Ok(false);
        }
        let begun = Question {
            content: Some(("application/octet-stream", Bytes::new())),
            ..Question::new(Method::POST, "blobs/uploads/".to_owned())
        };
        let reply = self.ask(&begun).await?;
        let reply = self.success(reply).await?;
        let mut place = self.place(&reply)?;
        drop(reply);
        place.query_pairs_mut().append_pair("digest", &digest.to_string());
        let mut ask = Ask::new(Method::PUT, place);
        let kind = HeaderValue::from_static("application/octet-stream");
        ask.headers.insert(CONTENT_TYPE, kind);
        ask.body = bytes;
        // The credentials of a registry are not those of the store that it keeps its blobs in.
        if let Some(authorization) = &self.authorization
            && ask.url.origin() == self.base.origin()
        {
            ask.headers.insert(AUTHORIZATION, authorization.clone());
        }
        let reply = send(self.connector, ask).await?;
        self.success(reply).await?;
        Ok(true)
    }

    /// Sends the manifest of the image under its tag.
    pub(crate) async fn put_manifest(
        &mut self,
        kind: &'static str,
        json: Bytes,
    ) -> Result<Digest, FetchError> {
        let digest = Digest::of(&json);
        let put = Question {
            content: Some((kind, json)),
            ..Question::new(Method::PUT, self.manifest_path())
        };
        let reply = self.ask(&put).await?;
        let reply = self.success(reply).await?;
        // A registry that keeps something else than it was given would give that to whoever pulls.
        let kept = reply.headers.get("docker-content-digest");
        if let Some(kept) = kept.and_then(|kept| kept.to_str().ok()?.parse().ok()) {
            self.check(digest, kept)?;
        }
        Ok(digest)
    }

    async fn has_blob(&mut self, digest: Digest) -> Result<bool, FetchError> {
        let asked = Question::new(Method::HEAD, format!("blobs/{digest}"));
        let reply = self.ask(&asked).await?;
        match reply.status {
            // There are registries that know of no HEAD.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Ok(false),
            _ => self.success(reply).await.map(|_| true),
        }
    }

    /// Where the registry wants a blob to be sent.
    fn place(&self, reply: &Reply) -> Result<Url, FetchError> {
        let location = reply.headers.get(LOCATION).and_then(|place| place.to_str().ok());
        let location = location
            .ok_or_else(|| broken(&reply.url, "the registry begins an upload and does not say where"))?;
        target(self.connector, &reply.url, location)
    }
}
