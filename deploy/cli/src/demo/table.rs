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
    pub(super) fn new(observed: impl ToString, good: bool) -> Outcome {
        Outcome {
            observed: observed.to_string(),
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
    /// Prints the heading.
    pub(super) fn new(paint: Paint) -> Table {
        out::line(paint.quiet(format_args!(
            "   {:4} {}",
            "",
            cells(["what", "expected", "observed"], "took")
        )));
        Table {
            paint,
            begin: Instant::now(),
            step: 0,
            checks: 0,
            differences: Vec::new(),
        }
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
    ) -> bool {
        let begin = Instant::now();
        let outcome = check.await;
        let took = begin.elapsed();
        let outcome = outcome.unwrap_or_else(|error| Outcome::new(format_args!("{error:#}"), false));
        self.checks += 1;
        let verdict = if outcome.good {
            self.paint.good("ok  ")
        } else {
            self.paint.bad("FAIL")
        };
        let cells = cells(
            [what, expected, &outcome.observed],
            &readable(outcome.took.unwrap_or(took)),
        );
        out::line(format_args!("   {verdict} {cells}"));
        if !outcome.good {
            let (step, observed) = (self.step, outcome.observed);
            self.differences.push(format!(
                "step {step}, {what}: expected {expected}; observed {observed}"
            ));
        }
        outcome.good
    }

    /// Prints the result of all checks; whether all came as expected.
    pub(super) fn conclude(&self) -> bool {
        let (checks, took) = (self.checks, readable(self.begin.elapsed()));
        if self.differences.is_empty() {
            out::line(
                self.paint
                    .good(format_args!("\nAll {checks} checks came as expected, in {took}.")),
            );
            return true;
        }
        out::line(self.paint.bad(format_args!(
            "\n{} of {checks} checks did not:",
            self.differences.len()
        )));
        for difference in &self.differences {
            out::line(format_args!("  {difference}"));
        }
        false
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
