#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::os::unix::fs::symlink;

use cairn_api::meta::Key;

use super::*;

/// More than the longest wait of the watcher, on a busy machine.
const PATIENT: Duration = Duration::from_secs(20);
/// So seldom that only notifications can bring a change in time.
const NEVER: Duration = Duration::from_secs(3600);
/// So often that nothing else is needed.
const OFTEN: Duration = Duration::from_millis(20);

fn service(ip: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec: {{clusterIP: {ip}}}\n")
}

fn ip(state: &State) -> Option<String> {
    state
        .objects
        .services
        .get(&Key::new("default", "a"))
        .map(|service| service.spec.cluster_ip.clone())
}

async fn wait_for(receiver: &mut watch::Receiver<Arc<State>>, wanted: Option<&str>) -> Arc<State> {
    let found = receiver.wait_for(|state| ip(state).as_deref() == wanted);
    Arc::clone(
        &*tokio::time::timeout(PATIENT, found)
            .await
            .expect("in time")
            .unwrap(),
    )
}

#[tokio::test]
async fn the_first_value_is_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), service("10.0.0.1")).unwrap();
    let (_watcher, receiver) = watch(dir.path()).unwrap();
    assert_eq!(ip(&receiver.borrow()).as_deref(), Some("10.0.0.1"));
    assert!(matches!(
        watch(&dir.path().join("a.yaml")),
        Err(Error::NotADirectory { .. })
    ));
    assert!(matches!(
        watch(&dir.path().join("nowhere")),
        Err(Error::Unreadable { .. })
    ));
}

#[tokio::test]
async fn edits_additions_and_deletions_arrive() {
    let dir = tempfile::tempdir().unwrap();
    let (path, sub) = (dir.path().join("a.yaml"), dir.path().join("sub"));
    let (_watcher, mut receiver) = follow(dir.path(), NEVER).unwrap();
    fs::write(&path, service("10.0.0.1")).unwrap();
    wait_for(&mut receiver, Some("10.0.0.1")).await;
    // As editors write: a new file that takes the place of the old one.
    fs::write(dir.path().join("a.tmp"), service("10.0.0.2")).unwrap();
    fs::rename(dir.path().join("a.tmp"), &path).unwrap();
    wait_for(&mut receiver, Some("10.0.0.2")).await;
    fs::remove_file(&path).unwrap();
    wait_for(&mut receiver, None).await;
    fs::create_dir(&sub).unwrap();
    fs::write(sub.join("b.yaml"), service("10.0.0.3")).unwrap();
    wait_for(&mut receiver, Some("10.0.0.3")).await;
    fs::write(sub.join("b.yaml"), service("10.0.0.4")).unwrap();
    wait_for(&mut receiver, Some("10.0.0.4")).await;
    fs::remove_dir_all(&sub).unwrap();
    wait_for(&mut receiver, None).await;
}

#[tokio::test]
async fn what_breaks_stays_in_force_until_it_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    fs::write(&path, service("10.0.0.1")).unwrap();
    let (_watcher, mut receiver) = follow(dir.path(), NEVER).unwrap();
    fs::write(&path, service("[")).unwrap();
    let broken = receiver.wait_for(|state| state.report.has_errors());
    let broken = Arc::clone(
        &*tokio::time::timeout(PATIENT, broken)
            .await
            .expect("in time")
            .unwrap(),
    );
    assert_eq!(ip(&broken).as_deref(), Some("10.0.0.1"));
    fs::write(&path, service("10.0.0.2")).unwrap();
    assert!(wait_for(&mut receiver, Some("10.0.0.2")).await.report.is_empty());
}

#[tokio::test]
async fn the_swap_of_a_config_map_arrives() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("..one")).unwrap();
    fs::write(dir.path().join("..one/a.yaml"), service("10.0.0.1")).unwrap();
    symlink("..one", dir.path().join("..data")).unwrap();
    symlink("..data/a.yaml", dir.path().join("a.yaml")).unwrap();
    let (_watcher, mut receiver) = follow(dir.path(), NEVER).unwrap();
    for (ip, next) in [("10.0.0.2", "..two"), ("10.0.0.3", "..three")] {
        fs::create_dir(dir.path().join(next)).unwrap();
        fs::write(dir.path().join(next).join("a.yaml"), service(ip)).unwrap();
        symlink(next, dir.path().join("..data_tmp")).unwrap();
        fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
        assert!(wait_for(&mut receiver, Some(ip)).await.report.is_empty());
    }
}

