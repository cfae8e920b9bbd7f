#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use cairn_api::meta::Key;
use cairn_config::Objects;

use super::complete;

fn objects(yaml: &str) -> Arc<Objects> {
    let state = cairn_config::from_str(yaml, Path::new("mesh.yaml"));
    assert!(state.report.is_empty(), "{}", state.report);
    state.objects
}

const BARE: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, version: v1}, annotations: {note: kept}}
    spec: {serviceAccountName: web, containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: shop}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: shop}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: shop}
spec: {type: ExternalName, externalName: example.org}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: wp, namespace: shop}
spec: {gatewayClassName: istio-mesh}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: asked, namespace: shop}
spec: {gatewayClassName: istio-mesh, addresses: [{value: 127.0.30.1}]}
";

fn octets(text: &str) -> [u8; 4] {
    text.parse::<Ipv4Addr>().unwrap().octets()
}

#[test]
fn a_directory_of_plain_objects_becomes_a_mesh() {
    let completed = complete(&objects(BARE));
    let key = |name: &str| Key::new("shop", name);
    let pods: Vec<&str> = completed.pods.keys().map(|key| key.name.as_str()).collect();
    assert_eq!(pods, ["alone", "web-0", "web-1", "web-2"]);
    let pod = &completed.pods[&key("web-1")];
    assert_eq!(pod.spec.service_account_name, "web");
    assert_eq!(pod.metadata.labels["version"], "v1");
    assert_eq!(pod.metadata.annotations["note"], "kept");
    assert_eq!(
        pod.metadata.annotations["ambient.istio.io/redirection"],
        "enabled"
    );
    for pod in completed.pods.values() {
        let status = pod.status.as_ref().unwrap();
        assert_eq!(octets(&status.pod_ip)[..2], [127, 241]);
        assert_eq!(
            (
                status.conditions[0].type_.as_str(),
                status.conditions[0].status.as_str()
            ),
            ("Ready", "True")
        );
    }
    let service = &completed.services[&key("web")].spec;
    assert_eq!(octets(&service.cluster_ip)[..2], [127, 240]);
    assert_eq!(service.cluster_ips, std::slice::from_ref(&service.cluster_ip));
    assert_eq!(completed.services[&key("headless")].spec.cluster_ip, "None");
    assert_eq!(completed.services[&key("alias")].spec.cluster_ip, "");
    let address = |name: &str| {
        completed.gateways[&key(name)].status.as_ref().unwrap().addresses[0]
            .value
            .clone()
    };
    assert_eq!(octets(&address("wp"))[..2], [127, 242]);
    assert_eq!(address("asked"), "127.0.30.1");
}

#[test]
fn the_same_objects_give_the_same_result() {
    let once = complete(&objects(BARE));
    let again = complete(&objects(BARE));
    assert_eq!(once.pods, again.pods);
    assert_eq!(once.services, again.services);
    assert_eq!(once.gateways, again.gateways);
    // Completing what is complete changes nothing.
    let twice = complete(&once);
    assert_eq!(once.pods, twice.pods);
    assert_eq!(once.services, twice.services);
    assert_eq!(once.gateways, twice.gateways);
    // Nor does the company of others change an address.
    let more = complete(&objects(&format!(
        "{BARE}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: aaa}}\nspec: {{ports: [{{port: 80}}]}}\n"
    )));
    assert_eq!(
        once.services[&Key::new("shop", "web")],
        more.services[&Key::new("shop", "web")]
    );
}

#[test]
fn addresses_stay_what_they_were_in_the_last_version() {
    let completed = complete(&objects(BARE));
    let pod = completed.pods[&Key::new("shop", "web-0")]
        .status
        .as_ref()
        .unwrap()
        .pod_ip
        .clone();
    let service = completed.services[&Key::new("shop", "web")]
        .spec
        .cluster_ip
        .clone();
    assert_eq!((service.as_str(), pod.as_str()), (EXPECTED.0, EXPECTED.1));
}

/// Other values mean that everybody's meshes get other addresses.
const EXPECTED: (&str, &str) = ("127.240.55.120", "127.241.221.12");

#[test]
fn what_is_there_is_left_alone() {
    let yaml = "
apiVersion: v1
kind: Pod
metadata: {name: a, annotations: {ambient.istio.io/redirection: disabled}}
status: {podIP: 10.0.0.1, phase: Pending, conditions: [{type: Ready, status: 'False'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: done}
status: {phase: Succeeded}
---
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {clusterIP: 10.0.0.2, ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: a}
spec: {gatewayClassName: istio-mesh, addresses: [{value: 10.0.0.3}]}
status: {addresses: [{type: Hostname, value: a.default.svc.cluster.local}]}
";
    let before = objects(yaml);
    let after = complete(&before);
    assert_eq!(
        before.pods[&Key::new("default", "a")],
        after.pods[&Key::new("default", "a")]
    );
    assert_eq!(before.services, after.services);
    assert_eq!(before.gateways, after.gateways);
    assert_eq!(
        after.pods[&Key::new("default", "done")]
            .status
            .as_ref()
            .unwrap()
            .pod_ip,
        ""
    );
}

#[test]
fn no_address_is_given_twice() {
    let given = complete(&objects("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"));
    let taken = given.pods[&Key::new("default", "a")]
        .status
        .as_ref()
        .unwrap()
        .pod_ip
        .clone();
    let yaml = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: b}}\nstatus: {{podIP: {taken}}}\n"
    );
    let given = complete(&objects(&yaml));
    let other = given.pods[&Key::new("default", "a")]
        .status
        .as_ref()
        .unwrap()
        .pod_ip
        .clone();
    assert_ne!(other, taken);
    let next = u32::from(taken.parse::<Ipv4Addr>().unwrap()) + 1;
    assert_eq!(other, Ipv4Addr::from(next).to_string());
}

