//! Child processes whose output is kept and which end with their handle.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The longest that any test waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running child.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    output: Arc<Mutex<String>>,
    errors: Arc<Mutex<String>>,
}

/// How a finished command ended.
#[derive(Debug)]
pub struct Output {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output and standard error, mixed.
    pub text: String,
    /// Standard error alone.
    pub errors: String,
}

impl Process {
    /// Starts a program.
    #[must_use]
    pub fn start(program: &Path, arguments: &[&str]) -> Process {
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let (output, errors) = (Arc::default(), Arc::default());
        collect(child.stdout.take().expect("stdout is piped"), &[&output]);
        collect(child.stderr.take().expect("stderr is piped"), &[&output, &errors]);
        Process {
            child,
            name,
            output,
            errors,
        }
    }

    /// What it has printed so far.
    #[must_use]
    pub fn text(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until its output contains `needle`.
    pub fn wait_for_text(&self, needle: &str) {
        eventually(&format!("{} prints {needle:?}", self.name), || {
            self.text().contains(needle).then_some(())
        });
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of memory by a word of `/proc/PID/status`: `VmRSS` now, `VmHWM` at its peak.
    #[must_use]
    pub fn memory(&self, word: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(word)?.strip_prefix(':'));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kilobytes.expect("the kernel tells it") << 10
    }

    /// Asks it to end, as Kubernetes does.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by name.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([&format!("-{signal}"), &self.id().to_string()])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "{} takes signal {signal}",
            self.name
        );
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Output {
        let status = self.wait_for_end();
        // The readers end with the pipes, which ended with the process.
        eventually("the output is complete", || {
            (Arc::strong_count(&self.output) == 1).then_some(())
        });
        Output {
            code: status.code(),
            text: self.text(),
            errors: self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn wait_for_end(&mut self) -> ExitStatus {
        let name = self.name.clone();
        let deadline = Instant::now() + 4 * PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{name} does not end; it printed:\n{}",
                self.text()
            );
            pause();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- output of {} ----\n{}", self.name, self.text());
        }
    }
}

/// Runs a program to its end.
#[must_use]
pub fn run(program: &Path, arguments: &[&str]) -> Output {
    Process::start(program, arguments).wait()
}

/// Polls until `probe` gives something; fails the test when it never does.
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain until {what}"
        );
        pause();
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the pause between two polls of a bounded wait"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

fn collect(pipe: impl Read + Send + 'static, texts: &[&Arc<Mutex<String>>]) {
    let texts: Vec<_> = texts.iter().copied().map(Arc::clone).collect();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(read) if read > 0) {
            for text in &texts {
                text.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(&String::from_utf8_lossy(&line));
            }
            line.clear();
        }
    });
}
