//! Bytes through tunnels: order, ends, resets, windows.

use std::io::{ErrorKind, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::harness::*;
use crate::{Pool, PoolOptions, Request, Settings, Tunnel};

async fn connect(mesh: &Mesh, server: &Server) -> Tunnel {
    mesh.pool()
        .connect(&server.destination(), to("10.0.0.1:80"))
        .await
        .unwrap()
}

/// Sends `data` and reads as much, both at once.
async fn exchange(tunnel: Tunnel, data: &[u8]) -> Vec<u8> {
    let (mut sender, mut receiver) = tunnel.into_split();
    let mut answer = Vec::new();
    let send = async {
        sender.write_all(data).await.unwrap();
        sender.shutdown().await.unwrap();
    };
    tokio::join!(send, async { receiver.read_to_end(&mut answer).await.unwrap() });
    answer
}

#[tokio::test]
async fn large_transfers_both_ways() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let data = pattern(24 << 20, 1);
    assert!(exchange(connect(&mesh, &server).await, &data).await == data);
}

#[tokio::test]
async fn many_large_transfers_at_once() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let pool = mesh.pool();
    let mut tasks = tokio::task::JoinSet::new();
    for seed in 0..16 {
        let tunnel = pool
            .connect(&server.destination(), to("10.0.0.1:80"))
            .await
            .unwrap();
        tasks.spawn(async move {
            let data = pattern(1 << 20, seed);
            exchange(tunnel, &data).await == data
        });
    }
    assert!(tasks.join_all().await.into_iter().all(|same| same));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn tiny_windows_and_buffers() {
    let mesh = Mesh::new();
    let settings = Settings {
        stream_window: 1000,
        connection_window: 70_000,
        max_frame_size: 1,
        send_buffer: 700,
        ..Settings::default()
    };
    let server = mesh.serve_with(settings.clone(), echo()).await;
    let pool = Pool::new(mesh.identities.clone(), settings, PoolOptions::default());
    let tunnel = pool
        .connect(&server.destination(), to("10.0.0.1:80"))
        .await
        .unwrap();
    let data = pattern(200_000, 2);
    assert!(exchange(tunnel, &data).await == data);
}

#[tokio::test]
async fn without_copying() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let mut tunnel = connect(&mesh, &server).await;
    tunnel.send(Bytes::new()).await.unwrap();
    tunnel.send("one".into()).await.unwrap();
    assert_eq!(tunnel.recv().await.unwrap().unwrap(), "one");
    tunnel.finish().unwrap();
    tunnel.finish().unwrap();
    assert_eq!(tunnel.recv().await.unwrap(), None);
    assert_eq!(tunnel.recv().await.unwrap(), None);
    assert_eq!(
        tunnel.send("late".into()).await.unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
}

#[tokio::test]
async fn both_ways_of_reading_may_be_mixed() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let mut tunnel = connect(&mesh, &server).await;
    tunnel.send("abcdef".into()).await.unwrap();
    let mut two = [0; 2];
    tunnel.read_exact(&mut two).await.unwrap();
    assert_eq!(&two, b"ab");
    assert_eq!(tunnel.read(&mut []).await.unwrap(), 0);
    assert_eq!(tunnel.recv().await.unwrap().unwrap(), "cdef");
}

#[tokio::test]
async fn a_vectored_write_is_one_frame() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let mut tunnel = connect(&mesh, &server).await;
    assert!(tokio::io::AsyncWrite::is_write_vectored(&tunnel));
    let slices = [IoSlice::new(b"head "), IoSlice::new(b""), IoSlice::new(b"body")];
    assert_eq!(tunnel.write_vectored(&slices).await.unwrap(), 9);
    assert_eq!(tunnel.write_vectored(&[IoSlice::new(b"")]).await.unwrap(), 0);
    assert_eq!(tunnel.write(b"").await.unwrap(), 0);
    assert_eq!(tunnel.recv().await.unwrap().unwrap(), "head body");
}

#[tokio::test]
async fn a_read_takes_all_frames_that_have_arrived() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let pool = mesh.pool();
    let mut tunnel = pool
        .connect(&server.destination(), to("10.0.0.1:80"))
        .await
        .unwrap();
    let mut other = pool
        .connect(&server.destination(), to("10.0.0.1:80"))
        .await
        .unwrap();
    for _ in 0..10 {
        tunnel.send("ten bytes.".into()).await.unwrap();
    }
    tunnel.finish().unwrap();
    // Streams take turns: by then all of the first one has come back.
    for _ in 0..20 {
        other.send("x".into()).await.unwrap();
        other.recv().await.unwrap();
    }
    let mut lengths = Vec::new();
    loop {
        match tunnel.read(&mut [0; 64]).await.unwrap() {
            0 => break,
            length => lengths.push(length),
        }
    }
    assert_eq!(lengths, [64, 36]);
}

