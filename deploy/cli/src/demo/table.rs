//! What was expected and what came, a line each.

use std::time::Duration;

use tokio::time::Instant;

use crate::out::{self, Paint};

/// Widths of the columns: what, expected, observed.
const WIDTHS: [usize; 3] = [27, 32, 34];

/// What came of a check.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) observed: String,
    pub(super) good: bool,
    /// How long it took, when that is not how long it took to check.
    pub(super) took: Option<Duration>,
}

impl Outcome {
    pub(super) fn new(observed: impl Into<String>, good: bool) -> Outcome {
        Outcome {
            observed: observed.into(),
            good,
            took: None,
        }
    }

    pub(super) fn took(self, took: Duration) -> Outcome {
        Outcome {
            took: Some(took),
            ..self
        }
    }
}

/// The checks so far, printed as they come.
pub(super) struct Table {
    paint: Paint,
    begin: Instant,
    step: u8,
    checks: usize,
    differences: Vec<String>,
}

impl Table {
    pub(super) fn new(paint: Paint) -> Table {
        Table {
            paint,
            begin: Instant::now(),
            step: 0,
            checks: 0,
            differences: Vec::new(),
        }
    }

    /// Prints the names of the columns.
    pub(super) fn head(&self) {
        let names = cells(["what", "expected", "observed"], "took");
        out::line(self.paint.quiet(format_args!("   {:4} {names}", "")));
    }

    /// The checks that follow belong to the next step.
    pub(super) fn step(&mut self, title: &str) {
        self.step += 1;
        out::line(self.paint.title(format_args!("{:>2} {title}", self.step)));
    }

    /// Runs a check and prints its line. What fails altogether is not as expected.
    pub(super) async fn check(
        &mut self,
        what: &str,
        expected: &str,
        check: impl Future<Output = anyhow::Result<Outcome>>,
    ) {
        let begin = Instant::now();
        let outcome = check.await;
        let line = self.enter(what, expected, outcome, begin.elapsed());
        out::line(line);
    }

    /// Takes a check down; gives its line.
    fn enter(
        &mut self,
        what: &str,
        expected: &str,
        outcome: anyhow::Result<Outcome>,
        took: Duration,
    ) -> String {
        let outcome = outcome.unwrap_or_else(|error| Outcome::new(format!("{error:#}"), false));
        let took = readable(outcome.took.unwrap_or(took));
        let (step, observed) = (self.step, outcome.observed);
        let cells = cells([what, expected, &observed], &took);
        self.checks += 1;
        if outcome.good {
            return format!("   {} {cells}", self.paint.good("ok  "));
        }
        let difference = format!("step {step}, {what}: expected {expected}; observed {observed}");
        self.differences.push(difference);
        format!("   {} {cells}", self.paint.bad("FAIL"))
    }

    /// Prints the result of all checks; whether all came as expected.
    pub(super) fn conclude(&self) -> bool {
        out::line(format_args!("\n{}", self.conclusion()));
        self.differences.is_empty()
    }

    fn conclusion(&self) -> String {
        let (checks, took) = (self.checks, readable(self.begin.elapsed()));
        if self.differences.is_empty() {
            return self
                .paint
                .good(format_args!("All {checks} checks came as expected, in {took}."));
        }
        let differences = self.differences.len();
        let summary = self
            .paint
            .bad(format_args!("{differences} of {checks} checks did not:"));
        format!("{summary}\n  {}", self.differences.join("\n  "))
    }
}

fn cells(texts: [&str; 3], took: &str) -> String {
    let cells = texts
        .iter()
        .zip(WIDTHS)
        .map(|(text, width)| format!("{text:width$}"));
    format!("{}  {took:>7}", cells.collect::<Vec<_>>().join("  "))
}

/// A duration with three digits that count.
pub(super) fn readable(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    match milliseconds {
        short if short < 9.95 => format!("{short:.1} ms"),
        medium if medium < 999.5 => format!("{medium:.0} ms"),
        long => format!("{:.2} s", long / 1e3),
    }
}

#[cfg(test)]
mod tests;