#[tokio::test]
async fn a_directory_that_is_replaced_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (root, next) = (dir.path().join("mesh"), dir.path().join("next"));
    fs::create_dir(&root).unwrap();
    fs::create_dir(&next).unwrap();
    fs::write(root.join("a.yaml"), service("10.0.0.1")).unwrap();
    fs::write(next.join("a.yaml"), service("10.0.0.2")).unwrap();
    let (_watcher, mut receiver) = follow(&root, OFTEN).unwrap();
    fs::rename(&root, dir.path().join("aside")).unwrap();
    fs::rename(&next, &root).unwrap();
    wait_for(&mut receiver, Some("10.0.0.2")).await;
    fs::write(root.join("a.yaml"), service("10.0.0.3")).unwrap();
    wait_for(&mut receiver, Some("10.0.0.3")).await;
}

#[tokio::test]
async fn what_the_system_does_not_tell_is_found_by_looking() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let target = elsewhere.path().join("target");
    fs::write(&target, service("10.0.0.1")).unwrap();
    symlink(&target, dir.path().join("a.yaml")).unwrap();
    let (_watcher, mut receiver) = follow(dir.path(), OFTEN).unwrap();
    wait_for(&mut receiver, Some("10.0.0.1")).await;
    fs::write(&target, service("10.0.0.2")).unwrap();
    wait_for(&mut receiver, Some("10.0.0.2")).await;
}

#[tokio::test]
async fn the_same_content_is_not_published() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    fs::write(&path, service("10.0.0.1")).unwrap();
    let (_watcher, mut receiver) = follow(dir.path(), NEVER).unwrap();
    receiver.mark_unchanged();
    fs::write(&path, service("10.0.0.1")).unwrap();
    fs::write(dir.path().join("notes.txt"), "x").unwrap();
    let published = tokio::time::timeout(2 * PATIENCE, receiver.changed()).await;
    assert!(published.is_err(), "{published:?}");
    fs::write(&path, service("10.0.0.2")).unwrap();
    assert_eq!(wait_for(&mut receiver, Some("10.0.0.2")).await.version, 2);
}

#[tokio::test]
async fn a_busy_directory_does_not_hold_changes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (_watcher, mut receiver) = follow(dir.path(), NEVER).unwrap();
    fs::write(dir.path().join("a.yaml"), service("10.0.0.1")).unwrap();
    // Something happens more often than the watcher finds quiet, for as long as it takes.
    let noise = dir.path().join("noise.txt");
    let mut ticks = tokio::time::interval(QUIET / 5);
    let arrived = tokio::time::timeout(PATIENT, async {
        loop {
            tokio::select! {
                state = receiver.wait_for(|state| ip(state).is_some()) => break state.map(|_| ()),
                _ = ticks.tick() => fs::write(&noise, "x").unwrap(),
            }
        }
    });
    arrived.await.expect("in time").unwrap();
}

#[tokio::test]
async fn the_watch_ends_with_its_watcher() {
    let dir = tempfile::tempdir().unwrap();
    let (watcher, mut receiver) = follow(dir.path(), NEVER).unwrap();
    drop(watcher);
    assert!(
        tokio::time::timeout(PATIENT, receiver.changed())
            .await
            .expect("in time")
            .is_err()
    );
}

#[test]
fn reading_is_no_change() {
    use notify::event::{CreateKind, Flag, ModifyKind};
    let event = |kind| Event::new(kind);
    assert!(!is_change(&event(EventKind::Access(AccessKind::Open(
        AccessMode::Any
    )))));
    assert!(!is_change(&event(EventKind::Access(AccessKind::Close(
        AccessMode::Read
    )))));
    assert!(is_change(&event(EventKind::Access(AccessKind::Close(
        AccessMode::Write
    )))));
    assert!(is_change(&event(EventKind::Create(CreateKind::Any))));
    assert!(is_change(&event(EventKind::Modify(ModifyKind::Any))));
    assert!(is_change(
        &event(EventKind::Access(AccessKind::Any)).set_flag(Flag::Rescan)
    ));
}

#[test]
fn a_proxy_does_not_begin_with_a_file_that_it_cannot_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("service.yaml"), service("127.0.10.1")).unwrap();
    symlink("nowhere", dir.path().join("policies.yaml")).unwrap();
    let Err(error) = watch(dir.path()) else {
        panic!("the policies are missing")
    };
    assert!(error.to_string().contains("policies.yaml"), "{error}");
}
