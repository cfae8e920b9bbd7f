//! Modules of web servers.

use http::Method;
use url::Url;

use super::{Module, Origin, PullPolicy, Request, Shared, judged, module};
use crate::cache::Name;
use crate::client::{Ask, send};
use crate::error::FetchError;

impl Shared {
    pub(super) async fn web(&self, url: &Url, request: &Request) -> Result<Module, FetchError> {
        let expected = request.sha256.map(|sha256| sha256.hex()).unwrap_or_default();
        let name = Name::of(&["web", url.as_str(), &expected]);
        let fixed = request.sha256.is_some();
        if (fixed || request.pull_policy != PullPolicy::Always)
            && let Some(module) = self.cached(name).await
        {
            return Ok(module);
        }
        let what = request.source.to_string();
        let reply = send(&self.connector, Ask::new(Method::GET, url.clone())).await?;
        let bytes = reply.success().await?.bytes(self.max_size, &what).await?;
        let entry = judged(bytes, request)?;
        self.keep(vec![name], entry.clone()).await;
        Ok(module(entry, Origin::Network))
    }
}