/// A server, and the two ends of a tunnel to it.
async fn pair(mesh: &Mesh) -> (Server, Tunnel, Tunnel) {
    let (sender, mut tunnels) = tokio::sync::mpsc::unbounded_channel();
    let handler = with(move |request: Request| {
        let sender = sender.clone();
        async move {
            let _ = sender.send(request.accept(HeaderMap::new()).unwrap());
        }
    });
    let server = mesh.serve(handler).await;
    let client = connect(mesh, &server).await;
    (server, client, tunnels.recv().await.unwrap())
}

#[tokio::test]
async fn each_direction_ends_on_its_own() {
    let mesh = Mesh::new();
    let (_server, client, server) = pair(&mesh).await;
    for (mut first, mut second) in [(client, server)] {
        first.send("question".into()).await.unwrap();
        first.finish().unwrap();
        assert_eq!(second.recv().await.unwrap().unwrap(), "question");
        assert_eq!(second.recv().await.unwrap(), None);
        second.send("answer".into()).await.unwrap();
        second.finish().unwrap();
        assert_eq!(first.recv().await.unwrap().unwrap(), "answer");
        assert_eq!(first.recv().await.unwrap(), None);
    }
    let (_server, mut client, mut server) = pair(&mesh).await;
    server.send("banner".into()).await.unwrap();
    server.finish().unwrap();
    assert_eq!(client.recv().await.unwrap().unwrap(), "banner");
    assert_eq!(client.recv().await.unwrap(), None);
    client.send(pattern(1 << 20, 3).into()).await.unwrap();
    client.finish().unwrap();
    let mut heard = Vec::new();
    server.read_to_end(&mut heard).await.unwrap();
    assert!(heard == pattern(1 << 20, 3));
}

