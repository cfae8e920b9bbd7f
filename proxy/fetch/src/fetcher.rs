//! Fetching, from the request to the module.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use bytes::Bytes;
use rustls::RootCertStore;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;
use tracing::warn;

use crate::cache::{Cache, Entry, Name, UNUSED};
use crate::client::{Connector, Insecure};
use crate::credentials::{Credential, DockerConfig};
use crate::digest::Digest;
use crate::error::FetchError;
use crate::flight::Flights;
use crate::format;
use crate::source::Source;
use crate::tls::Trust;

mod image;
mod web;

/// How often the cache is looked through for what is unused.
const TENDING: Duration = Duration::from_secs(60 * 60);

/// How modules are fetched.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory of the cache, which is made when it is missing and closed to other users. `None`: nothing is
    /// kept, and everything is asked for each time.
    pub cache: Option<PathBuf>,
    /// The largest module that is taken, in bytes; also the largest layer of an image. Default 64 MiB.
    pub max_size: u64,
    /// How long one attempt may take, from resolving the name to the last byte. Default 15 s.
    pub timeout: Duration,
    /// Hosts that need not prove who they are, as `host`, `host:port`, or `*` for all: their certificates are not
    /// checked, and registries among them may do without TLS. Default none.
    pub insecure_registries: Vec<String>,
    /// The roots that servers are trusted by. `None`: the system's.
    pub roots: Option<Arc<RootCertStore>>,
    /// Whether modules are fetched from addresses of private networks. Link-local addresses and those of clouds'
    /// metadata services are refused in any case, and loopback is allowed. Default true: registries within a cluster
    /// have such addresses.
    pub allow_private: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache: None,
            max_size: 64 * 1024 * 1024,
            timeout: Duration::from_secs(15),
            insecure_registries: Vec::new(),
            roots: None,
            allow_private: true,
        }
    }
}

/// When a module that is in the cache is asked for again.
///
/// It matters only where what is published may change: a request with a digest, in the image's name or as checksum, is
/// answered from the cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PullPolicy {
    /// As [`Always`](Self::Always) for images without tag or with the tag `latest`, else as
    /// [`IfNotPresent`](Self::IfNotPresent).
    #[default]
    Unspecified,
    /// Only when it is not there.
    IfNotPresent,
    /// Each time. A registry is asked for the image's digest, and for the image only when that has changed.
    Always,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where it is published.
    pub source: Source,
    /// What it must be. For an image, the digest of its manifest (of the list, or of the image in it); for others, of
    /// the module.
    pub sha256: Option<Digest>,
    /// When the cache will do.
    pub pull_policy: PullPolicy,
    /// Credentials for registries.
    pub credentials: Option<DockerConfig>,
}

impl Request {
    /// A request for what is at `source`, whatever it is.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self {
            source,
            sha256: None,
            pull_policy: PullPolicy::Unspecified,
            credentials: None,
        }
    }
}

/// A module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Module {
    /// Its bytes; a core module or a component.
    pub bytes: Bytes,
    /// Their digest.
    pub sha256: Digest,
    /// The digest of the image that they came in: that of the manifest, or list, that its name stands for.
    pub image: Option<Digest>,
    /// Where they were found.
    pub origin: Origin,
}

/// Where a module was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// It was downloaded.
    Network,
    /// It was in the cache.
    Cache,
    /// It is a file of this machine.
    File,
}

/// Fetches modules. Cheap to clone; all clones share the cache, and the downloads under way.
#[derive(Clone)]
pub struct Fetcher {
    shared: Arc<Shared>,
    flights: Arc<Flights<Flight, Result<Module, FetchError>>>,
}

/// What requests must have in common to share a download.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Flight {
    source: Source,
    sha256: Option<Digest>,
    pull_policy: PullPolicy,
    credential: Option<Digest>,
}

struct Shared {
    connector: Connector,
    cache: Option<Cache>,
    tended: Mutex<Option<Instant>>,
    max_size: u64,
    timeout: Duration,
}

impl Fetcher {
    /// A fetcher. Nothing is fetched yet, but the directory of the cache is made.
    ///
    /// # Errors
    ///
    /// [`FetchError::File`] when that directory cannot be used.
    pub fn new(options: &Options) -> Result<Self, FetchError> {
        let open = |path: &PathBuf| {
            Cache::open(path, options.max_size).map_err(|source| FetchError::File {
                path: path.clone(),
                source: Arc::new(source),
            })
        };
        let connector = Connector::new(
            Insecure::new(&options.insecure_registries),
            Trust::new(options.roots.clone()),
            options.allow_private,
        );
        let shared = Shared {
            connector,
            cache: options.cache.as_ref().map(open).transpose()?,
            tended: Mutex::new(None),
            max_size: options.max_size,
            timeout: options.timeout,
        };
        Ok(Self {
            shared: Arc::new(shared),
            flights: Arc::new(Flights::new()),
        })
    }

