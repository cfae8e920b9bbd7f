//! Metrics as a scraper reads them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::Client;

/// One sample of one metric.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

impl Sample {
    /// Whether it is of this metric and has all these labels.
    #[must_use]
    pub fn is(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        let has = |(label, value): &(&str, &str)| self.labels.get(*label).is_some_and(|found| found == value);
        self.name == name && labels.iter().all(has)
    }

    fn parse(line: &str) -> Option<Sample> {
        let (name, rest) = match line.split_once('{') {
            Some((name, rest)) => (name, rest),
            None => return None,
        };
        let (labels, value) = rest.rsplit_once("} ")?;
        let labels = labels.split("\",").filter_map(|label| {
            let (name, value) = label.split_once("=\"")?;
            Some((name.to_owned(), value.trim_end_matches('"').to_owned()))
        });
        Some(Sample {
            name: name.to_owned(),
            labels: labels.collect(),
            value: value.split(' ').next()?.parse().ok()?,
        })
    }
}

/// The samples with labels that a process exposes at `address`.
pub async fn samples(address: SocketAddr) -> Vec<Sample> {
    let client = Client::from(address.ip());
    let answer = client.get(address, "/stats/prometheus").await;
    let text = answer.expect("the metrics can be had").body;
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(Sample::parse)
        .collect()
}
