//! Which endpoints are preferred, by where they are: Istio's locality load balancing.

use std::collections::BTreeMap;

/// Where something runs, and what else is known of it; empty parts are unknown.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The region.
    pub region: &'a str,
    /// The zone in the region.
    pub zone: &'a str,
    /// The subzone in the zone.
    pub subzone: &'a str,
    /// Labels, for [`Preference::Failover`].
    pub labels: &'a BTreeMap<String, String>,
}

/// What is preferred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// Nothing.
    #[default]
    None,
    /// Fixed shares. The first whose `from` is this proxy's place applies; what it does not lead to gets nothing.
    Distribute(Vec<Distribution>),
    /// What is near, and further away what it takes to make up for endpoints that are set aside.
    Failover {
        /// The regions to go to first when all of a region has failed, each with the region that it stands in for.
        regions: Vec<(String, String)>,
        /// Labels that an endpoint should share with this proxy, the most important first; with a value, that it should have.
        labels: Vec<(String, Option<String>)>,
    },
}

/// The shares of the traffic from one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// The place, as `region/zone/subzone`; later parts may be missing, and each may be `*`.
    pub from: String,
    /// Places in the same form, with their shares.
    pub to: Vec<(String, u32)>,
}

/// Endpoints that are equally good, by their places in the list that was arranged, and their share of what comes to their tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portion {
    /// The share, in proportion to the others of the tier.
    pub weight: u32,
    /// The endpoints.
    pub members: Vec<usize>,
}

/// Arranges `endpoints` in tiers, the preferred first, for a proxy at `own`.
///
/// `failover` says whether endpoints of a preferred tier can be set aside at all: else nothing would ever lead away from it, so
/// that [`Preference::Failover`] does not act, as in Istio. Neither does it by nearness where `own` has no region.
pub fn arrange(
    own: Place<'_>,
    endpoints: &[Place<'_>],
    preference: &Preference,
    failover: bool,
) -> Vec<Vec<Portion>> {
    match preference {
        Preference::Distribute(distributions) => {
            let applies = distributions.iter().find(|it| own.is_in(&it.from));
            applies.map_or_else(|| together(endpoints), |it| vec![it.portions(endpoints)])
        }
        Preference::Failover { regions, labels } if failover => {
            let rank = |endpoint: &Place<'_>| own.rank(endpoint, regions, labels);
            let mut tiers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for (place, endpoint) in endpoints.iter().enumerate() {
                tiers.entry(rank(endpoint)).or_default().push(place);
            }
            let whole = |members| vec![Portion { weight: 1, members }];
            tiers.into_values().map(whole).collect()
        }
        _ => together(endpoints),
    }
}

fn together(endpoints: &[Place<'_>]) -> Vec<Vec<Portion>> {
    vec![vec![Portion {
        weight: 1,
        members: (0..endpoints.len()).collect(),
    }]]
}

impl Distribution {
    /// An endpoint belongs to the first target that names its place.
    fn portions(&self, endpoints: &[Place<'_>]) -> Vec<Portion> {
        let target = |endpoint: &Place<'_>| self.to.iter().position(|(to, _)| endpoint.is_in(to));
        let mut portions: Vec<Portion> = self
            .to
            .iter()
            .map(|(_, weight)| Portion {
                weight: *weight,
                members: Vec::new(),
            })
            .collect();
        for (place, endpoint) in endpoints.iter().enumerate() {
            if let Some(portion) = target(endpoint).and_then(|at| portions.get_mut(at)) {
                portion.members.push(place);
            }
        }
        portions.retain(|portion| portion.weight > 0 && !portion.members.is_empty());
        portions
    }
}

/// How many ranks there are by nearness.
const RANKS: usize = 5;

impl Place<'_> {
    /// Whether this is in the place that `pattern` names.
    fn is_in(&self, pattern: &str) -> bool {
        let mut parts = pattern.splitn(3, '/');
        let region = parts.next().unwrap_or_default();
        let within = |part: &str, own: &str| part.is_empty() || part == "*" || part == own;
        (region == "*" || region == self.region)
            && within(parts.next().unwrap_or_default(), self.zone)
            && within(parts.next().unwrap_or_default(), self.subzone)
    }

    /// The lower the better.
    fn rank(
        &self,
        endpoint: &Place<'_>,
        regions: &[(String, String)],
        labels: &[(String, Option<String>)],
    ) -> usize {
        let by_labels = self.rank_by_labels(endpoint, labels);
        if labels.is_empty() || !regions.is_empty() {
            by_labels * RANKS + self.rank_by_nearness(endpoint, regions)
        } else {
            by_labels
        }
    }

    fn rank_by_nearness(&self, endpoint: &Place<'_>, regions: &[(String, String)]) -> usize {
        if self.region.is_empty() {
            return 0;
        }
        if self.region != endpoint.region {
            let mut stand_in = regions.iter().filter(|(from, _)| from == self.region);
            return match stand_in.next() {
                Some((_, to)) if to != endpoint.region => 4,
                _ => 3,
            };
        }
        if self.zone != endpoint.zone {
            2
        } else if self.subzone != endpoint.subzone {
            1
        } else {
            0
        }
    }

    /// 0 if all agree; else the more, the earlier the first is that does not.
    fn rank_by_labels(&self, endpoint: &Place<'_>, labels: &[(String, Option<String>)]) -> usize {
        let first = labels.iter().position(|(name, value)| {
            let wanted = value.as_deref().unwrap_or_else(|| self.label(name));
            wanted != endpoint.label(name)
        });
        first.map_or(0, |place| labels.len() - place)
    }

    /// A label; where a thing runs counts as its topology labels.
    fn label(&self, name: &str) -> &str {
        if let Some(value) = self.labels.get(name) {
            return value;
        }
        match name {
            "topology.kubernetes.io/region" => self.region,
            "topology.kubernetes.io/zone" => self.zone,
            "topology.istio.io/subzone" => self.subzone,
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests;
