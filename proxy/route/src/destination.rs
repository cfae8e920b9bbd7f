//! Where requests go.

use http::HeaderValue;

use crate::headers::HeaderOperations;

/// One place where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The host, fully qualified.
    pub host: String,
    /// The subset, defined by the host's DestinationRule.
    pub subset: Option<String>,
    /// The service port; `None` when it was not given and the host is not known.
    pub port: Option<u16>,
    /// The share of requests, relative to the other destinations'.
    pub weight: u32,
    /// The authority that requests are forwarded with, when it is not their own.
    pub authority: Option<HeaderValue>,
    /// Operations on requests: the route's and the destination's own, merged.
    pub request_headers: HeaderOperations,
    /// Operations on responses, merged.
    pub response_headers: HeaderOperations,
    /// Why requests that are to go here are answered 500 in place of it: a route of the Gateway API names a backend that
    /// is not there or that it may not use. `host` is empty then.
    pub broken: Option<String>,
}

/// One or more destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightedDestinations {
    first: Destination,
    /// The others, each with the sum of the weights before it.
    others: Vec<(u64, Destination)>,
    total: u64,
}

impl WeightedDestinations {
    /// Destinations by weight. The weight of a single one does not matter; of several, those without
    /// weight get nothing. `None` when nothing is left.
    pub fn new(destinations: Vec<Destination>) -> Option<WeightedDestinations> {
        let single = destinations.len() == 1;
        let mut weighted = destinations
            .into_iter()
            .filter(|destination| single || destination.weight > 0);
        let first = weighted.next()?;
        let mut total = u64::from(first.weight);
        let others = weighted.map(|destination| {
            let before = total;
            total += u64::from(destination.weight);
            (before, destination)
        });
        let others = others.collect();
        Some(WeightedDestinations { first, others, total })
    }

    /// The destination for a request that drew `random`, any number.
    pub fn pick(&self, random: u64) -> &Destination {
        let draw = random.checked_rem(self.total).unwrap_or(0);
        let passed = self.others.partition_point(|(before, _)| *before <= draw);
        passed
            .checked_sub(1)
            .and_then(|place| self.others.get(place))
            .map_or(&self.first, |(_, other)| other)
    }

    /// All destinations.
    pub fn iter(&self) -> impl Iterator<Item = &Destination> {
        std::iter::once(&self.first).chain(self.others.iter().map(|(_, other)| other))
    }

    /// The sum of the weights.
    pub fn total_weight(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests;
