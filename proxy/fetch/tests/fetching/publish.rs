//! Publishing: to a real registry, and to servers that are none.

use std::sync::{Arc, OnceLock};

use cairn_fetch::{
    Digest, DockerConfig, FetchError, ImageReference, Layout, Options, Publication, PublishError, Published,
    Publisher,
};

use crate::registry::{PASSWORD, Registry, USER};
use crate::server::{Server, answer, with};
use crate::{fetch, options, request, wasm};

/// A component, as far as its first bytes tell.
fn component(name: &str) -> Publication {
    Publication {
        bytes: [b"\0asm\x0d\0\x01\0", name.as_bytes()].concat().into(),
        layout: Layout::Oci,
        imports: vec!["cairn:filter/log@0.1.0".to_owned()],
        exports: vec!["cairn:filter/hooks@0.1.0".to_owned()],
    }
}

async fn publish(
    image: &str,
    publication: &Publication,
    credentials: Option<&DockerConfig>,
) -> Result<Published, PublishError> {
    let image: ImageReference = image.parse().unwrap();
    let publisher = Publisher::new(&options());
    publisher.publish(&image, publication, credentials).await
}

fn login(registry: &str, user: &str, password: &str) -> DockerConfig {
    let json = serde_json::json!({"auths": {registry: {"username": user, "password": password}}});
    DockerConfig::parse(json.to_string().as_bytes()).unwrap()
}

#[tokio::test]
async fn what_is_published_can_be_fetched_in_both_layouts() {
    let Some(registry) = Registry::start(false).await else {
        return;
    };
    for layout in [Layout::Oci, Layout::Istio] {
        for module in [component("a").bytes, wasm("b").into()] {
            let publication = Publication {
                layout,
                bytes: module.clone(),
                ..component("")
            };
            let image = format!("{}/filters/{layout:?}:v1", registry.address).to_lowercase();
            let published = publish(&image, &publication, None).await.unwrap();
            assert_eq!(published.module, Digest::of(&module));
            for name in [image.clone(), format!("{image}@{}", published.image)] {
                let found = fetch(&options(), &request(&format!("oci://{name}")))
                    .await
                    .unwrap();
                assert_eq!(
                    (found.bytes, found.image),
                    (module.clone(), Some(published.image))
                );
            }
        }
    }
}

#[tokio::test]
async fn the_same_module_is_the_same_image_and_is_sent_once() {
    let Some(registry) = Registry::start(false).await else {
        return;
    };
    let image = format!("{}/f:v1", registry.address);
    let first = publish(&image, &component("a"), None).await.unwrap();
    let again = publish(&image, &component("a"), None).await.unwrap();
    assert_eq!((first.image, first.sent, again.sent), (again.image, true, false));
    let other = publish(&image, &component("b"), None).await.unwrap();
    assert!(other.sent && other.image != first.image);
    // Without a tag it is `latest`.
    let untagged = format!("{}/f", registry.address);
    let latest = publish(&untagged, &component("a"), None).await.unwrap();
    assert_eq!((latest.image, latest.sent), (first.image, false));
    let found = fetch(&options(), &request(&format!("oci://{untagged}:latest")))
        .await
        .unwrap();
    assert_eq!(found.image, Some(first.image));
}

#[tokio::test]
async fn a_registry_with_a_login_takes_what_its_users_push() {
    let Some(registry) = Registry::start(true).await else {
        return;
    };
    let image = format!("{}/f:v1", registry.address);
    let right = login(&registry.address, USER, PASSWORD);
    assert!(publish(&image, &component("a"), Some(&right)).await.unwrap().sent);
    for (credentials, advice) in [
        (None, "as with docker login"),
        (Some(login("other.io", USER, PASSWORD)), "as with docker login"),
        (Some(login(&registry.address, USER, "wrong")), "may push"),
    ] {
        let error = publish(&image, &component("b"), credentials.as_ref())
            .await
            .unwrap_err();
        let refused = matches!(
            error,
            PublishError::Refused(FetchError::Unauthorized { status: 401, .. })
        );
        assert!(refused && error.to_string().contains(advice), "{error}");
        assert!(!error.to_string().contains("wrong") && !error.to_string().contains(PASSWORD));
    }
}

