use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::{errors, forward, is_broken, only, problems, reviews};
use crate::destination::Destination;
use crate::fault::{AbortStatus, Percentage};
use crate::redirect::RedirectPort;
use crate::rewrite::PathRewrite;
use crate::route::{Action, Route};
use crate::template::testing::facts;

fn with(part: Value) -> Value {
    let mut route = json!({"route": forward()});
    route
        .as_object_mut()
        .unwrap()
        .extend(part.as_object().unwrap().clone());
    route
}

fn destination(route: &Route) -> &Destination {
    let Action::Forward(destinations) = &route.action else {
        panic!("{route:?}")
    };
    destinations.pick(0)
}

#[test]
fn a_timeout_of_zero_is_none() {
    assert_eq!(
        only(with(json!({"timeout": "1.5s"}))).timeout,
        Some(Duration::from_millis(1500))
    );
    assert_eq!(only(with(json!({"timeout": "0s"}))).timeout, None);
    assert_eq!(only(with(json!({}))).timeout, None);
}

#[test]
fn a_rewrite_replaces_what_the_match_matched() {
    let rewrite = |block: Value| {
        let route = only(with(json!({"match": [block], "rewrite": {"uri": "/new"}})));
        match route.rewrite.unwrap() {
            PathRewrite::Prefix { matched, replacement } => (Some(matched), replacement.to_string()),
            PathRewrite::Whole(replacement) => (None, replacement.to_string()),
            PathRewrite::Regex(_) => panic!(),
        }
    };
    assert_eq!(
        rewrite(json!({"uri": {"prefix": "/old"}})),
        (Some(4), "/new".to_owned())
    );
    assert_eq!(
        rewrite(json!({"uri": {"exact": "/old"}})),
        (None, "/new".to_owned())
    );
    assert_eq!(
        rewrite(json!({"uri": {"regex": "/old.*"}})),
        (None, "/new".to_owned())
    );
    assert_eq!(
        rewrite(json!({"method": {"exact": "GET"}})),
        (Some(1), "/new".to_owned())
    );
}

#[test]
fn the_authority_of_the_route_goes_before_that_of_the_destination() {
    let own = json!([{"destination": {"host": "reviews"}, "headers": {"request": {"set": {"host": "own"}}}}]);
    let authority = |part: Value| destination(&only(with(part))).authority.clone();
    assert_eq!(
        authority(json!({"route": own})),
        Some(HeaderValue::from_static("own"))
    );
    assert_eq!(
        authority(json!({"route": own, "rewrite": {"authority": "whole"}})),
        Some(HeaderValue::from_static("whole")),
    );
    assert_eq!(
        authority(
            json!({"route": own, "headers": {"request": {"set": {":authority": "set"}, "add": {"Host": "add"}}}})
        ),
        Some(HeaderValue::from_static("set")),
    );
    assert_eq!(authority(json!({})), None);
}

#[test]
fn headers_of_route_and_destination_are_merged() {
    let both = |own: Value, others: Value| {
        let mut list =
            json!([{"destination": {"host": "reviews"}, "weight": 1, "headers": {"request": own}}]);
        list.as_array_mut()
            .unwrap()
            .extend(others.as_array().unwrap().clone());
        let set = json!({"set": {"x-a": "route"}, "add": {"x-b": "route"}, "remove": ["x-c"]});
        let route = only(json!({"route": list, "headers": {"request": set}}));
        let mut headers = HeaderMap::new();
        headers.insert("x-c", HeaderValue::from_static("client"));
        destination(&route)
            .request_headers
            .apply_to_request(&mut headers, &facts());
        assert!(!headers.contains_key("x-c"));
        let values = |name| -> Vec<String> {
            headers
                .get_all(name)
                .iter()
                .map(|value| value.to_str().unwrap().to_owned())
                .collect()
        };
        (values("x-a"), values("x-b"))
    };
    let own = json!({"set": {"x-a": "own"}, "add": {"x-b": "own"}});
    let (a, b) = both(own.clone(), json!([]));
    assert_eq!((a[0].as_str(), b.join(" ").as_str()), ("own", "route own"));
    let (a, b) = both(own, json!([{"destination": {"host": "ratings"}, "weight": 1}]));
    assert_eq!((a[0].as_str(), b.join(" ").as_str()), ("route", "own route"));
}

#[test]
fn what_operations_may_not_touch_is_left_alone() {
    let set = |name: &str| json!({"headers": {"request": {"set": {name: "1"}}, "response": {"add": {"host": "a"}}}});
    for name in [":path", "content-length", "Transfer-Encoding"] {
        let problems = problems(with(set(name)));
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(
            problems.iter().all(|problem| problem.starts_with("warning ")),
            "{problems:?}"
        );
    }
    assert_eq!(
        problems(with(json!({"headers": {"request": {"remove": ["Host"]}}}))).len(),
        1
    );
}

