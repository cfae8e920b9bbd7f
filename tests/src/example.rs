//! A copy of one of the examples, on addresses of its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::{Directory, Network};

/// What the addresses in the examples begin with.
const WRITTEN: &str = "127.0.";

/// A copy of an example that does not meet the original, nor another copy.
#[derive(Debug)]
pub struct Example {
    /// Its network.
    pub network: Network,
    /// Its files.
    pub directory: Directory,
    /// The rest of an address as the example has it → its host in the network.
    hosts: BTreeMap<String, u8>,
}

impl Example {
    /// Copies `examples/NAME`.
    #[must_use]
    pub fn copy(name: &str) -> Example {
        let network = Network::new();
        let mut example = Example {
            network,
            directory: Directory::new(network),
            hosts: BTreeMap::new(),
        };
        let mut files: Vec<PathBuf> = std::fs::read_dir(Example::path(name))
            .expect("the example is there")
            .map(|entry| entry.expect("the example can be read").path())
            .collect();
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(&file).expect("the file can be read");
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let text = example.moved(&text);
            example.directory.write(&name, &text);
        }
        example
    }

    /// Where an example is.
    #[must_use]
    pub fn path(name: &str) -> PathBuf {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples")).join(name)
    }

    /// The address in the copy of what is, for example, `127.0.11.1` in the example.
    #[must_use]
    pub fn ip(&self, written: &str) -> IpAddr {
        let host = written
            .strip_prefix(WRITTEN)
            .and_then(|rest| self.hosts.get(rest));
        self.network.ip(*host.expect("the example has this address"))
    }

    /// `ip(written)` with a port.
    #[must_use]
    pub fn socket(&self, written: &str, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip(written), port)
    }

    /// The text with the network's addresses. Pods of Deployments get theirs from their names, which get the network's.
    fn moved(&mut self, text: &str) -> String {
        let mut pieces = text.split(WRITTEN);
        let mut moved = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let end = piece
                .find(|character: char| character != '.' && !character.is_ascii_digit())
                .unwrap_or(piece.len());
            let (written, rest) = piece.split_at(end);
            let next = u8::try_from(self.hosts.len() + 1).expect("an example has few addresses");
            let host = *self.hosts.entry(written.to_owned()).or_insert(next);
            moved.push_str(&self.network.ip(host).to_string());
            moved.push_str(rest);
        }
        const DEPLOYMENT: &str = "kind: Deployment\nmetadata:\n  name: ";
        let prefix = self.network.fill("NET.").replace('.', "-");
        moved.replace(DEPLOYMENT, &format!("{DEPLOYMENT}net{prefix}"))
    }
}
