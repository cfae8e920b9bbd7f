#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use cairn_api::meta::{Kind, ObjectRef};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use proptest::collection::{btree_map, vec};
use proptest::option::{self, weighted};
use proptest::prelude::*;
use proptest::sample::select;

use super::RouteTable;
use crate::head::{RequestHead, SourceWorkload};
use crate::headers::HeaderOperations;
use crate::matcher::{HeaderField, HeaderMatch, Matcher, PathMatch, QueryMatch, SourceMatch};
use crate::pattern::Pattern;
use crate::route::{Action, DirectResponse, Route};
use crate::text::TextMatch;

/// A request that owns what a head borrows.
#[derive(Debug, Clone)]
struct Request {
    method: String,
    path: String,
    query: Option<String>,
    authority: String,
    scheme: String,
    headers: HeaderMap,
    source: Option<(String, BTreeMap<String, String>)>,
}

impl Request {
    fn get(path: &str) -> Request {
        Request {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: None,
            authority: "a".to_owned(),
            scheme: "http".to_owned(),
            headers: HeaderMap::new(),
            source: None,
        }
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Request {
        self.headers.append(name, HeaderValue::from_static(value));
        self
    }

    fn head(&self) -> RequestHead<'_> {
        RequestHead {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            authority: &self.authority,
            scheme: &self.scheme,
            headers: &self.headers,
            noted: &[],
            token: None,
            source: self
                .source
                .as_ref()
                .map(|(namespace, labels)| SourceWorkload { labels, namespace }),
        }
    }
}

fn route(number: usize, matches: Option<Matcher>) -> Route {
    Route {
        name: number.to_string(),
        stat_prefix: None,
        matches,
        action: Action::DirectResponse(DirectResponse {
            status: StatusCode::OK,
            body: Bytes::new(),
        }),
        rewrite: None,
        response_headers: HeaderOperations::default(),
        timeout: None,
        retry: None,
        session: None,
        fault: None,
        cors: None,
        mirrors: Vec::new(),
        source: ObjectRef::new(Kind::VirtualService, "default", "a"),
        field: String::new(),
    }
}

fn table(matchers: impl IntoIterator<Item = Option<Matcher>>) -> RouteTable {
    RouteTable::new(
        matchers
            .into_iter()
            .enumerate()
            .map(|(number, matcher)| route(number, matcher))
            .collect(),
    )
}

fn found(table: &RouteTable, request: &Request) -> Option<String> {
    let place = table
        .position(&request.head())
        .map(|place| table.routes()[place].name.clone());
    assert_eq!(place, table.find(&request.head()).map(|route| route.name.clone()));
    table.find(&request.head()).map(|route| route.name.clone())
}

fn path(text: TextMatch) -> Option<Matcher> {
    Some(Matcher {
        path: Some(PathMatch {
            text,
            ignore_case: false,
        }),
        ..Matcher::default()
    })
}

fn exact(text: &str) -> TextMatch {
    TextMatch::Exact(text.into())
}

fn prefix(text: &str) -> TextMatch {
    TextMatch::Prefix(text.into())
}

fn regex(text: &str) -> TextMatch {
    TextMatch::Regex(Pattern::new(text).unwrap())
}

fn header(name: &'static str, value: Option<TextMatch>) -> Option<Matcher> {
    let field = HeaderField::Named(HeaderName::from_static(name));
    Some(Matcher {
        headers: vec![HeaderMatch {
            field,
            value,
            negated: false,
        }],
        ..Matcher::default()
    })
}

/// Enough routes that no index is left out for smallness.
fn padded(routes: Vec<Option<Matcher>>) -> RouteTable {
    let padding = (0..20).map(|number| path(exact(&format!("/padding/{number}"))));
    table(routes.into_iter().chain(padding))
}

#[test]
fn an_empty_table_has_no_route() {
    assert_eq!(found(&table([]), &Request::get("/")), None);
}

