#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::Arc;

use cairn_net::ListenOptions;

use super::*;
use crate::apps::{App, Pod, Serving};

async fn helloworld() -> (Serving, Client) {
    let listener = cairn_net::listen("127.0.0.1:0".parse().unwrap(), &ListenOptions::default()).unwrap();
    let to = listener.local_addr().unwrap();
    let pod = Pod {
        name: "hello-0".into(),
        address: to.ip(),
        resolve: Arc::new(|_| None),
    };
    let serving = Serving::start(App::Helloworld { version: "v1".into() }, pod, listener);
    (
        serving,
        Client {
            from: "127.0.99.1".parse().unwrap(),
            to,
            host: "helloworld:5000",
        },
    )
}

#[tokio::test]
async fn a_sample_answers_until_it_is_stopped() {
    let (serving, client) = helloworld().await;
    let answer = client.send(Method::GET, "/hello").await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, "Hello version: v1, instance: hello-0\n");
    assert_eq!(
        client.send(Method::GET, "/nowhere").await.unwrap().status,
        StatusCode::NOT_FOUND
    );

    serving.stop().await;
    assert!(client.send(Method::GET, "/hello").await.is_err());
}

#[tokio::test]
async fn a_sample_that_retires_answers_for_a_while() {
    let (serving, client) = helloworld().await;
    serving.retire(Duration::from_secs(3600));
    assert!(client.send(Method::GET, "/hello").await.is_ok());
    assert!(!serving.is_over());
    serving.retire(Duration::ZERO);
    while !serving.is_over() {
        tokio::task::yield_now().await;
    }
    assert!(client.send(Method::GET, "/hello").await.is_err());
}

#[tokio::test]
async fn helloworld_closes_the_connection_after_each_answer() {
    let (_serving, client) = helloworld().await;
    let mut connection = client.connect().await.unwrap();
    connection.send(Method::GET, "/hello").await.unwrap();
    assert!(connection.send(Method::GET, "/hello").await.is_err());
    assert!(!connection.is_open());
}
