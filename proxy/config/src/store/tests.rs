#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::os::unix::fs::{PermissionsExt, symlink};

use cairn_api::meta::Key;

use super::*;
use crate::problem::{Problem, Severity};

fn service(name: &str, ip: &str) -> String {
    format!("---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{clusterIP: {ip}}}\n")
}

fn ip(state: &State, name: &str) -> Option<String> {
    state
        .objects
        .services
        .get(&Key::new("default", name))
        .map(|service| service.spec.cluster_ip.clone())
}

#[test]
fn a_directory_that_is_none_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.yaml");
    fs::write(&file, "").unwrap();
    assert!(matches!(load(&file), Err(Error::NotADirectory { .. })));
    let error = load(&dir.path().join("nowhere")).unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }));
    assert!(error.to_string().contains("nowhere: cannot be read: "), "{error}");
}

#[test]
fn an_empty_directory_is_an_empty_mesh() {
    let dir = tempfile::tempdir().unwrap();
    let state = load(dir.path()).unwrap();
    assert!(state.objects.is_empty() && state.report.is_empty());
    assert_eq!(state.version, 1);
}

#[test]
fn one_broken_document_takes_nothing_with_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::write(
        dir.path().join("a.yaml"),
        format!(
            "{}---\na: [\n{}",
            service("a", "10.0.0.1"),
            service("b", "10.0.0.2")
        ),
    )
    .unwrap();
    fs::write(dir.path().join("b.yaml"), b"\xff\xfe".repeat(10)).unwrap();
    fs::write(
        dir.path().join("sub/c.json"),
        r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "c"}}"#,
    )
    .unwrap();
    let state = load(dir.path()).unwrap();
    assert_eq!(state.objects.services.len(), 3);
    let lines: Vec<String> = state.report.iter().map(Problem::to_string).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].starts_with(&format!(
            "{}:7: error: cannot be read as YAML: ",
            dir.path().join("a.yaml").display()
        )),
        "{lines:?}"
    );
    assert!(
        lines[1].ends_with("b.yaml:1: error: is not UTF-8 text; save the file as UTF-8"),
        "{lines:?}"
    );
}

#[test]
fn the_same_content_is_no_new_version() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    fs::write(&path, service("a", "10.0.0.1")).unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    assert!(!store.refresh());
    fs::write(&path, service("a", "10.0.0.1")).unwrap();
    fs::write(dir.path().join("notes.txt"), "x").unwrap();
    fs::write(dir.path().join(".hidden.yaml"), "a: [").unwrap();
    assert!(!store.refresh());
    assert_eq!(store.state().version, 1);
    fs::write(&path, service("a", "10.0.0.2")).unwrap();
    assert!(store.refresh());
    assert_eq!(
        (store.state().version, ip(&store.state(), "a").as_deref()),
        (2, Some("10.0.0.2"))
    );
}

#[test]
fn only_what_changed_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    fs::write(
        &path,
        format!("{}{}", service("a", "10.0.0.1"), service("b", "10.0.0.1")),
    )
    .unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let before = store.state();
    fs::write(
        &path,
        format!(
            "# moved down\n{}{}",
            service("a", "10.0.0.2"),
            service("b", "10.0.0.1")
        ),
    )
    .unwrap();
    assert!(store.refresh());
    let after = store.state();
    let same = |name: &str| {
        let key = Key::new("default", name);
        Arc::ptr_eq(&before.objects.services[&key], &after.objects.services[&key])
    };
    assert_eq!((same("a"), same("b")), (false, true));
    let object = cairn_api::meta::ObjectRef::new(cairn_api::meta::Kind::Service, "default", "b");
    let problem = after.locate(Problem::warning(object, "spec", "m", "h"));
    assert_eq!(problem.location.unwrap().line, 11);
}

#[test]
fn a_file_that_goes_takes_its_objects_and_its_problems() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), service("a", "10.0.0.1")).unwrap();
    fs::write(dir.path().join("b.yaml"), service("a", "[1]")).unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    assert!(store.state().report.has_errors());
    fs::remove_file(dir.path().join("b.yaml")).unwrap();
    assert!(store.refresh());
    assert!(store.state().report.is_empty());
    fs::remove_file(dir.path().join("a.yaml")).unwrap();
    assert!(store.refresh());
    assert!(store.state().objects.is_empty());
}

#[test]
fn a_file_that_outgrows_the_limit_keeps_what_was_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    fs::write(&path, service("a", "10.0.0.1")).unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(crate::directory::MAX_FILE_BYTES + 1)
        .unwrap();
    assert!(store.refresh());
    assert_eq!(ip(&store.state(), "a").as_deref(), Some("10.0.0.1"));
    assert!(store.state().report.to_string().contains("is larger than 16 MiB"));
    assert!(!store.refresh());
    fs::write(&path, service("a", "10.0.0.2")).unwrap();
    assert!(store.refresh());
    assert_eq!(ip(&store.state(), "a").as_deref(), Some("10.0.0.2"));
    assert!(store.state().report.is_empty());
}

