//! Components that were built for what the contract was.

use std::path::Path;

use http::{Request, StatusCode};

use crate::scene::{get, plugin, start, status};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_built_for_the_first_version_works() {
    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/contract-0.1.0.wasm");
    let mesh = start(&[&plugin("old", &component, "{greeting: good day}", "")]).await;
    assert_eq!(status(&mesh, "old").await["status"], "ready");
    let answer = mesh.send(get("/")).await;
    assert_eq!(
        (answer.status, answer.header("x-filtered-by")),
        (StatusCode::OK, "c")
    );
    let seen = mesh.v1.seen().into_iter().chain(mesh.v2.seen()).next().unwrap();
    assert_eq!(seen.headers["x-greeting"], "good day");
    let blocked = Request::get("/").header("x-blocked", "1").body("").unwrap();
    assert_eq!(mesh.send(blocked).await.status, StatusCode::FORBIDDEN);
}
