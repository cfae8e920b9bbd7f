//! Connections that are asked to end.

use tokio::sync::oneshot;

use super::*;

async fn draining() -> (tokio::io::DuplexStream, oneshot::Sender<()>, JoinHandle<Served>) {
    let (client, server) = tokio::io::duplex(1024);
    let (drain, signal) = oneshot::channel();
    let serving = tokio::spawn(async move {
        let service = |request: Request<Body>| async move {
            if request.uri().path() == "/slow" {
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
            Ok::<_, Infallible>(Response::new(Body::from("ok")))
        };
        let signal = async {
            let _ = signal.await;
        };
        serve_http1(server, service, &Settings::default(), signal).await
    });
    (client, drain, serving)
}

/// An idle connection waits for one more request, and tells its client to close.
#[tokio::test(start_paused = true)]
async fn the_next_answer_closes() {
    let (mut client, drain, serving) = draining().await;
    drain.send(()).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains("\r\nconnection: close\r\n") && answer.ends_with("ok"),
        "{answer:?}"
    );
    assert!(serving.await.unwrap().error.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_after_the_grace() {
    let (mut client, drain, serving) = draining().await;
    let started = tokio::time::Instant::now();
    drain.send(()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "");
    assert!(
        (4..7).contains(&started.elapsed().as_secs()),
        "{:?}",
        started.elapsed()
    );
    assert!(serving.await.unwrap().error.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_is_finished() {
    let (mut client, drain, serving) = draining().await;
    client
        .write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    drain.send(()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains("\r\nconnection: close\r\n") && answer.ends_with("ok"),
        "{answer:?}"
    );
    assert!(serving.await.unwrap().error.is_none());
}