#[test]
fn redirects_are_read() {
    let redirect = |redirect: Value, block: Value| {
        let route = only(
            json!({"match": [block], "redirect": redirect, "headers": {"response": {"set": {"x": "1"}}}}),
        );
        assert!(!route.response_headers.is_empty());
        match route.action {
            Action::Redirect(redirect) => redirect,
            other => panic!("{other:?}"),
        }
    };
    let all = redirect(
        json!({"uri": "/new", "authority": "a", "scheme": "https", "port": 444, "redirectCode": 307}),
        json!({"uri": {"prefix": "/old"}}),
    );
    assert_eq!(all.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(
        (all.scheme.as_deref(), all.authority.as_deref()),
        (Some("https"), Some("a"))
    );
    assert_eq!(all.port, Some(RedirectPort::Number(444)));
    assert!(matches!(all.path, Some(PathRewrite::Whole(path)) if &*path == "/new"));
    let prefix = redirect(
        json!({"prefixRewrite": "/new", "derivePort": "FROM_REQUEST_PORT"}),
        json!({"uri": {"prefix": "/old"}}),
    );
    assert_eq!(prefix.status, StatusCode::MOVED_PERMANENTLY);
    assert_eq!(prefix.port, Some(RedirectPort::Number(9080)));
    assert!(matches!(
        prefix.path,
        Some(PathRewrite::Prefix { matched: 4, .. })
    ));
}

#[test]
fn direct_responses_are_read() {
    let response = |body: Value| match only(json!({"directResponse": {"status": 503, "body": body}})).action {
        Action::DirectResponse(response) => (response.status.as_u16(), response.body.to_vec()),
        other => panic!("{other:?}"),
    };
    assert_eq!(response(json!({"string": "gone"})), (503, b"gone".to_vec()));
    assert_eq!(response(json!({"bytes": "Z29uZQ=="})), (503, b"gone".to_vec()));
    assert_eq!(response(Value::Null), (503, Vec::new()));
    let large = "x".repeat(1 << 20);
    assert_eq!(
        response(json!({"string": large})).1.len(),
        1 << 20,
        "no limit of 4096 bytes"
    );
}

#[test]
fn faults_are_read() {
    let fault = |fault: Value| only(with(json!({"fault": fault}))).fault.unwrap();
    let both = fault(json!({
        "delay": {"fixedDelay": "5s", "percentage": {"value": 33.3333}},
        "abort": {"grpcStatus": "UNAVAILABLE", "percentage": {"value": 100}},
    }));
    let (delay, abort) = (both.delay.unwrap(), both.abort.unwrap());
    assert_eq!(
        (delay.fixed, delay.percentage),
        (Duration::from_secs(5), Percentage::new(33.3333).unwrap())
    );
    assert_eq!(
        (abort.status, abort.percentage),
        (AbortStatus::Grpc(14), Percentage::ALL)
    );
    let old = fault(json!({"delay": {"fixedDelay": "7s", "percent": 100}}))
        .delay
        .unwrap();
    assert_eq!(old.percentage, Percentage::ALL);
    let status = fault(json!({"abort": {"httpStatus": 418, "percentage": {"value": 1}}}))
        .abort
        .unwrap()
        .status;
    assert_eq!(status, AbortStatus::Http(StatusCode::IM_A_TEAPOT));
}

#[test]
fn a_fault_without_percentage_strikes_nobody_and_says_so() {
    assert_eq!(
        problems(with(json!({"fault": {"abort": {"httpStatus": 500}}}))),
        ["warning spec.http[0].fault.abort.percentage: without a percentage no request is struck"],
    );
}

#[test]
fn what_does_not_compile_answers_500_and_is_refused() {
    let all = json!({"value": 100});
    let cases = [
        (json!({}), ""),
        (
            json!({"delegate": {"name": "a"}, "route": forward()}),
            ".delegate",
        ),
        (json!({"route": forward(), "redirect": {"uri": "/"}}), ""),
        (json!({"route": forward(), "directResponse": {"status": 200}}), ""),
        (json!({"redirect": {}}), ".redirect"),
        (
            json!({"redirect": {"uri": "/", "redirectCode": 305}}),
            ".redirect.redirectCode",
        ),
        (json!({"redirect": {"scheme": "ftp"}}), ".redirect.scheme"),
        (json!({"redirect": {"port": 0}}), ".redirect.port"),
        (json!({"redirect": {"uri": "/a\nb"}}), ".redirect.uri"),
        (
            json!({"redirect": {"uri": "/a", "prefixRewrite": "/b"}}),
            ".redirect.uri",
        ),
        (json!({"directResponse": {}}), ".directResponse.status"),
        (
            json!({"directResponse": {"status": 99}}),
            ".directResponse.status",
        ),
        (
            json!({"directResponse": {"status": 200, "body": {"bytes": "a"}}}),
            ".directResponse.body.bytes",
        ),
        (
            json!({"directResponse": {"status": 200, "body": {"string": "x".repeat(1048577)}}}),
            ".directResponse.body",
        ),
        (with(json!({"rewrite": {}})), ".rewrite"),
        (with(json!({"rewrite": {"uri": "/a b"}})), ".rewrite.uri"),
        (
            with(json!({"rewrite": {"uri": "/a", "uriRegexRewrite": {"match": "a", "rewrite": "b"}}})),
            ".rewrite",
        ),
        (
            with(json!({"rewrite": {"uriRegexRewrite": {"match": "a"}}})),
            ".rewrite.uriRegexRewrite",
        ),
        (
            with(json!({"rewrite": {"uriRegexRewrite": {"match": "(a", "rewrite": "b"}}})),
            ".rewrite.uriRegexRewrite",
        ),
        (
            with(json!({"rewrite": {"uriRegexRewrite": {"match": "a", "rewrite": "\\1"}}})),
            ".rewrite.uriRegexRewrite",
        ),
        (
            with(json!({"headers": {"request": {"set": {"a b": "c"}}}})),
            ".headers.request.set.a b",
        ),
        (
            with(json!({"headers": {"response": {"add": {"a": "%WHO%"}}}})),
            ".headers.response.add.a",
        ),
        (
            with(json!({"headers": {"response": {"add": {"a": "100%"}}}})),
            ".headers.response.add.a",
        ),
        (
            with(json!({"fault": {"delay": {"percentage": all}}})),
            ".fault.delay.fixedDelay",
        ),
        (
            with(json!({"fault": {"delay": {"exponentialDelay": "1s", "percentage": all}}})),
            ".fault.delay.fixedDelay",
        ),
        (
            with(json!({"fault": {"delay": {"fixedDelay": "0s", "percentage": all}}})),
            ".fault.delay.fixedDelay",
        ),
        (
            with(json!({"fault": {"delay": {"fixedDelay": "1s", "percentage": {"value": 101}}}})),
            ".fault.delay.percentage.value",
        ),
        (
            with(json!({"fault": {"delay": {"fixedDelay": "1s", "percent": -1}}})),
            ".fault.delay.percent",
        ),
        (
            with(json!({"fault": {"abort": {"percentage": all}}})),
            ".fault.abort",
        ),
        (
            with(json!({"fault": {"abort": {"httpStatus": 500, "grpcStatus": "OK", "percentage": all}}})),
            ".fault.abort",
        ),
        (
            with(json!({"fault": {"abort": {"httpStatus": 600, "percentage": all}}})),
            ".fault.abort.httpStatus",
        ),
        (
            with(json!({"fault": {"abort": {"grpcStatus": "SAD", "percentage": all}}})),
            ".fault.abort.grpcStatus",
        ),
        (
            with(json!({"fault": {"abort": {"http2Error": "x", "percentage": all}}})),
            ".fault.abort.http2Error",
        ),
        (
            with(json!({"fault": {"abort": {"httpStatus": 500, "percentage": {"value": -0.1}}}})),
            ".fault.abort.percentage.value",
        ),
    ];
    for (route, field) in cases {
        let virtual_service = reviews(json!([route]));
        let start = format!("error spec.http[0]{field}: ");
        let errors = errors(&virtual_service);
        assert!(
            errors.len() == 1 && errors[0].starts_with(&start),
            "{start} {errors:?}"
        );
        let (table, problems) = super::compile_all(vec![virtual_service]);
        let table = table.unwrap();
        assert!(is_broken(&table.routes()[0]), "{field}");
        let Action::Broken { reason } = &table.routes()[0].action else {
            panic!()
        };
        assert!(reason.contains(&problems[0].message), "{reason}");
    }
}

#[test]
fn a_rewrite_of_what_is_not_forwarded_is_pointed_out() {
    assert_eq!(
        problems(json!({"redirect": {"uri": "/"}, "rewrite": {"uri": "/"}})),
        ["warning spec.http[0].rewrite: only what is forwarded is rewritten"],
    );
}

#[test]
fn a_variable_without_a_value_here_is_pointed_out() {
    let set = |value: &str| json!({"headers": {"request": {"set": {"x-a": value}}}});
    let found = problems(with(set("%CONNECTION_ID%")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("unsupported spec.http[0].headers.request.set.x-a: ")
            && found[0].contains("CONNECTION_ID"),
        "{found:?}"
    );
    let found = problems(with(set("%PROTOCOL(x)%")));
    assert!(
        found[0].starts_with("error spec.http[0].headers.request.set.x-a: "),
        "{found:?}"
    );
}

#[test]
fn other_localities_are_tried_where_it_is_asked_for() {
    let remote = |value: Value| {
        only(with(
            json!({"retries": {"attempts": 3, "retryRemoteLocalities": value}}),
        ))
        .retry
    };
    assert!(remote(json!(true)).unwrap().remote_localities);
    assert!(!remote(json!(false)).unwrap().remote_localities);
    assert!(!remote(Value::Null).unwrap().remote_localities);
}

#[test]
fn requests_are_counted_by_the_prefix_of_their_match() {
    let prefix = |block: Value| {
        let route = only(json!({"match": [block], "route": forward()}));
        route.stat_prefix.as_deref().map(str::to_owned)
    };
    assert_eq!(
        prefix(json!({"uri": {"prefix": "/"}, "statPrefix": "all"})).as_deref(),
        Some("all")
    );
    assert_eq!(prefix(json!({"uri": {"prefix": "/"}})), None);
}
