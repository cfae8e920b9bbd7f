//! Following the configuration: each new state is compiled off the data path and put in force.

use std::collections::HashSet;
use std::sync::Arc;

use cairn_api::meta::Key;
use cairn_config::{Problem, State};
use tokio::sync::watch;

use crate::compile::Compiler;
use crate::plan::Plans;
use crate::plugin::Loader;
use crate::proxy::Proxy;

/// Compiles one state after the other.
pub(crate) struct Follow {
    pub(crate) compiler: Compiler,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) problems: watch::Sender<Arc<Vec<Problem>>>,
    pub(crate) loader: Loader,
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
        self.loader.follow(&self.proxy.plans.load().plugins);
        while config.changed().await.is_ok() {
            current = Arc::clone(&config.borrow_and_update());
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
                    );
                }
            }
        }
    }

    fn apply(&mut self, plans: Plans, problems: Vec<Problem>) {
        let version = plans.version;
        self.loader.follow(&plans.plugins);
        self.proxy.plans.store(Arc::new(plans));
        tracing::info!(version, "configuration in force");
        self.problems.send_replace(Arc::new(problems));
        self.proxy.version.send_replace(version);
    }
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
