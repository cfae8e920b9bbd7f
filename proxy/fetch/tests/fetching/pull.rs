//! Images of a real registry.

use cairn_fetch::{Digest, DockerConfig, FetchError, Options, Origin, PullPolicy, Request};

use crate::image::{Image, OCI, archive};
use crate::registry::{PASSWORD, Registry, USER};
use crate::{fetch, options, request, wasm};

fn cached(folder: &tempfile::TempDir) -> Options {
    Options {
        cache: Some(folder.path().to_owned()),
        ..options()
    }
}

fn policy(url: &str, pull_policy: PullPolicy) -> Request {
    Request {
        pull_policy,
        ..request(url)
    }
}

fn credentials(registry: &str, password: &str) -> DockerConfig {
    let json = serde_json::json!({"auths": {registry: {"username": USER, "password": password}}});
    DockerConfig::parse(json.to_string().as_bytes()).unwrap()
}

#[tokio::test]
async fn each_layout_gives_its_module() {
    let Some(registry) = Registry::start(false).await else {
        return;
    };
    let module = |name: &str| wasm(name);
    for (name, image) in [
        ("docker", Image::docker(&module("docker"))),
        ("compat", Image::compat(&module("compat"))),
        ("solo", Image::solo(&module("solo"))),
        ("cncf", Image::cncf(&module("cncf"))),
    ] {
        registry.push(&format!("filters/{name}"), "v1", &image).await;
        for url in [
            format!("filters/{name}:v1"),
            format!("filters/{name}@{}", image.digest()),
            format!("filters/{name}:v1@{}", image.digest()),
        ] {
            let found = fetch(&options(), &request(&registry.image(&url))).await.unwrap();
            assert_eq!(found.bytes, module(name), "{url}");
            assert_eq!(found.sha256, Digest::of(&module(name)));
            assert_eq!(
                (found.image, found.origin),
                (Some(image.digest()), Origin::Network)
            );
        }
    }
}

