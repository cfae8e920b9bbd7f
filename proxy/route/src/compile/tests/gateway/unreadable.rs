//! Documents that could not be read from the start, all the way: they must not mean the default route, or plain text.

use std::path::Path;

use cairn_config::{State, from_str};

use super::super::{HOST, Inputs, compile};
use crate::backend_tls::BackendTlsPolicies;
use crate::compile::compile_tcp;
use crate::route::Action;
use crate::rules::ClientTls;
use crate::tcp::TcpAction;

const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {ports: [{name: http, port: 9080}]}
---
";

fn state(kind: &str, spec: &str) -> State {
    let text = format!(
        "{SERVICE}apiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n"
    );
    let state = from_str(&text, Path::new("a.yaml"));
    assert!(state.report.has_errors(), "{text}");
    state
}

fn inputs() -> Inputs<'static> {
    Inputs {
        service_host: HOST,
        service_namespace: "default",
        waypoint_namespace: "default",
        port: 9080,
        ..Inputs::default()
    }
}

const BROKEN: &str = "{parentRefs: [{group: '', kind: Service, name: reviews}], rules: 5}";

#[test]
fn routes_of_requests_answer_500() {
    for kind in ["HTTPRoute", "GRPCRoute"] {
        let objects = state(kind, BROKEN).objects;
        let http: Vec<_> = objects.http_routes.values().cloned().collect();
        let grpc: Vec<_> = objects.grpc_routes.values().cloned().collect();
        let (table, _) = compile(&Inputs {
            http_routes: &http,
            grpc_routes: &grpc,
            ..inputs()
        });
        let table = table.unwrap();
        assert!(table.routes().iter().all(|route| route.is_catch_all()));
        let Action::Forward(destinations) = &table.routes()[0].action else {
            panic!("{kind}")
        };
        assert!(destinations.iter().all(|one| one.broken.is_some()), "{kind}");
    }
}

#[test]
fn routes_of_connections_close_them() {
    for kind in ["TCPRoute", "TLSRoute"] {
        let objects = state(kind, BROKEN).objects;
        let tcp: Vec<_> = objects.tcp_routes.values().cloned().collect();
        let tls: Vec<_> = objects.tls_routes.values().cloned().collect();
        let (routes, _) = compile_tcp(&Inputs {
            tcp_routes: &tcp,
            tls_routes: &tls,
            ..inputs()
        });
        let routes = routes.unwrap();
        assert_eq!(routes.routes().len(), 1, "{kind}");
        let TcpAction::Forward(destinations) = &routes.routes()[0].action else {
            panic!("{kind}")
        };
        assert!(destinations.iter().all(|one| one.broken.is_some()), "{kind}");
    }
}

#[test]
fn tls_policies_let_nothing_be_sent() {
    for spec in [
        "{targetRefs: [{group: '', kind: Service, name: reviews}], validation: 5}",
        "{targetRefs: [{group: '', kind: Service, name: reviews",
    ] {
        let state = state("BackendTLSPolicy", spec);
        let (policies, _) = BackendTlsPolicies::new(&state.objects);
        let found = policies.find("default", "reviews", "http").unwrap();
        assert_eq!(found.tls, ClientTls::Unusable, "{spec}");
    }
}
