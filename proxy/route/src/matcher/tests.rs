#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use super::{HeaderField, HeaderMatch, Matcher, PathMatch, QueryMatch, SourceMatch};
use crate::head::{RequestHead, SourceWorkload};
use crate::pattern::Pattern;
use crate::text::TextMatch;

fn exact(text: &str) -> TextMatch {
    TextMatch::Exact(text.into())
}

fn prefix(text: &str) -> TextMatch {
    TextMatch::Prefix(text.into())
}

fn regex(text: &str) -> TextMatch {
    TextMatch::Regex(Pattern::new(text).unwrap())
}

fn head<'a>(path: &'a str, query: Option<&'a str>, headers: &'a HeaderMap) -> RequestHead<'a> {
    RequestHead {
        method: "GET",
        path,
        query,
        authority: "a:80",
        scheme: "http",
        headers,
        noted: &[],
        token: None,
        source: None,
    }
}

fn path_matches(text: TextMatch, ignore_case: bool, path: &str) -> bool {
    let matcher = Matcher {
        path: Some(PathMatch { text, ignore_case }),
        ..Matcher::default()
    };
    matcher.matches(&head(path, Some("q=1"), &HeaderMap::new()))
}

#[test]
fn a_prefix_is_plain_text() {
    assert!(path_matches(prefix("/foo"), false, "/foobar"));
    assert!(path_matches(prefix("/foo"), false, "/foo"));
    assert!(!path_matches(prefix("/foo"), false, "/fo"));
    assert!(!path_matches(prefix("/foo"), false, "/FOO"));
}

#[test]
fn an_expression_matches_the_whole_path_without_query() {
    assert!(path_matches(regex("/a/[0-9]+"), false, "/a/12"));
    assert!(!path_matches(regex("/a/[0-9]+"), false, "/a/12/b"));
    assert!(!path_matches(regex("a|/b"), false, "/bc"));
    assert!(!path_matches(exact("/a?q=1"), false, "/a"));
}

#[test]
fn case_can_be_ignored_but_not_in_expressions() {
    assert!(path_matches(exact("/Foo"), true, "/fOO"));
    assert!(path_matches(prefix("/Foo"), true, "/fOOBar"));
    assert!(!path_matches(prefix("/Foo"), true, "/fO"));
    assert!(!path_matches(regex("/foo"), true, "/FOO"));
}

fn header_matches(value: Option<TextMatch>, negated: bool, sent: &[&str]) -> bool {
    let name = HeaderName::from_static("x-a");
    let mut headers = HeaderMap::new();
    for value in sent {
        headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
    }
    let header = HeaderMatch {
        field: HeaderField::Named(name),
        value,
        negated,
    };
    let matcher = Matcher {
        headers: vec![header],
        ..Matcher::default()
    };
    matcher.matches(&head("/", None, &headers))
}

#[test]
fn any_value_of_a_repeated_header_may_match_but_not_their_sum() {
    assert!(header_matches(Some(exact("b")), false, &["a", "b"]));
    assert!(!header_matches(Some(exact("a,b")), false, &["a", "b"]));
    assert!(!header_matches(Some(regex("a.*b")), false, &["a", "b"]));
    assert!(!header_matches(Some(exact("b")), false, &[]));
    assert!(!header_matches(Some(exact("")), false, &[]));
}

#[test]
fn presence_needs_the_header_even_if_it_is_empty() {
    assert!(header_matches(None, false, &[""]));
    assert!(!header_matches(None, false, &[]));
    assert!(header_matches(None, true, &[]));
    assert!(!header_matches(None, true, &[""]));
}

#[test]
fn without_headers_takes_a_missing_header_for_an_empty_one() {
    assert!(header_matches(Some(exact("a")), true, &[]));
    assert!(header_matches(Some(exact("a")), true, &["b"]));
    assert!(!header_matches(Some(exact("a")), true, &["b", "a"]));
    assert!(!header_matches(Some(regex(".*")), true, &[]));
    assert!(!header_matches(Some(exact("")), true, &[]));
}

