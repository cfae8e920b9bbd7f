//! Preferences among localities.

use cairn_api::istio::{Failover as FailoverForm, LocalityDistribute, LocalityLoadBalancerSetting};

use cairn_api::meta::ObjectRef;
use cairn_config::Problem;

use super::field::Field;

/// Preferences among localities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalityPreference {
    /// None, whatever the mesh says.
    Off,
    /// Fixed shares of the traffic.
    Distribute(Vec<Distribute>),
    /// What is near, and further away when endpoints there are set aside.
    Failover {
        /// Regions, each with the one to go to first when it fails.
        regions: Vec<(String, String)>,
        /// Labels that an endpoint should share with the caller, the most important first; with a value, that it should have.
        labels: Vec<(String, Option<String>)>,
    },
}

/// Shares of the traffic from one locality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribute {
    /// The caller's locality, `region/zone/subzone`; later parts may be missing, and each may be `*`.
    pub from: String,
    /// Localities in the same form, those that say most first, with percentages that make 100.
    pub to: Vec<(String, u32)>,
}

/// What Istio does where neither a DestinationRule nor the mesh says anything: what is near comes first.
impl Default for LocalityPreference {
    fn default() -> LocalityPreference {
        LocalityPreference::Failover {
            regions: Vec::new(),
            labels: Vec::new(),
        }
    }
}

impl LocalityPreference {
    /// That of the mesh, which is written at `path` in `object`.
    pub fn of_mesh(
        form: &LocalityLoadBalancerSetting,
        object: &ObjectRef,
        path: &str,
    ) -> (LocalityPreference, Vec<Problem>) {
        let mut problems = Vec::new();
        let preference = LocalityPreference::new(form, &mut Field::new(object, path, &mut problems));
        (preference, problems)
    }

    pub(super) fn new(form: &LocalityLoadBalancerSetting, field: &mut Field<'_>) -> LocalityPreference {
        if form.enabled == Some(false) {
            return LocalityPreference::Off;
        }
        let fails_over = !form.failover.is_empty() || !form.failover_priority.is_empty();
        if !form.distribute.is_empty() && fails_over {
            field.error(
                "`distribute` leaves nothing to `failover` and `failoverPriority`; these do not act",
                "write either `distribute`, or `failover` and `failoverPriority`",
            );
        }
        if !form.distribute.is_empty() {
            let mut list = field.at("distribute");
            let distribute = form.distribute.iter().enumerate();
            let distribute =
                distribute.filter_map(|(place, form)| Distribute::new(form, &mut list.item(place)));
            return LocalityPreference::Distribute(distribute.collect());
        }
        LocalityPreference::Failover {
            regions: regions(&form.failover, &mut field.at("failover")),
            labels: labels(&form.failover_priority, &mut field.at("failoverPriority")),
        }
    }
}

impl Distribute {
    fn new(form: &LocalityDistribute, field: &mut Field<'_>) -> Option<Distribute> {
        if form.from.is_empty() {
            field.at("from").error(
                "no locality is named; these shares do not act",
                "write a locality such as `us-east/zone1/*`",
            );
            return None;
        }
        let sum = form
            .to
            .values()
            .fold(0u32, |sum, share| sum.saturating_add(*share));
        if sum != 100 || form.to.values().any(|share| *share == 0) {
            field.at("to").error(
                format!("the shares make {sum}, and each is to be above 0; they do not act"),
                "write percentages that make 100, and leave out what gets nothing",
            );
            return None;
        }
        let mut to: Vec<(String, u32)> = form.to.iter().map(|(to, share)| (to.clone(), *share)).collect();
        to.sort_by_key(|(to, _)| std::cmp::Reverse(precision(to)));
        Some(Distribute {
            from: form.from.clone(),
            to,
        })
    }
}

/// How many parts of a locality are named.
fn precision(locality: &str) -> usize {
    let parts = locality.split('/');
    parts.filter(|part| !part.is_empty() && *part != "*").count()
}

fn regions(form: &[FailoverForm], field: &mut Field<'_>) -> Vec<(String, String)> {
    let mut regions: Vec<(String, String)> = Vec::new();
    for (place, failover) in form.iter().enumerate() {
        let named = |region: &str| !region.is_empty() && !region.contains(['*', '/']);
        let mut item = field.item(place);
        if !(named(&failover.from) && named(&failover.to)) || failover.from == failover.to {
            item.error(
                "traffic goes from one region to another, each by its name; this does not act",
                "write two regions, `from: us-east` and `to: us-west`",
            );
        } else if regions.iter().any(|(from, _)| *from == failover.from) {
            item.warning(
                format!(
                    "it is said already where `{}` fails over to; this is ignored",
                    failover.from
                ),
                "name each region once in `from`",
            );
        } else {
            regions.push((failover.from.clone(), failover.to.clone()));
        }
    }
    regions
}

fn labels(form: &[String], field: &mut Field<'_>) -> Vec<(String, Option<String>)> {
    let mut labels = Vec::new();
    for (place, label) in form.iter().enumerate() {
        let (name, value) = match label.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (label.as_str(), None),
        };
        if name.is_empty() {
            field.item(place).error(
                "no label is named; this does not act",
                "write a label such as `topology.kubernetes.io/zone`, or with a value, `version=v1`",
            );
        } else {
            labels.push((name.to_owned(), value));
        }
    }
    labels
}

#[cfg(test)]
mod tests;
