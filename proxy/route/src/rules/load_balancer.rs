//! How an endpoint is chosen.

use std::time::Duration;

use cairn_api::istio::{LoadBalancerSettings, SimpleLb, Warmup as WarmupForm};

use super::backend_utilization::BackendUtilization;
use super::consistent_hash::ConsistentHash;
use super::field::Field;
use super::locality::LocalityPreference;

/// How an endpoint is chosen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadBalancer {
    /// The policy where `consistent_hash` and `backend_utilization` are `None`.
    pub simple: LoadBalancing,
    /// The same endpoint for the same attribute of requests.
    pub consistent_hash: Option<ConsistentHash>,
    /// Weights from the load that endpoints report; never beside `consistent_hash`.
    pub backend_utilization: Option<BackendUtilization>,
    /// How new endpoints are brought up to their share.
    pub warmup: Option<Warmup>,
    /// Preferences among localities. `None`: those of the mesh.
    pub locality: Option<LocalityPreference>,
}

/// A policy without parameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum LoadBalancing {
    /// The less busy of two chosen at random.
    #[default]
    LeastRequest,
    /// In turn.
    RoundRobin,
    /// At random.
    Random,
    /// The address that the client connected to.
    Passthrough,
}

/// How new endpoints are brought up to their share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Warmup {
    /// How long it takes.
    pub duration: Duration,
    /// The share to begin with, percent.
    pub minimum_percent: f64,
    /// The shape of the growth, at least 1, which is linear.
    pub aggression: f64,
}

impl LoadBalancer {
    pub(super) fn new(form: &LoadBalancerSettings, field: &mut Field<'_>) -> LoadBalancer {
        let simple = form.simple.and_then(simple);
        let consistent_hash = form
            .consistent_hash
            .as_ref()
            .and_then(|hash| ConsistentHash::new(hash, &mut field.at("consistentHash")));
        if simple.is_some() && consistent_hash.is_some() {
            field.error(
                "both `simple` and `consistentHash` are given; the latter acts",
                "write one of the two",
            );
        }
        let utilization = form.backend_utilization.as_ref();
        let utilization =
            utilization.map(|form| BackendUtilization::new(form, &mut field.at("backendUtilization")));
        if utilization.is_some() && (simple.is_some() || consistent_hash.is_some()) {
            let other = match consistent_hash {
                Some(_) => "`consistentHash` is given too, and acts in its place",
                None => "`simple` is given too, and has no effect",
            };
            field.at("backendUtilization").error(
                other,
                "write one of `simple`, `consistentHash` and `backendUtilization`",
            );
        }
        let utilization = utilization.filter(|_| consistent_hash.is_none());
        let grows = utilization.is_some()
            || matches!(
                simple.unwrap_or_default(),
                LoadBalancing::LeastRequest | LoadBalancing::RoundRobin
            );
        if form.zone_aware_lb_setting.is_some() {
            field.at("zoneAwareLbSetting").warning(
                "in a waypoint no traffic is kept in a zone by how many proxies each zone has; this has no effect, as in Istio",
                "write `localityLbSetting` to prefer what is near",
            );
        }
        let locality = form.locality_lb_setting.as_ref();
        LoadBalancer {
            simple: simple.unwrap_or_default(),
            warmup: Warmup::new(form, field, grows && form.consistent_hash.is_none()),
            consistent_hash,
            backend_utilization: utilization,
            locality: locality.map(|form| LocalityPreference::new(form, &mut field.at("localityLbSetting"))),
        }
    }
}

impl Warmup {
    /// `grows`: endpoints are chosen in a way that heeds how long they have been there.
    fn new(form: &LoadBalancerSettings, field: &mut Field<'_>, grows: bool) -> Option<Warmup> {
        if form.warmup.is_some() && form.warmup_duration_secs.is_some() {
            field.at("warmupDurationSecs").error(
                "both `warmup` and `warmupDurationSecs` are given; the former acts",
                "leave out `warmupDurationSecs`, which is deprecated",
            );
        }
        let (name, warmup) = match (&form.warmup, form.warmup_duration_secs) {
            (Some(warmup), _) => ("warmup", Warmup::from_form(warmup, &mut field.at("warmup"))),
            (None, Some(duration)) => {
                let duration = field.span("warmupDurationSecs", Some(duration));
                ("warmupDurationSecs", duration.map(Warmup::lasting))
            }
            (None, None) => return None,
        };
        if grows {
            return warmup;
        }
        field.at(name).error(
            "new endpoints are brought up to their share by LEAST_REQUEST, ROUND_ROBIN and `backendUtilization` only; they get it at once",
            "write `simple: LEAST_REQUEST`, `simple: ROUND_ROBIN` or `backendUtilization`, or leave the warmup out",
        );
        None
    }

    fn from_form(form: &WarmupForm, field: &mut Field<'_>) -> Option<Warmup> {
        if form.duration.is_none() {
            field.at("duration").error(
                "it is not said how long the warmup takes; there is none",
                "write a duration such as `60s`",
            );
        }
        let default = Warmup::lasting(field.span("duration", form.duration)?);
        let mut aggression = form.aggression.unwrap_or(default.aggression);
        if !(aggression >= 1.0 && aggression.is_finite()) {
            field.at("aggression").error(
                format!("{aggression} is no shape of growth; it is linear"),
                "write 1 for linear growth, or more",
            );
            aggression = default.aggression;
        }
        Some(Warmup {
            minimum_percent: field.share("minimumPercent", form.minimum_percent, default.minimum_percent),
            aggression,
            ..default
        })
    }

    fn lasting(duration: Duration) -> Warmup {
        Warmup {
            duration,
            minimum_percent: 10.0,
            aggression: 1.0,
        }
    }
}

fn simple(simple: SimpleLb) -> Option<LoadBalancing> {
    match simple {
        SimpleLb::Unspecified => None,
        SimpleLb::LeastConn | SimpleLb::LeastRequest => Some(LoadBalancing::LeastRequest),
        SimpleLb::RoundRobin => Some(LoadBalancing::RoundRobin),
        SimpleLb::Random => Some(LoadBalancing::Random),
        SimpleLb::Passthrough => Some(LoadBalancing::Passthrough),
    }
}

#[cfg(test)]
mod tests;
