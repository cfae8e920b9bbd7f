//! What is in force, as JSON, in the words of the resources that it comes from. Nothing secret is in it.

use cairn_config::Problem;
use cairn_identity::Identities;
use cairn_wasm::{Meter, Reason};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::plan::{Plans, PortPlan, RoutePlan, ServicePlan};
use crate::plugin::{Slot, Slots, Status};

/// The plans, the certificates (without their keys) and what is wrong.
pub(crate) fn of(plans: &Plans, slots: &Slots, identities: &Identities, problems: &[Problem]) -> Value {
    let mut services: Vec<_> = plans.services.values().collect();
    services.sort_by_key(|plan| (&plan.service.hostname, &plan.service.id));
    json!({
        "version": plans.version,
        "gateway": plans.waypoint.as_ref().map(|waypoint| json!({
            "name": waypoint.key.to_string(),
            "class": waypoint.class,
            "identity": waypoint.identity.to_string(),
        })),
        "services": services.into_iter().map(|plan| service(plan)).collect::<Vec<_>>(),
        "filters": slots.all().iter().map(|slot| filter(slot)).collect::<Vec<_>>(),
        "certificates": identities.dump().iter().map(|certificate| json!({
            "identity": certificate.id.to_string(),
            "state": format!("{:?}", certificate.state),
        })).collect::<Vec<_>>(),
        "problems": problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn service(plan: &ServicePlan) -> Value {
    json!({
        "hostname": plan.service.hostname,
        "addresses": plan.service.vips,
        "policies": format!("{:?}", plan.policies),
        "ports": plan.ports.iter().map(|port| self::port(port)).collect::<Vec<_>>(),
    })
}

fn filter(slot: &Slot) -> Value {
    let (status, reason) = match slot.status() {
        Status::Loading => ("loading", None),
        Status::Ready => ("ready", None),
        Status::Failed(reason) => ("failed", Some(reason)),
    };
    json!({
        "plugin": &*slot.label,
        "status": status,
        "reason": reason,
        "calls": slot.meter.calls(),
        "failsOften": slot.meter.fails_often(),
        "failuresInLastMinute": slot.meter.recent_failures(),
        "failures": failures(&slot.meter),
        "loadFailures": slot.meter.load_failures(),
        "instances": slot.meter.instances(),
    })
}

/// By reason, of those that there were.
fn failures(meter: &Meter) -> Value {
    let counted = Reason::ALL
        .into_iter()
        .map(|reason| (reason, meter.failures(reason)));
    let counted = counted.filter(|(_, count)| *count > 0);
    counted
        .map(|(reason, count)| (reason.to_string(), json!(count)))
        .collect()
}

fn port(plan: &PortPlan) -> Value {
    json!({
        "port": plan.port,
        "protocol": plan.protocol.to_string(),
        "filters": plan.filters.iter().map(|attached| attached.spec.label.to_string()).collect::<Vec<_>>(),
        "routes": plan.routes().iter().map(|route| self::route(route)).collect::<Vec<_>>(),
        "default": route(&plan.default),
    })
}

fn route(plan: &RoutePlan) -> Value {
    let source = plan
        .route
        .as_ref()
        .map(|route| format!("{} {}", route.source, route.field));
    json!({
        "name": plan.name,
        "source": source,
        "clusters": plan.clusters.iter().map(|cluster| cluster.as_deref().map(self::cluster)).collect::<Vec<_>>(),
    })
}

fn cluster(cluster: &Cluster) -> Value {
    json!({
        "name": cluster.name,
        "endpoints": cluster.endpoints().map(|endpoint| {
            let upstream = &endpoint.data;
            json!({
                "workload": upstream.workload.uid,
                "address": upstream.address.to_string(),
                "protocol": upstream.workload.protocol.to_string(),
            })
        }).collect::<Vec<_>>(),
    })
}
