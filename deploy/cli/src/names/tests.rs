#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::Path;

use super::*;

#[test]
fn names_are_found_as_the_caller_writes_them() {
    let yaml = "
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: books}
spec: {clusterIP: 127.0.11.3, ports: [{name: http, port: 9080}]}
";
    let (mesh, _) = Snapshot::compile(&cairn_config::from_str(yaml, Path::new("mesh.yaml")));
    let found = |namespace: &str, target: &str| resolve(&mesh, namespace, target).map(|to| to.to_string());
    let expected = Some("127.0.11.3:9080".to_owned());
    assert_eq!(found("books", "reviews:9080"), expected);
    assert_eq!(found("default", "reviews.books:9080"), expected);
    assert_eq!(found("default", "reviews.books.svc:9080"), expected);
    assert_eq!(found("default", "reviews.books.svc.cluster.local:9080"), expected);
    assert_eq!(found("default", "reviews:9080"), None);
    assert_eq!(found("books", "reviews"), None);
}
