//! What users and peers hand in as documents.

use std::path::Path;

use cairn_mesh::{Snapshot, controllers};
use rustls_pki_types::CertificateDer;

use crate::Target;

pub(crate) const CERTIFICATE: Target = Target {
    name: "certificate",
    run: |data| {
        let _ = cairn_identity::identity_of(&CertificateDer::from(data));
    },
    seeds: &[
        b"\x30\x82\x01\x00\x30\x81\xa0\xa0\x03\x02\x01\x02\x02\x01\x01\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02",
    ],
};

/// From text to what the proxies act on.
pub(crate) const CONFIGURATION: Target = Target {
    name: "configuration",
    run: |data| {
        let Ok(text) = std::str::from_utf8(data) else { return };
        let state = cairn_config::from_str(text, Path::new("mesh.yaml"));
        let _ = state.report.to_string();
        let state = cairn_config::State::from_objects(controllers::complete(&state.objects));
        let (mesh, _) = Snapshot::compile(&state);
        for waypoint in mesh.waypoints() {
            let (_, problems) = cairn_waypoint::compile(&state, &waypoint.key);
            for problem in problems {
                let _ = problem.to_string();
            }
        }
    },
    seeds: &[
        include_bytes!("../../../examples/walkthrough/delay.yaml"),
        b"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: w, labels: &l {istio.io/waypoint-for: all}}\nspec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a, labels: {istio.io/use-waypoint: w}}\nspec: {clusterIP: 127.0.10.1, selector: {app: a}, ports: [{name: http, port: 80}]}\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec: {hosts: [a], http: [{match: [{uri: {regex: '/(a|b)+'}}], fault: {delay: {fixedDelay: 5s, percentage: {value: 1e2}}}, route: [{destination: {host: a, subset: v1}, weight: 90}]}]}\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p}\nspec: {targetRefs: [{kind: Service, group: '', name: a}], rules: [{from: [{source: {ipBlocks: [10.0.0.0/8], principals: ['*']}}], to: [{operation: {paths: ['/{*}/x']}}], when: [{key: 'request.headers[x]', values: ['*a']}]}]}\n",
        b"a: &a [x, x]\nb: &b [*a, *a]\nc: {<<: {d: *b}, ? [1] : 2, 'e': |\n  text\n}",
    ],
};
