//! TLS and the PROXY protocol towards endpoints.

use std::sync::Arc;

use bytes::Bytes;
use cairn_tests::Lone;
use http::{Request, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{entry, get, until};

/// The PEM of an authority, and a server's TLS with a certificate of it for `name`.
fn authority(name: &str) -> (String, TlsAcceptor) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    (issuer.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// Answers each request with the name that the TLS has asked for and the host of the request.
async fn serve(mesh: &Lone, host: u8, tls: TlsAcceptor) {
    let listener = TcpListener::bind(mesh.network.socket(host, 8443)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let Ok(stream) = tls.accept(stream).await else {
                    return;
                };
                let name = stream.get_ref().1.server_name().unwrap_or("-").to_owned();
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let host = request.headers()["host"].to_str().unwrap().to_owned();
                    let body = Full::new(Bytes::from(format!("{name} {host}")));
                    async { Ok::<_, std::convert::Infallible>(Response::new(body)) }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
}

fn rule(host: &str, tls: &str) -> String {
    format!(
        "
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: rule}}
spec: {{host: {host}, trafficPolicy: {{tls: {{{tls}}}}}}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_begun_for_who_speaks_none_and_only_with_whom_it_is_for() {
    let (pem, tls) = authority("secure.example");
    let ca = tempfile::tempdir().unwrap();
    let path = ca.path().join("ca.pem");
    std::fs::write(&path, &pem).unwrap();
    let path = path.display();
    let spec = "hosts: [secure.example], addresses: [NET.50], resolution: STATIC, endpoints: [{address: NET.44}], \
                ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8443}]";
    let service = entry("secure", spec);
    let simple = |names: &str| {
        let written = format!("mode: SIMPLE, caCertificates: {path}{names}");
        service.clone() + &rule("secure.example", &written)
    };
    let mesh = Lone::start(&[("entries.yaml", &simple(""))]).await;
    serve(&mesh, 44, tls).await;
    let vip = mesh.network.socket(50, 80);
    let answer = get(&mesh, vip, "secure.example").await;
    assert_eq!(answer.body, "secure.example secure.example", "{answer:?}");
    // The certificate has to be for whom the request is for.
    let other = get(&mesh, vip, "other.example").await;
    assert_eq!(other.status, 503);

    mesh.directory
        .write("entries.yaml", &simple(", subjectAltNames: [other.example]"));
    until(
        &mesh,
        vip,
        "secure.example",
        "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote connection failure",
    )
    .await;
    mesh.directory.write(
        "entries.yaml",
        &simple(", subjectAltNames: [other.example, secure.example], sni: sni.example"),
    );
    until(&mesh, vip, "secure.example", "sni.example secure.example").await;

    // What asks for a file that is not there gets nothing sent.
    let missing = service.clone() + &rule("secure.example", "mode: SIMPLE, caCertificates: /nowhere/ca.pem");
    mesh.directory.write("entries.yaml", &missing);
    until(&mesh, vip, "secure.example", "").await;
    assert_eq!(get(&mesh, vip, "secure.example").await.status, 503);
    mesh.waypoint.wait_for_text("/nowhere/ca.pem cannot be read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_tls_policy_asks_for_tls_too() {
    let (pem, tls) = authority("app.internal");
    let policy = |hostname: &str| {
        let pem = pem.replace('\n', "\n    ");
        format!(
            "
apiVersion: v1
kind: ConfigMap
metadata: {{name: ca}}
data:
  ca.crt: |
    {pem}
---
apiVersion: v1
kind: Service
metadata: {{name: secure, labels: {{istio.io/use-waypoint: waypoint}}}}
spec: {{clusterIP: NET.50, selector: {{app: app, version: v1}}, ports: [{{name: http, port: 80, targetPort: 8443}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: secure}}
spec:
  targetRefs: [{{group: '', kind: Service, name: secure}}]
  validation: {{hostname: {hostname}, caCertificateRefs: [{{group: '', kind: ConfigMap, name: ca}}]}}
"
        )
    };
    let mesh = Lone::start(&[("policy.yaml", &policy("app.internal"))]).await;
    serve(&mesh, 21, tls).await;
    let vip = mesh.network.socket(50, 80);
    let answer = get(&mesh, vip, "secure").await;
    assert_eq!(answer.body, "app.internal secure", "{answer:?}");
    mesh.directory.write("policy.yaml", &policy("wrong.internal"));
    until(
        &mesh,
        vip,
        "secure",
        "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote connection failure",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_told_who_is_there() {
    let policy = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: told}
spec: {host: app, trafficPolicy: {proxyProtocol: {version: V1}}}
";
    let mesh = Lone::start(&[("policy.yaml", policy)]).await;
    for host in [21, 22] {
        let listener = TcpListener::bind(mesh.network.socket(host, 8090)).await.unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                let _ = stream.read_line(&mut line).await;
                let _ = stream.write_all(line.as_bytes()).await;
            }
        });
    }
    let tunnel = mesh.tunnels.open("sleep", mesh.network.ip(11), mesh.service(90));
    let mut said = String::new();
    tunnel.await.unwrap().read_to_string(&mut said).await.unwrap();
    let (source, destination) = (mesh.network.ip(11), mesh.network.ip(10));
    assert!(
        said.starts_with(&format!("PROXY TCP4 {source} {destination} ")),
        "{said}"
    );
    assert!(said.ends_with(" 90\r\n"), "{said}");
}
