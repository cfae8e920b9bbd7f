//! Compiling in a process of its own: what that takes is never this process's, what it breaks neither.
//!
//! The process is another of this program, which hands the component over on standard input and finds what became of it in
//! the cache. It gets what others leave of the processor, a small component a little more, and has limits of memory and time.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, Command};

use crate::workshop::{KEPT, NOT_KEPT, REFUSED, WORD};

/// So long a component may be compiled, with all the time that others are given first.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// A program that compiles when it is asked to: its `main` begins with [`compile_if_asked`](crate::compile_if_asked).
#[derive(Clone, Debug)]
pub struct Apart {
    program: PathBuf,
    arguments: Vec<OsString>,
    patience: Duration,
}

/// Why a process has not compiled a component.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApartError {
    /// There is something wrong with the component.
    #[error("{0}")]
    Component(String),
    /// There is something wrong here, so that this process must do it.
    #[error("{0}")]
    Place(String),
}

impl Apart {
    /// The program that this process runs.
    #[must_use]
    pub fn this_program() -> Apart {
        // The file that was started, also when there is another of its name by now.
        Apart::program("/proc/self/exe")
    }

    /// Another program.
    #[must_use]
    pub fn program(program: impl Into<PathBuf>) -> Apart {
        Apart {
            program: program.into(),
            arguments: vec![WORD.into()],
            patience: PATIENCE,
        }
    }

    /// Compiles a component, so that it is in the cache of `directory` afterwards. Who stops waiting stops the process.
    pub(crate) async fn compile(&self, component: &[u8], directory: &Path) -> Result<(), ApartError> {
        let place = |error: std::io::Error| {
            ApartError::Place(format!("{} cannot be run: {error}", self.program.display()))
        };
        let mut process = Command::new(&self.program)
            .args(&self.arguments)
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A key pressed in a terminal is for this process, which knows when to end the other.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(place)?;
        let input = process.stdin.take();
        let ended = async {
            let handing = hand_over(input, component);
            // It may end without having read all.
            let (input, output) = tokio::join!(handing, process.wait_with_output());
            drop(input);
            output
        };
        match tokio::time::timeout(self.patience, ended).await {
            Ok(output) => judge(&output.map_err(place)?),
            // It may have had no turn at the processor at all.
            Err(_) => Err(ApartError::Place(format!(
                "its own process has not compiled it after {:?}",
                self.patience
            ))),
        }
    }
}

/// Hands a component over: its length in eight bytes, then itself. The pipe stays open for as long as the compiler is
/// waited for, and tells it by its end that it is not any more.
async fn hand_over(input: Option<ChildStdin>, component: &[u8]) -> Option<ChildStdin> {
    let mut input = input?;
    let length = u64::try_from(component.len()).unwrap_or(u64::MAX);
    // One that does not read all says why when it ends.
    let _ = input.write_all(&length.to_le_bytes()).await;
    let _ = input.write_all(component).await;
    let _ = input.flush().await;
    Some(input)
}

fn judge(output: &Output) -> Result<(), ApartError> {
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let code = output.status.code();
    match code.and_then(|code| u8::try_from(code).ok()) {
        Some(KEPT) => Ok(()),
        Some(REFUSED) => Err(ApartError::Component(said)),
        Some(NOT_KEPT) => Err(ApartError::Place(said)),
        _ => {
            let complaint = String::from_utf8_lossy(&output.stderr);
            let told = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: ");
            let last = complaint.lines().rfind(told);
            Err(ApartError::Component(format!(
                "its compiler did not survive it: {}{}{}",
                output.status,
                if last.is_some() { ", " } else { "" },
                last.unwrap_or_default()
            )))
        }
    }
}

#[cfg(test)]
mod tests;