#[test]
fn a_directory_that_is_gone_for_a_moment_keeps_everything() {
    let dir = tempfile::tempdir().unwrap();
    let (root, aside) = (dir.path().join("mesh"), dir.path().join("aside"));
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a.yaml"), service("a", "10.0.0.1")).unwrap();
    let mut store = Store::open(&root).unwrap();
    fs::rename(&root, &aside).unwrap();
    assert!(store.refresh());
    assert_eq!(ip(&store.state(), "a").as_deref(), Some("10.0.0.1"));
    assert_eq!(store.state().report.count(Severity::Error), 1);
    assert!(!store.refresh());
    fs::rename(&aside, &root).unwrap();
    assert!(store.refresh());
    assert!(store.state().report.is_empty());
    assert_eq!(ip(&store.state(), "a").as_deref(), Some("10.0.0.1"));
}

#[test]
fn a_config_map_changes_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    for (name, ip) in [("..one", "10.0.0.1"), ("..two", "10.0.0.2")] {
        fs::create_dir(dir.path().join(name)).unwrap();
        for service_name in ["a", "b"] {
            fs::write(
                dir.path().join(name).join(format!("{service_name}.yaml")),
                service(service_name, ip),
            )
            .unwrap();
        }
    }
    symlink("..one", dir.path().join("..data")).unwrap();
    symlink("..data/a.yaml", dir.path().join("a.yaml")).unwrap();
    symlink("..data/b.yaml", dir.path().join("b.yaml")).unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    assert_eq!(ip(&store.state(), "a").as_deref(), Some("10.0.0.1"));
    symlink("..two", dir.path().join("..data_tmp")).unwrap();
    fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
    fs::remove_dir_all(dir.path().join("..one")).unwrap();
    assert!(store.refresh());
    let state = store.state();
    assert_eq!(
        (ip(&state, "a").as_deref(), ip(&state, "b").as_deref()),
        (Some("10.0.0.2"), Some("10.0.0.2"))
    );
    assert!(state.report.is_empty());
}

#[test]
fn a_file_that_may_not_be_read_is_named_and_keeps_what_was_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    fs::write(&path, service("a", "10.0.0.1")).unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&path).is_ok() {
        // Nothing is forbidden to root.
        return;
    }
    assert!(store.refresh());
    assert!(
        store
            .state()
            .report
            .to_string()
            .contains("a.yaml: error: cannot be read: ")
    );
    assert_eq!(ip(&store.state(), "a").as_deref(), Some("10.0.0.1"));
}

#[test]
fn a_text_is_read_as_if_it_were_a_file() {
    let state = from_str(&service("a", "10.0.0.1"), Path::new("a.yaml"));
    assert_eq!(ip(&state, "a").as_deref(), Some("10.0.0.1"));
    let state = from_str(&service("a", "[1]"), Path::new("a.yaml"));
    assert_eq!(
        state.report.to_string(),
        "a.yaml:2: warning: Service default/a: nothing of it is in force but what binds it, so that no traffic goes round a waypoint; mend the document, or delete it\na.yaml:5: error: Service default/a: spec.clusterIP: must be text, not a list; \
         write text, in quotes if it looks like a number"
    );
}

#[test]
fn whatever_stands_before_a_document_does_not_hide_it() {
    let seed = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, labels: &l {b: \"c\"}}\n\
                spec:\n  hosts: ['x', !!str 1, *l]\n  http:\n  - match: [{uri: {prefix: /}}]\n    text: |\n      --- # no\n";
    let alphabet: Vec<char> = "\n\n\n  \t-:?,[]{}#&*!|>'\"%@`a1~é\u{0}\u{feff}"
        .chars()
        .collect();
    // A fixed sequence (xorshift), so that a failure can be seen again.
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % u64::try_from(bound).unwrap()).unwrap()
    };
    for _ in 0..3000 {
        let mut text: Vec<char> = seed.chars().collect();
        for _ in 0..=next(6) {
            let (from, length) = (next(text.len()), next(4));
            let to = (from + length).min(text.len());
            let new: Vec<char> = (0..next(4)).map(|_| alphabet[next(alphabet.len())]).collect();
            text.splice(from..to, new);
        }
        let text: String = text.into_iter().collect();
        let state = from_str(
            &format!("{text}\n{}", service("hidden", "10.0.0.1")),
            Path::new("a.yaml"),
        );
        assert_eq!(ip(&state, "hidden").as_deref(), Some("10.0.0.1"), "{text:?}");
        assert_eq!(
            state.report.to_string().lines().count(),
            state.report.len(),
            "{text:?}"
        );
    }
}
