//! What bad input gets from `cairn validate`.

use cairn_tests::{Directory, Example, Network};

use crate::{cairn, text};

/// One kind of bad input, written next to the example helloworld.
struct Case {
    what: &'static str,
    yaml: &'static str,
    /// Line, severity, object, and field, as the report shows them.
    place: &'static str,
    /// What else the line says: what is wrong, and what to write.
    says: &'static [&'static str],
    code: i32,
    /// Whether a warning says what of the unreadable object still counts: what binds it to a waypoint.
    remains: bool,
}

const CASES: [Case; 14] = [
    Case {
        what: "a bracket that is not closed",
        yaml: "apiVersion: v1\nkind: Service\nmetadata: {name: a\nspec: {clusterIP: 127.0.10.9}\n",
        place: "bad.yaml:4: error: Service default/a: cannot be read as YAML: ",
        says: &["did not find expected ',' or '}'", "check the brackets"],
        code: 1,
        remains: true,
    },
    Case {
        what: "a tab",
        yaml: "# A comment.\napiVersion: v1\nkind: Service\nmetadata:\n\tname: a\n",
        place: "bad.yaml:5: error: ",
        says: &["cannot be read as YAML", "indent with spaces"],
        code: 1,
        remains: true,
    },
    Case {
        what: "an unknown kind",
        yaml: "apiVersion: networking.istio.io/v1\nkind: VirtualServise\nmetadata: {name: a}\n",
        place: "bad.yaml:2: warning: VirtualServise a (networking.istio.io/v1) is of an unknown kind",
        says: &["did you mean VirtualService?"],
        code: 0,
        remains: false,
    },
    Case {
        what: "an unknown version of a known kind",
        yaml: "apiVersion: networking.istio.io/v7\nkind: VirtualService\nmetadata: {name: a}\n",
        place: "bad.yaml:1: error: VirtualService default/a: apiVersion: ",
        says: &[
            "networking.istio.io/v7 is not a version",
            "write networking.istio.io/v1 ",
        ],
        code: 1,
        remains: false,
    },
    Case {
        what: "an unknown field",
        yaml: "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: other}
spec:
  host: helloworld
  subset: []
",
        place: "bad.yaml:7: warning: DestinationRule default/other: spec.subset: ",
        says: &["is not a field of DestinationRule", "did you mean subsets?"],
        code: 0,
        remains: false,
    },
    Case {
        what: "a wrong type",
        yaml: "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: helloworld}
spec:
  hosts: [helloworld]
  http:
  - timeout: [1s]
    route: [{destination: {host: helloworld}}]
",
        place: "bad.yaml:8: error: VirtualService default/helloworld: spec.http[0].timeout: ",
        says: &["must be a duration", "not a list"],
        code: 1,
        remains: false,
    },
    Case {
        what: "text for a number, in the second document",
        yaml: "
apiVersion: v1
kind: Service
metadata: {name: good}
spec: {selector: {app: sleep}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: typed}
spec:
  ports:
  - port: eighty
",
        place: "bad.yaml:12: error: Service default/typed: spec.ports[0].port: ",
        says: &["must be a whole number", "\"eighty\""],
        code: 1,
        remains: true,
    },
    Case {
        what: "no name",
        yaml: "apiVersion: v1\nkind: Service\nmetadata: {}\n",
        place: "bad.yaml:3: error: metadata.name: ",
        says: &["is missing", "write `name: "],
        code: 1,
        remains: false,
    },
    Case {
        what: "a name that exists",
        yaml: "
apiVersion: v1
kind: Service
metadata: {name: helloworld}
spec: {selector: {app: sleep}, ports: [{port: 80}]}
",
        // The files are read in the order of their names, and the first one counts.
        place: "bad.yaml:4: error: Service default/helloworld: is already defined at ",
        says: &["apps.yaml:3", "this one is ignored", "rename one of the two"],
        code: 1,
        remains: false,
    },
    Case {
        what: "a subset that is missing",
        yaml: "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: helloworld}
spec:
  hosts: [helloworld]
  http:
  - match: [{uri: {prefix: /one}}]
    route: [{destination: {host: helloworld, subset: v1}}]
  - route:
    - destination:
        host: helloworld
        subset: v3
",
        place: "bad.yaml:13: error: VirtualService default/helloworld: spec.http[1].route[0].destination.subset: ",
        says: &["has no subset `v3`", "name one of its subsets: v1, v2"],
        code: 1,
        remains: false,
    },
    Case {
        what: "a host that is missing",
        yaml: "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: helloworld}
spec:
  hosts: [helloworld]
  http:
  - route: [{destination: {host: helloworlds}}]
",
        place: "bad.yaml:8: error: VirtualService default/helloworld: spec.http[0].route[0].destination.host: ",
        says: &[
            "there is no service `helloworlds.default.svc.cluster.local`",
            "name a service of the mesh",
        ],
        code: 1,
        remains: false,
    },
    Case {
        what: "an invalid CIDR",
        yaml: "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: blocks}
spec:
  targetRefs: [{group: '', kind: Service, name: helloworld}]
  rules:
  - from:
    - source:
        ipBlocks: [10.0.0.0/8, 10.0.0.0/33]
",
        place: "bad.yaml:10: error: AuthorizationPolicy default/blocks: spec.rules[0].from[0].source.ipBlocks[1]: ",
        says: &[
            "10.0.0.0/33",
            "denies all that it selects",
            "write an address such as",
        ],
        code: 1,
        remains: false,
    },
    Case {
        what: "a listener that is none of a waypoint's",
        yaml: "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: wrong}
spec:
  gatewayClassName: istio-waypoint
  listeners:
  - {name: web, port: 80, protocol: HTTP}
",
        place: "bad.yaml:7: error: Gateway default/wrong: spec.listeners: ",
        says: &[
            "exactly one listener",
            "write `listeners: [{name: mesh, port: 15008, protocol: HBONE}]`",
        ],
        code: 1,
        remains: false,
    },
    Case {
        what: "a kind that this version does not read",
        yaml: "
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: other}
spec: {}
",
        place: "bad.yaml:3: unsupported: Sidecar other (networking.istio.io/v1) is not read by this version",
        says: &["nothing in it has an effect"],
        code: 0,
        remains: false,
    },
];