    /// Fetches a module, in one attempt. Requests for the same at the same time share it; it goes on when its callers
    /// leave, for no longer than an attempt may take.
    ///
    /// # Errors
    ///
    /// [`FetchError`]; [`Retry`](crate::Retry) tries again.
    pub async fn fetch(&self, request: &Request) -> Result<Module, FetchError> {
        let flight = Flight {
            source: request.source.clone(),
            sha256: request.sha256,
            pull_policy: request.pull_policy,
            credential: credential(request).map(Credential::fingerprint),
        };
        let work = || {
            let (shared, request) = (self.shared.clone(), request.clone());
            async move { shared.attempt(&request).await }
        };
        let interrupted = || FetchError::Interrupted {
            what: request.source.to_string(),
        };
        self.flights
            .join(flight, work)
            .await
            .unwrap_or_else(|| Err(interrupted()))
    }
}

impl Shared {
    async fn attempt(&self, request: &Request) -> Result<Module, FetchError> {
        self.tend().await;
        let module = async {
            match &request.source {
                Source::Image(image) => self.image(image, request).await,
                Source::Web(url) => self.web(url, request).await,
                Source::File(path) => self.file(path, request).await,
            }
        };
        tokio::time::timeout(self.timeout, module)
            .await
            .unwrap_or_else(|_| {
                Err(FetchError::Timeout {
                    what: request.source.to_string(),
                    limit: self.timeout,
                })
            })
    }

    async fn file(&self, path: &Path, request: &Request) -> Result<Module, FetchError> {
        let failed = |source| FetchError::File {
            path: path.to_owned(),
            source: Arc::new(source),
        };
        let file = open_file(path).await.map_err(failed)?;
        let mut bytes = Vec::new();
        let read = file
            .take(self.max_size.saturating_add(1))
            .read_to_end(&mut bytes)
            .await;
        if read.map_err(failed)? as u64 > self.max_size {
            return Err(FetchError::TooLarge {
                what: request.source.to_string(),
                limit: self.max_size,
            });
        }
        let entry = judged(bytes.into(), request)?;
        Ok(module(entry, Origin::File))
    }

    /// What the cache has under a name.
    async fn cached(&self, name: Name) -> Option<Module> {
        let cache = self.cache.clone()?;
        let found = tokio::task::spawn_blocking(move || cache.find(name)).await;
        found.ok().flatten().map(|entry| module(entry, Origin::Cache))
    }

    /// Keeps a module. Without a cache that can be written the module is as good.
    async fn keep(&self, names: Vec<Name>, entry: Entry) {
        let Some(cache) = self.cache.clone() else { return };
        let stored = tokio::task::spawn_blocking(move || cache.store(&names, &entry)).await;
        if let Err(error) = stored.map_err(io::Error::other).flatten() {
            warn!(%error, "a module is not kept in the cache, and will be downloaded again");
        }
    }

    /// Purges the cache, now and then.
    async fn tend(&self) {
        let Some(cache) = self.cache.clone() else { return };
        {
            let mut tended = self.tended.lock().unwrap_or_else(PoisonError::into_inner);
            if tended.is_some_and(|last| last.elapsed() < TENDING) {
                return;
            }
            *tended = Some(Instant::now());
        }
        let before = SystemTime::now()
            .checked_sub(UNUSED)
            .unwrap_or(SystemTime::UNIX_EPOCH);
        // A purge that fails is made again in an hour.
        let _ = tokio::task::spawn_blocking(move || cache.purge(before)).await;
    }
}

/// Opens what is really a file: a device or a pipe would give bytes for ever, or none.
async fn open_file(path: &Path) -> io::Result<tokio::fs::File> {
    if !tokio::fs::metadata(path).await?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        ));
    }
    tokio::fs::File::open(path).await
}

/// Bytes that are the module itself, when they are what was asked for.
fn judged(bytes: Bytes, request: &Request) -> Result<Entry, FetchError> {
    let (what, sha256) = (request.source.to_string(), Digest::of(&bytes));
    // What it is says more than what it is not: an error page has a wrong checksum, too.
    format::check(&bytes, &what)?;
    match request.sha256 {
        Some(expected) if expected != sha256 => Err(FetchError::Checksum {
            what,
            expected: expected.to_string(),
            actual: sha256.to_string(),
        }),
        _ => Ok(Entry {
            bytes,
            sha256,
            image: None,
        }),
    }
}

fn module(entry: Entry, origin: Origin) -> Module {
    Module {
        bytes: entry.bytes,
        sha256: entry.sha256,
        image: entry.image,
        origin,
    }
}

/// The credential that a request has for its own registry.
fn credential(request: &Request) -> Option<&Credential> {
    match (&request.source, &request.credentials) {
        (Source::Image(image), Some(credentials)) => credentials.credential(image.registry()),
        _ => None,
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Fetcher").finish_non_exhaustive()
    }
}
