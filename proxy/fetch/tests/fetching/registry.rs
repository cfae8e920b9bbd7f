//! A real registry: Debian's `docker-registry` (CNCF Distribution) on a free port of loopback.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cairn_fetch::Digest;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::image::Image;

const PROGRAM: &str = "docker-registry";

pub(crate) const USER: &str = "cairn";
pub(crate) const PASSWORD: &str = "s3cret";
/// bcrypt of the password.
const ENTRY: &str = "cairn:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";

pub(crate) struct Registry {
    pub(crate) address: String,
    login: bool,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Registry {
    /// Starts a registry, with a login for everything or without. `None`: the program is not installed, which must not
    /// be where the gate runs.
    pub(crate) async fn start(login: bool) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        std::fs::write(path.join("config.yaml"), config(&path, login)).unwrap();
        std::fs::write(path.join("htpasswd"), ENTRY).unwrap();
        let spawned = Command::new(PROGRAM)
            .arg("serve")
            .arg(path.join("config.yaml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut process) = spawned else {
            assert!(
                std::env::var_os("CI").is_none(),
                "{PROGRAM} is missing: apt-get install {PROGRAM}"
            );
            println!("not tested: {PROGRAM} is missing; apt-get install {PROGRAM}");
            return None;
        };
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = tokio::task::spawn_blocking(move || {
            let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
                let (_, rest) = line.split_once("listening on ")?;
                Some(rest.split('"').next()?.to_owned())
            });
            // The pipe must stay open and be emptied.
            std::thread::spawn(move || lines.for_each(drop));
            address.expect("the registry says where it listens")
        })
        .await
        .unwrap();
        Some(Self {
            address,
            login,
            process,
            _folder: folder,
        })
    }

    pub(crate) fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The `url` of an image.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("oci://{}/{name}", self.address)
    }

    /// Pushes an image, by the distribution specification.
    pub(crate) async fn push(&self, repository: &str, tag: &str, image: &Image) {
        for blob in &image.blobs {
            let begun = self
                .send(
                    "POST",
                    &format!("/v2/{repository}/blobs/uploads/"),
                    "",
                    Bytes::new(),
                )
                .await;
            assert_eq!(begun.status(), 202);
            let location = begun.headers()["location"].to_str().unwrap();
            let place = location
                .split_once(&self.address)
                .map_or(location, |(_, path)| path);
            let joint = if place.contains('?') { '&' } else { '?' };
            let place = format!("{place}{joint}digest={}", Digest::of(blob));
            let done = self
                .send("PUT", &place, "application/octet-stream", blob.clone().into())
                .await;
            assert_eq!(done.status(), 201);
        }
        let place = format!("/v2/{repository}/manifests/{tag}");
        let done = self
            .send("PUT", &place, image.media_type, image.manifest.clone().into())
            .await;
        let (status, body) = (done.status(), done.collect().await.unwrap().to_bytes());
        assert_eq!(status, 201, "{body:?}");
    }

    async fn send(&self, method: &str, path: &str, kind: &str, body: Bytes) -> Response<Incoming> {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.address)
            .header("content-type", kind);
        if self.login {
            let basic = STANDARD.encode(format!("{USER}:{PASSWORD}"));
            request = request.header("authorization", format!("Basic {basic}"));
        }
        sender
            .send_request(request.body(Full::new(body)).unwrap())
            .await
            .unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have been stopped.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn config(folder: &Path, login: bool) -> String {
    let folder = folder.display();
    let auth = if login {
        format!("auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}\n")
    } else {
        String::new()
    };
    format!(
        "version: 0.1\n\
         log: {{level: info, formatter: text, accesslog: {{disabled: true}}}}\n\
         storage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n\
         http: {{addr: \"127.0.0.1:0\"}}\n{auth}"
    )
}
