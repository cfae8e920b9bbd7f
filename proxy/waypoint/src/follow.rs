//! Following the configuration: each new state is compiled off the data path and put in force.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use cairn_api::meta::Key;
use cairn_config::{Problem, State};
use cairn_telemetry::ReadyTask;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::compile::Compiler;
use crate::files;
use crate::names::Names;
use crate::plan::Plans;
use crate::plugin::Loader;
use crate::proxy::Proxy;

/// How long changes of names are gathered, and from one to the next that they are compiled for: names that change all the time
/// must not keep a core busy.
const BURST: Duration = Duration::from_millis(25);
const PAUSE: Duration = Duration::from_secs(1);
/// How long names may hold up readiness.
const PATIENCE: Duration = Duration::from_secs(15);

/// Compiles one state after the other.
pub(crate) struct Follow {
    pub(crate) compiler: Compiler,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) problems: watch::Sender<Arc<Vec<Problem>>>,
    pub(crate) loader: Loader,
    pub(crate) names: Arc<Names>,
    /// Under way until everything is known of names that can be.
    pub(crate) resolving: Option<ReadyTask>,
}

impl Follow {
    /// Until the source of states ends. `current` is in force already.
    pub(crate) async fn run(
        mut self,
        mut config: watch::Receiver<Arc<State>>,
        mut current: Arc<State>,
        gateway: Key,
    ) {
        tell(&new(&current, &self.problems.borrow(), &[]));
        let mut renamed = self.names.changes();
        let plans = self.proxy.plans.load_full();
        self.put_in_force(&plans);
        let began = Instant::now();
        let mut compiled_at = began;
        loop {
            let plans = self.proxy.plans.load_full();
            tokio::select! {
                changed = config.changed() => if changed.is_err() {
                    return;
                },
                () = changed(renamed.as_mut(), compiled_at + PAUSE) => {}
                () = sleep_until(began + PATIENCE), if self.resolving.is_some() => {
                    tracing::warn!("not all names are known after {PATIENCE:?}; ready without them");
                    if let Some(resolving) = self.resolving.take() {
                        resolving.done();
                    }
                    continue;
                }
                () = files::rewritten(&plans.files) => {}
            }
            current = Arc::clone(&config.borrow_and_update());
            if let Some(renamed) = &mut renamed {
                renamed.mark_unchanged();
            }
            compiled_at = Instant::now();
            let state = Arc::clone(&current);
            let mut compiler = self.compiler;
            let before = Arc::clone(&self.problems.borrow());
            let compiled = tokio::task::spawn_blocking(move || {
                let (plans, problems) = compiler.compile(&state);
                let new = new(&state, &problems, &before);
                (compiler, plans, problems, new)
            });
            match compiled.await {
                Ok((compiler, plans, problems, new)) => {
                    self.compiler = compiler;
                    self.apply(plans, problems);
                    tell(&new);
                }
                Err(error) => {
                    tracing::error!(
                        version = current.version,
                        "the configuration could not be compiled: {error}"
                    );
                    self.compiler = Compiler::new(
                        gateway.clone(),
                        Arc::clone(&self.proxy.dialer),
                        Arc::clone(&self.proxy.slots),
                        Arc::clone(&self.names),
                        Arc::clone(&self.proxy.tokens),
                    );
                }
            }
        }
    }

    /// Has what else plans ask for follow them.
    fn put_in_force(&mut self, plans: &Plans) {
        self.loader.follow(&plans.plugins);
        self.names.follow(plans.names.iter().cloned());
        self.proxy.tokens.wake();
        if !plans.unsettled
            && let Some(resolving) = self.resolving.take()
        {
            resolving.done();
        }
    }

    fn apply(&mut self, plans: Plans, problems: Vec<Problem>) {
        let version = plans.version;
        // Until the new ones are in force the old ones need theirs.
        let before = self.proxy.plans.load_full();
        self.names
            .follow(plans.names.iter().chain(&before.names).cloned());
        let plans = Arc::new(plans);
        self.proxy.plans.store(Arc::clone(&plans));
        self.put_in_force(&plans);
        tracing::info!(version, "configuration in force");
        self.problems.send_replace(Arc::new(problems));
        self.proxy.version.send_replace(version);
    }
}

/// Ends when addresses of names have changed, but not before `earliest`; those of a burst are taken together.
async fn changed(names: Option<&mut watch::Receiver<u64>>, earliest: Instant) {
    if let Some(names) = names
        && names.changed().await.is_ok()
    {
        return sleep_until(earliest.max(Instant::now() + BURST)).await;
    }
    std::future::pending().await
}

/// What is newly wrong, and where.
fn new(state: &State, problems: &[Problem], before: &[Problem]) -> Vec<Problem> {
    let before: HashSet<_> = before.iter().collect();
    let new = problems.iter().filter(|problem| !before.contains(problem));
    new.map(|problem| state.locate(problem.clone())).collect()
}

fn tell(problems: &[Problem]) {
    for problem in problems {
        tracing::warn!("{problem}");
    }
}