#[test]
fn each_kind_of_bad_input_is_told_with_place_and_remedy() {
    let good = cairn(&["validate", text(&Example::path("helloworld"))]);
    assert_eq!(good.code, Some(0), "{}", good.text);
    for case in CASES {
        let directory = Directory::new(Network::new());
        for entry in std::fs::read_dir(Example::path("helloworld")).unwrap() {
            let file = entry.unwrap().path();
            std::fs::copy(&file, directory.path().join(file.file_name().unwrap())).unwrap();
        }
        directory.write("bad.yaml", case.yaml);
        let output = cairn(&["validate", text(directory.path())]);
        let (what, all) = (case.what, &output.text);
        assert_eq!(output.code, Some(case.code), "{what}:\n{all}");
        let place = directory.path().join(case.place);
        let line = all.lines().find(|line| line.starts_with(text(&place)));
        let line = line.unwrap_or_else(|| panic!("{what}: nothing at {}:\n{all}", place.display()));
        for says in case.says {
            assert!(line.contains(says), "{what}: {says:?} is missing in:\n{line}");
        }
        // One mistake, one line, and one for what follows from it; everything else is in order, for all of it has been read.
        let remains = |line: &&str| line.contains("nothing of it is in force but what binds it");
        assert_eq!(
            all.lines().filter(remains).count(),
            usize::from(case.remains),
            "{what}:\n{all}"
        );
        assert_eq!(
            all.lines().count(),
            2 + usize::from(case.remains),
            "{what}:\n{all}"
        );
        let severity = case.place.split(": ").nth(1).unwrap();
        let count = match severity {
            "error" if case.remains => "1 error, 1 warning",
            "error" => "1 error",
            "warning" => "1 warning",
            _ => "1 field not acted on",
        };
        assert!(all.trim_end().ends_with(&format!(", {count}")), "{what}:\n{all}");
    }
}

