//! How an endpoint of a cluster is chosen, from what its DestinationRule says.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use cairn_balance::{
    Balancer, Distribution, Endpoint, HashTable, OutlierSettings, Outliers, Place, Policy, Preference, Tiers,
    Utilization, Warmup, arrange,
};
use cairn_dial::Layers;
use cairn_http::pool::Keepalive as Pings;
use cairn_mesh::Locality;
use cairn_net::Keepalive;
use cairn_route::{
    ConnectionPool, HashLayout, LoadBalancer, LoadBalancing, LocalityPreference, OutlierDetection,
    RetryBudget, TcpKeepalive, TrafficPolicy,
};

use crate::breaker::{Limits, Retries};
use crate::upstream::{Keeping, Upstream};

/// Longer than any process lives.
const FOR_EVER: Duration = Duration::from_secs(1 << 32);

/// Arranges the endpoints of a cluster for a waypoint in the place `own`.
pub(super) fn arranged(
    endpoints: Vec<Arc<Endpoint<Upstream>>>,
    policy: &TrafficPolicy,
    own: Option<&(Locality, BTreeMap<String, String>)>,
    mesh: Option<&LocalityPreference>,
) -> Tiers<Upstream> {
    let outliers = policy.outlier_detection.as_ref().map(|detection| {
        let members = endpoints.iter().map(|endpoint| Arc::clone(endpoint.standing()));
        Arc::new(Outliers::new(settings(detection), members))
    });
    let balancer = |endpoints: &[Arc<Endpoint<Upstream>>]| balancer(&policy.load_balancer, endpoints);
    let preference = preference(policy.load_balancer.locality.as_ref().or(mesh));
    let Some((locality, labels)) = own.filter(|_| preference != Preference::None) else {
        let balancer = balancer(&endpoints);
        return Tiers::flat(endpoints, outliers, balancer);
    };
    let workloads = endpoints.iter().map(|endpoint| &endpoint.data.workload);
    let places = workloads.map(|workload| place(&workload.locality, &workload.labels));
    let places: Vec<Place<'_>> = places.collect();
    let arrangement = arrange(place(locality, labels), &places, &preference, outliers.is_some());
    Tiers::new(&arrangement, &endpoints, outliers, balancer)
}

/// What may be under way; nothing when there is no limit.
pub(super) fn limits(policy: &TrafficPolicy) -> Option<Limits> {
    let ConnectionPool {
        max_connections,
        max_pending_requests,
        max_requests,
        max_retries,
        ..
    } = policy.connection_pool;
    let retries = match &policy.retry_budget {
        Some(budget) => budgeted(budget),
        None => Retries::AtMost(max_retries.unwrap_or(u32::MAX)),
    };
    let limits = Limits {
        connections: max_connections.unwrap_or(u32::MAX),
        pending: max_pending_requests.unwrap_or(u32::MAX),
        requests: max_requests.unwrap_or(u32::MAX),
        retries,
    };
    (limits != Limits::default()).then_some(limits)
}

/// How connections are kept. A time of zero is for ever.
pub(super) fn keeping(pool: &ConnectionPool, layers: Option<Arc<Layers>>) -> Keeping {
    let idle = pool.http_idle_timeout;
    Keeping {
        connect_timeout: pool.connect_timeout,
        idle_timeout: idle.map(|idle| if idle.is_zero() { FOR_EVER } else { idle }),
        max_requests: pool.max_requests_per_connection.and_then(NonZeroU32::new),
        max_streams: pool
            .max_concurrent_streams
            .and_then(|streams| usize::try_from(streams).ok()),
        max_age: pool.max_connection_duration.filter(|longest| !longest.is_zero()),
        pings: pool.http2_keepalive.map(|pings| Pings {
            interval: pings.interval,
            timeout: pings.timeout,
        }),
        keepalive: pool.tcp_keepalive.as_ref().map(keepalive),
        layers,
    }
}

/// What is not said is as Linux has it.
fn keepalive(form: &TcpKeepalive) -> Keepalive {
    Keepalive {
        time: form.time.unwrap_or(Duration::from_secs(7200)),
        interval: form.interval.unwrap_or(Duration::from_secs(75)),
        retries: form.probes.unwrap_or(9),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "percentages are from 0 to 100"
)]
fn budgeted(budget: &RetryBudget) -> Retries {
    Retries::Budget {
        millionths: (budget.percent.clamp(0.0, 100.0) * 10_000.0) as u32,
        least: budget.minimum,
        interval: budget.interval,
    }
}

fn balancer(wanted: &LoadBalancer, endpoints: &[Arc<Endpoint<Upstream>>]) -> Balancer {
    if let Some(hash) = &wanted.consistent_hash {
        let layout = match hash.layout {
            HashLayout::Ring { minimum_size } => HashTable::Ring { minimum_size },
            HashLayout::Maglev { size } => HashTable::Maglev { size },
        };
        return Balancer::consistent(layout, endpoints, |upstream| upstream.address.to_string());
    }
    let warmup = wanted.warmup.as_ref().map(|warmup| Warmup {
        duration: warmup.duration,
        minimum_percent: warmup.minimum_percent,
        aggression: warmup.aggression,
    });
    if let Some(utilization) = utilization(wanted) {
        return Balancer::by_utilization(utilization, warmup, endpoints);
    }
    let policy = match wanted.simple {
        LoadBalancing::RoundRobin => Policy::RoundRobin,
        LoadBalancing::Random => Policy::Random,
        LoadBalancing::LeastRequest | LoadBalancing::Passthrough => Policy::default(),
    };
    match warmup {
        None => Balancer::for_endpoints(policy, endpoints),
        Some(warmup) => Balancer::warming(policy, warmup, endpoints),
    }
}

/// How endpoints are weighed by the load that they report.
pub(super) fn utilization(wanted: &LoadBalancer) -> Option<Utilization> {
    let wanted = wanted.backend_utilization.as_ref()?;
    Some(Utilization {
        stabilization: wanted.stabilization_period,
        expiration: wanted.expiration_period,
        update: wanted.update_period,
        error_penalty: wanted.error_penalty,
        metrics: wanted.metric_names.clone(),
    })
}

/// Without a setting what is near is preferred, as the mesh has it by default.
fn preference(wanted: Option<&LocalityPreference>) -> Preference {
    match wanted {
        None => Preference::Failover {
            regions: Vec::new(),
            labels: Vec::new(),
        },
        Some(LocalityPreference::Off) => Preference::None,
        Some(LocalityPreference::Distribute(shares)) => {
            let shares = shares.iter().map(|share| Distribution {
                from: share.from.clone(),
                to: share.to.clone(),
            });
            Preference::Distribute(shares.collect())
        }
        Some(LocalityPreference::Failover { regions, labels }) => Preference::Failover {
            regions: regions.clone(),
            labels: labels.clone(),
        },
    }
}

fn place<'a>(locality: &'a Locality, labels: &'a BTreeMap<String, String>) -> Place<'a> {
    Place {
        region: &locality.region,
        zone: &locality.zone,
        subzone: &locality.subzone,
        labels,
    }
}

fn settings(detection: &OutlierDetection) -> OutlierSettings {
    OutlierSettings {
        server_errors: detection.server_errors,
        gateway_errors: detection.gateway_errors,
        local_errors: detection.local_errors,
        error_codes: detection.error_codes.clone(),
        interval: detection.interval,
        base_ejection: detection.base_ejection,
        maximum_percent: detection.max_ejection_percent,
        minimum_health_percent: detection.min_health_percent,
        ..OutlierSettings::default()
    }
}