#[tokio::test]
async fn a_list_gives_the_image_for_webassembly_and_both_digests_count() {
    let Some(registry) = Registry::start(false).await else {
        return;
    };
    let (ours, other) = (Image::cncf(&wasm("ours")), Image::docker(&wasm("other")));
    registry.push("f", "ours", &ours).await;
    registry.push("f", "other", &other).await;
    let list = Image::index(&[("linux", "amd64", &other), ("wasip2", "wasm", &ours)]);
    registry.push("f", "list", &list).await;
    let url = registry.image("f:list");
    for sha256 in [None, Some(list.digest()), Some(ours.digest())] {
        let found = fetch(
            &options(),
            &Request {
                sha256,
                ..request(&url)
            },
        )
        .await
        .unwrap();
        assert_eq!(
            (found.bytes, found.image),
            (wasm("ours").into(), Some(list.digest()))
        );
    }
    let sha256 = Some(other.digest());
    let error = fetch(
        &options(),
        &Request {
            sha256,
            ..request(&url)
        },
    )
    .await
    .unwrap_err()
    .to_string();
    for digest in [list.digest(), ours.digest(), other.digest()] {
        assert!(error.contains(&digest.to_string()), "{error}");
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_said_in_words() {
    let Some(registry) = Registry::start(false).await else {
        return;
    };
    let config = ("application/vnd.oci.image.config.v1+json", &b"{}"[..]);
    let layer = "application/vnd.oci.image.layer.v1.tar+gzip";
    let image = |file: &str, bytes: &[u8]| Image::new(OCI, config, &[(layer, archive(file, bytes))]);
    registry
        .push("f", "nofile", &image("filter.wasm", &wasm("a")))
        .await;
    registry.push("f", "html", &image("plugin.wasm", b"<html>")).await;
    registry
        .push("f", "bomb", &image("plugin.wasm", &vec![0; 1 << 20]))
        .await;
    registry
        .push("f", "large", &Image::cncf(&wasm(&"a".repeat(1 << 17))))
        .await;
    registry.push("f", "good", &Image::cncf(&wasm("a"))).await;
    let small = Options {
        max_size: 1 << 16,
        ..options()
    };
    for (name, expected) in [
        ("f:nofile", "no file plugin.wasm, but filter.wasm"),
        ("f:html", "is an HTML page"),
        ("f:bomb", "larger than 65536 bytes"),
        ("f:large", "larger than 65536 bytes"),
        ("f:missing", "is not there: manifest unknown"),
        ("g:v1", "is not there: manifest unknown"),
        ("f", "is not there: manifest unknown"),
    ] {
        let error = fetch(&small, &request(&registry.image(name)))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
    let wrong = Request {
        sha256: Some(Digest::of(b"other")),
        ..request(&registry.image("f:good"))
    };
    let error = fetch(&small, &wrong).await.unwrap_err();
    assert!(matches!(error, FetchError::Checksum { .. }), "{error}");
    let absent = registry.image(&format!("f@{}", Digest::of(b"other")));
    assert!(matches!(
        fetch(&small, &request(&absent)).await,
        Err(FetchError::NotFound { .. })
    ));
}

#[tokio::test]
async fn a_tag_that_moves_is_seen_by_those_who_always_ask() {
    let Some(registry) = Registry::start(false).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let options = cached(&folder);
    let url = registry.image("f:v1");
    let (always, lazy) = (
        policy(&url, PullPolicy::Always),
        policy(&url, PullPolicy::IfNotPresent),
    );
    registry.push("f", "v1", &Image::cncf(&wasm("one"))).await;
    assert_eq!(fetch(&options, &always).await.unwrap().origin, Origin::Network);
    assert_eq!(fetch(&options, &always).await.unwrap().origin, Origin::Cache);

    registry.push("f", "v1", &Image::solo(&wasm("two"))).await;
    assert_eq!(fetch(&options, &lazy).await.unwrap().bytes, wasm("one"));
    let moved = fetch(&options, &always).await.unwrap();
    assert_eq!((moved.bytes, moved.origin), (wasm("two").into(), Origin::Network));
    assert_eq!(fetch(&options, &lazy).await.unwrap().bytes, wasm("two"));

    // A tag that moves back is known content.
    registry.push("f", "v1", &Image::cncf(&wasm("one"))).await;
    let back = fetch(&options, &always).await.unwrap();
    assert_eq!((back.bytes, back.origin), (wasm("one").into(), Origin::Cache));
}

#[tokio::test]
async fn what_is_present_needs_no_registry() {
    let Some(mut registry) = Registry::start(false).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let options = cached(&folder);
    let image = Image::cncf(&wasm("one"));
    for tag in ["v1", "latest"] {
        registry.push("f", tag, &image).await;
    }
    let tagged = registry.image("f:v1");
    let pinned = registry.image(&format!("f@{}", image.digest()));
    let offline = [
        request(&tagged),
        policy(&tagged, PullPolicy::IfNotPresent),
        policy(&registry.image("f"), PullPolicy::IfNotPresent),
        policy(&pinned, PullPolicy::Always),
        Request {
            sha256: Some(image.digest()),
            ..policy(&tagged, PullPolicy::Always)
        },
    ];
    let online = [
        policy(&tagged, PullPolicy::Always),
        request(&registry.image("f")),
        request(&registry.image("f:latest")),
    ];
    for one in offline.iter().chain(&online) {
        fetch(&options, one).await.unwrap();
    }
    registry.stop();
    for one in &offline {
        let module = fetch(&options, one).await.unwrap();
        assert_eq!(
            (module.image, module.origin),
            (Some(image.digest()), Origin::Cache),
            "{one:?}"
        );
    }
    for one in &online {
        let result = fetch(&options, one).await;
        assert!(
            matches!(result, Err(FetchError::Connect { .. })),
            "{one:?}: {result:?}"
        );
    }
}

#[tokio::test]
async fn credentials_open_a_registry_and_the_cache_for_their_owner_only() {
    let Some(registry) = Registry::start(true).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let options = cached(&folder);
    registry.push("f", "v1", &Image::cncf(&wasm("one"))).await;
    let with = |credentials| Request {
        credentials,
        ..policy(&registry.image("f:v1"), PullPolicy::IfNotPresent)
    };
    let right = with(Some(credentials(&registry.address, PASSWORD)));
    let module = fetch(&options, &right).await.unwrap();
    assert_eq!(module.bytes, wasm("one"));
    assert_eq!(fetch(&options, &right).await.unwrap().origin, Origin::Cache);
    for (wrong, advice) in [
        (None, "name a Secret"),
        (Some(credentials("other.io", PASSWORD)), "name a Secret"),
        (Some(credentials(&registry.address, "wrong")), "are current"),
    ] {
        let error = fetch(&options, &with(wrong)).await.unwrap_err();
        assert!(
            matches!(error, FetchError::Unauthorized { status: 401, .. }),
            "{error}"
        );
        assert!(
            error.to_string().contains(advice) && error.is_permanent(),
            "{error}"
        );
        assert!(
            !error.to_string().contains("wrong") && !error.to_string().contains(PASSWORD),
            "{error}"
        );
    }
}
