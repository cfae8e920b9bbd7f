//! What each field of a rule matches.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value
)]

use cairn_identity::SpiffeId;
use serde_json::{Value, json};

use crate::fixtures::{Call, allows, compile, operation, policy, source, unless, when};
use crate::policy_set::{CompileOptions, PolicySet};

/// Whether a rule matches: the same as ALLOW and as DENY, without a problem.
#[track_caller]
fn matches(rule: &Value, call: &Call) -> bool {
    let allow = policy("allow", json!({"action": "ALLOW", "rules": [rule]}));
    let deny = policy("deny", json!({"action": "DENY", "rules": [rule]}));
    let (allow, problems) = compile(&[allow]);
    assert_eq!(problems, [], "{rule}");
    let (deny, problems) = compile(&[deny]);
    assert_eq!(problems, [], "{rule}");
    let allowed = allow.evaluate(&call.request()).is_allow();
    let denied = !deny.evaluate(&call.request()).is_allow();
    assert_eq!(allowed, denied, "{rule}: {call:?}");
    allowed
}

#[track_caller]
pub(super) fn check(rule: Value, matching: &[&Call], others: &[&Call]) {
    for call in matching {
        assert!(matches(&rule, call), "{rule} matches {call:?}");
    }
    for call in others {
        assert!(!matches(&rule, call), "{rule} does not match {call:?}");
    }
}

pub(super) const SLEEP: &str = "cluster.local/ns/default/sa/sleep";

#[test]
fn principals() {
    let (sleep, other) = (Call::default(), Call::peer("cluster.local/ns/default/sa/other"));
    for value in [
        SLEEP,
        "*",
        "cluster.local/*",
        "cluster.local/ns/default/sa/sle*",
        "*/sa/sleep",
        "*/ns/default/sa/sleep",
    ] {
        check(
            source(json!({"principals": [value]})),
            &[&sleep],
            &[&Call::nobody()],
        );
        check(
            source(json!({"principals": [format!("spiffe://{value}")]})),
            &[&sleep],
            &[&Call::nobody()],
        );
        check(when("source.principal", &[value]), &[&sleep], &[&Call::nobody()]);
        check(
            source(json!({"notPrincipals": [value]})),
            &[&Call::nobody()],
            &[&sleep],
        );
        check(
            unless("source.principal", &[value]),
            &[&Call::nobody()],
            &[&sleep],
        );
    }
    let exact = json!({"principals": [SLEEP, "cluster.local/ns/x/sa/y"]});
    let case = Call::peer("cluster.local/ns/default/sa/Sleep");
    check(
        source(exact),
        &[&sleep, &Call::peer("cluster.local/ns/x/sa/y")],
        &[&other, &case],
    );
}

#[test]
fn trust_domain_aliases_count_as_the_mesh() {
    let options = CompileOptions {
        trust_domain: "new-td".to_owned(),
        aliases: vec!["old-td".to_owned()],
        ..CompileOptions::default()
    };
    let passes = |source: Value, peer: &str| {
        let policy = policy("p", json!({"rules": [{"from": [{"source": source}]}]}));
        PolicySet::compile(&[policy], [], &options)
            .0
            .evaluate(&Call::peer(peer).request())
            .is_allow()
    };
    for domain in ["cluster.local", "new-td", "old-td"] {
        let principal = json!({"principals": [format!("{domain}/ns/default/sa/sleep")]});
        assert!(passes(principal.clone(), "new-td/ns/default/sa/sleep"));
        assert!(passes(principal.clone(), "old-td/ns/default/sa/sleep"));
        assert!(!passes(principal, "cluster.local/ns/default/sa/sleep"));
    }
    assert!(passes(
        json!({"trustDomains": ["old-td"]}),
        "new-td/ns/default/sa/sleep"
    ));
    assert!(!passes(
        json!({"notTrustDomains": ["old-td"]}),
        "new-td/ns/default/sa/sleep"
    ));
    assert!(!passes(
        json!({"trustDomains": ["cluster.local"]}),
        "new-td/ns/default/sa/sleep"
    ));
}

