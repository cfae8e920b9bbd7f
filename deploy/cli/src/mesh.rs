//! The mesh in this process: a CA, a ztunnel, a waypoint per Gateway, and the sample applications.

mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use anyhow::Context as _;
use cairn_api::meta::Key;
use cairn_config::State;
use cairn_identity::{Identities, LocalCa};
use cairn_mesh::{MeshSettings, Service, Snapshot, controllers};
use cairn_net::ListenOptions;
use cairn_telemetry::AccessLog;
use cairn_wasm::Apart;
use cairn_waypoint::{Storage, Waypoint};
use cairn_ztunnel::Ztunnel;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::access::Lines;
use crate::apps::{Pod, Resolve, Serving};
use crate::names;

pub(crate) use wanted::{Instance, Part, Place, Wanted};

/// How long connections may take to finish when a proxy stops.
const GRACE: Duration = Duration::from_secs(2);
/// How long an application goes on after its pod is gone.
const RETIREMENT: Duration = Duration::from_secs(1);

/// A mesh that runs until it is stopped or dropped.
pub(crate) struct Mesh {
    config: watch::Receiver<Arc<State>>,
    identities: Identities,
    lines: Lines,
    /// For the names that the applications call.
    compiled: watch::Sender<Arc<Snapshot>>,
    apps: BTreeMap<SocketAddr, (Instance, Serving)>,
    retired: BTreeMap<SocketAddr, Serving>,
    waypoints: BTreeMap<Key, (Place, Waypoint)>,
    draining: JoinSet<bool>,
    ztunnel: Option<Ztunnel>,
    /// The CA's directory, when it is ours to remove.
    _ca: Option<TempDir>,
}

/// What became of a change of the configuration.
#[derive(Debug)]
pub(crate) enum Change {
    Started(Part),
    Stopped(Part),
    Failed(Part, anyhow::Error),
}

/// The states of a directory with what the controllers of a cluster would add.
pub(crate) fn completed(config: watch::Receiver<Arc<State>>) -> watch::Receiver<Arc<State>> {
    cairn_config::derive(config, controllers::complete)
}

/// One state with what the controllers of a cluster would add.
pub(crate) fn complete(mut state: State) -> State {
    state.objects = Arc::new(controllers::complete(&state.objects));
    state
}

impl Mesh {
    /// Starts everything that the configuration asks for. Without a directory for the CA it is made for this mesh only.
    pub(crate) async fn start(
        config: watch::Receiver<Arc<State>>,
        ca: Option<PathBuf>,
        lines: Lines,
    ) -> anyhow::Result<Mesh> {
        let state = Arc::clone(&config.borrow());
        let (snapshot, _) = Snapshot::compile(&state);
        let settings = snapshot.mesh.clone();
        let temporary = match ca {
            Some(_) => None,
            None => Some(TempDir::with_prefix("cairn-ca-").context("there is no place for the CA")?),
        };
        let directory = ca
            .as_deref()
            .or(temporary.as_ref().map(TempDir::path))
            .unwrap_or(Path::new("."));
        let mut mesh = Mesh {
            identities: identities(directory, &settings)?,
            config: config.clone(),
            lines,
            compiled: watch::Sender::new(Arc::new(snapshot)),
            apps: BTreeMap::new(),
            retired: BTreeMap::new(),
            waypoints: BTreeMap::new(),
            draining: JoinSet::new(),
            ztunnel: None,
            _ca: temporary,
        };
        for change in mesh.follow(&state).await {
            if let Change::Failed(_, error) = change {
                mesh.stop().await;
                return Err(error);
            }
        }
        match mesh.start_ztunnel(&settings).await {
            Ok(ztunnel) => mesh.ztunnel = Some(ztunnel),
            Err(error) => {
                mesh.stop().await;
                return Err(error);
            }
        }
        Ok(mesh)
    }

