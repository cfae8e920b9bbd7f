use serde_json::{Value, json};

use super::{errors, is_broken, only, problems, reviews};
use crate::destination::WeightedDestinations;
use crate::route::{Action, Route};

fn to(destinations: Value) -> Value {
    json!({"route": destinations})
}

fn destinations(route: &Route) -> &WeightedDestinations {
    let Action::Forward(destinations) = &route.action else {
        panic!("{route:?}")
    };
    destinations
}

#[test]
fn hosts_are_qualified_and_ports_filled_in() {
    let route = only(to(json!([
        {"destination": {"host": "reviews", "subset": "v1"}, "weight": 90},
        {"destination": {"host": "ratings"}, "weight": 9},
        {"destination": {"host": "ratings.default.svc.cluster.local", "port": {"number": 9090}}, "weight": 1},
    ])));
    let seen: Vec<(&str, Option<&str>, Option<u16>, u32)> = destinations(&route)
        .iter()
        .map(|destination| {
            (
                destination.host.as_str(),
                destination.subset.as_deref(),
                destination.port,
                destination.weight,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("reviews.default.svc.cluster.local", Some("v1"), Some(9080), 90),
            ("ratings.default.svc.cluster.local", None, Some(9080), 9),
            ("ratings.default.svc.cluster.local", None, Some(9090), 1),
        ],
    );
}

#[test]
fn what_the_mesh_does_not_know_is_said_and_stays() {
    for (destination, problem) in [
        (
            json!({"host": "nobody"}),
            "error spec.http[0].route[0].destination.host: there is no service `nobody.default.svc.cluster.local`; its requests are answered 503",
        ),
        (
            json!({"host": "reviews", "subset": "v3"}),
            "error spec.http[0].route[0].destination.subset: `reviews.default.svc.cluster.local` has no subset `v3`; its requests are answered 503",
        ),
        (
            json!({"host": "reviews", "port": {"number": 1}}),
            "error spec.http[0].route[0].destination.port.number: `reviews.default.svc.cluster.local` has no port 1; its requests are answered 503",
        ),
        (
            json!({"host": "two.other.svc.cluster.local"}),
            "error spec.http[0].route[0].destination.port: `two.other.svc.cluster.local` has several ports and none is 9080, where the request came in",
        ),
    ] {
        let route = to(json!([{"destination": destination}]));
        assert_eq!(problems(route.clone()), [problem]);
        let virtual_service = reviews(json!([route]));
        assert_eq!(
            errors(&virtual_service),
            Vec::<String>::new(),
            "by itself it is right"
        );
        let (table, _) = super::compile_all(vec![virtual_service]);
        assert!(!is_broken(&table.unwrap().routes()[0]));
    }
}

#[test]
fn destinations_that_cannot_be_break_the_route() {
    for (destinations, problem) in [
        (
            json!([{}]),
            "error spec.http[0].route[0].destination.host: the destination names no host",
        ),
        (
            json!([{"destination": {"host": "reviews"}, "weight": -1}]),
            "error spec.http[0].route[0].weight: a weight cannot be negative",
        ),
        (
            json!([{"destination": {"host": "reviews", "port": {"number": 70000}}}]),
            "error spec.http[0].route[0].destination.port.number: 70000 is not a port",
        ),
        (
            json!([{"destination": {"host": "reviews"}, "weight": 0}, {"destination": {"host": "ratings"}}]),
            "error spec.http[0].route: the weights of all destinations are zero, so no request can go anywhere",
        ),
    ] {
        assert_eq!(problems(to(destinations.clone())), [problem]);
        let (table, _) = super::compile_all(vec![reviews(json!([to(destinations)]))]);
        assert!(is_broken(&table.unwrap().routes()[0]));
    }
}

#[test]
fn the_weight_of_a_single_destination_does_not_matter() {
    let route = only(to(json!([{"destination": {"host": "reviews"}, "weight": 0}])));
    assert_eq!(destinations(&route).pick(17).host, super::HOST);
}
