#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{LIMITS, Limits, Routes, ServeError, json, serve, serve_within, text};
use crate::Readiness;
use crate::log::{LogOptions, LogOutput, build};
use crate::metrics::Registry;

const LONG: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    done: JoinHandle<Result<(), ServeError>>,
}

async fn start(routes: Routes, limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { drop(stopped.await) };
    let done = tokio::spawn(serve_within(listener, Arc::new(routes), shutdown, limits));
    Server {
        address,
        stop: Some(stop),
        done,
    }
}

impl Server {
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = Vec::new();
        // The server may answer and reset before it has read everything.
        drop(timeout(LONG, stream.read_to_end(&mut response)).await.unwrap());
        String::from_utf8(response).unwrap()
    }

    /// Status, head and body of the answer.
    async fn ask(&self, method: &str, target: &str, headers: &str) -> (u16, String, String) {
        let request = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
        let response = self.raw(&request).await;
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    async fn get(&self, target: &str) -> (u16, String, String) {
        self.ask("GET", target, "host: localhost\r\n").await
    }
}

#[tokio::test]
async fn methods_and_paths_find_their_handler() {
    let routes = Routes::new()
        .get("/config_dump", "the configuration", |_| async {
            json(StatusCode::OK, "{}")
        })
        .post("/config_dump", "replace it", |request| async move {
            text(
                StatusCode::ACCEPTED,
                String::from_utf8_lossy(request.body()).into_owned(),
            )
        });
    let server = start(routes, LIMITS).await;
    let (status, head, body) = server.get("/config_dump?all").await;
    assert_eq!((status, body.as_str()), (200, "{}"));
    assert!(head.contains("content-type: application/json"), "{head}");
    let (status, head, body) = server.ask("HEAD", "/config_dump", "host: x\r\n").await;
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(head.contains("content-length: 2"), "{head}");
    let response = server
        .raw("POST /config_dump HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbody")
        .await;
    assert!(
        response.starts_with("HTTP/1.1 202") && response.ends_with("\r\n\r\nbody"),
        "{response}"
    );
    assert_eq!(server.get("/elsewhere").await.0, 404);
    let (status, head, _) = server.ask("DELETE", "/config_dump", "host: x\r\n").await;
    assert_eq!(status, 405);
    assert!(head.contains("allow: get, post"), "{head}");
    let (status, _, body) = server.get("/").await;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        "GET  /config_dump  the configuration\nPOST /config_dump  replace it\n"
    );
}

#[tokio::test]
async fn readiness_names_what_is_pending() {
    let readiness = Readiness::default();
    let (config, certificate) = (readiness.task("config"), readiness.task("certificate"));
    let server = start(Routes::new().ready(readiness), LIMITS).await;
    let (status, _, body) = server.get("/healthz/ready").await;
    assert_eq!(
        (status, body.as_str()),
        (500, "not ready, pending: config, certificate\n")
    );
    config.done();
    assert_eq!(
        server.get("/healthz/ready").await.2,
        "not ready, pending: certificate\n"
    );
    certificate.done();
    let (status, _, body) = server.get("/healthz/ready").await;
    assert_eq!((status, body.as_str()), (200, "ready\n"));
}

#[tokio::test]
async fn metrics_come_in_the_format_asked_for() {
    let registry = Registry::new();
    registry.build_info("waypoint", "1");
    let server = start(Routes::new().metrics(registry), LIMITS).await;
    for path in ["/metrics", "/stats/prometheus"] {
        let (status, head, body) = server.get(path).await;
        assert_eq!(status, 200);
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        assert!(
            body.ends_with("istio_build{component=\"waypoint\",tag=\"1\"} 1\n"),
            "{body}"
        );
    }
    let accept = "host: x\r\naccept: application/openmetrics-text\r\n";
    let (_, head, body) = server.ask("GET", "/metrics", accept).await;
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    assert!(body.ends_with("# EOF\n"), "{body}");
}

#[tokio::test]
async fn log_levels_are_read_and_changed() {
    let output = LogOutput::Writer(Box::new(std::io::sink()));
    let (_dispatch, log, _guard) = build(LogOptions {
        output,
        ..LogOptions::default()
    })
    .unwrap();
    let server = start(Routes::admin().logging(log.clone()), LIMITS).await;
    let post = async |target: &str| {
        let (status, _, body) = server.ask("POST", target, "host: localhost\r\n").await;
        (status, body)
    };
    assert_eq!(post("/logging").await, (200, "log levels: info\n".to_owned()));
    let (status, body) = post("/logging?level=cairn_hbone%3Ddebug").await;
    assert_eq!(
        (status, body.as_str()),
        (200, "log levels: info,cairn_hbone=debug\n")
    );
    assert_eq!(post("/logging?level=cairn_net=trace").await.0, 200);
    assert_eq!(log.current(), "info,cairn_hbone=debug,cairn_net=trace");
    assert_eq!(post("/logging?reset").await.1, "log levels: info\n");
    let (status, body) = post("/logging?level=loud").await;
    assert!(
        status == 400 && body.contains("unknown log level \"loud\""),
        "{body}"
    );
    assert_eq!(post("/logging?lvl=debug").await.0, 400);
    assert_eq!(server.get("/logging").await.0, 405);
}