#[tokio::test]
async fn dropping_a_tunnel_resets_it() {
    let mesh = Mesh::new();
    let (_server, mut client, server) = pair(&mesh).await;
    drop(server);
    assert_eq!(
        client.recv().await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    assert_eq!(
        client.read(&mut [0]).await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    assert_eq!(
        client.send("x".into()).await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );

    let (_server, client, mut server) = pair(&mesh).await;
    drop(client);
    assert_eq!(
        server.recv().await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
}

#[tokio::test]
async fn a_reset_is_seen_while_waiting_to_send() {
    let mesh = Mesh::new();
    let (_server, client, server) = pair(&mesh).await;
    let (mut sender, _receiver) = client.into_split();
    let sending = tokio::spawn(async move {
        loop {
            if let Err(error) = sender.send(Bytes::from(vec![0; 1 << 20])).await {
                return error.kind();
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!sending.is_finished(), "the window is full");
    server.reset();
    assert_eq!(sending.await.unwrap(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_server_may_leave_once_it_has_said_everything() {
    let mesh = Mesh::new();
    let (_server, mut client, mut server) = pair(&mesh).await;
    let data = pattern(300_000, 4);
    server.send(data.clone().into()).await.unwrap();
    server.finish().unwrap();
    drop(server);
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    assert!(heard == data);
}

#[tokio::test]
async fn a_lost_connection_is_not_an_end() {
    let mesh = Mesh::new();
    let (server, mut client, mut far) = pair(&mesh).await;
    far.send("half a mess".into()).await.unwrap();
    assert_eq!(client.recv().await.unwrap().unwrap(), "half a mess");
    server.cut();
    assert_eq!(
        client.recv().await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    assert!(client.send("x".into()).await.is_err());
    assert!(far.recv().await.is_err());
}

#[tokio::test]
async fn those_who_stop_reading_stop_only_themselves() {
    let mesh = Mesh::new();
    let stalled = Arc::new(AtomicUsize::new(0));
    let handler = with({
        let stalled = stalled.clone();
        move |request: Request| {
            let stalled = stalled.clone();
            async move {
                let is_fast = request.authority.port() == 1;
                let tunnel = request.accept(HeaderMap::new()).unwrap();
                if is_fast {
                    return reflect(tunnel).await;
                }
                let (mut sender, _receiver) = tunnel.into_split();
                let chunk = Bytes::from(vec![0; 64 << 10]);
                while timeout(Duration::from_millis(300), sender.send(chunk.clone()))
                    .await
                    .is_ok()
                {}
                stalled.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<()>().await;
            }
        }
    });
    let server = mesh.serve(handler).await;
    let pool = mesh.pool();
    let mut idle = Vec::new();
    // Far more than the windows of a few streams together.
    for _ in 0..12 {
        idle.push(
            pool.connect(&server.destination(), to("10.0.0.1:2"))
                .await
                .unwrap(),
        );
    }
    until(|| stalled.load(Ordering::SeqCst) == 12).await;
    let fast = pool
        .connect(&server.destination(), to("10.0.0.1:1"))
        .await
        .unwrap();
    let data = pattern(8 << 20, 5);
    assert!(timeout(LIMIT, exchange(fast, &data)).await.unwrap() == data);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_stalled_sender_goes_on_when_it_is_read() {
    let mesh = Mesh::new();
    let (_server, mut client, mut server) = pair(&mesh).await;
    let total = 12 << 20;
    let is_done = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn({
        let is_done = is_done.clone();
        async move {
            server.send(Bytes::from(pattern(total, 6))).await.unwrap();
            is_done.store(true, Ordering::SeqCst);
            server.finish().unwrap();
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        !is_done.load(Ordering::SeqCst),
        "nobody holds 12 MiB for a reader that does not read"
    );
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    assert!(heard == pattern(total, 6));
    sending.await.unwrap();
}

#[tokio::test]
async fn chatty_tunnels_are_not_taken_for_an_attack() {
    let mesh = Mesh::new();
    let server = mesh.serve(echo()).await;
    let (mut sender, mut receiver) = connect(&mesh, &server).await.into_split();
    let count = 20_000;
    let send = async {
        for _ in 0..count {
            sender.send(Bytes::from_static(b"x")).await.unwrap();
        }
        sender.finish().unwrap();
    };
    let receive = async {
        let mut total = 0;
        while let Some(data) = receiver.recv().await.unwrap() {
            total += data.len();
        }
        total
    };
    assert_eq!(tokio::join!(send, receive).1, count);
}

#[tokio::test]
async fn not_even_when_nobody_reads_for_a_while() {
    let mesh = Mesh::new();
    let (_server, mut client, mut server) = pair(&mesh).await;
    let count = 60_000;
    for (one, other) in [(&mut client, &mut server)] {
        for _ in 0..count {
            one.send(Bytes::from_static(b"x")).await.unwrap();
            other.send(Bytes::from_static(b"y")).await.unwrap();
        }
        // Nothing has been read so far, and all of it has been written once the connections have had their turn.
        tokio::time::sleep(Duration::from_millis(500)).await;
        one.finish().unwrap();
        other.finish().unwrap();
    }
    for tunnel in [&mut client, &mut server] {
        let mut heard = Vec::new();
        tunnel.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard.len(), count);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giving_up_by_the_hundred_harms_nobody_else() {
    let mesh = Mesh::new();
    let (go, gate) = tokio::sync::watch::channel(0);
    let handler = with(move |request: Request| {
        let mut gate = gate.clone();
        async move {
            let round = request.authority.port();
            let mut tunnel = request.accept(HeaderMap::new()).unwrap();
            if round == 9 {
                return reflect(tunnel).await;
            }
            gate.wait_for(|now| *now == round).await.unwrap();
            // Small enough to be many by the time that the reset arrives, and to keep within the windows.
            while tunnel.send(Bytes::from_static(&[0; 300])).await.is_ok() {
                tokio::task::yield_now().await;
            }
        }
    });
    let server = mesh.serve(handler).await;
    let pool = mesh.pool_with(PoolOptions {
        max_streams: 200,
        ..PoolOptions::default()
    });
    let mut patient = pool
        .connect(&server.destination(), to("10.0.0.1:9"))
        .await
        .unwrap();
    for round in 1..=6 {
        let mut tunnels = Vec::new();
        for _ in 0..150 {
            let authority = to(&format!("10.0.0.1:{round}"));
            tunnels.push(pool.connect(&server.destination(), authority).await.unwrap());
        }
        go.send_replace(round);
        for tunnel in &mut tunnels {
            tunnel.recv().await.unwrap();
        }
        drop(tunnels);
    }
    patient.send("still here".into()).await.unwrap();
    assert_eq!(patient.recv().await.unwrap().unwrap(), "still here");
    assert_eq!(server.connections(), 1);
}
