//! What keeps the processes from starting: one clear sentence, and exit code 1.

use std::path::{Path, PathBuf};

use cairn_tests::{Directory, Network, Output, binary, run};

use crate::text;

const MESH: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint}
spec:
  gatewayClassName: istio-waypoint
  addresses: [{type: IPAddress, value: NET.30}]
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
---
apiVersion: v1
kind: Service
metadata: {name: app, labels: {istio.io/use-waypoint: waypoint}}
spec: {clusterIP: NET.10, selector: {app: app}, ports: [{name: http, port: 8000, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: app, labels: {app: app}}
spec: {serviceAccountName: app, containers: [{name: app, image: docker.io/mccutchen/go-httpbin:v2.15.0}]}
status: {podIP: NET.21}
";

/// The processes that are a mesh, or a part of one.
const PROCESSES: [&str; 3] = ["waypoint", "ztunnel", "cairn"];

struct Mesh {
    network: Network,
    directory: Directory,
    ca: tempfile::TempDir,
}

impl Mesh {
    fn new() -> Mesh {
        let network = Network::new();
        let directory = Directory::new(network);
        directory.write("mesh.yaml", MESH);
        Mesh {
            network,
            directory,
            ca: tempfile::tempdir().unwrap(),
        }
    }

    fn ca(&self) -> PathBuf {
        self.ca.path().join("ca")
    }

    /// Starts one of the processes, which is to end on its own.
    fn start(&self, process: &str, config: &Path, ca: &Path, more: &[&str]) -> Output {
        let own = |name: &str, port| format!("{name}={}", self.network.socket(250, port));
        let servers = [
            own("--admin", 15000),
            own("--stats", 15020),
            own("--ready", 15021),
        ];
        let mut all = match process {
            "cairn" => vec!["up", text(config)],
            "waypoint" => vec!["--gateway", "default/waypoint", "--config", text(config)],
            _ => {
                let mut all = vec!["--config", text(config)];
                all.extend(servers.iter().map(String::as_str).filter(|one| !given(one, more)));
                all
            }
        };
        all.extend(["--ca", text(ca)]);
        all.extend(more);
        run(&binary(process), &all)
    }

    /// The same where only `process` tells what is wrong.
    fn fails(&self, process: &str, config: &Path, ca: &Path, more: &[&str]) -> String {
        let output = self.start(process, config, ca, more);
        assert_eq!(output.code, Some(1), "{process}: {}", output.text);
        let sentence = sentence(&output);
        assert!(sentence.starts_with(&format!("{process}: ")), "{sentence}");
        sentence
    }
}

/// Whether an option is among those that are given.
fn given(option: &str, more: &[&str]) -> bool {
    let name = |option: &str| option.split('=').next().unwrap_or_default().to_owned();
    more.iter().any(|one| name(one) == name(option))
}

/// The one sentence on standard error. Nothing is said twice in it.
fn sentence(output: &Output) -> String {
    let mut lines = output.errors.lines();
    let (sentence, more) = (lines.next().unwrap_or_default(), lines.next());
    assert!(!sentence.is_empty() && more.is_none(), "{}", output.text);
    let mut said: Vec<&str> = sentence.split([':', ';']).map(str::trim).collect();
    said.retain(|part| part.contains(' '));
    let all = said.len();
    said.sort_unstable();
    said.dedup();
    assert_eq!(said.len(), all, "something is said twice: {sentence}");
    sentence.to_owned()
}

#[test]
fn a_directory_that_is_missing() {
    let mesh = Mesh::new();
    let missing = mesh.directory.path().join("missing");
    for process in PROCESSES {
        let sentence = mesh.fails(process, &missing, &mesh.ca(), &[]);
        assert!(
            sentence.contains(text(&missing)) && sentence.contains("cannot be read"),
            "{sentence}"
        );
    }
    let file = mesh.directory.path().join("mesh.yaml");
    for process in PROCESSES {
        let sentence = mesh.fails(process, &file, &mesh.ca(), &[]);
        assert!(sentence.contains("is not a directory"), "{sentence}");
    }
}

/// Spoils a CA in one way.
type Spoil = fn(&Path);

#[test]
fn a_certificate_authority_that_cannot_be_used() {
    let mesh = Mesh::new();
    let made = cairn_identity::LocalCa::open_or_create(&mesh.ca(), "cluster.local");
    made.expect("a CA to spoil");
    let cases: [(&str, Spoil, &[&str]); 6] = [
        (
            "the key is no key",
            |ca| std::fs::write(ca.join("ca-key.pem"), "nonsense").unwrap(),
            &["ca-key.pem", "no private key in PEM form"],
        ),
        (
            "the key cannot be read",
            |ca| {
                // Whoever is root may read every file, but nobody reads a directory.
                std::fs::remove_file(ca.join("ca-key.pem")).unwrap();
                std::fs::create_dir(ca.join("ca-key.pem")).unwrap();
            },
            &["cannot read", "ca-key.pem"],
        ),
        (
            "the key is missing",
            |ca| std::fs::remove_file(ca.join("ca-key.pem")).unwrap(),
            &["ca-key.pem is missing", "add it"],
        ),
        (
            "the key is another's",
            |ca| {
                let other = tempfile::tempdir().unwrap();
                let made = cairn_identity::LocalCa::open_or_create(&other.path().join("ca"), "cluster.local");
                made.expect("another CA");
                std::fs::copy(other.path().join("ca/ca-key.pem"), ca.join("ca-key.pem")).unwrap();
            },
            &["ca-key.pem does not belong to the certificate"],
        ),
        (
            "the certificate is none",
            |ca| std::fs::write(ca.join("ca-cert.pem"), "nonsense").unwrap(),
            &["ca-cert.pem", "no certificate in PEM form"],
        ),
        (
            "there is a file in its place",
            |ca| {
                std::fs::remove_dir_all(ca).unwrap();
                std::fs::write(ca, "nonsense").unwrap();
            },
            &["is not a directory"],
        ),
    ];
    for (what, spoil, says) in cases {
        let ca = mesh.ca.path().join("spoiled");
        std::fs::create_dir(&ca).unwrap();
        for entry in std::fs::read_dir(mesh.ca()).unwrap() {
            let file = entry.unwrap().path();
            std::fs::copy(&file, ca.join(file.file_name().unwrap())).unwrap();
        }
        spoil(&ca);
        for process in PROCESSES {
            let sentence = mesh.fails(process, mesh.directory.path(), &ca, &[]);
            for says in says {
                assert!(sentence.contains(says), "{what}, {process}: {sentence}");
            }
        }
        if ca.is_dir() {
            std::fs::remove_dir_all(&ca).unwrap();
        } else {
            std::fs::remove_file(&ca).unwrap();
        }
    }
}

#[test]
fn a_port_that_is_in_use() {
    let mesh = Mesh::new();
    for (process, host, port) in [
        ("waypoint", 30, 15008),
        ("waypoint", 30, 15000),
        ("waypoint", 30, 15020),
        ("waypoint", 30, 15021),
        ("ztunnel", 250, 15000),
        ("ztunnel", 250, 15020),
        ("ztunnel", 250, 15021),
        ("ztunnel", 21, 15008),
        ("cairn", 30, 15008),
        ("cairn", 21, 8080),
        ("cairn", 10, 8000),
    ] {
        let address = mesh.network.socket(host, port);
        let held = std::net::TcpListener::bind(address).unwrap();
        let sentence = mesh.fails(process, mesh.directory.path(), &mesh.ca(), &[]);
        let says = format!("cannot listen on {address}: address already in use");
        assert!(sentence.contains(&says), "{sentence}");
        drop(held);
    }
    let address = mesh.network.socket(250, 15080);
    let held = std::net::TcpListener::bind(address).unwrap();
    let socks5 = format!("--socks5={address}");
    let sentence = mesh.fails("ztunnel", mesh.directory.path(), &mesh.ca(), &[&socks5]);
    assert!(
        sentence.ends_with("choose another address with --socks5"),
        "{sentence}"
    );
    drop(held);
}

#[test]
fn a_gateway_that_is_missing() {
    let mesh = Mesh::new();
    mesh.directory
        .write("mesh.yaml", &MESH.replace("{name: waypoint}", "{name: other}"));
    let sentence = mesh.fails("waypoint", mesh.directory.path(), &mesh.ca(), &[]);
    assert!(
        sentence.contains("there is no Gateway default/waypoint"),
        "{sentence}"
    );
}

#[test]
fn an_admin_interface_for_everyone_is_refused() {
    let mesh = Mesh::new();
    for process in ["waypoint", "ztunnel"] {
        let sentence = mesh.fails(
            process,
            mesh.directory.path(),
            &mesh.ca(),
            &["--admin=0.0.0.0:15998"],
        );
        assert!(
            sentence.contains("the admin interface must not listen on 0.0.0.0:15998"),
            "{sentence}"
        );
    }
}

#[test]
fn arguments_that_are_missing_are_named() {
    let mesh = Mesh::new();
    let directory = mesh.directory.path();
    for (process, arguments, says) in [
        ("waypoint", vec!["--config", text(directory)], "--gateway"),
        ("ztunnel", vec!["--config", text(directory)], "--ca DIR"),
        ("ztunnel", vec![], "--config DIR"),
        ("cairn", vec!["up"], "<DIRECTORY>"),
        ("cairn", vec![], "demo"),
    ] {
        let output = run(&binary(process), &arguments);
        assert!(matches!(output.code, Some(1 | 2)), "{process}: {}", output.text);
        assert!(output.errors.contains(says), "{process}: {}", output.text);
    }
}