#[test]
fn namespaces_service_accounts_and_trust_domains() {
    let (sleep, abroad) = (Call::default(), Call::peer("cluster.local/ns/default-2/sa/sleep"));
    for value in ["default", "def*t", "*ault", "d*e*f*t"] {
        check(
            source(json!({"namespaces": [value]})),
            &[&sleep],
            &[&abroad, &Call::nobody()],
        );
        check(
            when("source.namespace", &[value]),
            &[&sleep],
            &[&abroad, &Call::nobody()],
        );
        check(
            source(json!({"notNamespaces": [value]})),
            &[&abroad, &Call::nobody()],
            &[&sleep],
        );
    }
    check(
        source(json!({"namespaces": ["*"]})),
        &[&sleep, &abroad],
        &[&Call::nobody()],
    );
    for value in ["sleep", "default/sleep"] {
        check(
            source(json!({"serviceAccounts": [value]})),
            &[&sleep],
            &[&abroad, &Call::nobody()],
        );
        check(when("source.serviceAccount", &[value]), &[&sleep], &[&abroad]);
        check(
            source(json!({"notServiceAccounts": [value]})),
            &[&abroad, &Call::nobody()],
            &[&sleep],
        );
    }
    check(
        source(json!({"serviceAccounts": ["default-2/sleep"]})),
        &[&abroad],
        &[&sleep],
    );
    let foreign = Call::peer("example.org/ns/default/sa/sleep");
    for value in ["cluster.local", "*.local", "cluster*", "c*r.local"] {
        check(
            source(json!({"trustDomains": [value]})),
            &[&sleep],
            &[&foreign, &Call::nobody()],
        );
        check(when("source.trustDomain", &[value]), &[&sleep], &[&foreign]);
        check(
            source(json!({"notTrustDomains": [value]})),
            &[&foreign, &Call::nobody()],
            &[&sleep],
        );
    }
}

#[test]
fn addresses() {
    let call = Call::default();
    let far = Call {
        source_ip: [172, 16, 0, 1].into(),
        remote_ip: [172, 16, 0, 1].into(),
        destination: ([172, 16, 0, 1], 5000).into(),
        ..Call::default()
    };
    let fields = [
        (
            ["ipBlocks", "notIpBlocks"],
            "source.ip",
            ["10.0.0.1", "10.0.0.0/24"],
        ),
        (
            ["remoteIpBlocks", "notRemoteIpBlocks"],
            "remote.ip",
            ["192.0.2.7", "192.0.2.0/24"],
        ),
    ];
    for ([field, not_field], key, values) in fields {
        for value in values {
            check(
                source(json!({field: [value, "2001:db8::/32"]})),
                &[&call],
                &[&far],
            );
            check(source(json!({not_field: [value]})), &[&far], &[&call]);
            check(when(key, &[value]), &[&call], &[&far]);
            check(unless(key, &[value]), &[&far], &[&call]);
        }
    }
    check(when("destination.ip", &["10.1.0.1"]), &[&call], &[&far]);
    let mapped = Call {
        source_ip: "::ffff:10.0.0.1".parse().unwrap(),
        ..Call::default()
    };
    check(source(json!({"ipBlocks": ["10.0.0.0/8"]})), &[&mapped], &[&far]);
}

