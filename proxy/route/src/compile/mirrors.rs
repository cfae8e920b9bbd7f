//! From `mirror` and `mirrors` to [`Mirror`]s.

use cairn_api::istio::{self, HttpRoute, Percent};

use super::destinations;
use super::findings::Findings;
use super::inputs::Inputs;
use super::written::Written;
use crate::fault::Percentage;
use crate::mirror::Mirror;

/// Compiles the mirrors of a route, those of both fields. `None`: one of them does not compile, and there is a
/// finding that says so. Mirrors that get no request are left out.
pub(super) fn compile(
    written: &Written<'_>,
    inputs: Option<&Inputs<'_>>,
    findings: &mut Findings,
) -> Option<Vec<Mirror>> {
    let route: &HttpRoute = &written.form;
    let single = route.mirror.as_ref().map(|destination| {
        let share = match (&route.mirror_percentage, route.mirror_percent) {
            (Some(share), _) => written.within("mirrorPercentage", findings, |field, findings| {
                percentage(share.value, &format!("{field}.value"), findings)
            }),
            (None, Some(share)) => written.within("mirrorPercent", findings, |field, findings| {
                percentage(f64::from(share), field, findings)
            }),
            (None, None) => Some(Percentage::ALL),
        };
        let mirror = written.within("mirror", findings, |field, findings| {
            mirror(destination, field, share, inputs, findings)
        });
        if route.mirror_percentage.is_some() && route.mirror_percent.is_some() {
            written.within("mirrorPercent", findings, |field, findings| {
                findings.warning(field, "`mirrorPercentage` goes before it", "leave it out");
            });
        }
        mirror
    });
    let listed = written.within("mirrors", findings, |field, findings| {
        let policies = route.mirrors.iter().enumerate();
        let compiled: Vec<Option<Mirror>> = policies
            .map(|(place, policy)| {
                let field = format!("{field}[{place}]");
                let share = share(
                    policy.percentage.as_ref(),
                    &format!("{field}.percentage"),
                    findings,
                );
                let destination = policy.destination.clone().unwrap_or_default();
                let field = format!("{field}.destination");
                mirror(&destination, &field, share, inputs, findings)
            })
            .collect();
        compiled
    });
    let mut mirrors: Vec<Mirror> = single.into_iter().chain(listed).collect::<Option<_>>()?;
    mirrors.retain(|mirror| !mirror.share.is_zero());
    Some(mirrors)
}

/// A share that is not given is all.
fn share(percent: Option<&Percent>, field: &str, findings: &mut Findings) -> Option<Percentage> {
    match percent {
        None => Some(Percentage::ALL),
        Some(percent) => percentage(percent.value, &format!("{field}.value"), findings),
    }
}

fn percentage(percent: f64, field: &str, findings: &mut Findings) -> Option<Percentage> {
    let percentage = Percentage::new(percent);
    if percentage.is_none() {
        findings.error(
            field,
            format!("{percent} is not a percentage"),
            "write a number from 0 to 100",
        );
    }
    percentage
}

fn mirror(
    place: &istio::Destination,
    field: &str,
    share: Option<Percentage>,
    inputs: Option<&Inputs<'_>>,
    findings: &mut Findings,
) -> Option<Mirror> {
    let destination = destinations::plain(place, field, inputs, findings);
    Some(Mirror {
        destination: destination?,
        share: share?,
    })
}
