//! Filters in every language: the examples, from their sources to what they do in the waypoint, and new ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cairn_tests::{Example, Lone, binary};
use http::{Request, StatusCode};
use tokio::sync::{Mutex, MutexGuard};

use crate::scene::{get, start};

/// What building leaves behind.
const LEFT_BEHIND: [&str; 5] = [".venv", "__pycache__", "bindings", "node_modules", "target"];

#[tokio::test(flavor = "multi_thread")]
async fn the_example_in_rust() {
    greets_blocks_and_signs("rust").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_in_javascript() {
    greets_blocks_and_signs("javascript").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_in_python() {
    greets_blocks_and_signs("python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_in_c() {
    greets_blocks_and_signs("c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_in_go() {
    greets_blocks_and_signs("go").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_filter_in_rust_builds_by_itself_and_works() {
    let directory = tempfile::tempdir().unwrap();
    let project = directory.path().join("add-greeting");
    let (succeeded, said) = cairn(&["filter", "new", "--lang", "rust"], &project);
    assert!(succeeded, "{said}");
    assert!(project.join("wit/filter.wit").is_file());
    let _turn = turn().await;
    let Some(component) = built(&project) else { return };
    assert_eq!(component, project.join("add-greeting.wasm"));
    let plugin = fs::read_to_string(project.join("plugin.yaml")).unwrap();
    let mesh = start(&[&for_app(&plugin, &component)]).await;
    said_in_log(&mesh, "filter in force\tplugin=\"default/add-greeting\"").await;
    let answer = mesh.send(get("/")).await;
    assert_eq!(
        (answer.status, answer.header("x-filtered-by")),
        (StatusCode::OK, "rust")
    );
}

/// So what holds of the example holds of the new filter.
#[test]
fn a_new_filter_is_the_example_with_another_name() {
    for language in ["javascript", "python", "c", "go"] {
        let directory = tempfile::tempdir().unwrap();
        let project = directory.path().join("mine");
        let (succeeded, said) = cairn(&["filter", "new", "--lang", language], &project);
        assert!(succeeded, "{said}");
        let example = directory.path().join("example");
        copy(&Example::path("filters").join(language), &example);
        let (new, example) = (files(&project), files(&example));
        let names =
            |files: &[(PathBuf, String)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&new), names(&example));
        for ((name, new), (_, example)) in new.iter().zip(&example) {
            let renamed = example
                .replace(&format!("file://./{language}.wasm"), "file://./mine.wasm")
                .replace(&format!("  name: {language}\n"), "  name: mine\n")
                .replace(&format!("\"name\": \"{language}\""), "\"name\": \"mine\"");
            let manifest = ["plugin.yaml", "package.json", "package-lock.json"]
                .iter()
                .any(|file| name == Path::new(file));
            assert_eq!(
                new,
                if manifest { &renamed } else { example },
                "{language}: {}",
                name.display()
            );
        }
    }
}

#[test]
fn a_new_filter_takes_nobody_s_place_and_no_name_that_is_refused_later() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("notes.txt"), "mine").unwrap();
    for (path, reason) in [
        ("", "is not empty: name a new directory, or one without files"),
        ("notes.txt", "\"notes.txt\" is no name for a filter"),
        ("Greeting", "\"Greeting\" is no name for a filter"),
        ("add_greeting", "\"add_greeting\" is no name for a filter"),
        ("match", "a package in Rust cannot have the name \"match\""),
    ] {
        let named = directory.path().join("taken");
        let path = if path.is_empty() {
            named.clone()
        } else {
            directory.path().join(path)
        };
        if path == named {
            fs::create_dir(&named).unwrap();
            fs::write(named.join("notes.txt"), "mine").unwrap();
        }
        let (succeeded, said) = cairn(&["filter", "new", "--lang", "rust"], &path);
        assert!(!succeeded && said.contains(reason), "{said}");
        assert!(!path.join("Cargo.toml").exists());
    }
    let file = directory.path().join("file");
    fs::write(&file, "mine").unwrap();
    let (succeeded, said) = cairn(&["filter", "new", "--lang", "c"], &file);
    assert!(
        !succeeded && said.contains("is a file: name a new directory"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_built_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let (succeeded, said) = cairn(&["filter", "build"], directory.path());
    assert!(
        !succeeded && said.contains("`cairn filter new` writes one"),
        "{said}"
    );
    let (succeeded, said) = cairn(&["filter", "build"], &directory.path().join("gone"));
    assert!(!succeeded && said.contains("there is no "), "{said}");
    // Nothing of the tools is on this PATH.
    for (file, install) in [
        ("Cargo.toml", "https://rustup.rs"),
        ("package.json", "npm install --save-dev componentize-qjs"),
        ("app.py", "pip install componentize-py"),
        ("filter.c", "pip install ziglang"),
        ("go.mod", "https://go.dev/doc/install"),
    ] {
        let project = tempfile::tempdir().unwrap();
        fs::write(project.path().join(file), "").unwrap();
        let output = Command::new(binary("cairn"))
            .args(["filter", "build"])
            .arg(project.path())
            .env("PATH", directory.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(install),
            "{file}: {said}"
        );
    }
}

#[test]
fn what_the_compiler_says_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let project = directory.path().join("broken");
    let (succeeded, said) = cairn(&["filter", "new", "--lang", "rust"], &project);
    assert!(succeeded, "{said}");
    fs::write(project.join("src/lib.rs"), "fn broken() -> u8 { \"text\" }").unwrap();
    let (succeeded, said) = cairn(&["filter", "build"], &project);
    if is_missing(&said) {
        return;
    }
    assert!(
        !succeeded && said.contains("mismatched types") && said.contains("cargo failed"),
        "{said}"
    );
}

/// Builds an example and sees all that it does.
async fn greets_blocks_and_signs(language: &str) {
    let directory = tempfile::tempdir().unwrap();
    let project = directory.path().join(format!("{language}-example"));
    copy(&Example::path("filters").join(language), &project);
    if language == "rust" {
        let manifest = fs::read_to_string(project.join("Cargo.toml")).unwrap();
        let sdk = concat!(env!("CARGO_MANIFEST_DIR"), "/../filters/sdk");
        let manifest = manifest.replace("../../../filters/sdk", sdk);
        fs::write(project.join("Cargo.toml"), manifest).unwrap();
    }
    let _turn = turn().await;
    let Some(component) = built(&project) else { return };
    let written = fs::read_to_string(project.join("plugin.yaml")).unwrap();
    let plugin = for_app(&written, &component);
    assert!(plugin.contains("greeting: good day"), "{plugin}");
    let mesh = start(&[&plugin]).await;
    said_in_log(&mesh, &format!("filter in force\tplugin=\"default/{language}\"")).await;
    let greeting = async |path: &'static str| {
        let answer = mesh.send(get(path)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", mesh.waypoint.text());
        assert_eq!(answer.header("x-filtered-by"), language);
        let seen = mesh.v1.seen().into_iter().chain(mesh.v2.seen());
        let last = seen.filter(|seen| seen.target == path).last().unwrap();
        String::from_utf8(last.headers["x-greeting"].as_bytes().to_vec()).unwrap()
    };
    // Again and again: nothing of a request may stay in the instance.
    for _ in 0..20 {
        assert_eq!(greeting("/configured").await, "good day");
    }

    let request = Request::get("/blocked")
        .header("x-blocked", "1")
        .body("")
        .unwrap();
    let answer = mesh.send(request).await;
    assert_eq!(
        (answer.status, &*answer.body),
        (StatusCode::FORBIDDEN, "blocked\n")
    );
    assert!(
        mesh.v1
            .seen()
            .iter()
            .chain(&mesh.v2.seen())
            .all(|seen| seen.target != "/blocked")
    );

    // What is refused leaves in force what was.
    let refused = plugin.replace("greeting: good day", "greeting: [good, day]");
    mesh.directory.write("plugin-0.yaml", &refused);
    let line = said_in_log(&mesh, "refuses its configuration").await;
    assert!(line.contains("greeting: ") && line.contains("string"), "{line}");
    assert_eq!(greeting("/refused").await, "good day");

    let accents = plugin.replace("greeting: good day", "greeting: \"gr\\u00fc\\u00df \\U0001F44B\"");
    mesh.directory.write("plugin-0.yaml", &accents);
    until(async || greeting("/accents").await == "grüß 👋").await;
    let without = plugin.replace("  pluginConfig:\n    greeting: good day\n", "");
    mesh.directory.write("plugin-0.yaml", &without);
    until(async || greeting("/without").await == "hello").await;
}

/// Runs `cairn` with a path as its last argument, with one place for what cargo makes. Whether it succeeded, and what it said.
fn cairn(arguments: &[&str], path: &Path) -> (bool, String) {
    let output = Command::new(binary("cairn"))
        .args(arguments)
        .arg(path)
        .env(
            "CARGO_TARGET_DIR",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/filters"),
        )
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// The component of a project; `None` where a tool is missing, which is a failure where `CI` is set.
fn built(project: &Path) -> Option<PathBuf> {
    let (succeeded, said) = cairn(&["filter", "build"], project);
    if !succeeded && is_missing(&said) {
        return None;
    }
    assert!(succeeded, "{said}");
    let mut component = project.join(project.file_name().unwrap());
    component.set_extension("wasm");
    assert!(said.starts_with(&format!("{}  ", component.display())), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    Some(component)
}

#[allow(
    clippy::print_stderr,
    reason = "who runs the tests is to know what was left out"
)]
fn is_missing(said: &str) -> bool {
    let is_missing =
        said.contains("cairn: there is no ") || said.contains("cairn: rustc cannot compile for ");
    if is_missing {
        assert!(std::env::var_os("CI").is_none(), "{said}");
        eprintln!("skipped: {said}");
    }
    is_missing
}

/// A plugin as it is written beside a filter, for the service of the waypoint.
fn for_app(plugin: &str, component: &Path) -> String {
    let url = plugin
        .lines()
        .find(|line| line.trim().starts_with("url: "))
        .unwrap();
    assert!(url.ends_with(".wasm"), "{url}");
    plugin
        .replace(url, &format!("  url: file://{}", component.display()))
        .replace("name: helloworld", "name: app")
}

/// One at a time: interpreters take long to compile, and two of them twice as long.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// Waits for a line in the waypoint's log, longer than other tests: a host that is not optimized itself compiles an interpreter.
async fn said_in_log(mesh: &Lone, text: &str) -> String {
    for _ in 0..6000 {
        let output = mesh.waypoint.text();
        if let Some(line) = output.lines().find(|line| line.contains(text)) {
            return line.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the waypoint never said {text:?}:\n{}", mesh.waypoint.text());
}

async fn until(is_so: impl AsyncFn() -> bool) {
    for _ in 0..600 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the new configuration is never in force");
}

/// Copies the sources of a project, and what links lead to.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !LEFT_BEHIND.contains(&name) {
            copy(&path, &to.join(name));
        // The page about the contract is there for who reads the repository.
        } else if path.is_file() && !name.ends_with(".wasm") && !path.ends_with("cairn-filter/README.md") {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// The files of a project with their texts, in order.
fn files(project: &Path) -> Vec<(PathBuf, String)> {
    fn walk(directory: &Path, root: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root).unwrap().to_owned(), text));
            }
        }
    }
    let mut found = Vec::new();
    walk(project, project, &mut found);
    found.sort();
    found
}
