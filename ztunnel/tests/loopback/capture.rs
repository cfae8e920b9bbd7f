//! Taking connections at virtual addresses.

use cairn_ztunnel::{Options, StartError, Ztunnel};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{App, Mesh, Network, echo, eventually, get, http, identity, pod, service, state};

fn mesh() -> String {
    pod("sleep", "sleep", 11) + &pod("hello", "hello", 12) + &service("hello", 1)
}

#[tokio::test]
async fn an_unknown_source_is_refused_with_what_to_do() {
    let net = Network::new();
    let app = App::named("hello", net.at(12, 8080)).await;
    let mesh = Mesh::start(net, &mesh()).await;
    assert!(mesh.ask(77, net.at(1, 80), "hi").await.is_err());
    let line = mesh.line(&["connection failed"]).await;
    let (_, fields) = line
        .split_once("\twarn\taccess\tconnection failed\t")
        .expect(&line);
    assert!(fields.starts_with(&net.fill("src.addr=NET.77:")), "{line}");
    let rest = net.fill(
        "dst.addr=NET.1:80 direction=\"outbound\" error=\"unknown source: no workload of the mesh has the address NET.77; \
         call from a pod's address: curl --interface POD_IP\"",
    );
    assert!(fields.ends_with(&rest), "{line}");
    assert!(app.seen().is_empty());
}

#[tokio::test]
async fn services_come_and_go_while_connections_stay() {
    let net = Network::new();
    let _app = App::echo(net.at(12, 8080)).await;
    let pods = pod("sleep", "sleep", 11) + &pod("hello", "hello", 12);
    let mesh = Mesh::start(net, &pods).await;
    assert!(
        net.connect(11, net.at(1, 80)).await.is_err(),
        "nothing is there yet"
    );

    mesh.edit(&(pods.clone() + &service("hello", 1))).await;
    let mut open = mesh.connect(11, net.at(1, 80)).await;
    echo(&mut open, "one").await.unwrap();

    mesh.edit(&(pods + &service("hello", 2))).await;
    eventually("the old address is closed", async || {
        net.connect(11, net.at(1, 80)).await.err()
    })
    .await;
    let mut other = mesh.connect(11, net.at(2, 80)).await;
    echo(&mut other, "two").await.unwrap();
    echo(&mut open, "three").await.unwrap();
}

#[tokio::test]
async fn pods_come_and_go() {
    let net = Network::new();
    let _app = App::named("hello", net.at(12, 8080)).await;
    let mesh = Mesh::start(net, &(pod("sleep", "sleep", 11) + &service("hello", 1))).await;
    assert!(mesh.ask(11, net.at(1, 80), "hi").await.is_err());
    let line = mesh.line(&["direction=\"outbound\"", "\terror\t"]).await;
    assert!(line.contains("error=\"no healthy upstream\""), "{line}");
    assert!(
        line.contains("dst.service=\"hello.default.svc.cluster.local\""),
        "{line}"
    );

    mesh.edit(&self::mesh()).await;
    mesh.ask(11, net.at(1, 80), "hi").await.unwrap();
    assert!(mesh.identities.cached(&identity("hello")).is_some());

    mesh.edit(&(pod("sleep", "sleep", 11) + &service("hello", 1)))
        .await;
    assert!(
        mesh.identities.cached(&identity("hello")).is_none(),
        "a certificate of nobody's is not kept"
    );
    eventually("the tunnel port is closed", async || {
        net.connect(11, net.at(12, 15008)).await.err()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_taken_does_not_hold_up_the_rest() {
    let net = Network::new();
    let _app = App::named("hello", net.at(12, 8080)).await;
    let taken = TcpListener::bind(net.at(1, 80)).await.unwrap();
    let yaml = mesh() + &service("hello", 2).replace("name: hello", "name: again");
    let mesh = Mesh::start(net, &yaml).await;
    assert_eq!(
        mesh.ask(11, net.at(2, 80), "hi").await.unwrap(),
        format!("hello {} hi", net.ip(11))
    );

    drop(taken);
    mesh.edit(&(yaml + &pod("other", "other", 13))).await;
    assert_eq!(
        mesh.ask(11, net.at(1, 80), "hi").await.unwrap(),
        format!("hello {} hi", net.ip(11))
    );
}

#[tokio::test]
async fn what_is_outside_of_the_mesh_is_passed_through() {
    let net = Network::new();
    let app = App::named("outside", net.at(90, 9090)).await;
    let yaml = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: outside}\n\
        spec:\n  hosts: [outside.example]\n  addresses: [NET.3]\n  ports: [{number: 80, name: tcp, protocol: TCP, targetPort: 9090}]\n  \
        resolution: STATIC\n  endpoints: [{address: NET.90}]\n---\n";
    let mesh = Mesh::start(net, &(mesh() + yaml)).await;
    assert_eq!(
        mesh.ask(11, net.at(3, 80), "hi").await.unwrap(),
        format!("outside {} hi", net.ip(11))
    );
    assert_eq!(app.seen(), [net.ip(11)]);
    let line = mesh
        .line(&["dst.service=\"outside.example\"", "direction=\"outbound\""])
        .await;
    assert!(line.contains(&net.fill("dst.addr=NET.90:9090 ")), "{line}");
    assert!(
        !line.contains("identity") && !line.contains("hbone_addr"),
        "{line}"
    );
    let sample = [
        "istio_tcp_connections_opened_total",
        "connection_security_policy=\"unknown\"",
    ];
    assert_eq!(mesh.sample(&sample).await, Some(1));
}

#[tokio::test]
async fn a_service_that_leads_back_to_itself_is_refused() {
    let net = Network::new();
    let yaml = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: loop}\n\
        spec:\n  hosts: [loop.example]\n  addresses: [NET.3]\n  ports: [{number: 80, name: tcp, protocol: TCP}]\n  \
        resolution: STATIC\n  endpoints: [{address: NET.3}]\n---\n";
    let mesh = Mesh::start(net, &(mesh() + yaml)).await;
    assert!(mesh.ask(11, net.at(3, 80), "hi").await.is_err());
    mesh.line(&["error=\"attempted recursive call to ourselves: NET.3:80\""])
        .await;
    assert_eq!(mesh.lines().len(), 1, "{:#?}", mesh.lines());
}

#[tokio::test]
async fn a_pod_that_is_not_captured_reaches_services_in_the_clear_and_policies_see_that() {
    let net = Network::new();
    let app = App::named("hello", net.at(12, 8080)).await;
    let outsider = "apiVersion: v1\nkind: Pod\nmetadata: {name: outsider, labels: {istio.io/dataplane-mode: none}}\n\
        status: {podIP: NET.14}\n---\n";
    let yaml = mesh() + outsider;
    let mesh = Mesh::start(net, &yaml).await;
    assert_eq!(
        mesh.ask(14, net.at(1, 80), "hi").await.unwrap(),
        format!("hello {} hi", net.ip(14))
    );
    let line = mesh.line(&["src.workload=\"outsider\"", "\tinfo\t"]).await;
    assert!(!line.contains("identity"), "{line}");

    let strict = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: strict}\n\
        spec: {mtls: {mode: STRICT}}\n---\n";
    mesh.edit(&(yaml + strict)).await;
    assert!(mesh.ask(14, net.at(1, 80), "hi").await.is_err());
    mesh.line(&[
        "src.workload=\"outsider\"",
        "error=\"connection closed due to policy rejection",
    ])
    .await;
    assert_eq!(
        mesh.ask(11, net.at(1, 80), "hi").await.unwrap(),
        format!("hello {} hi", net.ip(11))
    );
    assert_eq!(app.seen(), [net.ip(14), net.ip(11)]);
}

