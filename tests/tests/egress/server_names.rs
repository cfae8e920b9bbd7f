//! Routes and policies by the name that a client's TLS asks for.

use std::sync::Arc;

use cairn_tests::Lone;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::entry;

fn hello(name: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// What comes back for these bytes: the name of the listener and what it got; nothing when the connection is refused.
async fn answer(mesh: &Lone, sent: &[u8]) -> Option<(String, Vec<u8>)> {
    let tunnel = mesh
        .tunnels
        .open("sleep", mesh.network.ip(11), mesh.network.socket(50, 443));
    let mut tunnel = tunnel.await.unwrap();
    tunnel.write_all(sent).await.ok()?;
    let mut name = [0; 2];
    tunnel.read_exact(&mut name).await.ok()?;
    let mut got = vec![0; sent.len()];
    tunnel.read_exact(&mut got).await.ok()?;
    Some((String::from_utf8(name.to_vec()).unwrap(), got))
}

/// Says its name to whoever comes, then what it gets.
async fn listen(mesh: &Lone, host: u8, name: &'static str) {
    let listener = TcpListener::bind(mesh.network.socket(host, 8090)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(name.as_bytes()).await;
                let (mut reader, mut writer) = stream.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
}

const ROUTES: &str = "
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: by-name}
spec:
  hosts: [one.example, two.example]
  tls:
  - match: [{sniHosts: [one.example]}]
    route: [{destination: {host: app, subset: v1, port: {number: 90}}}]
  - match: [{sniHosts: [two.example]}]
    route: [{destination: {host: app, subset: v2, port: {number: 90}}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: not-two}
spec:
  action: DENY
  targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: both}]
  rules: [{when: [{key: connection.sni, values: [forbidden.example]}]}]
";

#[tokio::test(flavor = "multi_thread")]
async fn the_name_in_the_hello_decides() {
    let spec = "hosts: [one.example, two.example], addresses: [NET.50], resolution: STATIC, endpoints: [{address: NET.43}], \
                ports: [{number: 443, name: tls, protocol: TLS, targetPort: 8090}]";
    let files = [entry("both", spec), ROUTES.to_owned()].concat();
    let mesh = Lone::start(&[("entries.yaml", &files)]).await;
    listen(&mesh, 21, "v1").await;
    listen(&mesh, 22, "v2").await;
    listen(&mesh, 43, "no").await;
    for (name, expected) in [
        ("one.example", "v1"),
        ("TWO.example", "v2"),
        ("three.example", "no"),
    ] {
        let sent = hello(name);
        assert_eq!(
            answer(&mesh, &sent).await,
            Some((expected.to_owned(), sent)),
            "{name}"
        );
    }
    assert_eq!(answer(&mesh, &hello("forbidden.example")).await, None);
    // What is no TLS asks for nobody.
    let other = b"SSH-2.0-client\r\n";
    assert_eq!(
        answer(&mesh, other).await,
        Some(("no".to_owned(), other.to_vec()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_name_is_found_where_nobody_says_tls() {
    let spec = "hosts: [one.example], addresses: [NET.50], resolution: STATIC, endpoints: [{address: NET.43}], \
                ports: [{number: 443, name: tcp, protocol: TCP, targetPort: 8090}]";
    let policy = "
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: forbidden}
spec:
  action: DENY
  targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: one}]
  rules: [{when: [{key: connection.sni, values: [forbidden.example]}]}]
";
    let files = [entry("one", spec), policy.to_owned()].concat();
    let mesh = Lone::start(&[("entries.yaml", &files)]).await;
    listen(&mesh, 43, "no").await;
    let allowed = hello("one.example");
    assert_eq!(
        answer(&mesh, &allowed).await,
        Some(("no".to_owned(), allowed.clone()))
    );
    assert_eq!(answer(&mesh, &hello("forbidden.example")).await, None);
    // A hello of which only the beginning can be read is for nobody knows whom.
    let mut odd = hello("forbidden.example");
    odd[5] = 99;
    assert_eq!(answer(&mesh, &odd).await, None);
}