#[test]
fn ports_and_server_names() {
    let other = Call {
        destination: ([10, 1, 0, 1], 80).into(),
        ..Call::default()
    };
    check(
        operation(json!({"ports": ["5000", "0"]})),
        &[&Call::default()],
        &[&other],
    );
    check(
        operation(json!({"notPorts": ["5000"]})),
        &[&other],
        &[&Call::default()],
    );
    check(
        when("destination.port", &["05000"]),
        &[&Call::default()],
        &[&other],
    );
    let named = |name: &str| Call {
        sni: Some(name.to_owned()),
        ..Call::default()
    };
    let key = "connection.sni";
    check(
        when(key, &["www.Example.com"]),
        &[&named("www.example.COM")],
        &[&named("example.com"), &Call::default()],
    );
    check(
        when(key, &["*.example.com"]),
        &[&named("a.example.com")],
        &[&named("example.com")],
    );
    check(when(key, &["*"]), &[&named("x")], &[&Call::default(), &named("")]);
    check(unless(key, &["*"]), &[&Call::default()], &[&named("x")]);
}

#[test]
fn hosts_have_ports_and_no_case() {
    let host = |value: &str| operation(json!({"hosts": [value]}));
    let call = Call::authority;
    check(
        host("evil.example"),
        &[&call("evil.example"), &call("EVIL.Example")],
        &[&call("evil.example:80"), &call("x.evil.example")],
    );
    check(
        host("evil.example:80"),
        &[&call("Evil.example:80")],
        &[&call("evil.example")],
    );
    check(
        host("evil.example*"),
        &[
            &call("evil.example"),
            &call("EVIL.EXAMPLE:80"),
            &call("evil.example.org"),
        ],
        &[&call("evil")],
    );
    check(
        host("*.Example"),
        &[&call("a.example")],
        &[&call("example"), &call("a.example:80")],
    );
    check(host("*"), &[&call("x")], &[]);
    check(
        operation(json!({"notHosts": ["evil.example"]})),
        &[&call("good")],
        &[&call("EVIL.example")],
    );
    // As a header, the authority minds the case, and whatever a header line claims does not count.
    for key in [
        "request.headers[:authority]",
        "request.headers[host]",
        "request.headers[Host]",
    ] {
        check(
            when(key, &["good"]),
            &[&call("good").header("host", "evil")],
            &[&call("Good"), &call("evil").header("host", "good")],
        );
    }
}

#[test]
fn methods_mind_the_case() {
    let method = |method: &str| Call {
        method: method.to_owned(),
        ..Call::default()
    };
    check(
        operation(json!({"methods": ["GET", "P*"]})),
        &[&method("GET"), &method("POST")],
        &[&method("get"), &method("DELETE")],
    );
    check(operation(json!({"methods": ["*"]})), &[&method("X")], &[]);
    check(
        operation(json!({"notMethods": ["GET"]})),
        &[&method("get")],
        &[&method("GET")],
    );
    check(
        when("request.headers[:method]", &["GET"]),
        &[&method("GET")],
        &[&method("POST")],
    );
}

#[test]
fn paths() {
    let path = |value: &str| operation(json!({"paths": [value]}));
    let call = Call::path;
    check(
        path("/admin"),
        &[&call("/admin")],
        &[
            &call("/admin/"),
            &call("/Admin"),
            &call("/adminx"),
            &call("/x/admin"),
            &call("//admin"),
        ],
    );
    check(
        path("/admin*"),
        &[&call("/admin"), &call("/admin/x"), &call("/administrator")],
        &[&call("//admin"), &call("/")],
    );
    check(
        path("*/info"),
        &[&call("/info"), &call("/a/info")],
        &[&call("/info/")],
    );
    check(path("*"), &[&call("/")], &[]);
    check(
        path("/tmpl/{*}/x/{**}"),
        &[&call("/tmpl/a/x/"), &call("/tmpl/a/x/b/c")],
        &[&call("/tmpl/a/x"), &call("/tmpl/a/b/x/")],
    );
    check(
        operation(json!({"notPaths": ["/a", "/b/{*}"]})),
        &[&call("/b"), &call("/c")],
        &[&call("/a"), &call("/b/c")],
    );
}

