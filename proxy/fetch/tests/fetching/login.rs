//! Logins at a registry that has a token server, and blobs that are kept elsewhere.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cairn_fetch::{DockerConfig, FetchError, Module, Request};

use crate::image::Image;
use crate::server::{Answer, Asked, Server, answer, redirect, with};
use crate::{fetch, options, request, wasm};

/// A registry that answers to `Bearer pull` only, names `realm` as its token server, and keeps its blobs at `store`.
struct Bearer {
    registry: Server,
    tokens: Server,
    store: Server,
}

impl Bearer {
    async fn start(realm: Option<&'static str>) -> Self {
        let image = Image::cncf(&wasm("a"));
        let blob = image.blobs[1].clone();
        let store = Server::start(move |_| answer(200, blob.clone())).await;
        let tokens = Server::start(|asked| {
            let basic = format!("Basic {}", STANDARD.encode("user:password"));
            let known = asked.authorization == basic || asked.body.contains("refresh_token=refresh");
            match known {
                true => answer(200, r#"{"access_token": "pull"}"#),
                false => answer(401, "no"),
            }
        })
        .await;
        let realm = realm.map_or_else(|| tokens.url("/token?own=1"), str::to_owned);
        let (blobs, own) = (store.url("/signed?sig=1"), Arc::new(OnceLock::new()));
        let this = own.clone();
        let registry = Server::start(move |asked| answered(asked, &image, &realm, &blobs, this.get())).await;
        own.set(registry.address.clone()).unwrap();
        Self {
            registry,
            tokens,
            store,
        }
    }

    async fn fetch(&self, credential: serde_json::Value) -> Result<Module, FetchError> {
        let json = serde_json::json!({"auths": {&self.registry.address: credential}});
        let request = Request {
            credentials: Some(DockerConfig::parse(json.to_string().as_bytes()).unwrap()),
            ..request(&format!("oci://{}/org/f:v1", self.registry.address))
        };
        fetch(&options(), &request).await
    }
}

fn answered(asked: &Asked, image: &Image, realm: &str, blobs: &str, own: Option<&String>) -> Answer {
    if asked.authorization != "Bearer pull" {
        let challenge = format!(
            r#"Bearer realm="{realm}",service="{}",scope="repository:org/f:pull,push""#,
            own.unwrap()
        );
        return with(answer(401, ""), "www-authenticate", challenge);
    }
    if asked.path.contains("/blobs/") {
        return redirect(blobs);
    }
    with(
        answer(200, image.manifest.clone()),
        "content-type",
        image.media_type,
    )
}

#[tokio::test]
async fn a_token_is_fetched_with_the_password_and_goes_to_the_registry_only() {
    let servers = Bearer::start(None).await;
    let user = serde_json::json!({"username": "user", "password": "password"});
    assert_eq!(servers.fetch(user).await.unwrap().bytes, wasm("a"));
    let query: Vec<String> = servers.tokens.paths("GET");
    assert_eq!(query.len(), 1);
    assert!(
        query[0].starts_with("/token?own=1&scope=repository%3Aorg%2Ff%3Apull&service="),
        "{query:?}"
    );
    let stored = servers.store.asked();
    assert_eq!((stored.len(), stored[0].authorization.as_str()), (1, ""));
    assert_eq!(stored[0].path, "/signed?sig=1");
    assert!(
        servers
            .registry
            .asked()
            .iter()
            .all(|one| !one.authorization.starts_with("Basic"))
    );
}

#[tokio::test]
async fn refresh_tokens_and_tokens_of_the_registry_work_too() {
    let servers = Bearer::start(None).await;
    assert!(
        servers
            .fetch(serde_json::json!({"identitytoken": "refresh"}))
            .await
            .is_ok()
    );
    let body = &servers.tokens.asked()[0].body;
    assert!(
        body.contains("grant_type=refresh_token") && body.contains("client_id=cairn"),
        "{body}"
    );
    assert!(
        servers
            .fetch(serde_json::json!({"registrytoken": "pull"}))
            .await
            .is_ok()
    );
    assert_eq!(servers.tokens.asked().len(), 1);
}

#[tokio::test]
async fn a_login_that_fails_says_so() {
    let servers = Bearer::start(None).await;
    let error = servers
        .fetch(serde_json::json!({"username": "user", "password": "wrong"}))
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Unauthorized { .. }), "{error}");
    let error = fetch(
        &options(),
        &request(&format!("oci://{}/org/f:v1", servers.registry.address)),
    )
    .await
    .unwrap_err();
    assert!(error.to_string().contains("name a Secret"), "{error}");
}

#[tokio::test]
async fn a_token_server_is_judged_as_any_other_address() {
    for realm in [
        "http://169.254.169.254/latest/api/token",
        "https://[fe80::1]/",
        "http://0xa9fea9fe/",
    ] {
        let servers = Bearer::start(Some(realm)).await;
        let user = serde_json::json!({"username": "user", "password": "password"});
        let error = servers.fetch(user).await.unwrap_err();
        assert!(matches!(error, FetchError::Forbidden { .. }), "{error}");
    }
    for realm in ["file:///etc/passwd", "gopher://127.0.0.1/", "no address"] {
        let servers = Bearer::start(Some(realm)).await;
        let error = servers.fetch(serde_json::json!({})).await.unwrap_err();
        assert!(matches!(error, FetchError::Exchange { .. }), "{error}");
    }
}