    /// Starts what a new state asks for and stops what it does not ask for any more. What cannot start is tried again with
    /// the next state.
    pub(crate) async fn follow(&mut self, state: &State) -> Vec<Change> {
        let (snapshot, _) = Snapshot::compile(state);
        let wanted = Wanted::of(&state.objects, &snapshot);
        let settings = snapshot.mesh.clone();
        self.compiled.send_replace(Arc::new(snapshot));
        let mut changes = Vec::new();
        self.follow_apps(wanted.apps, &mut changes).await;
        self.follow_waypoints(wanted.waypoints, &settings, &mut changes)
            .await;
        changes
    }

    /// The admin interface of the ztunnel.
    pub(crate) fn ztunnel_admin(&self) -> Option<SocketAddr> {
        self.ztunnel.as_ref().map(|ztunnel| ztunnel.addresses().admin)
    }

    /// The waypoints that run.
    pub(crate) fn waypoints(&self) -> impl Iterator<Item = (&Key, &Waypoint)> {
        self.waypoints
            .iter()
            .map(|(gateway, (_, waypoint))| (gateway, waypoint))
    }

    /// Resolves when every proxy decides by this version of the configuration, or a later one.
    pub(crate) async fn in_force(&self, version: u64) {
        let waypoints = self.waypoints.values().map(|(_, waypoint)| waypoint.version());
        for mut current in self.ztunnel.iter().map(Ztunnel::version).chain(waypoints) {
            // A proxy that has ended will not follow.
            let _ = current.wait_for(|current| *current >= version).await;
        }
    }

