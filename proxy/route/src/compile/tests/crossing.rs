use serde_json::{Value, json};

use super::{is_broken, only, problems};
use crate::cors::CrossOrigin;
use crate::route::Route;
use http::HeaderMap;

fn with(field: &str, value: Value) -> Value {
    let mut route = json!({"route": [{"destination": {"host": "reviews"}}]});
    route[field] = value;
    route
}

fn judge(route: &Route, method: &str, fields: &[(&'static str, &'static str)]) -> CrossOrigin {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.insert(*name, value.parse().unwrap());
    }
    route.cors.as_ref().unwrap().judge(method, &headers)
}

fn preflight(origin: &'static str) -> [(&'static str, &'static str); 3] {
    [
        ("origin", origin),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "x-a"),
    ]
}

#[test]
fn the_policy_is_as_it_is_written() {
    let route = only(with(
        "corsPolicy",
        json!({
            "allowOrigins": [{"exact": "http://a"}, {"prefix": "http://b"}, {"regex": "http://c[0-9]"}],
            "allowMethods": ["GET", "PUT"],
            "allowHeaders": ["x-a", "x-b"],
            "exposeHeaders": ["x-c"],
            "maxAge": "1m30s",
            "allowCredentials": true,
        }),
    ));
    let CrossOrigin::Preflight(fields) = judge(&route, "OPTIONS", &preflight("http://c1")) else {
        panic!("{route:?}")
    };
    assert_eq!(fields["access-control-allow-origin"], "http://c1");
    assert_eq!(fields["access-control-allow-methods"], "GET,PUT");
    assert_eq!(fields["access-control-allow-headers"], "x-a,x-b");
    assert_eq!(fields["access-control-max-age"], "90");
    assert_eq!(fields["access-control-allow-credentials"], "true");
    assert_eq!(
        judge(&route, "OPTIONS", &preflight("http://c1x")),
        CrossOrigin::Untouched
    );
    assert!(matches!(
        judge(&route, "GET", &[("origin", "http://bb")]),
        CrossOrigin::Allowed(_)
    ));
}

#[test]
fn the_deprecated_list_is_exact_and_goes_last() {
    let deprecated = only(with("corsPolicy", json!({"allowOrigin": ["http://a", "*"]})));
    assert!(matches!(
        judge(&deprecated, "GET", &[("origin", "http://whoever")]),
        CrossOrigin::Allowed(_)
    ));
    let both = only(with(
        "corsPolicy",
        json!({"allowOrigin": ["*"], "allowOrigins": [{"exact": "http://a"}]}),
    ));
    assert_eq!(
        judge(&both, "GET", &[("origin", "http://b")]),
        CrossOrigin::Untouched
    );
}

#[test]
fn unmatched_preflights_are_forwarded_unless_they_are_to_be_ignored() {
    for (value, forwarded) in [("UNSPECIFIED", true), ("FORWARD", true), ("IGNORE", false)] {
        let route = only(with(
            "corsPolicy",
            json!({"allowOrigins": [{"exact": "http://a"}], "unmatchedPreflights": value}),
        ));
        let untouched = judge(&route, "OPTIONS", &preflight("http://b")) == CrossOrigin::Untouched;
        assert_eq!(untouched, forwarded, "{value}");
    }
}

#[test]
fn asking_is_answered_with_what_was_asked_for_where_all_is_allowed() {
    let route = only(with(
        "corsPolicy",
        json!({"allowOrigins": [{"regex": ".*"}], "allowMethods": ["*"], "allowHeaders": ["*"]}),
    ));
    let CrossOrigin::Preflight(fields) = judge(&route, "OPTIONS", &preflight("http://a")) else {
        panic!("{route:?}")
    };
    assert_eq!(fields["access-control-allow-methods"], "PUT");
    assert_eq!(fields["access-control-allow-headers"], "x-a");
}

#[test]
fn a_policy_that_does_not_compile_breaks_the_route() {
    for (policy, field) in [
        (json!({"allowOrigins": [{"regex": "["}]}), "allowOrigins[0].regex"),
        (json!({"allowOrigins": [{}]}), "allowOrigins[0]"),
        (
            json!({"allowOrigins": [{"exact": "a"}], "allowMethods": ["GET\n"]}),
            "allowMethods",
        ),
    ] {
        let found = problems(with("corsPolicy", policy));
        let expected = format!("error spec.http[0].corsPolicy.{field}: ");
        assert!(found.iter().any(|line| line.starts_with(&expected)), "{found:?}");
    }
    assert!(problems(with("corsPolicy", json!({})))[0].contains("no origin is allowed"));
}

#[test]
fn mirrors_of_both_fields_get_their_shares() {
    let route = only(json!({
        "route": [{"destination": {"host": "reviews"}}],
        "mirror": {"host": "ratings", "port": {"number": 9090}},
        "mirrorPercentage": {"value": 0.5},
        "mirrors": [
            {"destination": {"host": "reviews", "subset": "v2"}, "percentage": {"value": 100}},
            {"destination": {"host": "reviews"}},
            {"destination": {"host": "reviews"}, "percentage": {"value": 0}},
        ],
    }));
    let seen: Vec<(String, Option<u16>, Option<&str>, &str)> = route
        .mirrors
        .iter()
        .map(|mirror| {
            let to = &mirror.destination;
            (
                mirror.share.to_string(),
                to.port,
                to.subset.as_deref(),
                to.host.split('.').next().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("0.5 %".to_owned(), Some(9090), None, "ratings"),
            ("100 %".to_owned(), Some(9080), Some("v2"), "reviews"),
            ("100 %".to_owned(), Some(9080), None, "reviews"),
        ]
    );
    assert!(route.mirrors[0].strikes(4_999));
    assert!(!route.mirrors[0].strikes(5_000));
}

#[test]
fn the_deprecated_share_counts_where_the_other_is_absent() {
    let mirror = json!({"host": "reviews"});
    let route = |mut more: Value| {
        more["route"] = json!([{"destination": {"host": "reviews"}}]);
        more["mirror"] = mirror.clone();
        more
    };
    let share = |more: Value| only(route(more)).mirrors[0].share.to_string();
    assert_eq!(share(json!({})), "100 %");
    assert_eq!(share(json!({"mirrorPercent": 30})), "30 %");
    let both = problems(route(
        json!({"mirrorPercent": 30, "mirrorPercentage": {"value": 1}}),
    ));
    assert!(
        both[0].starts_with("warning spec.http[0].mirrorPercent: "),
        "{both:?}"
    );
}

#[test]
fn a_mirror_that_does_not_compile_breaks_the_route() {
    let cases = [
        (with("mirror", json!({})), "mirror.host"),
        (
            with(
                "mirrors",
                json!([{"destination": {"host": "reviews"}, "percentage": {"value": 101}}]),
            ),
            "mirrors[0].percentage.value",
        ),
        (with("mirrors", json!([{}])), "mirrors[0].destination.host"),
    ];
    for (route, field) in cases {
        let found = problems(route);
        let expected = format!("error spec.http[0].{field}: ");
        assert!(found.iter().any(|line| line.starts_with(&expected)), "{found:?}");
    }
    let (table, _) = super::compile_all(vec![super::reviews(json!([with("mirror", json!({}))]))]);
    assert!(is_broken(&table.unwrap().routes()[0]));
    // One that the mesh does not know is left to answer 503 to nobody.
    let unknown = problems(with("mirror", json!({"host": "nobody"})));
    assert!(unknown[0].starts_with("error spec.http[0].mirror.host: there is no service"));
}