#[test]
fn the_first_match_wins_whatever_its_kind() {
    let table = padded(vec![
        path(regex("/a/[0-9]+")),
        path(prefix("/a/")),
        path(exact("/a/x")),
        header("x", Some(exact("1"))),
        None,
        path(exact("/b")),
    ]);
    assert_eq!(found(&table, &Request::get("/a/1")).as_deref(), Some("0"));
    assert_eq!(found(&table, &Request::get("/a/x")).as_deref(), Some("1"));
    assert_eq!(
        found(&table, &Request::get("/b").with("x", "1")).as_deref(),
        Some("3")
    );
    assert_eq!(found(&table, &Request::get("/b")).as_deref(), Some("4"));
    assert_eq!(found(&table, &Request::get("/padding/3")).as_deref(), Some("4"));
}

#[test]
fn routes_that_share_a_path_are_told_apart_by_their_headers() {
    let matchers = (0..1000).map(|number| {
        let mut matcher = path(prefix("/")).unwrap();
        matcher.headers.push(HeaderMatch {
            field: HeaderField::Named(HeaderName::from_static("x-user")),
            value: Some(exact(&number.to_string())),
            negated: false,
        });
        Some(matcher)
    });
    let table = table(matchers);
    assert_eq!(
        found(&table, &Request::get("/").with("x-user", "777")).as_deref(),
        Some("777")
    );
    assert_eq!(found(&table, &Request::get("/").with("x-user", "1000")), None);
    assert_eq!(found(&table, &Request::get("/")), None);
}

#[test]
fn each_value_of_a_repeated_header_is_looked_up() {
    let table = padded(vec![header("x", Some(exact("b"))), header("y", None)]);
    assert_eq!(
        found(&table, &Request::get("/").with("x", "a").with("x", "b")).as_deref(),
        Some("0")
    );
    assert_eq!(
        found(&table, &Request::get("/").with("y", "")).as_deref(),
        Some("1")
    );
    assert_eq!(found(&table, &Request::get("/").with("x", "a,b")), None);
}

#[test]
fn prefixes_that_end_between_segments_are_looked_up() {
    let table = padded(vec![path(TextMatch::PathPrefix("/a".into()))]);
    for (target, matches) in [
        ("/a", true),
        ("/a/", true),
        ("/a/b", true),
        ("/ab", false),
        ("/", false),
    ] {
        assert_eq!(
            found(&table, &Request::get(target)).is_some(),
            matches,
            "{target}"
        );
    }
    let mut folded = path(TextMatch::PathPrefix("/A".into())).unwrap();
    folded.path.as_mut().unwrap().ignore_case = true;
    let table = padded(vec![Some(folded)]);
    assert!(found(&table, &Request::get("/a/B")).is_some());
    assert!(found(&table, &Request::get("/aB")).is_none());
}

#[test]
fn only_the_first_value_of_a_repeated_parameter_is_looked_up() {
    let query = vec![QueryMatch {
        name: "p".into(),
        value: Some(exact("b")),
    }];
    let table = padded(vec![Some(Matcher {
        query,
        ..Matcher::default()
    })]);
    let with = |query: &str| Request {
        query: Some(query.to_owned()),
        ..Request::get("/")
    };
    assert_eq!(found(&table, &with("q=a&p=b&p=a")).as_deref(), Some("0"));
    assert_eq!(found(&table, &with("p=a&p=b")), None);
}

#[test]
fn long_paths_are_lowered_too() {
    let long = format!("/{}", "a".repeat(1000));
    let mut matcher = path(exact(&long)).unwrap();
    matcher.path.as_mut().unwrap().ignore_case = true;
    let table = padded(vec![Some(matcher)]);
    assert_eq!(
        found(&table, &Request::get(&long.to_uppercase())).as_deref(),
        Some("0")
    );
    assert_eq!(found(&table, &Request::get(&format!("{long}a"))), None);
}

/// Compiled once: compiling is what takes long.
static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let expressions = [
        "/a/.*",
        "/(a|b)",
        "/[ab]+",
        ".*b",
        "/a(/b)?",
        "a|b",
        "",
        "(?i)/A/.*",
        r"/a/\w+",
        ".*",
        "[^/]*",
        r"/b\b.*",
        "[a&&b]",
    ];
    expressions
        .into_iter()
        .map(|expression| Pattern::new(expression).unwrap())
        .collect()
});

