//! A whole mesh as processes: one ztunnel for all pods, and the waypoints that a test starts.

use std::net::SocketAddr;

use http::Request;

use crate::{Answer, Client, Directory, Network, Process, Sample, binary, eventually, samples};

/// The address of everything that belongs to the ztunnel itself.
const ZTUNNEL: u8 = 250;

/// A running mesh; its waypoints are processes of their own.
#[derive(Debug)]
pub struct Mesh {
    /// Its addresses.
    pub network: Network,
    /// Its configuration.
    pub directory: Directory,
    /// The ztunnel of all its pods.
    pub ztunnel: Process,
    ca: tempfile::TempDir,
}

impl Mesh {
    /// Starts a ztunnel on `files`.
    #[must_use]
    pub fn start(files: &[(&str, &str)]) -> Mesh {
        Mesh::start_with(files, &[])
    }

    /// Starts a ztunnel with more arguments.
    #[must_use]
    pub fn start_with(files: &[(&str, &str)], arguments: &[&str]) -> Mesh {
        let network = Network::new();
        let directory = Directory::new(network);
        for (name, yaml) in files {
            directory.write(name, yaml);
        }
        let ca = tempfile::tempdir().expect("a temporary directory");
        let ztunnel = Mesh::ztunnel_process(&directory, &ca, network, arguments);
        Mesh {
            network,
            directory,
            ztunnel,
            ca,
        }
    }

    /// The same mesh with a new ztunnel in place of the one that runs, which is killed.
    #[must_use]
    pub fn restart_ztunnel(self) -> Mesh {
        let Mesh {
            network,
            directory,
            ztunnel,
            ca,
        } = self;
        drop(ztunnel);
        let ztunnel = Mesh::ztunnel_process(&directory, &ca, network, &[]);
        Mesh {
            network,
            directory,
            ztunnel,
            ca,
        }
    }

    fn ztunnel_process(
        directory: &Directory,
        ca: &tempfile::TempDir,
        network: Network,
        arguments: &[&str],
    ) -> Process {
        let servers = [
            ("--admin", 15000),
            ("--stats", 15020),
            ("--ready", 15021),
            ("--socks5", 15080),
        ];
        let servers = servers.map(|(name, port)| format!("{name}={}", network.socket(ZTUNNEL, port)));
        let mut all = vec!["--threads", "1"];
        all.extend(servers.iter().map(String::as_str));
        all.extend(arguments);
        Mesh::process("ztunnel", directory, ca, &all)
    }

    /// Starts the waypoint of Gateway `name` in namespace `default`, and waits until it and the ztunnel take
    /// connections.
    #[must_use]
    pub fn waypoint(&self, name: &str) -> Process {
        self.waypoint_with(name, &[])
    }

    /// The same with more arguments.
    #[must_use]
    pub fn waypoint_with(&self, name: &str, arguments: &[&str]) -> Process {
        let gateway = format!("default/{name}");
        let mut all = vec!["--gateway", &gateway, "--threads", "1"];
        all.extend(arguments);
        let waypoint = Mesh::process("waypoint", &self.directory, &self.ca, &all);
        waypoint.wait_for_text("waypoint listening");
        self.ready();
        waypoint
    }

    /// Waits until the ztunnel takes connections.
    pub fn ready(&self) {
        self.ztunnel.wait_for_text("ztunnel listening");
    }

    /// A client in the pod at `host`.
    #[must_use]
    pub fn client(&self, host: u8) -> Client {
        Client::from(self.network.ip(host))
    }

    /// One request from the pod at `host`.
    ///
    /// # Errors
    ///
    /// The connection failed or ended before the response did.
    pub async fn send(&self, host: u8, to: SocketAddr, request: Request<&str>) -> anyhow::Result<Answer> {
        self.client(host).send(to, request).await
    }

    /// GETs a path from the pod at `host`.
    ///
    /// # Errors
    ///
    /// As [`send`](Mesh::send).
    pub async fn get(&self, host: u8, to: SocketAddr, path: &str) -> anyhow::Result<Answer> {
        self.client(host).get(to, path).await
    }

    /// GETs a path from the pod at `host` until the outcome is as wanted.
    pub async fn until(
        &self,
        host: u8,
        to: SocketAddr,
        path: &str,
        wanted: impl Fn(&anyhow::Result<Answer>) -> bool,
    ) -> anyhow::Result<Answer> {
        let mut outcome = self.get(host, to, path).await;
        for _ in 0..600 {
            if wanted(&outcome) {
                return outcome;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            outcome = self.get(host, to, path).await;
        }
        panic!("{path} never came to what was waited for; last: {outcome:?}");
    }

    /// Where the ztunnel speaks SOCKS5.
    #[must_use]
    pub fn socks5(&self) -> SocketAddr {
        self.network.socket(ZTUNNEL, 15080)
    }

    /// Where the admin interface of the ztunnel is.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.network.socket(ZTUNNEL, 15000)
    }

    /// The metrics of the ztunnel.
    pub async fn samples(&self) -> Vec<Sample> {
        samples(self.network.socket(ZTUNNEL, 15020)).await
    }

    /// The access lines of the ztunnel so far.
    #[must_use]
    pub fn lines(&self) -> Vec<AccessLine> {
        self.ztunnel
            .text()
            .lines()
            .filter_map(AccessLine::parse)
            .collect()
    }

    /// Waits for an access line in which each of these fields has this value.
    #[must_use]
    pub fn line(&self, fields: &[(&str, &str)]) -> AccessLine {
        let matches = |line: &AccessLine| fields.iter().all(|(name, value)| line.field(name) == Some(value));
        eventually(&format!("an access line has {fields:?}"), || {
            self.lines().into_iter().find(matches)
        })
    }

    fn process(name: &str, directory: &Directory, ca: &tempfile::TempDir, arguments: &[&str]) -> Process {
        let ca = ca.path().join("ca");
        let mut all = vec!["--config", directory.path().to_str().expect("UTF-8")];
        all.extend(["--ca", ca.to_str().expect("UTF-8")]);
        all.extend(arguments);
        Process::start(&binary(name), &all)
    }
}

/// One line of the ztunnel's access log.
#[derive(Clone, Debug)]
pub struct AccessLine {
    /// `info`, `error` or `warn`.
    pub level: String,
    /// `connection complete` or `connection failed`.
    pub message: String,
    /// Names and values in the line's order, without quotes.
    pub fields: Vec<(String, String)>,
}

impl AccessLine {
    /// The value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(field, _)| field == name)?;
        Some(&found.1)
    }

    /// The names of the fields, in the line's order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.fields.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// `<time>\t<level>\taccess\t<message>\t<name=value ...>`
    fn parse(line: &str) -> Option<AccessLine> {
        let mut columns = line.split('\t');
        let (_, level, target) = (columns.next()?, columns.next()?, columns.next()?);
        let (message, fields) = (columns.next()?, columns.next()?);
        (target == "access").then(|| AccessLine {
            level: level.to_owned(),
            message: message.to_owned(),
            fields: pairs(fields),
        })
    }
}

/// `name=value` pairs between spaces; a value that is quoted may contain spaces.
fn pairs(mut text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some((name, rest)) = text.trim_start().split_once('=') {
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').expect("a quoted value ends"),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        found.push((name.to_owned(), value.to_owned()));
        text = rest;
    }
    found
}
