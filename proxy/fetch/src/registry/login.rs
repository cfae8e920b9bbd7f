//! Logging in, by the token specification of docker's registry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::challenge::Challenge;
use crate::client::{Ask, send};
use crate::credentials::Credential;
use crate::error::FetchError;

use super::{Purpose, Session, broken, secret};

/// Tokens are a few kilobytes.
const MAX_TOKEN: u64 = 256 * 1024;

/// What a token server answers; `token` by docker's specification, `access_token` by OAuth2.
#[derive(Deserialize)]
struct Issued {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

impl Session<'_> {
    /// The `Authorization` that answers a challenge. `None`: there is nothing to answer it with.
    pub(super) async fn login(&self, challenge: &Challenge) -> Result<Option<HeaderValue>, FetchError> {
        if let Some(Credential::Bearer { token }) = self.credential {
            return Ok(secret(format!("Bearer {token}")));
        }
        match challenge {
            Challenge::Basic => Ok(self.basic()),
            Challenge::Bearer { realm, service } => {
                let token = self.token(&self.realm(realm)?, service.as_deref()).await?;
                Ok(secret(format!("Bearer {token}")))
            }
        }
    }

    fn basic(&self) -> Option<HeaderValue> {
        match self.credential {
            Some(Credential::Basic { username, password }) => secret(format!(
                "Basic {}",
                STANDARD.encode(format!("{username}:{password}"))
            )),
            _ => None,
        }
    }

    /// The token server, which gets the credentials: by TLS, unless the registry itself is spoken to without.
    fn realm(&self, realm: &str) -> Result<Url, FetchError> {
        let url = Url::parse(realm)
            .map_err(|_| broken(&self.base, "the registry names a token server that is no address"))?;
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.base.scheme() == "http" || self.connector.insecure.names(&url) => Ok(url),
            _ => Err(broken(
                &url,
                "the registry names it as its token server, and it is without TLS; credentials are not sent there",
            )),
        }
    }

    /// A token for the image from the token server.
    async fn token(&self, realm: &Url, service: Option<&str>) -> Result<String, FetchError> {
        let ask = self.token_request(realm, service);
        let reply = self.success(send(self.connector, ask).await?).await?;
        let body = reply.bytes(MAX_TOKEN, "the token of the registry").await?;
        let issued: Issued = serde_json::from_slice(&body)
            .map_err(|_| broken(realm, "the token server's answer holds no token"))?;
        match [issued.token, issued.access_token]
            .into_iter()
            .find(|one| !one.is_empty())
        {
            Some(token) => Ok(token),
            None => Err(broken(realm, "the token server's answer holds no token")),
        }
    }

    /// Asks for the right to what the session is for and to nothing else, whatever the registry would have asked for.
    fn token_request(&self, realm: &Url, service: Option<&str>) -> Ask {
        let actions = match self.purpose {
            Purpose::Pull => "pull",
            Purpose::Push => "pull,push",
        };
        let scope = format!("repository:{}:{actions}", self.image.repository());
        let mut form = Serializer::new(String::new());
        form.append_pair("scope", &scope);
        if let Some(service) = service {
            form.append_pair("service", service);
        }
        if let Some(Credential::Identity { token }) = self.credential {
            form.append_pair("grant_type", "refresh_token")
                .append_pair("client_id", "cairn")
                .append_pair("refresh_token", token);
            let mut ask = Ask::new(Method::POST, realm.clone());
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            ask.headers.insert(CONTENT_TYPE, kind);
            ask.body = Bytes::from(form.finish());
            return ask;
        }
        let form = form.finish();
        let query = realm
            .query()
            .map_or_else(|| form.clone(), |own| format!("{own}&{form}"));
        let mut url = realm.clone();
        url.set_query(Some(&query));
        let mut ask = Ask::new(Method::GET, url);
        if let Some(basic) = self.basic() {
            ask.headers.insert(AUTHORIZATION, basic);
        }
        ask
    }
}
