//! Single numbers with their goals.

use std::io::{self, Write};

use serde_json::{Value, json};

/// One number.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What it is.
    pub what: String,
    /// How much.
    pub value: f64,
    /// Of what; empty for a ratio.
    pub unit: &'static str,
    /// At most this much.
    pub goal: Option<f64>,
}

impl Finding {
    /// A number.
    #[must_use]
    pub fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Finding {
        Finding {
            what: what.into(),
            value,
            unit,
            goal: None,
        }
    }

    /// A number that is to be at most so large.
    #[must_use]
    pub fn with_goal(self, goal: f64) -> Finding {
        Finding {
            goal: Some(goal),
            ..self
        }
    }
}

/// Prints a line for each.
///
/// # Errors
///
/// The output cannot be written.
pub fn print(out: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    for finding in findings {
        let unit = match finding.unit {
            "" => String::new(),
            unit => format!(" {unit}"),
        };
        write!(out, "{}: {:.3}{unit}", finding.what, finding.value)?;
        match finding.goal {
            Some(goal) if finding.value <= goal => writeln!(out, ", goal {goal}{unit}: met")?,
            Some(goal) => writeln!(out, ", goal {goal}{unit}: MISSED")?,
            None => writeln!(out)?,
        }
    }
    out.flush()
}

/// All of them.
#[must_use]
pub fn as_json(findings: &[Finding]) -> Value {
    findings
        .iter()
        .map(|finding| {
            json!({
                "what": finding.what,
                "value": finding.value,
                "unit": finding.unit,
                "goal": finding.goal,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Finding, as_json, print};

    #[test]
    fn goals_are_judged() {
        let findings = [
            Finding::new("memory of an instance", 48.0, "KiB").with_goal(64.0),
            Finding::new("p99", 2.5, "").with_goal(2.0),
            Finding::new("reloads", 900.0, ""),
        ];
        let mut out = Vec::new();
        print(&mut out, &findings).expect("a Vec can be written");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "memory of an instance: 48.000 KiB, goal 64 KiB: met\np99: 2.500, goal 2: MISSED\nreloads: 900.000\n"
        );
        assert_eq!(as_json(&findings)[1]["goal"], 2.0);
    }
}
