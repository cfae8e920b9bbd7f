#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

async fn pair() -> (TcpStream, Transport) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, transport(listener.accept().await.unwrap().0))
}

#[tokio::test]
async fn pieces_of_any_size_keep_their_order() {
    let (mut near, mut far) = pair().await;
    let data: Vec<u8> = (0..1_000_000u32).map(|place| (place * 7 % 251) as u8).collect();
    let sending = tokio::spawn({
        let data = data.clone();
        async move { near.write_all(&data).await.unwrap() }
    });
    let mut heard = Vec::new();
    for size in [1usize, 5, 4096, 40_000, 4096, 3].into_iter().cycle() {
        let mut piece = vec![0; size];
        match far.read(&mut piece).await.unwrap() {
            0 => break,
            length => heard.extend_from_slice(&piece[..length]),
        }
    }
    assert!(heard == data);
    sending.await.unwrap();
}

#[tokio::test]
async fn small_messages_and_silence_take_no_buffer() {
    let (mut near, mut far) = pair().await;
    let mut piece = [0; 4096];
    for _ in 0..3 {
        near.write_all(b"small").await.unwrap();
        assert_eq!(far.read(&mut piece).await.unwrap(), 5);
        assert!(far.buffer.is_empty());
    }
    near.write_all(&[1; 20_000]).await.unwrap();
    for _ in 0..2 {
        far.read_exact(&mut piece).await.unwrap();
    }
    assert_eq!(far.buffer.len(), BULK, "there is more");
    far.read_exact(&mut [0; 20_000 - 2 * 4096]).await.unwrap();
    let silence = tokio::time::timeout(std::time::Duration::from_millis(20), far.read(&mut piece)).await;
    assert!(silence.is_err());
    assert!(far.buffer.is_empty());
    near.write_all(b"small").await.unwrap();
    near.shutdown().await.unwrap();
    assert_eq!(far.read(&mut piece).await.unwrap(), 5);
    assert_eq!(far.read(&mut piece).await.unwrap(), 0);
}

/// Sends `data` to a peer that reads slowly and has sent something that nobody reads; then shuts down and drops.
async fn leave(data: &[u8], shut_down: bool) -> io::Result<Vec<u8>> {
    let (mut near, mut far) = pair().await;
    near.write_all(b"never read").await?;
    far.write_all(data).await?;
    // The input has arrived before the socket is closed.
    far.tcp.as_ref().unwrap().readable().await?;
    if shut_down {
        far.shutdown().await?;
    }
    drop(far);
    let mut heard = Vec::new();
    let mut piece = vec![0; 16 << 10];
    loop {
        tokio::time::sleep(Duration::from_millis(1)).await;
        // What a window update would be: it meets a closed socket if the other end does not wait.
        near.write_all(b"more").await?;
        match near.read(&mut piece).await? {
            0 => return Ok(heard),
            length => heard.extend_from_slice(&piece[..length]),
        }
    }
}

#[tokio::test]
async fn an_orderly_end_arrives_whole() {
    let data = vec![7; 1 << 20];
    assert!(leave(&data, true).await.unwrap() == data);
    assert!(
        leave(&data, false).await.is_err(),
        "the kernel throws it away, but for us"
    );
}

#[tokio::test]
async fn a_peer_that_has_closed_is_not_waited_for() {
    let (mut near, mut far) = pair().await;
    near.shutdown().await.unwrap();
    assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
    far.shutdown().await.unwrap();
    assert!(far.has_ended && far.has_shut_down);
}
