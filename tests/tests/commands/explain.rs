//! `cairn explain`, on the examples.

use cairn_tests::{Directory, Example, Network};

use crate::{cairn, text};

fn explain(example: &str, arguments: &[&str]) -> Vec<(String, String)> {
    let path = Example::path(example);
    let mut all = vec!["explain", text(&path), "--from"];
    all.extend(arguments);
    let output = cairn(&all);
    assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.text);
    let steps = output.text.lines().map(|line| {
        let (phase, decision) = line.split_once(' ').unwrap();
        (phase.to_owned(), decision.trim_start().to_owned())
    });
    steps.collect()
}

fn phases(steps: &[(String, String)]) -> Vec<&str> {
    steps.iter().map(|(phase, _)| phase.as_str()).collect()
}

#[test]
fn a_request_is_followed_from_caller_to_endpoint() {
    let steps = explain(
        "helloworld",
        &["default/sleep", "GET", "http://helloworld:5000/hello"],
    );
    let expected = [
        "caller",
        "ztunnel",
        "head",
        "authorize",
        "route",
        "cluster",
        "endpoint",
        "endpoint",
    ];
    assert_eq!(phases(&steps), expected, "{steps:#?}");
    for (number, says) in [
        (0, "spiffe://cluster.local/ns/default/sa/sleep"),
        (
            1,
            "127.0.10.1:5000 goes through waypoint default/namespace at 127.0.30.1:15008",
        ),
        (2, "GET /hello for helloworld:5000"),
        (3, "allowed"),
        (4, "the default"),
        (5, "inbound-vip|5000|http|helloworld.default.svc.cluster.local"),
        (6, "127.0.20.1:5000"),
        (7, "127.0.20.2:5000"),
    ] {
        assert!(steps[number].1.contains(says), "{says:?} in {steps:#?}");
    }
}

#[test]
fn a_denied_request_names_the_policy_and_goes_no_further() {
    let steps = explain("httpbin", &["default/curl", "DELETE", "httpbin:8000/anything"]);
    assert_eq!(steps.last().unwrap().0, "answer", "{steps:#?}");
    let answer = &steps.last().unwrap().1;
    assert!(
        answer.starts_with("403 Forbidden RBAC: access denied"),
        "{answer}"
    );
    assert!(answer.contains("policy[no-delete]-rule[0]"), "{answer}");
    assert!(!phases(&steps).contains(&"route"), "{steps:#?}");

    let steps = explain("httpbin", &["default/httpbin", "GET", "httpbin:8000/get"]);
    assert!(
        steps.last().unwrap().1.starts_with("403"),
        "only curl is let in: {steps:#?}"
    );
    let steps = explain("httpbin", &["default/curl", "GET", "httpbin:8000/get"]);
    assert_eq!(steps.last().unwrap().0, "endpoint", "{steps:#?}");
}

#[test]
fn routes_redirects_and_faults_are_named() {
    let steps = explain("httpbin", &["default/curl", "GET", "httpbin:8000/status/418"]);
    let route = steps.iter().find(|(phase, _)| phase == "route").unwrap();
    assert!(
        route.1.contains("VirtualService default/httpbin spec.http[0]") && route.1.contains("teapot"),
        "{route:?}"
    );
    assert_eq!(steps.last().unwrap().1, "redirect, 301 Moved Permanently");

    let directory = Directory::new(Network::new());
    for file in [
        "helloworld/apps.yaml",
        "helloworld/waypoint.yaml",
        "helloworld/versions.yaml",
        "walkthrough/delay.yaml",
    ] {
        let file = Example::path(file);
        std::fs::copy(&file, directory.path().join(file.file_name().unwrap())).unwrap();
    }
    for (path, delayed) in [("/hello", true), ("/hello/", false)] {
        let url = format!("helloworld:5000{path}");
        let output = cairn(&[
            "explain",
            text(directory.path()),
            "--from",
            "default/sleep",
            "GET",
            &url,
        ]);
        assert_eq!(
            output.text.contains("\nfault      delay of 5s for 100 %"),
            delayed,
            "{}",
            output.text
        );
    }
}

#[test]
fn headers_count() {
    let directory = Directory::new(Network::new());
    for file in ["apps.yaml", "waypoint.yaml", "versions.yaml"] {
        std::fs::copy(
            Example::path("helloworld").join(file),
            directory.path().join(file),
        )
        .unwrap();
    }
    let jason = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: helloworld}
spec:
  hosts: [helloworld]
  http:
  - name: jason
    match: [{headers: {end-user: {exact: jason}}}]
    route: [{destination: {host: helloworld, subset: v2}}]
  - name: everyone
    route: [{destination: {host: helloworld, subset: v1}}]
";
    directory.write("jason.yaml", jason);
    let ask = |headers: &[&str]| {
        let mut all = vec!["explain", text(directory.path()), "--from", "default/sleep"];
        all.extend(headers);
        all.extend(["GET", "helloworld:5000/"]);
        cairn(&all).text
    };
    let (jason, everyone) = (ask(&["-H", "end-user: jason"]), ask(&[]));
    assert!(
        jason.contains("(jason)") && jason.contains("helloworld-v2 at 127.0.20.2:5000"),
        "{jason}"
    );
    assert!(
        everyone.contains("(everyone)") && everyone.contains("helloworld-v1 at 127.0.20.1:5000"),
        "{everyone}"
    );
}

#[test]
fn questions_without_an_answer_are_one_sentence() {
    let path = Example::path("helloworld");
    for (from, url, says) in [
        (
            "default/nobody",
            "helloworld:5000/",
            "no workload runs as service account nobody in namespace default",
        ),
        (
            "default/sleep",
            "goodbye:5000/",
            "nothing in the mesh is called goodbye",
        ),
        ("default/sleep", "http:///hello", ""),
    ] {
        let output = cairn(&["explain", text(&path), "--from", from, "GET", url]);
        assert!(matches!(output.code, Some(1 | 2)), "{}", output.text);
        assert!(output.errors.contains(says), "{}", output.text);
    }
}

#[test]
fn endpoints_that_only_time_tells_are_said_to_be_so() {
    let directory = Directory::new(Network::new());
    let entry = |name: &str, spec: &str| {
        format!(
            "
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, labels: {{istio.io/use-waypoint: waypoint}}}}
spec: {{{spec}, location: MESH_EXTERNAL, ports: [{{number: 80, name: http, protocol: HTTP}}]}}
"
        )
    };
    let mesh = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint}
spec:
  gatewayClassName: istio-waypoint
  addresses: [{type: IPAddress, value: NET.30}]
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
---
apiVersion: v1
kind: Pod
metadata: {name: sleep}
spec: {serviceAccountName: sleep}
status: {podIP: NET.11}
";
    let entries = [
        mesh,
        &entry("all", "hosts: [all.example], resolution: DNS"),
        &entry("first", "hosts: [first.example], resolution: DNS_ROUND_ROBIN"),
        &entry(
            "none",
            "hosts: [none.example], addresses: [192.0.2.7], resolution: NONE",
        ),
    ];
    directory.write("mesh.yaml", &entries.concat());
    for (url, says) in [
        ("http://all.example/", "an address of all.example at the time"),
        (
            "http://first.example/",
            "the first address of first.example at the time, port 80",
        ),
        ("http://192.0.2.7/", "the address that the client connected to"),
    ] {
        let path = text(directory.path());
        let output = cairn(&["explain", path, "--from", "default/sleep", "GET", url]);
        assert_eq!(output.code, Some(0), "{}", output.text);
        assert!(output.text.contains(says), "{}", output.text);
    }
}
