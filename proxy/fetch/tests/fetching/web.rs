//! Files of web servers, and of the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cairn_fetch::{Digest, FetchError, Fetcher, Options, Origin, PullPolicy, Request};
use http::Response;
use http_body_util::BodyExt;
use tokio::net::TcpListener;

use crate::server::{Endless, Server, answer, redirect, with};
use crate::{fetch, options, request, wasm};

fn cached(folder: &tempfile::TempDir) -> Options {
    Options {
        cache: Some(folder.path().join("cache")),
        ..options()
    }
}

#[tokio::test]
async fn a_module_is_downloaded_once_and_then_cached() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|_| answer(200, wasm("a"))).await;
    let request = request(&server.url("/a.wasm?sig=1"));
    let first = fetch(&cached(&folder), &request).await.unwrap();
    assert_eq!(first.bytes, wasm("a"));
    assert_eq!(
        (first.sha256, first.image, first.origin),
        (Digest::of(&wasm("a")), None, Origin::Network)
    );
    let second = fetch(&cached(&folder), &request).await.unwrap();
    assert_eq!((second.bytes, second.origin), (first.bytes, Origin::Cache));

    let always = Request {
        pull_policy: PullPolicy::Always,
        ..request.clone()
    };
    assert_eq!(
        fetch(&cached(&folder), &always).await.unwrap().origin,
        Origin::Network
    );
    let pinned = Request {
        sha256: Some(first.sha256),
        ..always
    };
    assert_eq!(
        fetch(&cached(&folder), &pinned).await.unwrap().origin,
        Origin::Network
    );
    assert_eq!(
        fetch(&cached(&folder), &pinned).await.unwrap().origin,
        Origin::Cache
    );
    assert_eq!(server.paths("GET"), ["/a.wasm?sig=1"; 3]);
}

#[tokio::test]
async fn those_who_want_the_same_share_one_download() {
    let server = Server::start(|_| answer(200, wasm("a"))).await;
    let fetcher = Fetcher::new(&options()).unwrap();
    let other = fetcher.clone();
    let request = request(&server.url("/a"));
    let all = tokio::join!(
        fetcher.fetch(&request),
        fetcher.fetch(&request),
        other.fetch(&request)
    );
    assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok());
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn what_is_no_module_is_told_by_what_it_is() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/html" => answer(200, "<!DOCTYPE html><title>Sign in"),
        "/gzip" => answer(200, &b"\x1f\x8b\x08\0"[..]),
        "/json" => answer(200, "{}"),
        "/login" => answer(401, "secret"),
        "/denied" => answer(403, ""),
        "/broken" => answer(500, "secret"),
        _ => answer(404, "secret"),
    })
    .await;
    for (path, expected) in [
        ("/html", "HTML"),
        ("/gzip", "gzip"),
        ("/json", "JSON"),
        ("/login", "answered 401; modules behind a login"),
        ("/denied", "answered 403"),
        ("/broken", "answered 500"),
        ("/missing?sig=secret", "/missing is not there"),
    ] {
        let error = fetch(&options(), &request(&server.url(path)))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected) && !error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_checksum_names_both_and_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|_| answer(200, wasm("a"))).await;
    let wrong = Request {
        sha256: Some(Digest::of(b"other")),
        ..request(&server.url("/a"))
    };
    for _ in 0..2 {
        let error = fetch(&cached(&folder), &wrong).await.unwrap_err();
        let FetchError::Checksum { expected, actual, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(
            (expected, actual),
            (
                &Digest::of(b"other").to_string(),
                &Digest::of(&wasm("a")).to_string()
            )
        );
        assert!(error.is_permanent());
    }
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn redirects_are_followed_five_times_and_to_allowed_addresses() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/0" => answer(200, wasm("a")),
        "/metadata" => redirect("http://169.254.169.254/latest/meta-data"),
        "/decimal" => redirect("http://2852039166/"),
        "/mapped" => redirect("http://[::ffff:a9fe:a9fe]/"),
        "/file" => redirect("file:///etc/passwd"),
        path => redirect(&format!("/{}", path[1..].parse::<u8>().unwrap() - 1)),
    })
    .await;
    assert!(fetch(&options(), &request(&server.url("/5"))).await.is_ok());
    let error = fetch(&options(), &request(&server.url("/6"))).await.unwrap_err();
    assert!(error.to_string().contains("more than five"), "{error}");
    for path in ["/metadata", "/decimal", "/mapped"] {
        let error = fetch(&options(), &request(&server.url(path))).await.unwrap_err();
        assert!(matches!(error, FetchError::Forbidden { .. }), "{path}: {error}");
    }
    let error = fetch(&options(), &request(&server.url("/file")))
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Redirect { .. }), "{error}");
}

#[tokio::test]
async fn addresses_that_are_never_asked_are_refused() {
    for url in [
        "http://169.254.169.254/",
        "https://[fe80::1]/",
        "oci://169.254.169.254/a:1",
        "oci://[fd00:ec2::254]/a:1",
    ] {
        let error = fetch(&options(), &request(url)).await.unwrap_err();
        assert!(matches!(error, FetchError::Forbidden { .. }), "{url}: {error}");
    }
    let public = Options {
        allow_private: false,
        ..options()
    };
    let error = fetch(&public, &request("http://10.0.0.1/")).await.unwrap_err();
    assert!(error.to_string().contains("a private address"), "{error}");
}

#[tokio::test]
async fn what_is_too_large_is_not_read() {
    let sent = Arc::new(AtomicU64::new(0));
    let body = sent.clone();
    let server = Server::start(move |asked| {
        let endless = Response::new(Endless(body.clone()).boxed());
        match asked.path.as_str() {
            "/announced" => with(endless, "content-length", (1_u64 << 30).to_string()),
            _ => endless,
        }
    })
    .await;
    let small = Options {
        max_size: 64 * 1024,
        ..options()
    };
    for path in ["/announced", "/streamed"] {
        let error = fetch(&small, &request(&server.url(path))).await.unwrap_err();
        assert!(
            matches!(error, FetchError::TooLarge { limit: 65536, .. }),
            "{error}"
        );
    }
    // What was sent went into buffers on the way, not to the fetcher.
    assert!(sent.load(Ordering::SeqCst) < 1 << 25, "{sent:?}");
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hasty = Options {
        timeout: Duration::from_millis(50),
        ..options()
    };
    let url = format!("http://{}/a", listener.local_addr().unwrap());
    let error = fetch(&hasty, &request(&url)).await.unwrap_err();
    assert!(
        matches!(error, FetchError::Timeout { .. }) && !error.is_permanent(),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = fetch(&options(), &request(&format!("http://{address}/")))
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Connect { .. }), "{error}");
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn a_file_is_read_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wasm");
    let file = request(&format!("file://{}", path.display()));
    let error = fetch(&cached(&folder), &file).await.unwrap_err();
    assert!(matches!(error, FetchError::File { .. }), "{error}");
    for name in ["a", "b"] {
        std::fs::write(&path, wasm(name)).unwrap();
        let module = fetch(&cached(&folder), &file).await.unwrap();
        assert_eq!((module.bytes, module.origin), (wasm(name).into(), Origin::File));
    }
    let small = Options {
        max_size: 8,
        ..options()
    };
    let error = fetch(&small, &file).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
    let error = fetch(&options(), &request("file:///dev/zero")).await.unwrap_err();
    assert!(error.to_string().contains("no regular file"), "{error}");
}
