//! `cairn filter push` and `cairn filter pull`.

use std::path::Path;

use cairn_tests::{Process, component, eventually};

use super::{no_filters, probe};
use crate::{cairn, text};

const PROGRAM: &str = "docker-registry";
/// A user with a password, as bcrypt has it.
const ENTRY: &str = "cairn:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";

/// A registry of Debian on a free port of loopback.
struct Registry {
    address: String,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Registry {
    /// `None`, with a line that says so, where it is not installed; where `CI` is set, that is a failure.
    fn start(login: bool) -> Option<Registry> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path)
            .map(|folder| folder.join(PROGRAM))
            .find(|program| program.is_file());
        let Some(program) = program else {
            let missing = format!("{PROGRAM} is missing: apt-get install {PROGRAM}");
            assert!(std::env::var_os("CI").is_none(), "{missing}");
            #[allow(clippy::print_stderr, reason = "what was not tested must be seen")]
            {
                eprintln!("skipped: {missing}");
            }
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().display();
        let auth = if login {
            format!("auth: {{htpasswd: {{realm: test, path: {place}/htpasswd}}}}\n")
        } else {
            String::new()
        };
        let config = format!(
            "version: 0.1\nlog: {{level: info, formatter: text, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {place}/data}}}}\nhttp: {{addr: \"127.0.0.1:0\"}}\n{auth}"
        );
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, config).unwrap();
        std::fs::write(folder.path().join("htpasswd"), ENTRY).unwrap();
        let process = Process::start(&program, &["serve", text(&file)]);
        let address = eventually("the registry says where it listens", || {
            let output = process.text();
            let (_, rest) = output.split_once("listening on ")?;
            let (address, _) = rest.split_once('"')?;
            Some(address.to_owned())
        });
        Some(Registry {
            address,
            _process: process,
            _folder: folder,
        })
    }

    fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }
}

/// The credentials of a user, in a file as docker writes it.
fn docker_config(folder: &Path, registry: &str, password: &str) -> String {
    let file = folder.join(format!("{password}.json"));
    let json = serde_json::json!({"auths": {registry: {"username": "cairn", "password": password}}});
    std::fs::write(&file, json.to_string()).unwrap();
    text(&file).to_owned()
}

#[test]
fn what_is_pushed_is_pulled() {
    let (Some(file), Some(registry)) = (component("local-rate-limit"), Registry::start(false)) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let pulled = folder.path().join("pulled.wasm");
    for layout in ["oci", "istio"] {
        let image = registry.image(&format!("filters/{layout}:v1"));
        let push = || {
            cairn(&[
                "filter",
                "push",
                text(&file),
                &image,
                "--layout",
                layout,
                "--insecure",
            ])
        };
        let output = push();
        assert_eq!(output.code, Some(0), "{}", output.text);
        let reference = output.text.trim().to_owned();
        assert!(reference.starts_with(&format!("{image}@sha256:")), "{reference}");
        assert_eq!(push().text.trim(), reference, "the same file is the same image");
        for name in [&image, &reference, &format!("oci://{image}")] {
            let output = cairn(&["filter", "pull", name, "-o", text(&pulled), "--insecure"]);
            assert_eq!(output.code, Some(0), "{}", output.text);
            assert!(output.text.contains("bytes, sha256:"), "{}", output.text);
            assert!(std::fs::read(&pulled).unwrap() == std::fs::read(&file).unwrap());
            std::fs::remove_file(&pulled).unwrap();
        }
    }
    let missing = registry.image("filters/oci:v2");
    let into_nowhere = registry.image("filters/oci:v1");
    for (name, place, says) in [
        (&missing, text(&pulled), "is not there: manifest unknown"),
        (
            &into_nowhere,
            "/nowhere/filter.wasm",
            "cannot write /nowhere/filter.wasm",
        ),
    ] {
        let output = cairn(&["filter", "pull", name, "-o", place, "--insecure"]);
        assert_eq!(output.code, Some(1), "{}", output.text);
        assert!(output.errors.contains(says), "{}", output.text);
    }
    assert!(!pulled.exists());
    // Without leave, a registry has to prove who it is.
    let output = cairn(&["filter", "push", text(&file), &missing]);
    assert_eq!(output.code, Some(1), "{}", output.text);
    assert!(output.errors.contains("needs --insecure"), "{}", output.text);
}

#[test]
fn a_login_opens_a_registry() {
    let (Some(file), Some(registry)) = (component("local-rate-limit"), Registry::start(true)) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let pulled = folder.path().join("pulled.wasm");
    let image = registry.image("f:v1");
    let right = docker_config(folder.path(), &registry.address, "s3cret");
    let wrong = docker_config(folder.path(), &registry.address, "wrong");
    let broken = folder.path().join("broken.json");
    std::fs::write(&broken, "{\"auths\": 1}").unwrap();
    let push = [
        "filter",
        "push",
        text(&file),
        &image,
        "--insecure",
        "--docker-config",
    ];
    let pull = [
        "filter",
        "pull",
        &image,
        "-o",
        text(&pulled),
        "--insecure",
        "--docker-config",
    ];
    for command in [&push[..], &pull] {
        let with = |config: &str| cairn(&[command, &[config]].concat());
        for (config, says) in [
            (wrong.as_str(), "log in with `docker login 127.0.0.1:"),
            ("/nowhere", "cannot read /nowhere"),
            (text(&broken), "no docker configuration"),
        ] {
            let output = with(config);
            assert_eq!(output.code, Some(1), "{}", output.text);
            assert!(output.errors.contains(says), "{says}\n{}", output.text);
            assert!(!output.text.contains("s3cret"), "{}", output.text);
        }
        let output = with(&right);
        assert_eq!(output.code, Some(0), "{}", output.text);
    }
    assert!(std::fs::read(&pulled).unwrap() == std::fs::read(&file).unwrap());
}

#[test]
fn what_cannot_be_published_is_said() {
    let Some(file) = probe() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (path, says) in no_filters(folder.path(), &std::fs::read(&file).unwrap()) {
        let output = cairn(&["filter", "push", text(&path), "127.0.0.1:1/f:v1", "--insecure"]);
        assert_eq!(output.code, Some(1), "{}", output.text);
        assert!(output.errors.contains(says), "{says}: {}", output.text);
    }
    let digest = format!("127.0.0.1:1/f@sha256:{}", "0".repeat(64));
    for (image, says) in [
        ("127.0.0.1:1/f:v1", "cannot connect to 127.0.0.1:1"),
        (digest.as_str(), "name a tag alone"),
        ("169.254.169.254/f:v1", "a link-local address"),
    ] {
        let output = cairn(&["filter", "push", text(&file), image, "--insecure"]);
        assert_eq!(output.code, Some(1), "{}", output.text);
        assert!(output.errors.contains(says), "{says}: {}", output.text);
    }
    for image in ["", "R/f", "https://host/f.wasm", "file:///f.wasm"] {
        for arguments in [
            &["filter", "push", text(&file), image][..],
            &["filter", "pull", image],
        ] {
            let output = cairn(arguments);
            assert_eq!(output.code, Some(2), "{image}: {}", output.text);
        }
    }
}