#[tokio::test]
async fn what_cannot_be_published_is_said_before_anything_is_sent() {
    let image = "127.0.0.1:1/f:v1";
    let text = Publication {
        bytes: "<html>".into(),
        ..component("")
    };
    let error = publish(image, &text, None).await.unwrap_err();
    assert!(error.to_string().contains("is an HTML page"), "{error}");
    let pinned = format!("{image}@{}", Digest::of(b""));
    let error = publish(&pinned, &component("a"), None).await.unwrap_err();
    assert!(matches!(error, PublishError::Digest { .. }), "{error}");
    let small = Publisher::new(&Options {
        max_size: 8,
        ..options()
    });
    let error = small
        .publish(&image.parse().unwrap(), &component("a"), None)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("larger than 8 bytes"), "{error}");
    let error = publish(image, &component("a"), None).await.unwrap_err();
    assert!(
        matches!(error, PublishError::Refused(FetchError::Connect { .. })),
        "{error}"
    );
    let metadata = publish("169.254.169.254/f:v1", &component("a"), None)
        .await
        .unwrap_err();
    assert!(
        matches!(metadata, PublishError::Refused(FetchError::Forbidden { .. })),
        "{metadata}"
    );
}

/// A registry that wants a token, and has blobs sent to `place`.
async fn bearer(place: &'static str) -> (Server, Server) {
    let tokens = Server::start(|_| answer(200, r#"{"token": "push"}"#)).await;
    let realm = tokens.url("/token");
    let registry = Server::start(move |asked| {
        if asked.authorization != "Bearer push" {
            return with(
                answer(401, ""),
                "www-authenticate",
                format!(r#"Bearer realm="{realm}",scope="repository:f:delete""#),
            );
        }
        match asked.method.as_str() {
            "HEAD" => answer(404, ""),
            "POST" => with(answer(202, ""), "location", place),
            _ => answer(201, ""),
        }
    })
    .await;
    (registry, tokens)
}

#[tokio::test]
async fn the_right_to_push_is_asked_for_and_no_other() {
    let (registry, tokens) = bearer("/upload?state=1").await;
    let image = format!("{}/f:v1", registry.address);
    publish(&image, &component("a"), None).await.unwrap();
    assert_eq!(tokens.paths("GET"), ["/token?scope=repository%3Af%3Apull%2Cpush"]);
    let sent = registry.paths("PUT");
    assert_eq!(sent.len(), 3, "{sent:?}");
    assert!(
        sent[0].starts_with("/upload?state=1&digest=sha256%3A"),
        "{sent:?}"
    );
    assert_eq!(sent[2], "/v2/f/manifests/v1");
}

#[tokio::test]
async fn blobs_go_where_a_registry_may_send_them_and_credentials_do_not() {
    for (place, expected) in [
        ("http://169.254.169.254/upload", "a link-local address"),
        ("file:///tmp/upload", "neither http nor https"),
        ("http://u:p@127.0.0.1/upload", "a user or a password"),
    ] {
        let (registry, _tokens) = bearer(place).await;
        let image = format!("{}/f:v1", registry.address);
        let error = publish(&image, &component("a"), None)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{place}: {error}");
    }
    let store = Server::start(|_| answer(201, "")).await;
    let place: Arc<OnceLock<String>> = Arc::default();
    place.set(store.url("/upload")).unwrap();
    let registry = Server::start(move |asked| {
        if asked.authorization.is_empty() {
            return with(answer(401, ""), "www-authenticate", "Basic realm=\"r\"");
        }
        match asked.method.as_str() {
            "HEAD" => answer(404, ""),
            "POST" => with(answer(202, ""), "location", place.get().unwrap()),
            _ => answer(201, ""),
        }
    })
    .await;
    let image = format!("{}/f:v1", registry.address);
    let credentials = login(&registry.address, "u", "p");
    publish(&image, &component("a"), Some(&credentials))
        .await
        .unwrap();
    let stored = store.asked();
    assert_eq!(stored.len(), 2);
    assert!(stored.iter().all(|one| one.authorization.is_empty()));
    assert!(stored[0].body.ends_with('a'));
}

#[tokio::test]
async fn a_registry_that_keeps_something_else_is_found_out() {
    let registry = Server::start(|asked| match asked.method.as_str() {
        "HEAD" => answer(200, ""),
        _ => with(
            answer(201, ""),
            "docker-content-digest",
            Digest::of(b"else").to_string(),
        ),
    })
    .await;
    let image = format!("{}/f:v1", registry.address);
    let error = publish(&image, &component("a"), None).await.unwrap_err();
    assert!(
        matches!(error, PublishError::Refused(FetchError::Checksum { .. })),
        "{error}"
    );
    let silent = Server::start(|asked| match asked.method.as_str() {
        "HEAD" => answer(404, ""),
        _ => answer(202, ""),
    })
    .await;
    let image = format!("{}/f:v1", silent.address);
    let error = publish(&image, &component("a"), None)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("does not say where"), "{error}");
}