fn texts() -> impl Strategy<Value = TextMatch> {
    prop_oneof![
        3 => words().prop_map(|word| exact(&word)),
        3 => words().prop_map(|word| prefix(&word)),
        1 => Just(prefix("")),
        2 => words().prop_map(|word| TextMatch::PathPrefix(word.into())),
        3 => select(PATTERNS.as_slice()).prop_map(TextMatch::Regex),
    ]
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof!["[abAB/]{0,4}", "/[abAB]{0,2}(/[ab]{0,2}){0,2}"]
}

fn matchers() -> impl Strategy<Value = Option<Matcher>> {
    let fields = prop_oneof![
        Just(HeaderField::Method),
        Just(HeaderField::Scheme),
        Just(HeaderField::Authority),
        names().prop_map(HeaderField::Named),
    ];
    let headers =
        (fields, weighted(0.8, texts()), prop::bool::weighted(0.2)).prop_map(|(field, value, negated)| {
            HeaderMatch {
                field,
                value,
                negated,
            }
        });
    let query = (select(vec!["p", "q"]), weighted(0.8, texts())).prop_map(|(name, value)| QueryMatch {
        name: name.into(),
        value,
    });
    let source =
        (weighted(0.1, select(vec!["n", "m"])), labels(1)).prop_map(|(namespace, labels)| SourceMatch {
            namespace: namespace.map(Into::into),
            labels: labels.into_iter().collect(),
        });
    let path = weighted(0.7, (texts(), any::<bool>()));
    let matcher =
        (path, vec(headers, 0..3), vec(query, 0..2), source).prop_map(|(path, headers, query, source)| {
            let path = path.map(|(text, ignore_case)| PathMatch { text, ignore_case });
            Matcher {
                path,
                headers,
                query,
                source,
            }
        });
    weighted(0.98, matcher)
}

fn names() -> impl Strategy<Value = HeaderName> {
    select(vec!["x", "y", "z"]).prop_map(HeaderName::from_static)
}

fn labels(most: usize) -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map("[kl]", "[vw]", 0..=most)
}

fn requests() -> impl Strategy<Value = Request> {
    let headers = vec((names(), words()), 0..4).prop_map(|fields| {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_str(&value).unwrap());
        }
        headers
    });
    let parameter = prop_oneof![
        (select(vec!["p", "q"]), words()).prop_map(|(name, value)| format!("{name}={value}")),
        select(vec!["p", "q", ""]).prop_map(str::to_owned),
    ];
    let query = option::of(vec(parameter, 0..5).prop_map(|parameters| parameters.join("&")));
    let source = option::of(("[nm]", labels(2)));
    (
        words(),
        words(),
        query,
        words(),
        select(vec!["http", "https", "a"]),
        headers,
        source,
    )
        .prop_map(
            |(method, path, query, authority, scheme, headers, source)| Request {
                method,
                path,
                query,
                authority,
                scheme: scheme.to_owned(),
                headers,
                source,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn the_index_finds_what_trying_one_by_one_finds(
        matchers in vec(matchers(), 0..60),
        requests in vec(requests(), 1..30),
    ) {
        let table = table(matchers);
        for request in &requests {
            let naive = table.find_naive(&request.head()).map(|route| route.name.clone());
            prop_assert_eq!(found(&table, request), naive, "{:?}", request);
        }
    }
}

/// The property above is empty if hardly any request finds a route, or always the first.
#[test]
fn generated_requests_find_routes_of_all_places() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let (mut missed, mut places) = (0, std::collections::BTreeSet::new());
    for _ in 0..60 {
        let matchers = vec(matchers(), 20..40).new_tree(&mut runner).unwrap().current();
        let table = table(matchers);
        for request in vec(requests(), 20).new_tree(&mut runner).unwrap().current() {
            match found(&table, &request) {
                Some(name) => drop(places.insert(name.parse::<usize>().unwrap())),
                None => missed += 1,
            }
        }
    }
    assert!(missed > 50, "{missed}");
    assert!(places.len() > 20, "{places:?}");
}
