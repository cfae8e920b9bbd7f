//! What must keep working.

use super::*;

#[tokio::test]
async fn keep_alive_and_pipelining() {
    let bytes = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
        POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: Chunked\r\n\r\n5;x=\"y\"\r\nworld\r\n0\r\nX-T: v\r\n\r\n\
        GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /5 HTTP/1.1\r\nHost: a\r\n\r\n";
    let (answer, served, seen) = exchange(bytes, Settings::default()).await;
    assert_eq!(seen, ["GET /1 0", "POST /echo 5", "POST /echo 5", "GET /4 0"]);
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 4);
    assert!(answer.contains("hello") && answer.contains("world") && answer.ends_with("ok"));
    assert!(served.refusal.is_none() && served.error.is_none(), "{served:?}");
}

/// Every split of a stream of messages is read alike.
#[tokio::test]
async fn split_anywhere() {
    let bytes = b"\r\nGET /1?a=b HTTP/1.1\r\nHost: a:80\r\nX-Empty:\r\n\r\nPOST /2 HTTP/1.1\r\nHost: [::1]:80\r\n\
        Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n1;e\r\n!\r\n00\r\nX-T: v\r\nX-U:\r\n\r\nPUT /3 HTTP/1.1\r\n\
        Host: a\r\nContent-Length: 4\r\n\r\n\r\n\r\nDELETE /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for at in 1..bytes.len() {
        let (mut client, served, seen) = connect(Settings::default()).await;
        client.set_nodelay(true).unwrap();
        client.write_all(&bytes[..at]).await.unwrap();
        tokio::task::yield_now().await;
        client.write_all(&bytes[at..]).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        let seen = seen.lock().unwrap().clone();
        assert_eq!(
            seen,
            ["GET /1?a=b 0", "POST /2 11", "PUT /3 4", "DELETE /4 0"],
            "split at {at}"
        );
        assert!(served.await.unwrap().refusal.is_none());
    }
}

#[tokio::test]
async fn one_byte_at_a_time() {
    let bytes =
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n\
        GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (mut client, server) = tokio::io::duplex(1);
    let seen = Seen::default();
    let service = {
        let seen = Arc::clone(&seen);
        move |request| record(Arc::clone(&seen), request)
    };
    let settings = Settings::default();
    let (mut reader, mut writer) = tokio::io::split(&mut client);
    let mut answer = String::new();
    let (served, sent, read) = tokio::join!(
        serve_http1(server, service, &settings, pending()),
        writer.write_all(bytes),
        reader.read_to_string(&mut answer)
    );
    sent.unwrap();
    read.unwrap();
    assert!(served.refusal.is_none());
    assert_eq!(*seen.lock().unwrap(), ["POST /echo 5", "GET /last 0"]);
    assert!(answer.contains("hello"));
}

#[tokio::test]
async fn http_1_0_is_served() {
    let (answer, served, seen) = exchange(b"GET /old HTTP/1.0\r\n\r\n", Settings::default()).await;
    assert!(
        answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("ok"),
        "{answer:?}"
    );
    assert_eq!(seen, ["GET /old 0"]);
    assert!(served.refusal.is_none());
    let keep = b"GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n";
    let (answer, _, seen) = exchange(keep, Settings::default()).await;
    assert_eq!(seen, ["GET /1 0", "GET /2 0"]);
    assert!(answer.contains("connection: keep-alive"), "{answer:?}");
}

/// Clients that always ask for an upgrade nobody needs are served, and what is behind does not see the wish.
#[tokio::test]
async fn unknown_upgrades_are_ignored() {
    let (client, server) = socket_pair().await;
    let service = |request: Request<Body>| async move {
        let asked =
            request.headers().contains_key("upgrade") || crate::upgrade::requested(&request).is_some();
        Ok::<_, Infallible>(Response::new(Body::from(format!("asked: {asked}"))))
    };
    let serving =
        tokio::spawn(async move { serve_http1(server, service, &Settings::default(), pending()).await });
    let mut client = client;
    let asks = [
        "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Upgrade: websocket\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
    ];
    for ask in asks {
        client
            .write_all(format!("GET / HTTP/1.1\r\nHost: a\r\n{ask}\r\n").as_bytes())
            .await
            .unwrap();
        read_until(&mut client, "asked: false").await;
    }
    drop(client);
    let served = serving.await.unwrap();
    assert!(served.error.is_none() && served.refusal.is_none());
}

