#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::Path;

use super::*;
use crate::mesh;

fn overview() -> Overview {
    let yaml = [
        include_str!("../../../../../examples/helloworld/apps.yaml"),
        "---\n",
        include_str!("../../../../../examples/helloworld/waypoint.yaml"),
    ];
    let state = mesh::complete(cairn_config::from_str(&yaml.concat(), Path::new("mesh.yaml")));
    let (mesh, _) = Snapshot::compile(&state);
    let wanted = Wanted::of(&state.objects, &mesh);
    let waypoints = BTreeMap::from([(
        Key::new("default", "namespace"),
        "127.0.30.1:15000".parse().unwrap(),
    )]);
    Overview {
        mesh,
        wanted,
        ztunnel: Some("127.0.0.1:15000".parse().unwrap()),
        waypoints,
    }
}

#[test]
fn everything_with_an_address_has_a_line() {
    let table = overview().table();
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 7, "{table}");
    assert_eq!(
        lines[1],
        "  waypoint default/namespace  127.0.30.1:15008  admin http://127.0.30.1:15000/"
    );
    assert_eq!(
        lines[2],
        "  ztunnel                     every pod:15008   admin http://127.0.0.1:15000/"
    );
    assert_eq!(
        lines[3],
        "  pod default/helloworld-v1   127.0.20.1:5000   helloworld v1"
    );
    assert_eq!(
        lines[6],
        "  pod default/sleep           127.0.20.3        a place to call from"
    );
}

#[test]
fn each_caller_gets_a_command_for_each_service() {
    let calls = overview().calls();
    assert_eq!(calls.len(), 2);
    assert!(
        calls[0].contains("--interface 127.0.20.4 http://127.0.10.1:5000/hello"),
        "{}",
        calls[0]
    );
    assert!(calls[0].ends_with("# as notsleep"));
    assert!(calls[1].ends_with("# as sleep"));
}
