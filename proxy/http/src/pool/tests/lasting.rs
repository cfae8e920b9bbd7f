//! How long connections last, and how they are found to be gone.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;

const AGE: Duration = Duration::from_secs(60);

/// Reads a request without body and answers it.
async fn answer(server: &mut DuplexStream) {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(server.read_u8().await.unwrap());
    }
    server
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_http1_serves_for_its_time() {
    let settings = Settings {
        max_age: Some(AGE),
        ..Settings::default()
    };
    let (upstream, mut endpoint) = upstream(Version::Http1, settings);
    let mut server = None;
    let mut accepted = 0;
    for (wait, connections) in [(0, 1), (50, 1), (20, 2), (50, 2)] {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        let sent = upstream.send(request("POST", "/", ""));
        let answered = async {
            if accepted < connections {
                accepted += 1;
                server = Some(endpoint.accept().await);
            }
            answer(server.as_mut().unwrap()).await;
        };
        let (sent, ()) = tokio::join!(sent, answered);
        assert_eq!(text(sent.unwrap()).await, "");
        assert_eq!(endpoint.opened(), connections, "after {wait} more");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_http2_serves_for_its_time() {
    let settings = Settings {
        max_age: Some(AGE),
        ..Settings::default()
    };
    let (upstream, mut endpoint) = upstream(Version::Http2, settings);
    tokio::spawn(async move {
        while let Some(server) = endpoint.connections.recv().await {
            tokio::spawn(serve(server));
        }
    });
    let mut answers = Vec::new();
    for wait in [0, 50, 20, 50] {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        let response = upstream.send(request("GET", "/", "")).await.unwrap();
        answers.push(response.headers()["number"].to_str().unwrap().to_owned());
    }
    // Each connection counts its own requests.
    assert_eq!(answers, ["1", "2", "1", "2"]);
}

async fn serve(server: DuplexStream) {
    let mut connection = h2::server::handshake(server).await.unwrap();
    let mut number = 0;
    while let Some(Ok((_request, mut respond))) = connection.accept().await {
        number += 1;
        let response = Response::builder().header("number", number.to_string());
        respond.send_response(response.body(()).unwrap(), true).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_no_ping_is_given_up() {
    let settings = Settings {
        keepalive: Some(Keepalive {
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
        }),
        ..Settings::default()
    };
    let (upstream, mut endpoint) = upstream(Version::Http2, settings);
    let server = tokio::spawn(async move {
        let stream = endpoint.accept().await;
        let mut connection = h2::server::handshake(stream).await.unwrap();
        // It answers pings for a while, and then nothing at all.
        let mut unanswered = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(25), async {
            while let Some(Ok(accepted)) = connection.accept().await {
                unanswered.push(accepted);
            }
        })
        .await;
        std::future::pending::<()>().await;
    });
    let began = tokio::time::Instant::now();
    let failed = upstream.send(request("POST", "/", "body")).await;
    assert!(failed.is_err(), "{failed:?}");
    let took = began.elapsed().as_secs();
    assert!((25..=45).contains(&took), "{took}");
    server.abort();
}
