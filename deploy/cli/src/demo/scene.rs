//! The mesh that the walk is in, and who acts in it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cairn_mesh::Snapshot;
use tokio::time::{Instant, timeout};

use crate::client::Client;
use crate::names;
use crate::out::Paint;
use crate::up::Session;

use super::files::Files;
use super::table::{Outcome, Table};

/// How long a change may take to be in force.
const PATIENCE: Duration = Duration::from_secs(5);
const NAMESPACE: &str = "default";
const HELLOWORLD: &str = "helloworld:5000";

/// The running mesh, its clients, and the table of what has been seen.
pub(super) struct Scene<'a> {
    pub(super) session: Session,
    pub(super) table: Table,
    /// The client that policies are about.
    pub(super) sleep: Client,
    /// Another one.
    pub(super) notsleep: Client,
    files: &'a Files,
}

impl<'a> Scene<'a> {
    pub(super) fn new(session: Session, files: &'a Files, paint: Paint) -> anyhow::Result<Scene<'a>> {
        let state = Arc::clone(&session.config.borrow());
        let (mesh, _) = Snapshot::compile(&state);
        let to =
            names::resolve(&mesh, NAMESPACE, HELLOWORLD).context("the example has no service helloworld")?;
        let client = |name: &str| {
            let pod = mesh.workloads().find(|workload| workload.name == name);
            let from: Option<IpAddr> = pod.and_then(|pod| pod.addresses.first().copied());
            let from = from.with_context(|| format!("the example has no pod {name}"))?;
            anyhow::Ok(Client {
                from,
                to,
                host: HELLOWORLD,
            })
        };
        let (sleep, notsleep) = (client("sleep")?, client("notsleep")?);
        Ok(Scene {
            session,
            table: Table::new(paint),
            sleep,
            notsleep,
            files,
        })
    }

    /// Puts an example into the mesh as the file `name`, with a line of the table about how long it took to be in force.
    pub(super) async fn put(&mut self, name: &str, example: &str, text: &str) {
        self.change(&format!("{example} written"), |files| files.put(name, text))
            .await;
    }

    /// Puts a file into the mesh that is no YAML.
    pub(super) fn place(&self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        self.files.put(name, content)
    }

    /// Takes a file out of the mesh, with a line in the table.
    pub(super) async fn remove(&mut self, name: &str, example: &str) {
        self.change(&format!("{example} removed"), |files| files.remove(name))
            .await;
    }

    async fn change(&mut self, what: &str, edit: impl FnOnce(&Files) -> anyhow::Result<()>) {
        let Scene {
            session,
            table,
            files,
            ..
        } = self;
        let changed = async {
            change(session, || edit(files)).await?;
            Ok(Outcome::new("in force", true))
        };
        let expected = format!("in force within {} s", PATIENCE.as_secs());
        table.check(what, &expected, changed).await;
    }

    /// Puts a file into the mesh; when it was there.
    pub(super) async fn edit(&mut self, name: &str, text: &str) -> anyhow::Result<Instant> {
        let mut edited = Instant::now();
        let files = self.files;
        change(&mut self.session, || {
            edited = Instant::now();
            files.put(name, text)
        })
        .await?;
        Ok(edited)
    }
}

/// Makes a change of the files and waits until the waypoint decides by it.
async fn change(session: &mut Session, edit: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let before = session.config.borrow_and_update().version;
    edit()?;
    let noticed = timeout(PATIENCE, session.config.wait_for(|state| state.version > before)).await;
    let version = noticed
        .context("the change of the files was not noticed")??
        .version;
    timeout(PATIENCE, session.mesh.in_force(version))
        .await
        .context("the waypoint did not take the change over")
}
