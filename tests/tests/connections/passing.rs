//! What passes beside heads and bodies: trailers, interim responses, the ends of half of a stream.

use bytes::Bytes;
use cairn_tests::Lone;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;

use crate::raw::{self, POD, head, message};

#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_http1_pass_both_ways() {
    let mesh = Lone::start(&[("raw.yaml", raw::MESH)]).await;
    let (seen, mut saw) = mpsc::unbounded_channel();
    let _backend = raw::listen(mesh.network.socket(POD, 8080), move |stream| {
        let seen = seen.clone();
        async move {
            let mut stream = BufReader::new(stream);
            let request = head(&mut stream).await.unwrap();
            let mut body = Vec::new();
            while !body.ends_with(b"\r\n\r\n") {
                body.push(stream.read_u8().await.unwrap());
            }
            seen.send((request, String::from_utf8(body).unwrap())).unwrap();
            let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
                          3\r\nyes\r\n0\r\nx-sum: 2\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let mut tunnel = raw::tunnel(&mesh, 80).await;
    let request = "POST / HTTP/1.1\r\nhost: raw\r\nte: trailers\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
                   2\r\nno\r\n0\r\nx-sum: 1\r\n\r\n";
    tunnel.write_all(request.as_bytes()).await.unwrap();
    let (_, body) = saw.recv().await.unwrap();
    assert!(body.ends_with("0\r\nx-sum: 1\r\n\r\n"), "{body:?}");
    let mut tunnel = BufReader::new(tunnel);
    let answer = head(&mut tunnel).await.unwrap();
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    let mut body = String::new();
    while !body.ends_with("\r\n\r\n") {
        body.push(char::from(tunnel.read_u8().await.unwrap()));
    }
    assert!(body.ends_with("0\r\nx-sum: 2\r\n\r\n"), "{body:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_to_be_asked_for_the_body_is_asked_once_unless_it_is_refused() {
    let policy = r#"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny}
spec:
  targetRefs: [{group: "", kind: Service, name: raw}]
  action: DENY
  rules: [{to: [{operation: {paths: [/denied]}}]}]
"#;
    let mesh = Lone::start(&[("raw.yaml", raw::MESH), ("policy.yaml", policy)]).await;
    let _backend = raw::listen(mesh.network.socket(POD, 8080), |stream| async move {
        let mut stream = BufReader::new(stream);
        let request = head(&mut stream).await.unwrap();
        assert!(request.contains("content-length: 4"), "{request}");
        // As servers do that are asked.
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        let mut body = [0; 4];
        stream.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"body");
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        stream.write_all(answer).await.unwrap();
    })
    .await;
    let ask = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: raw\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
    };
    let mut tunnel = BufReader::new(raw::tunnel(&mesh, 80).await);
    tunnel.write_all(ask("/").as_bytes()).await.unwrap();
    let interim = head(&mut tunnel).await.unwrap();
    assert_eq!(interim, "http/1.1 100 continue\r\n\r\n");
    tunnel.write_all(b"body").await.unwrap();
    let answer = message(&mut tunnel).await.unwrap();
    assert!(answer.head.starts_with("http/1.1 200"), "{}", answer.head);
    assert_eq!(answer.body, b"ok");

    let mut tunnel = BufReader::new(raw::tunnel(&mesh, 80).await);
    tunnel.write_all(ask("/denied").as_bytes()).await.unwrap();
    let answer = head(&mut tunnel).await.unwrap();
    assert!(answer.starts_with("http/1.1 403"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn early_hints_come_before_the_answer() {
    let mesh = Lone::start(&[("raw.yaml", raw::MESH)]).await;
    let (go_on, gone_on) = tokio::sync::watch::channel(0);
    let _backend = raw::listen(mesh.network.socket(POD, 8080), move |stream| {
        let mut gone_on = gone_on.clone();
        async move {
            let mut stream = BufReader::new(stream);
            for round in 1.. {
                if message(&mut stream).await.is_none() {
                    return;
                }
                let hints = "HTTP/1.1 102 Processing\r\n\r\n\
                             HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nlink: </b.js>\r\n\
                             connection: x-private\r\nx-private: 1\r\n\r\n";
                stream.write_all(hints.as_bytes()).await.unwrap();
                // The answer comes when the hints have been read.
                gone_on.wait_for(|rounds| *rounds >= round).await.unwrap();
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                stream.write_all(answer).await.unwrap();
            }
        }
    })
    .await;
    let mut tunnel = BufReader::new(raw::tunnel(&mesh, 80).await);
    for round in 1..=3 {
        let get = b"GET / HTTP/1.1\r\nhost: raw\r\n\r\n";
        tunnel.write_all(get).await.unwrap();
        let hints = head(&mut tunnel).await.unwrap();
        let expected = "http/1.1 103 early hints\r\nlink: </a.css>; rel=preload\r\nlink: </b.js>\r\n\r\n";
        assert_eq!(hints, expected);
        go_on.send_replace(round);
        let answer = message(&mut tunnel).await.unwrap();
        assert!(answer.head.starts_with("http/1.1 200"), "{}", answer.head);
        assert_eq!(answer.body, b"ok");
    }
    // HTTP/1.0 knows no interim responses.
    go_on.send_replace(10);
    let mut tunnel = BufReader::new(raw::tunnel(&mesh, 80).await);
    tunnel
        .write_all(b"GET / HTTP/1.0\r\nhost: raw\r\n\r\n")
        .await
        .unwrap();
    let answer = head(&mut tunnel).await.unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn either_half_of_a_stream_of_http2_ends_by_itself() {
    let mesh = Lone::start(&[("raw.yaml", raw::MESH)]).await;
    let (uploaded, mut upload) = mpsc::unbounded_channel();
    let _backend = raw::listen(mesh.network.socket(POD, 8081), move |stream| {
        let uploaded = uploaded.clone();
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut responder))) = connection.accept().await {
                let uploaded = uploaded.clone();
                tokio::spawn(async move {
                    let early = request.uri().path() == "/early";
                    let mut body = request.into_body();
                    let trailers = HeaderMap::from_iter([(
                        "grpc-status".parse().unwrap(),
                        HeaderValue::from_static("0"),
                    )]);
                    let mut answer = None;
                    if early {
                        // The whole answer, while the request goes on.
                        let mut out = responder.send_response(Response::new(()), false).unwrap();
                        out.send_data(Bytes::from_static(b"early"), false).unwrap();
                        out.send_trailers(trailers.clone()).unwrap();
                        answer = Some(out);
                    }
                    let mut all = Vec::new();
                    while let Some(Ok(data)) = body.data().await {
                        let _ = body.flow_control().release_capacity(data.len());
                        all.extend_from_slice(&data);
                    }
                    if answer.is_none() {
                        // Only after the end of the request.
                        let mut out = responder.send_response(Response::new(()), false).unwrap();
                        out.send_data(Bytes::from(all.clone()), false).unwrap();
                        out.send_trailers(trailers).unwrap();
                    }
                    let _ = uploaded.send(all);
                });
            }
        }
    })
    .await;
    let tunnel = raw::tunnel(&mesh, 81).await;
    let (requests, connection) = h2::client::handshake(tunnel).await.unwrap();
    tokio::spawn(connection);
    for path in ["/late", "/early"] {
        let request = Request::post(format!("http://raw{path}")).body(()).unwrap();
        let mut ready = requests.clone().ready().await.unwrap();
        let (response, mut out) = ready.send_request(request, false).unwrap();
        out.send_data(Bytes::from_static(b"one "), false).unwrap();
        let mut response = Some(response);
        let mut body = None;
        if path == "/early" {
            let answered = response.take().unwrap().await.unwrap().into_body();
            body = Some(answered);
            assert_eq!(body.as_mut().unwrap().data().await.unwrap().unwrap(), "early");
        }
        out.send_data(Bytes::from_static(b"two"), true).unwrap();
        assert_eq!(upload.recv().await.unwrap(), b"one two", "{path}");
        let mut body = match body {
            Some(body) => body,
            None => {
                let mut body = response.take().unwrap().await.unwrap().into_body();
                assert_eq!(body.data().await.unwrap().unwrap(), "one two");
                body
            }
        };
        let trailers = body.trailers().await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "0", "{path}");
    }
}
