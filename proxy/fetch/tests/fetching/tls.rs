//! Servers with TLS.

use std::sync::{Arc, Mutex};

use cairn_fetch::{FetchError, Options};
use rustls::crypto::aws_lc_rs;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::server::{answer, serve};
use crate::{fetch, request, wasm};

/// A server with a certificate for `name` that only the returned roots vouch for, and its port.
async fn start(name: &str) -> (u16, RootCertStore) {
    let own = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let key = own.signing_key.serialize_der().try_into().unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A handshake that fails is what some of the tests are about.
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let log = Arc::new(Mutex::new(Vec::new()));
            tokio::spawn(serve(stream, Arc::new(|_| answer(200, wasm("a"))), log));
        }
    });
    (port, roots)
}

#[tokio::test]
async fn a_server_must_prove_its_name() {
    let (port, roots) = start("127.0.0.1").await;
    let trusting = |roots| Options {
        roots: Some(Arc::new(roots)),
        ..Options::default()
    };
    let request = |port| request(&format!("https://127.0.0.1:{port}/"));
    assert!(fetch(&trusting(roots), &request(port)).await.is_ok());

    let (elsewhere, its_roots) = start("localhost").await;
    for (port, roots) in [(elsewhere, its_roots.clone()), (port, its_roots)] {
        let error = fetch(&trusting(roots), &request(port)).await.unwrap_err();
        assert!(matches!(error, FetchError::Tls { .. }), "{error}");
        assert!(error.to_string().contains("check its certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_host_that_is_named_as_insecure_need_not() {
    let (port, _) = start("localhost").await;
    let insecure = Options {
        roots: Some(Arc::new(RootCertStore::empty())),
        insecure_registries: vec![format!("127.0.0.1:{port}")],
        ..Options::default()
    };
    assert!(
        fetch(&insecure, &request(&format!("https://127.0.0.1:{port}/")))
            .await
            .is_ok()
    );
}