#[test]
fn pods_that_a_deployment_selects_are_its_own() {
    let yaml = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: 2, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}}}
---
apiVersion: v1
kind: Pod
metadata: {name: by-hand, labels: {app: web}}
status: {podIP: 127.0.20.1}
---
apiVersion: v1
kind: Pod
metadata: {name: of-others, labels: {app: web}, ownerReferences: [{apiVersion: v1, kind: ReplicaSet, name: other}]}
---
apiVersion: v1
kind: Pod
metadata: {name: elsewhere, namespace: other, labels: {app: web}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: off}
spec: {replicas: 0, selector: {matchLabels: {app: off}}, template: {metadata: {labels: {app: off}}}}
";
    let completed = complete(&objects(yaml));
    let pods: Vec<String> = completed.pods.keys().map(Key::to_string).collect();
    assert_eq!(
        pods,
        [
            "default/by-hand",
            "default/of-others",
            "default/web-0",
            "other/elsewhere"
        ]
    );
    let owners = |name: &str| {
        completed.pods[&Key::new("default", name)]
            .metadata
            .owner_references
            .clone()
    };
    assert_eq!(owners("by-hand")[0].name, "web");
    assert_eq!(owners("of-others")[0].name, "other");
    assert_eq!(
        completed.pods[&Key::new("default", "by-hand")]
            .status
            .as_ref()
            .unwrap()
            .pod_ip,
        "127.0.20.1"
    );
}

#[test]
fn who_is_captured() {
    let cases = [
        ("", "", "", true),
        ("istio.io/dataplane-mode: none", "", "", false),
        ("", "", "istio.io/dataplane-mode: none", false),
        (
            "istio.io/dataplane-mode: ambient",
            "",
            "istio.io/dataplane-mode: none",
            true,
        ),
        ("", "hostNetwork: true", "", false),
    ];
    for (labels, spec, namespace, captured) in cases {
        let yaml = format!(
            "
apiVersion: v1
kind: Namespace
metadata: {{name: default, labels: {{{namespace}}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: a, labels: {{{labels}}}}}
spec: {{{spec}}}
"
        );
        let completed = complete(&objects(&yaml));
        let annotations = &completed.pods[&Key::new("default", "a")].metadata.annotations;
        assert_eq!(
            annotations.contains_key("ambient.istio.io/redirection"),
            captured,
            "{labels} {spec} {namespace}"
        );
    }
}

#[test]
fn hosts_of_service_entries_get_addresses() {
    let entry = |name: &str, labels: &str, spec: &str| {
        format!(
            "
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: shop, labels: {{{labels}}}}}
spec: {{{spec}, ports: [{{number: 80, name: http, protocol: HTTP}}]}}
"
        )
    };
    let completed = complete(&objects(
        &[
            entry("two", "", "hosts: [a.example, b.example], resolution: DNS"),
            entry(
                "written",
                "",
                "hosts: [c.example], addresses: [127.0.0.9], resolution: STATIC",
            ),
            entry("none", "", "hosts: [d.example], resolution: NONE"),
            entry("wild", "", "hosts: ['*.e.example'], resolution: STATIC"),
            entry("dynamic", "", "hosts: ['*.f.example'], resolution: DYNAMIC_DNS"),
            entry(
                "out",
                "networking.istio.io/enable-autoallocate-ip: 'false'",
                "hosts: [g.example], resolution: DNS",
            ),
        ]
        .concat(),
    ));
    let hosts = |name: &str| -> Vec<(String, String)> {
        let entry = &completed.service_entries[&Key::new("shop", name)];
        let given = entry.status.iter().flat_map(|status| &status.addresses);
        given
            .map(|address| (address.host.clone(), address.value.clone()))
            .collect()
    };
    let two = hosts("two");
    assert_eq!(
        two.iter().map(|(host, _)| host.as_str()).collect::<Vec<_>>(),
        ["a.example", "b.example"]
    );
    assert!(two.iter().all(|(_, address)| address.starts_with("127.243.")));
    assert_ne!(two[0].1, two[1].1);
    assert_eq!(hosts("dynamic").len(), 1);
    for name in ["written", "none", "wild", "out"] {
        assert_eq!(hosts(name), [], "{name}");
    }
    assert_eq!(complete(&completed).service_entries, completed.service_entries);
}
