//! `cairn up`: the mesh of a directory, for as long as it is wanted.

mod overview;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cairn_config::{Problem, Report, Severity, State};
use cairn_waypoint::Trials;
use clap::Args;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::access::{self, Line};
use crate::mesh::{Change, Mesh};
use crate::out::{self, Paint};
use crate::signals::Signals;
use crate::{mesh, validate};

use overview::Overview;

/// How long a change may take to be in force before it is told of anyway.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to run.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Directory of YAML that describes the mesh; watched for changes.
    directory: PathBuf,
    /// Directory of the mesh's CA in the layout of Istio's plug-in CA, created when it is missing [default: one for this
    /// run only].
    #[arg(long, value_name = "DIR")]
    ca: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let (_watcher, config) = cairn_config::watch(&arguments.directory)?;
    let starting = Session::start(mesh::completed(config), arguments.ca);
    let mut session = tokio::select! {
        session = starting => session?,
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    session.introduce(&arguments.directory.display().to_string());
    session.suggest();
    out::line("Changes of the files apply at once. Ctrl-C stops the mesh.\n");
    session.follow(&mut signals).await;
    session.stop(&mut signals).await;
    Ok(ExitCode::SUCCESS)
}

/// A mesh that runs while somebody looks on.
pub(crate) struct Session {
    pub(crate) mesh: Mesh,
    pub(crate) config: watch::Receiver<Arc<State>>,
    /// The access lines of its proxies.
    pub(crate) written: mpsc::Receiver<Line>,
    report: Report,
    paint: Paint,
}

impl Session {
    pub(crate) async fn start(
        mut config: watch::Receiver<Arc<State>>,
        ca: Option<PathBuf>,
    ) -> anyhow::Result<Session> {
        let (lines, written) = access::channel();
        let state = Arc::clone(&config.borrow_and_update());
        let mesh = Mesh::start(config.clone(), ca, lines).await?;
        let report = validate::report(&state, &Trials::default());
        Ok(Session {
            mesh,
            config,
            written,
            report,
            paint: Paint::of_stdout(),
        })
    }

    /// Prints what is wrong, and what runs where.
    pub(crate) fn introduce(&self, name: &str) {
        let state = Arc::clone(&self.config.borrow());
        self.tell(&self.report, &[]);
        let summary = validate::summary(state.objects.len(), &self.report);
        out::line(self.paint.title(format_args!("{name}: {summary}\n")));
        out::line(Overview::of(&state, &self.mesh).table());
    }

    /// Prints what to try by hand.
    pub(crate) fn suggest(&self) {
        let calls = Overview::of(&self.config.borrow(), &self.mesh).calls();
        if !calls.is_empty() {
            out::line(self.paint.title("Try:"));
            out::line(format_args!("{}\n", calls.join("\n")));
        }
    }

    /// Prints what the proxies write and what changes, and lets the mesh follow, until a signal comes or an
    /// admin interface is told to stop.
    pub(crate) async fn follow(&mut self, signals: &mut Signals) {
        loop {
            tokio::select! {
                () = signals.next() => return,
                () = self.mesh.quit() => return,
                Some(line) = self.written.recv() => self.print(&line),
                Ok(()) = self.config.changed() => self.change().await,
            }
        }
    }

    /// Stops the mesh and prints its last lines; another signal cuts it short.
    pub(crate) async fn stop(self, signals: &mut Signals) {
        out::line("Stopping.");
        let Session {
            mesh,
            mut written,
            paint,
            ..
        } = self;
        let stopping = async {
            mesh.stop().await;
            // Ends when all proxies have ended, and with them their logs.
            while let Ok(Some(line)) = timeout(Duration::from_millis(200), written.recv()).await {
                out::line(painted(paint, &line));
            }
        };
        tokio::select! {
            () = stopping => {}
            () = signals.next() => {}
        }
    }

    fn print(&self, line: &Line) {
        out::line(painted(self.paint, line));
    }

    async fn change(&mut self) {
        let state = Arc::clone(&self.config.borrow_and_update());
        let changes = self.mesh.follow(&state).await;
        // What this says of itself is in the report.
        let _ = timeout(PATIENCE, self.mesh.in_force(state.version)).await;
        let report = validate::report(&state, &Trials::default());
        out::line(
            self.paint
                .title(format_args!("Changed, version {}:", state.version)),
        );
        for change in &changes {
            out::line(match change {
                Change::Started(part) => format!("  {} {part}", self.paint.good("started")),
                Change::Stopped(part) => format!("  stopped {part}"),
                Change::Failed(part, error) => format!("  {} {part}: {error}", self.paint.bad("failed")),
            });
        }
        let before: Vec<Problem> = self.report.iter().map(unplaced).collect();
        self.tell(&report, &before);
        out::line(format_args!(
            "  {}\n",
            validate::summary(state.objects.len(), &report)
        ));
        self.report = report;
    }

    /// Prints the problems that were not there before.
    fn tell(&self, report: &Report, before: &[Problem]) {
        for problem in report
            .iter()
            .filter(|problem| !before.contains(&unplaced(problem)))
        {
            let text = problem.to_string();
            out::line(match problem.severity {
                Severity::Error => self.paint.bad(text),
                Severity::Warning => text,
                Severity::Unsupported => self.paint.quiet(text),
            });
        }
    }
}

fn painted(paint: Paint, line: &Line) -> String {
    format!("{} {}", paint.quiet(format_args!("{} |", line.from)), line.text)
}

/// The problem wherever it stands: an edit above it does not make it another one.
fn unplaced(problem: &Problem) -> Problem {
    Problem {
        location: None,
        ..problem.clone()
    }
}