#[tokio::test]
async fn quit_is_called_once_for_a_post() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let quit = move || {
        counted.fetch_add(1, Ordering::Relaxed);
    };
    let server = start(Routes::admin().quit(quit), LIMITS).await;
    assert_eq!(server.get("/quitquitquit").await.0, 405);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    assert_eq!(
        server
            .ask("POST", "/quitquitquit", "host: 127.0.0.1:15000\r\n")
            .await
            .0,
        200
    );
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_admin_server_refuses_an_address_that_others_reach() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = serve(listener, Arc::new(Routes::admin()), std::future::pending())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the admin interface must not listen on 0.0.0.0:{port}: it has no authentication; \
             choose a loopback address, such as 127.0.0.1:{port}"
        )
    );
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    serve(listener, Arc::new(Routes::new()), std::future::ready(()))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_admin_server_does_not_answer_web_pages() {
    let server = start(
        Routes::admin().quit(|| panic!("a web page stopped the proxy")),
        LIMITS,
    )
    .await;
    for headers in [
        "host: evil.example\r\n",
        "host: evil.example:15000\r\n",
        "host: localhost.evil.example\r\n",
        "host: localhost\r\norigin: https://evil.example\r\n",
        "host: localhost\r\norigin: null\r\n",
    ] {
        assert_eq!(
            server.ask("POST", "/quitquitquit", headers).await.0,
            403,
            "{headers}"
        );
    }
    for host in [
        "localhost",
        "LOCALHOST:15000",
        "127.0.0.1:15000",
        "[::1]:15000",
        "[::1]",
    ] {
        assert_eq!(
            server.ask("GET", "/", &format!("host: {host}\r\n")).await.0,
            200,
            "{host}"
        );
    }
}

#[tokio::test]
async fn slow_clients_are_cut_off() {
    let short = Limits {
        head: Duration::from_millis(50),
        body: Duration::from_millis(50),
        ..LIMITS
    };
    let server = start(Routes::new(), short).await;
    // No byte, half a head, and an idle kept-alive connection.
    assert_eq!(server.raw("").await, "");
    let half = server.raw("GET / HTTP/1.1\r\nhost").await;
    assert!(half.is_empty() || half.starts_with("HTTP/1.1 408"), "{half}");
    let idle = server.raw("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(idle.starts_with("HTTP/1.1 200"), "{idle}");
    let body = server
        .raw("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab")
        .await;
    assert!(body.starts_with("HTTP/1.1 408"), "{body}");
}

#[tokio::test]
async fn large_requests_are_refused() {
    let server = start(Routes::new(), LIMITS).await;
    let body = "x".repeat(super::MAX_BODY + 1);
    let request = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(server.raw(&request).await.starts_with("HTTP/1.1 413"));
    let request = format!(
        "GET /{} HTTP/1.1\r\nhost: x\r\n\r\n",
        "x".repeat(2 * super::MAX_HEAD)
    );
    let response = server.raw(&request).await;
    assert!(
        response.starts_with("HTTP/1.1 431") || response.starts_with("HTTP/1.1 414"),
        "{response}"
    );
}

#[tokio::test]
async fn requests_in_flight_are_answered_at_shutdown() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, leave) = (entered.clone(), leave.clone());
        move |_| {
            let (entered, leave) = (entered.clone(), leave.clone());
            async move {
                entered.notify_one();
                leave.notified().await;
                text(StatusCode::OK, "late\n")
            }
        }
    };
    let mut server = start(
        Routes::new().get("/slow", "slow", handler),
        Limits {
            drain: LONG,
            ..LIMITS
        },
    )
    .await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client
        .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    timeout(LONG, entered.notified()).await.unwrap();
    // An idle connection does not hold the shutdown up.
    let _idle = TcpStream::connect(server.address).await.unwrap();
    drop(server.stop.take());
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    leave.notify_one();
    let mut response = String::new();
    timeout(LONG, client.read_to_string(&mut response))
        .await
        .unwrap()
        .unwrap();
    assert!(response.ends_with("late\n"), "{response}");
    timeout(LONG, server.done).await.unwrap().unwrap().unwrap();
}