#[test]
fn what_an_odd_path_matches_depends_on_what_it_would_do() {
    let odd = Call::path("/a/x=1/b");
    let rule = |field: &str| json!([{"to": [{"operation": {field: ["/a/{*}/b"]}}]}]);
    for (action, field, passes) in [
        ("ALLOW", "paths", false),
        ("DENY", "paths", false),
        ("ALLOW", "notPaths", false),
        ("DENY", "notPaths", false),
    ] {
        assert_eq!(
            allows(json!({"action": action, "rules": rule(field)}), &odd),
            passes,
            "{action} {field}"
        );
    }
    // A request without a path, such as CONNECT, is not one that any path allows, and is one that any path denies.
    let none = Call::path("");
    let any = |action: &str| json!({"action": action, "rules": [{"to": [{"operation": {"paths": ["*"]}}]}]});
    assert!(!allows(any("ALLOW"), &none) && !allows(any("DENY"), &none));
}

#[test]
fn headers_are_compared_line_by_line() {
    let key = "request.headers[X-Deny]";
    let (one, both) = (
        Call::default().header("x-deny", "v"),
        Call::default().header("x-deny", "w").header("x-deny", "v"),
    );
    let (joined, none) = (Call::default().header("x-deny", "v,w"), Call::default());
    check(when(key, &["v"]), &[&one, &both], &[&joined, &none]);
    check(
        when(key, &["v*"]),
        &[&one, &joined],
        &[&Call::default().header("x-deny", "V")],
    );
    check(when(key, &["*w"]), &[&both, &joined], &[&one]);
    check(unless(key, &["v"]), &[&none], &[&one, &both]);
    let empty = Call::default().header("x-deny", "");
    check(when(key, &["*"]), &[&one, &empty], &[&none]);
    check(unless(key, &["*"]), &[&none], &[&one, &empty]);
}

#[test]
fn a_rule_is_one_source_and_one_operation_and_all_else() {
    let rule = json!({
        "from": [{"source": {"namespaces": ["x"]}}, {"source": {"namespaces": ["default"], "ipBlocks": ["10.0.0.1"]}}],
        "to": [{"operation": {"methods": ["PUT"]}}, {"operation": {"paths": ["/a*", "/b*"], "notPaths": ["/a/secret"]}}],
        "when": [{"key": "request.headers[a]", "values": ["1", "2"], "notValues": ["3"]}, {"key": "destination.port", "values": ["5000"]}],
    });
    let good = Call::path("/b").header("a", "2");
    let put = Call {
        method: "PUT".to_owned(),
        ..good.clone()
    };
    check(
        rule,
        &[
            &good,
            &put,
            &Call {
                path: "/a/x".to_owned(),
                ..good.clone()
            },
        ],
        &[
            &Call::path("/b"),
            &good.clone().header("a", "3"),
            &Call {
                path: "/a/secret".to_owned(),
                ..good.clone()
            },
            &Call {
                path: "/c".to_owned(),
                ..good.clone()
            },
            &Call {
                source_ip: [10, 0, 0, 2].into(),
                ..good.clone()
            },
            &Call {
                peer: None,
                ..good.clone()
            },
            &Call {
                destination: ([10, 1, 0, 1], 1).into(),
                ..good.clone()
            },
        ],
    );
}

