//! Following the configuration: each new state is compiled off the data path and put in force.

use std::sync::Arc;

use cairn_api::meta::Key;
use cairn_config::{Problem, State};
use tokio::sync::watch;

use crate::compile::Compiler;
use crate::plan::Plans;
use crate::proxy::Proxy;

/// Compiles one state after the other.
pub(crate) struct Follow {
    pub(crate) compiler: Compiler,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) problems: watch::Sender<Arc<Vec<Problem>>>,
    pub(crate) version: watch::Sender<u64>,
}

impl Follow {
    /// Until the source of states ends. `current` is in force already.
    pub(crate) async fn run(
        mut self,
        mut config: watch::Receiver<Arc<State>>,
        mut current: Arc<State>,
        gateway: Key,
    ) {
        self.log(&current, &self.problems.borrow().clone(), &[]);
        while config.changed().await.is_ok() {
            current = Arc::clone(&config.borrow_and_update());
            let state = Arc::clone(&current);
            let mut compiler = self.compiler;
            let compiled = tokio::task::spawn_blocking(move || {
                let compiled = compiler.compile(&state);
                (compiler, compiled)
            });
            match compiled.await {
                Ok((compiler, (plans, problems))) => {
                    self.compiler = compiler;
                    self.apply(plans, problems, &current);
                }
                Err(error) => {
                    tracing::error!(
                        version = current.version,
                        "the configuration could not be compiled: {error}"
                    );
                    self.compiler = Compiler::new(gateway.clone(), Arc::clone(&self.proxy.dialer));
                }
            }
        }
    }

    fn apply(&self, plans: Plans, problems: Vec<Problem>, state: &State) {
        let version = plans.version;
        self.proxy.plans.store(Arc::new(plans));
        tracing::info!(version, "configuration in force");
        self.log(state, &problems, &self.problems.borrow().clone());
        self.problems.send_replace(Arc::new(problems));
        self.version.send_replace(version);
    }

    /// Says what is newly wrong.
    fn log(&self, state: &State, problems: &[Problem], before: &[Problem]) {
        for problem in problems.iter().filter(|problem| !before.contains(problem)) {
            tracing::warn!("{}", state.locate(problem.clone()));
        }
    }
}
