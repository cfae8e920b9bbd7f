//! The binary.

use std::process::{Output, Stdio};

use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::harness::{App, Network, PATIENCE, ask, eventually, get, pod, service};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ztunnel"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = timeout(PATIENCE, command(arguments).output())
        .await
        .unwrap()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

async fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().unwrap().to_string()])
        .status()
        .await
        .unwrap();
    assert!(status.success());
}

async fn finish(child: Child) -> Output {
    timeout(PATIENCE, child.wait_with_output())
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn errors_are_one_sentence_and_exit_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let (code, error) = run(&[]).await;
    assert_eq!(code, Some(1));
    assert!(
        error.starts_with("ztunnel: configuration from a control plane is not there yet"),
        "{error}"
    );
    assert!(
        error.contains("--config DIR") && error.lines().count() == 1,
        "{error}"
    );
    let (code, error) = run(&["--config", path]).await;
    assert_eq!((code, error.contains("--ca DIR")), (Some(1), true), "{error}");
    let missing = format!("{path}/missing");
    let (code, error) = run(&["--config", &missing, "--ca", path]).await;
    assert_eq!(code, Some(1));
    assert!(
        error.starts_with(&format!("ztunnel: {missing}: ")) && error.lines().count() == 1,
        "{error}"
    );
}

#[tokio::test]
async fn a_process_serves_a_directory_until_it_is_terminated() {
    let net = Network::new();
    let _app = App::named("hello", net.at(12, 8080)).await;
    let (config, ca) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let yaml = pod("sleep", "sleep", 11) + &pod("hello", "hello", 12) + &service("hello", 1);
    std::fs::write(config.path().join("mesh.yaml"), net.fill(&yaml)).unwrap();
    let servers = [
        (250, "--admin"),
        (251, "--stats"),
        (252, "--ready"),
        (253, "--socks5"),
    ];
    let servers = servers.map(|(host, name)| format!("{name}={}", net.at(host, 15000)));
    let paths = [config.path(), ca.path()].map(|path| path.to_str().unwrap().to_owned());
    let mut arguments = vec![
        "--config",
        &paths[0],
        "--ca",
        &paths[1],
        "--threads",
        "2",
        "--grace",
        "3600",
    ];
    arguments.extend(servers.iter().map(String::as_str));
    let child = command(&arguments).env("LOG_FORMAT", "json").spawn().unwrap();
    eventually("it listens", async || {
        net.connect(11, net.at(252, 15000)).await.ok()
    })
    .await;
    assert_eq!(get(net.at(252, 15000), "/healthz/ready").await, "ready\n");
    let mut stream = net.connect(11, net.at(1, 80)).await.unwrap();
    assert_eq!(
        ask(&mut stream, "hi").await.unwrap(),
        format!("hello {} hi", net.ip(11))
    );

    // A change of the directory is followed.
    std::fs::write(
        config.path().join("more.yaml"),
        net.fill(&service("hello", 2).replace("name: hello", "name: two")),
    )
    .unwrap();
    let mut stream = eventually("the new service", async || {
        net.connect(11, net.at(2, 80)).await.ok()
    })
    .await;
    assert_eq!(
        ask(&mut stream, "hi").await.unwrap(),
        format!("hello {} hi", net.ip(11))
    );

    signal(&child, "-TERM").await;
    let output = finish(child).await;
    assert_eq!(output.status.code(), Some(0));
    let log = String::from_utf8(output.stdout).unwrap();
    let access: serde_json::Value = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .find(|line| line["scope"] == "access" && line["direction"] == "inbound")
        .unwrap_or_else(|| panic!("{log}"));
    assert_eq!(access["message"], "connection complete");
    assert_eq!(access["src.workload"], "sleep");
    assert_eq!(access["bytes_recv"], 2);
}

#[tokio::test]
async fn a_second_interrupt_ends_at_once() {
    let net = Network::new();
    let _app = App::echo(net.at(12, 8080)).await;
    let (config, ca) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let yaml = pod("sleep", "sleep", 11) + &pod("hello", "hello", 12) + &service("hello", 1);
    std::fs::write(config.path().join("mesh.yaml"), net.fill(&yaml)).unwrap();
    let servers = [(250, "--admin"), (251, "--stats"), (252, "--ready")];
    let servers = servers.map(|(host, name)| format!("{name}={}", net.at(host, 15000)));
    let paths = [config.path(), ca.path()].map(|path| path.to_str().unwrap().to_owned());
    let mut arguments = vec!["--config", &paths[0], "--ca", &paths[1], "--grace", "3600"];
    arguments.extend(servers.iter().map(String::as_str));
    let child = command(&arguments).spawn().unwrap();
    eventually("it listens", async || {
        net.connect(11, net.at(252, 15000)).await.ok()
    })
    .await;
    let mut open = net.connect(11, net.at(1, 80)).await.unwrap();
    crate::harness::echo(&mut open, "open").await.unwrap();

    signal(&child, "-INT").await;
    eventually("it drains", async || net.connect(11, net.at(1, 80)).await.err()).await;
    crate::harness::echo(&mut open, "still open").await.unwrap();
    signal(&child, "-INT").await;
    assert_eq!(finish(child).await.status.code(), Some(0));
}
