#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use cairn_api::istio::{AccessLogEncoding, PathNormalization};

use crate::testing::mesh;

fn config(text: &str) -> String {
    format!(
        "
apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data:
  mesh: |-
    {}
",
        text.replace('\n', "\n    ")
    )
}

#[test]
fn defaults() {
    for text in ["", &config("{}")] {
        let mesh = mesh(text).snapshot.mesh;
        assert_eq!(
            (&*mesh.trust_domain, mesh.root_namespace.as_str()),
            ("cluster.local", "istio-system")
        );
        assert_eq!(
            (mesh.cluster_id.as_str(), mesh.cluster_domain.as_str()),
            ("Kubernetes", "cluster.local")
        );
        assert_eq!(mesh.access_log_file, "");
        assert_eq!(mesh.access_log_encoding, AccessLogEncoding::Text);
        assert_eq!(mesh.path_normalization, PathNormalization::Default);
        assert!(mesh.trust_domain_aliases.is_empty() && !mesh.registry_only);
    }
}

#[test]
fn what_is_written_counts() {
    let mesh = mesh(&config(
        "trustDomain: example.org
trustDomainAliases: [old.example]
rootNamespace: mesh
accessLogFile: /dev/stdout
accessLogEncoding: JSON
pathNormalization: {normalization: MERGE_SLASHES}
defaultConfig: {proxyMetadata: {ISTIO_META_CLUSTER_ID: east}}",
    ));
    mesh.expect_problems(&[]);
    let settings = &mesh.snapshot.mesh;
    assert_eq!(
        (&*settings.trust_domain, settings.root_namespace.as_str()),
        ("example.org", "mesh")
    );
    assert_eq!(settings.trust_domain_aliases, ["old.example"]);
    assert_eq!(
        (settings.access_log_file.as_str(), settings.cluster_id.as_str()),
        ("/dev/stdout", "east")
    );
    assert_eq!(settings.access_log_encoding, AccessLogEncoding::Json);
    assert_eq!(settings.path_normalization, PathNormalization::MergeSlashes);
    assert_eq!(settings.config.trust_domain, "example.org");
}

#[test]
fn what_cannot_be_read_is_reported() {
    let mesh = mesh(&config("trustDomain: [a]"));
    assert!(
        mesh.problems[0].contains("error: ConfigMap istio-system/istio: data.mesh"),
        "{:?}",
        mesh.problems
    );
    assert_eq!(&*mesh.snapshot.mesh.trust_domain, "cluster.local");
}