/// What a browser or a shell sends unescaped is escaped instead of refused.
#[tokio::test]
async fn harmless_bytes_in_targets_are_escaped() {
    let bytes = "GET /a<b>?q={\"x\":\"<y>`\"} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (_, served, seen) = exchange(bytes.as_bytes(), Settings::default()).await;
    assert!(served.refusal.is_none(), "{served:?}");
    assert_eq!(seen, ["GET /a%3Cb%3E?q={%22x%22:%22%3Cy%3E%60%22} 0"]);
    let bytes = "GET /caf\u{e9}?\u{fc} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (_, served, seen) = exchange(bytes.as_bytes(), Settings::default()).await;
    assert!(served.refusal.is_none(), "{served:?}");
    assert_eq!(seen, ["GET /caf\u{e9}?\u{fc} 0"]);
}

#[tokio::test]
async fn all_forms_of_targets() {
    let bytes = b"GET http://b:8080/x?y HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n\
        GET //x HTTP/1.1\r\nHost: a\r\n\r\nGET http://b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (_, served, seen) = exchange(bytes, Settings::default()).await;
    assert!(served.refusal.is_none(), "{served:?}");
    assert_eq!(
        seen,
        [
            "GET http://b:8080/x?y 0",
            "OPTIONS * 0",
            "GET //x 0",
            "GET http://b/ 0"
        ]
    );
}

#[tokio::test]
async fn continue_is_sent_when_the_body_is_wanted() {
    let (mut client, served, seen) = connect(Settings::default()).await;
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    client.write_all(head).await.unwrap();
    read_until(&mut client, "HTTP/1.1 100 Continue\r\n\r\n").await;
    client.write_all(b"hello").await.unwrap();
    read_until(&mut client, "hello").await;
    drop(client);
    assert!(served.await.unwrap().error.is_none());
    assert_eq!(*seen.lock().unwrap(), ["POST /echo 5"]);
}

#[tokio::test]
async fn head_has_a_length_and_no_body() {
    let bytes = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (answer, _, _) = exchange(bytes, Settings::default()).await;
    assert_eq!(answer.matches("content-length: 2\r\n").count(), 2);
    assert_eq!(answer.matches("\r\n\r\nok").count(), 1, "{answer:?}");
}

#[tokio::test]
async fn big_bodies_both_ways() {
    const SIZE: usize = 8 << 20;
    let (mut client, served, seen) = connect(Settings::default()).await;
    let head =
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {SIZE}\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&vec![7; SIZE]).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    let start = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(answer.len() - start, SIZE);
    assert!(answer[start..].iter().all(|&byte| byte == 7));
    assert!(served.await.unwrap().error.is_none());
    assert_eq!(*seen.lock().unwrap(), [format!("POST /echo {SIZE}")]);
}

/// A head of the largest allowed size, which takes many reads of hyper's.
#[tokio::test]
async fn large_heads_pass() {
    let fields: String = (0..50)
        .map(|at| format!("x-{at}: {}\r\n", "y".repeat(1100)))
        .collect();
    let bytes = format!("GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
    let (_, served, seen) = exchange(bytes.as_bytes(), Settings::default()).await;
    assert!(served.refusal.is_none(), "{served:?}");
    assert_eq!(seen, ["GET /big 0"]);
}

/// A client that leaves ends the service's work on its request.
#[tokio::test]
async fn a_client_that_leaves_cancels_its_request() {
    struct Cancelled(Option<tokio::sync::oneshot::Sender<()>>);
    impl Drop for Cancelled {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }
    let (mut client, server) = socket_pair().await;
    let (sender, cancelled) = tokio::sync::oneshot::channel();
    let sender = Mutex::new(Some(sender));
    let service = move |_| {
        let guard = Cancelled(sender.lock().unwrap().take());
        async move {
            let _guard = guard;
            pending::<Result<Response<Body>, Infallible>>().await
        }
    };
    let serving =
        tokio::spawn(async move { serve_http1(server, service, &Settings::default(), pending()).await });
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    tokio::task::yield_now().await;
    drop(client);
    tokio::time::timeout(Duration::from_secs(10), cancelled)
        .await
        .unwrap()
        .unwrap();
    assert!(serving.await.unwrap().error.is_some());
}

#[tokio::test]
async fn a_failing_service_closes_without_an_answer() {
    let (mut client, server) = socket_pair().await;
    let service = |_| async { Err::<Response<Body>, _>("no") };
    let serving =
        tokio::spawn(async move { serve_http1(server, service, &Settings::default(), pending()).await });
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
    assert!(serving.await.unwrap().error.is_some());
}
