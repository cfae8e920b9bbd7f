#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// `json!` values are written in place.
#![allow(clippy::needless_pass_by_value)]

use serde_json::{Value, json};

use super::*;
use crate::rules::testing::compiled;

fn preference(form: Value) -> (LocalityPreference, Vec<String>) {
    compiled(form, LocalityPreference::new)
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(one, other)| ((*one).to_owned(), (*other).to_owned()))
        .collect()
}

#[test]
fn it_can_be_off_or_the_default() {
    let off = json!({"enabled": false, "failover": [{"from": "a", "to": "b"}]});
    assert_eq!(preference(off), (LocalityPreference::Off, Vec::new()));
    let default = (LocalityPreference::default(), Vec::new());
    assert_eq!(preference(json!({})), default);
    assert_eq!(preference(json!({"enabled": true})), default);
}

#[test]
fn failover_has_regions_and_labels() {
    let (read, problems) = preference(json!({
        "failover": [{"from": "eu", "to": "us"}, {"from": "us", "to": "eu"}],
        "failoverPriority": ["topology.istio.io/network", "version=v1", "empty="],
    }));
    assert_eq!(problems, Vec::<String>::new());
    let labels = [
        ("topology.istio.io/network", None),
        ("version", Some("v1")),
        ("empty", Some("")),
    ];
    let expected = LocalityPreference::Failover {
        regions: owned(&[("eu", "us"), ("us", "eu")]),
        labels: labels
            .map(|(name, value)| (name.to_owned(), value.map(str::to_owned)))
            .into(),
    };
    assert_eq!(read, expected);
}

#[test]
fn targets_that_say_more_come_first() {
    let (read, problems) = preference(json!({"distribute": [
        {"from": "us/*", "to": {"*": 10, "us/*": 20, "us/a/b": 30, "us/a/*": 40}},
    ]}));
    assert_eq!(problems, Vec::<String>::new());
    let LocalityPreference::Distribute(distribute) = read else {
        panic!("{read:?}");
    };
    let targets: Vec<_> = distribute[0]
        .to
        .iter()
        .map(|(to, share)| (to.as_str(), *share))
        .collect();
    assert_eq!(targets, [("us/a/b", 30), ("us/a/*", 40), ("us/*", 20), ("*", 10)]);
}

#[test]
fn what_is_wrong_is_said_and_left_out() {
    let (read, problems) = preference(json!({
        "distribute": [
            {"from": "us/*", "to": {"us/*": 60, "eu/*": 30}},
            {"from": "", "to": {"us/*": 100}},
            {"from": "eu/*", "to": {"us/*": 100, "eu/*": 0}},
            {"from": "eu/*", "to": {"eu/*": 100}},
        ],
        "failover": [{"from": "us", "to": "eu"}],
    }));
    assert_eq!(
        problems,
        [
            "error f",
            "error f.distribute[0].to",
            "error f.distribute[1].from",
            "error f.distribute[2].to"
        ]
    );
    let expected = Distribute {
        from: "eu/*".to_owned(),
        to: vec![("eu/*".to_owned(), 100)],
    };
    assert_eq!(read, LocalityPreference::Distribute(vec![expected]));

    let (read, problems) = preference(json!({
        "failover": [
            {"from": "us", "to": "us"}, {"from": "us/a", "to": "eu"}, {"from": "us", "to": ""},
            {"from": "us", "to": "eu"}, {"from": "us", "to": "asia"},
        ],
        "failoverPriority": ["", "=v1"],
    }));
    assert_eq!(
        problems,
        [
            "error f.failover[0]",
            "error f.failover[1]",
            "error f.failover[2]",
            "warning f.failover[4]",
            "error f.failoverPriority[0]",
            "error f.failoverPriority[1]",
        ]
    );
    let expected = LocalityPreference::Failover {
        regions: owned(&[("us", "eu")]),
        labels: Vec::new(),
    };
    assert_eq!(read, expected);
}

#[test]
fn the_mesh_says_it_in_the_same_form() {
    let object = ObjectRef::new(cairn_api::meta::Kind::ConfigMap, "istio-system", "istio");
    let of_mesh = |form: Value| {
        let form = serde_json::from_value(form).unwrap();
        let (preference, problems) =
            LocalityPreference::of_mesh(&form, &object, "data.mesh.localityLbSetting");
        let fields: Vec<String> = problems.into_iter().map(|problem| problem.field).collect();
        (preference, fields)
    };
    assert_eq!(of_mesh(json!({})), (LocalityPreference::default(), Vec::new()));
    assert_eq!(
        of_mesh(json!({"enabled": false})),
        (LocalityPreference::Off, Vec::new())
    );
    let (_, fields) = of_mesh(json!({"failover": [{"from": "a", "to": "a"}]}));
    assert_eq!(fields, ["data.mesh.localityLbSetting.failover[0]"]);
}