#[test]
fn pseudo_headers_are_case_sensitive_and_the_authority_has_its_port() {
    let matches = |field: HeaderField, value: &str| {
        let header = HeaderMatch {
            field,
            value: Some(exact(value)),
            negated: false,
        };
        let matcher = Matcher {
            headers: vec![header],
            ..Matcher::default()
        };
        matcher.matches(&head("/", None, &HeaderMap::new()))
    };
    assert!(matches(HeaderField::Method, "GET"));
    assert!(!matches(HeaderField::Method, "get"));
    assert!(matches(HeaderField::Scheme, "http"));
    assert!(matches(HeaderField::Authority, "a:80"));
    assert!(!matches(HeaderField::Authority, "a"));
}

fn query_matches(value: Option<TextMatch>, query: Option<&str>) -> bool {
    let matcher = Matcher {
        query: vec![QueryMatch {
            name: "p".into(),
            value,
        }],
        ..Matcher::default()
    };
    matcher.matches(&head("/", query, &HeaderMap::new()))
}

#[test]
fn the_first_value_of_a_query_parameter_counts_undecoded() {
    assert!(query_matches(Some(exact("1")), Some("a=b&p=1&p=2")));
    assert!(!query_matches(Some(exact("2")), Some("p=1&p=2")));
    assert!(!query_matches(Some(exact("a b")), Some("p=a%20b")));
    assert!(query_matches(Some(exact("a%20b")), Some("p=a%20b")));
    assert!(query_matches(Some(exact("1=2")), Some("p=1=2")));
    assert!(query_matches(Some(exact("")), Some("p")));
    assert!(query_matches(None, Some("&p")));
    assert!(!query_matches(None, Some("pp=1")));
    assert!(!query_matches(None, None));
}

#[test]
fn the_source_must_be_known_to_match() {
    let labels = BTreeMap::from([
        ("app".to_owned(), "sleep".to_owned()),
        ("v".to_owned(), "1".to_owned()),
    ]);
    let headers = HeaderMap::new();
    let source = SourceMatch {
        namespace: Some("default".into()),
        labels: vec![("app".to_owned(), "sleep".to_owned())],
    };
    let matcher = Matcher {
        source,
        ..Matcher::default()
    };
    let unknown = head("/", None, &headers);
    assert!(!matcher.matches(&unknown));
    let from = |namespace| RequestHead {
        source: Some(SourceWorkload {
            labels: &labels,
            namespace,
        }),
        ..unknown
    };
    assert!(matcher.matches(&from("default")));
    assert!(!matcher.matches(&from("other")));
    let none = BTreeMap::new();
    let unlabelled = SourceWorkload {
        labels: &none,
        namespace: "default",
    };
    assert!(!matcher.matches(&RequestHead {
        source: Some(unlabelled),
        ..unknown
    }));
    assert!(Matcher::default().matches(&unknown));
}

#[test]
fn what_takes_all_is_recognised() {
    let path = |text| Matcher {
        path: Some(PathMatch {
            text,
            ignore_case: false,
        }),
        ..Matcher::default()
    };
    assert!(Matcher::default().is_catch_all());
    assert!(path(prefix("/")).is_catch_all());
    assert!(path(regex(".*")).is_catch_all());
    assert!(!path(exact("/")).is_catch_all());
    assert!(!path(prefix("/a")).is_catch_all());
    let query = vec![QueryMatch {
        name: "p".into(),
        value: None,
    }];
    assert!(
        !Matcher {
            query,
            ..path(prefix("/"))
        }
        .is_catch_all()
    );
}

#[test]
fn what_filters_have_noted_is_matched_value_by_value() {
    let headers = HeaderMap::new();
    let noted: [crate::head::Note; 2] = [
        ("tagger".into(), "level".into(), "gold".into()),
        ("tagger".into(), "level".into(), "new".into()),
    ];
    let head = RequestHead {
        noted: &noted,
        ..head("/", None, &headers)
    };
    let with = |filter: &str, value: Option<TextMatch>, negated: bool| Matcher {
        headers: vec![HeaderMatch {
            field: HeaderField::Noted(filter.into(), "level".into()),
            value,
            negated,
        }],
        ..Matcher::default()
    };
    let exact = |text: &str| Some(TextMatch::Exact(text.into()));
    assert!(with("tagger", exact("new"), false).matches(&head));
    assert!(with("tagger", None, false).matches(&head));
    assert!(!with("tagger", exact("old"), false).matches(&head));
    assert!(!with("other", None, false).matches(&head));
    assert!(with("other", exact("new"), true).matches(&head));
    assert!(!with("tagger", exact("gold"), true).matches(&head));
}
