//! Small meshes for tests.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use cairn_api::meta::Key;
use cairn_config::State;

use crate::outbound::Outbound;
use crate::snapshot::Snapshot;
use crate::workload::Workload;

/// A mesh compiled from text, with the problems in it as lines of text.
pub(crate) struct Mesh {
    pub(crate) snapshot: Snapshot,
    pub(crate) problems: Vec<String>,
}

/// Compiles the text as it is.
pub(crate) fn raw(yaml: &str) -> Mesh {
    compile(&cairn_config::from_str(yaml, Path::new("mesh.yaml")))
}

/// Compiles the text after the controllers have completed it.
pub(crate) fn mesh(yaml: &str) -> Mesh {
    let mut state = cairn_config::from_str(yaml, Path::new("mesh.yaml"));
    state.objects = Arc::new(crate::controllers::complete(&state.objects));
    compile(&state)
}

fn compile(state: &State) -> Mesh {
    assert!(
        !state.report.has_errors() || !state.objects.broken_policies.is_empty(),
        "{}",
        state.report
    );
    let (snapshot, problems) = Snapshot::compile(state);
    Mesh {
        snapshot,
        problems: problems.iter().map(ToString::to_string).collect(),
    }
}

impl Mesh {
    /// The pod of this `namespace/name`.
    pub(crate) fn pod(&self, name: &str) -> &Arc<Workload> {
        self.snapshot
            .workload(&format!("Kubernetes//Pod/{name}"))
            .expect(name)
    }

    /// Where a connection goes, in a few words; of several endpoints the first is taken.
    pub(crate) fn goes(&self, source: &str, destination: &str) -> String {
        let destination: SocketAddr = destination.parse().expect("an address and a port");
        let decision = self
            .snapshot
            .outbound(self.pod(source), destination, |endpoints| endpoints.pick(0));
        describe(&decision)
    }

    /// The waypoint of a service, in a few words.
    pub(crate) fn service_waypoint(&self, host: &str) -> String {
        words(
            self.snapshot
                .services_named(host)
                .next()
                .expect(host)
                .waypoint
                .as_ref(),
        )
    }

    /// The waypoint of a pod, in a few words.
    pub(crate) fn pod_waypoint(&self, name: &str) -> String {
        words(self.pod(name).waypoint.as_ref())
    }

    /// Asserts that these texts, one in each, are in the problems, and that there are no other problems.
    pub(crate) fn expect_problems(&self, texts: &[&str]) {
        let found = &self.problems;
        assert_eq!(found.len(), texts.len(), "{found:#?}");
        for text in texts {
            assert!(
                found.iter().any(|problem| problem.contains(text)),
                "`{text}` is not in {found:#?}"
            );
        }
    }
}

fn words(key: Option<&Key>) -> String {
    key.map_or_else(|| "none".to_owned(), Key::to_string)
}

pub(crate) fn describe(decision: &Outbound) -> String {
    match decision {
        Outbound::Waypoint {
            waypoint,
            address,
            authority,
            ..
        } => {
            format!("waypoint {} at {address} for {authority}", waypoint.key)
        }
        Outbound::Hbone {
            address, authority, ..
        } => format!("hbone {address} for {authority}"),
        Outbound::Plain { address, .. } => format!("plain {address}"),
        Outbound::Passthrough { address } => format!("passthrough {address}"),
        Outbound::Refuse { reason, .. } => format!("refused: {reason}"),
    }
}