    /// Resolves when the admin interface of one of its proxies has been asked to end the process.
    pub(crate) async fn quit(&self) {
        let mut asked: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = Vec::new();
        for (_, waypoint) in self.waypoints() {
            asked.push(Box::pin(waypoint.quit()));
        }
        if let Some(ztunnel) = &self.ztunnel {
            asked.push(Box::pin(ztunnel.quit()));
        }
        poll_fn(|cx| {
            let mut asked = asked.iter_mut().map(|one| one.as_mut().poll(cx));
            if asked.any(|polled| polled.is_ready()) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Stops the waypoints first, for what is under way there still needs ways in and out; then the ztunnel, then the
    /// applications.
    pub(crate) async fn stop(mut self) {
        for (_, waypoint) in std::mem::take(&mut self.waypoints).into_values() {
            self.draining.spawn(waypoint.drain());
        }
        while self.draining.join_next().await.is_some() {}
        if let Some(ztunnel) = self.ztunnel.take() {
            ztunnel.drain().await;
        }
        for (_, serving) in std::mem::take(&mut self.apps).into_values() {
            serving.stop().await;
        }
    }

    async fn follow_apps(&mut self, wanted: BTreeMap<SocketAddr, Instance>, changes: &mut Vec<Change>) {
        self.retired.retain(|_, serving| !serving.is_over());
        let gone = self
            .apps
            .extract_if(.., |address, (instance, _)| wanted.get(address) != Some(instance));
        for (address, (instance, serving)) in gone {
            serving.retire(RETIREMENT);
            self.retired.insert(address, serving);
            changes.push(Change::Stopped(Part::App(address, instance)));
        }
        for (address, instance) in wanted {
            if self.apps.contains_key(&address) {
                continue;
            }
            // Another one of the same address has to make room at once.
            if let Some(serving) = self.retired.remove(&address) {
                serving.stop().await;
            }
            let part = Part::App(address, instance.clone());
            match self.app(address, &instance) {
                Ok(serving) => {
                    self.apps.insert(address, (instance, serving));
                    changes.push(Change::Started(part));
                }
                Err(error) => changes.push(Change::Failed(part, error)),
            }
        }
    }

    async fn follow_waypoints(
        &mut self,
        wanted: BTreeMap<Key, Place>,
        settings: &MeshSettings,
        changes: &mut Vec<Change>,
    ) {
        let gone = self
            .waypoints
            .extract_if(.., |key, (place, _)| wanted.get(key) != Some(place));
        let gone: Vec<_> = gone.collect();
        for (key, (place, waypoint)) in gone {
            if wanted.contains_key(&key) {
                // It comes back elsewhere or as someone else, perhaps on the same address.
                waypoint.drain().await;
            } else {
                self.draining.spawn(waypoint.drain());
            }
            changes.push(Change::Stopped(Part::Waypoint(key, place)));
        }
        for (key, place) in wanted {
            if self.waypoints.contains_key(&key) {
                continue;
            }
            let part = Part::Waypoint(key.clone(), place.clone());
            match self.start_waypoint(&key, settings).await {
                Ok(waypoint) => {
                    self.waypoints.insert(key, (place, waypoint));
                    changes.push(Change::Started(part));
                }
                Err(error) => changes.push(Change::Failed(part, error)),
            }
        }
        while self.draining.try_join_next().is_some() {}
    }

    fn app(&self, address: SocketAddr, instance: &Instance) -> anyhow::Result<Serving> {
        let listener = cairn_net::listen(address, &ListenOptions::default())?;
        let namespace = instance.pod.namespace.clone();
        let compiled = self.compiled.subscribe();
        let resolve: Resolve =
            Arc::new(move |target: &str| names::resolve(&compiled.borrow(), &namespace, target));
        let pod = Pod {
            name: instance.pod.name.clone(),
            address: address.ip(),
            resolve,
        };
        Ok(Serving::start(instance.app.clone(), pod, listener))
    }

    async fn start_waypoint(&self, gateway: &Key, settings: &MeshSettings) -> anyhow::Result<Waypoint> {
        let mut filters = Storage::from_env();
        filters.compiler = Some(Apart::this_program());
        let options = cairn_waypoint::Options {
            grace: GRACE,
            access_log: self.log(format!("waypoint {gateway}"), settings)?,
            filters,
            ..cairn_waypoint::Options::new(gateway.clone())
        };
        Ok(Waypoint::start(options, self.config.clone(), self.identities.clone()).await?)
    }

    async fn start_ztunnel(&self, settings: &MeshSettings) -> anyhow::Result<Ztunnel> {
        // It would go on without an address that it cannot capture; here that is a reason not to start.
        for address in captured(&self.compiled.borrow()) {
            cairn_net::listen(address, &ListenOptions::default())?;
        }
        // Ports that are free, so that several meshes run side by side.
        let free = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let options = cairn_ztunnel::Options {
            admin: free,
            stats: free,
            ready: free,
            grace: GRACE,
            access_lines: self.log("ztunnel".to_owned(), settings)?,
            ..cairn_ztunnel::Options::default()
        };
        Ok(Ztunnel::start(options, self.config.clone(), self.identities.clone()).await?)
    }

    /// Lines for standard output come to us, to be told apart; a file that MeshConfig names is the proxy's own business.
    fn log(&self, from: String, settings: &MeshSettings) -> anyhow::Result<Option<AccessLog>> {
        match settings.access_log_file.as_str() {
            "" | "/dev/stdout" => Ok(Some(self.lines.log(from)?)),
            _ => Ok(None),
        }
    }
}

/// The addresses at which services can be called on this machine.
pub(crate) fn captured(mesh: &Snapshot) -> BTreeSet<SocketAddr> {
    mesh.services().flat_map(|service| captured_of(service)).collect()
}

/// Those of one service.
pub(crate) fn captured_of(service: &Service) -> impl Iterator<Item = SocketAddr> {
    let vips = service.vips.iter().filter(|vip| vip.is_loopback());
    vips.flat_map(|vip| {
        service
            .ports
            .iter()
            .map(move |port| SocketAddr::new(*vip, port.number))
    })
}

fn identities(ca: &Path, settings: &MeshSettings) -> anyhow::Result<Identities> {
    let options = cairn_identity::Options {
        trust_domain: settings.trust_domain.to_string(),
        aliases: settings.trust_domain_aliases.clone(),
        ..cairn_identity::Options::default()
    };
    let ca = LocalCa::open_or_create(ca, &options.trust_domain)?;
    Ok(Identities::new(Arc::new(ca), options))
}