#[tokio::test]
async fn a_server_that_cannot_listen_keeps_the_ztunnel_from_starting() {
    let net = Network::new();
    let holder = TcpListener::bind(net.at(250, 0)).await.unwrap();
    let taken = holder.local_addr().unwrap();
    let identities = Mesh::start(net, &mesh()).await.identities.clone();
    let own = Some(net.at(251, 0));
    let options = Options {
        admin: own,
        stats: own,
        ready: own,
        ..Options::default()
    };
    let start = async |options: Options, yaml: &str| {
        let (_sender, config) = tokio::sync::watch::channel(state(net, yaml, 1));
        Ztunnel::start(options, config, identities.clone())
            .await
            .map(drop)
    };
    let error = start(
        Options {
            stats: Some(taken),
            ..options.clone()
        },
        "",
    )
    .await
    .unwrap_err()
    .to_string();
    assert!(
        error.starts_with("cannot listen on") && error.ends_with("with --stats"),
        "{error}"
    );
    let public = "0.0.0.0:0".parse().ok();
    let error = start(
        Options {
            admin: public,
            ..options.clone()
        },
        "",
    )
    .await
    .unwrap_err();
    assert!(matches!(error, StartError::Admin(_)), "{error}");
    let _tunnels = TcpListener::bind(net.at(99, 15008)).await.unwrap();
    let error = start(options, &pod("last", "last", 99))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(&net.fill("cannot listen on NET.99:15008")),
        "{error}"
    );
}

#[tokio::test]
async fn the_servers_tell_what_is_in_force() {
    let net = Network::new();
    let _app = App::named("hello", net.at(12, 8080)).await;
    let mesh = Mesh::start(net, &mesh()).await;
    mesh.ask(11, net.at(1, 80), "hi").await.unwrap();
    let ztunnel = mesh.ztunnel.as_ref().unwrap();
    let addresses = *ztunnel.addresses();
    assert_eq!(get(addresses.ready, "/healthz/ready").await, "ready\n");

    let dump: serde_json::Value = serde_json::from_str(&get(addresses.admin, "/config_dump").await).unwrap();
    assert_eq!(dump["version"], 1);
    let hello = &dump["workloads"][0];
    assert_eq!(hello["uid"], "Kubernetes//Pod/default/hello");
    assert_eq!(hello["workloadIps"][0], net.ip(12).to_string());
    assert_eq!(
        (&hello["protocol"], &hello["serviceAccount"]),
        (&"HBONE".into(), &"hello".into())
    );
    let service = &dump["services"][0];
    assert_eq!(service["hostname"], "hello.default.svc.cluster.local");
    assert_eq!(service["vips"][0], format!("/{}", net.ip(1)));
    assert_eq!(
        service["endpoints"]["Kubernetes//Pod/default/hello"]["port"]["80"],
        8080
    );
    assert_eq!(dump["certificates"].as_array().unwrap().len(), 2);
    assert_eq!(dump["certificates"][0]["identity"], identity("hello").to_string());
    assert_eq!(dump["certificates"][0]["state"], "Available");
    assert!(dump["certificates"][0]["certChain"][0]["expirationTime"].is_string());

    let quit = ztunnel.quit();
    assert_eq!(
        http(addresses.admin, "POST", "/quitquitquit").await,
        "shutting down\n"
    );
    quit.await;
    drop(TcpStream::connect(addresses.stats).await.unwrap());
}