#[test]
fn tcp_has_no_http_fields() {
    let tcp = Call::tcp();
    let other_port = Call {
        destination: ([10, 1, 0, 1], 1).into(),
        ..tcp.clone()
    };
    let http_only = [
        operation(json!({"paths": ["/x"]})),
        operation(json!({"notPaths": ["/x"]})),
        operation(json!({"methods": ["GET"]})),
        operation(json!({"hosts": ["x"]})),
        when("request.headers[x]", &["x"]),
        unless("request.headers[x]", &["x"]),
        when("request.headers[:authority]", &["x"]),
    ];
    for rule in http_only {
        assert!(!allows(json!({"rules": [rule]}), &tcp), "{rule}");
        assert!(
            !allows(json!({"action": "DENY", "rules": [rule]}), &tcp),
            "{rule}"
        );
        assert!(
            !allows(json!({"action": "CUSTOM", "rules": [rule]}), &tcp),
            "{rule}"
        );
    }
    // One HTTP field makes the whole ALLOW rule void; of a DENY rule the rest remains.
    let mixed = json!({"to": [{"operation": {"paths": ["/x"], "ports": ["5000"]}}]});
    assert!(!allows(json!({"rules": [mixed]}), &tcp));
    assert!(!allows(json!({"action": "DENY", "rules": [mixed]}), &tcp));
    assert!(allows(json!({"action": "DENY", "rules": [mixed]}), &other_port));
    let alternatives = json!({"to": [{"operation": {"paths": ["/x"]}}, {"operation": {"ports": ["5000"]}}]});
    assert!(!allows(json!({"rules": [alternatives]}), &tcp));
    assert!(!allows(
        json!({"action": "DENY", "rules": [alternatives]}),
        &other_port
    ));
    assert!(allows(
        json!({"rules": [alternatives, operation(json!({"ports": ["1"]}))]}),
        &other_port
    ));
    // The rest works as ever.
    check(
        source(json!({"principals": [SLEEP]})),
        &[&tcp],
        &[&Call {
            peer: None,
            ..tcp.clone()
        }],
    );
    check(operation(json!({"ports": ["5000"]})), &[&tcp], &[&other_port]);
}

#[test]
fn many_rules_are_found_by_what_they_name() {
    let number = 420;
    let path = |n: usize| {
        operation(json!({"paths": [format!("/p/{n}"), format!("/q/{n}/*"), format!("/t/{n}/{{*}}")]}))
    };
    let peer = |n: usize| source(json!({"principals": [format!("cluster.local/ns/n{}/sa/a{n}", n % 7)]}));
    let host = |n: usize| operation(json!({"hosts": [format!("H{n}.example")]}));
    let space = |n: usize| source(json!({"namespaces": [format!("space-{n}")]}));
    let port = |n: usize| operation(json!({"ports": [n.to_string()]}));
    // More headers than rules are filed under, and one header with more values than that.
    let headers = |n: usize| when(&format!("request.headers[x-{n}]"), &["v"]);
    let values = |n: usize| when("request.headers[tenant]", &[&format!("t{n}")]);
    let forms: [&dyn Fn(usize) -> Value; 7] = [&path, &peer, &host, &space, &port, &headers, &values];
    let rules: Vec<Value> = (0..number).map(|n| forms[n % forms.len()](n)).collect();
    for action in ["ALLOW", "DENY"] {
        let (set, problems) = compile(&[policy("p", json!({"action": action, "rules": rules}))]);
        assert_eq!(problems, []);
        let hit = |call: &Call| set.evaluate(&call.request()).is_allow() == (action == "ALLOW");
        assert!(!hit(&Call::default()));
        for n in 0..number {
            let mut call = Call::default();
            match n % forms.len() {
                0 => {
                    call.path = [format!("/p/{n}"), format!("/q/{n}/x/y"), format!("/t/{n}/x")][n % 3].clone()
                }
                1 => {
                    call.peer = Some(SpiffeId::new(
                        "cluster.local",
                        &format!("n{}", n % 7),
                        &format!("a{n}"),
                    ))
                }
                2 => call.authority = format!("h{n}.EXAMPLE"),
                3 => call.peer = Some(SpiffeId::new("cluster.local", &format!("space-{n}"), "x")),
                4 => call.destination.set_port(u16::try_from(n).unwrap()),
                5 => call = call.header(&format!("x-{n}"), "v"),
                _ => call = call.header("tenant", "other").header("tenant", &format!("t{n}")),
            }
            assert!(hit(&call), "{action} {n} {call:?}");
        }
    }
}

#[test]
fn a_rule_without_conditions_matches_everything() {
    check(json!({}), &[&Call::default(), &Call::nobody(), &Call::tcp()], &[]);
}