#[test]
fn a_mistake_does_not_hide_the_others() {
    let directory = Directory::new(Network::new());
    for (number, case) in CASES.iter().enumerate() {
        directory.write(&format!("{number:02}.yaml"), case.yaml);
    }
    let output = cairn(&["validate", text(directory.path())]);
    assert_eq!(output.code, Some(1));
    for (number, case) in CASES.iter().enumerate() {
        let file = directory.path().join(format!("{number:02}.yaml:"));
        assert!(
            output.text.lines().any(|line| line.starts_with(text(&file))),
            "{} is not mentioned:\n{}",
            case.what,
            output.text
        );
    }
}

#[test]
fn a_field_without_effect_is_told_and_is_no_error() {
    let directory = Directory::new(Network::new());
    for entry in std::fs::read_dir(Example::path("helloworld")).unwrap() {
        let file = entry.unwrap().path();
        std::fs::copy(&file, directory.path().join(file.file_name().unwrap())).unwrap();
    }
    let rule = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: helloworld}
spec:
  hosts: [helloworld]
  http:
  - match: [{uri: {prefix: /}, statPrefix: hello}]
    route: [{destination: {host: helloworld}}]
";
    directory.write("statistics.yaml", rule);
    let output = cairn(&["validate", text(directory.path())]);
    assert_eq!(output.code, Some(0), "{}", output.text);
    let place = directory.path().join("statistics.yaml:");
    let line = output.text.lines().find(|line| line.starts_with(text(&place)));
    let line = line.unwrap_or_else(|| panic!("nothing is said of it:\n{}", output.text));
    assert!(
        line.contains(": unsupported: VirtualService default/helloworld: spec.http[0].match[0].statPrefix"),
        "{line}"
    );
}

#[test]
fn a_directory_that_cannot_be_read_is_one_sentence() {
    for (directory, says) in [
        ("/nowhere/at/all", "cannot be read"),
        (
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
            "is not a directory",
        ),
    ] {
        let output = cairn(&["validate", directory]);
        assert_eq!(output.code, Some(1), "{}", output.text);
        assert_eq!(output.errors.lines().count(), 1, "{}", output.text);
        let begin = format!("cairn: {directory}: {says}");
        assert!(output.errors.starts_with(&begin), "{}", output.errors);
    }
}

#[test]
fn routes_of_the_gateway_api_have_a_status() {
    let directory = Directory::new(Network::new());
    for entry in std::fs::read_dir(Example::path("helloworld")).unwrap() {
        let file = entry.unwrap().path();
        std::fs::copy(&file, directory.path().join(file.file_name().unwrap())).unwrap();
    }
    let route = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: hello}
spec:
  parentRefs:
  - {group: '', kind: Service, name: helloworld}
  - {group: '', kind: Service, name: nobody}
  rules:
  - backendRefs: [{name: helloworld, port: 5000}, {name: missing, port: 5000}]
";
    directory.write("route.yaml", route);
    let output = cairn(&["validate", text(directory.path())]);
    let line = |parent: &str| {
        let begin = format!("status: HTTPRoute default/hello under Service {parent}; ");
        let line = output.text.lines().find_map(|line| line.strip_prefix(&*begin));
        line.unwrap_or_else(|| panic!("no status under {parent}:\n{}", output.text))
    };
    assert!(
        line("helloworld").starts_with("Accepted=True (Accepted); ResolvedRefs=False (BackendNotFound: ")
    );
    assert!(line("nobody").starts_with("Accepted=False ("));
    let unbound = "HTTPRoute default/hello: spec.parentRefs[1].name: applies to nothing";
    assert!(output.text.contains(unbound), "{}", output.text);
}
