//! HTTPRoutes and GRPCRoutes in one form.

use std::borrow::Cow;

use cairn_api::gateway::{
    GrpcBackendRef, GrpcRoute, GrpcRouteFilter, GrpcRouteFilterType, GrpcRouteMatch, GrpcRouteRule,
    HttpBackendRef, HttpRoute, HttpRouteFilter, HttpRouteFilterType, HttpRouteMatch, HttpRouteRetry,
    HttpRouteRule, HttpRouteTimeouts, ParentReference, SessionPersistence,
};
use cairn_api::meta::{Kind, ObjectRef};

/// A route of the Gateway API.
pub(super) struct Document<'a> {
    pub(super) object: ObjectRef,
    pub(super) created: Option<&'a str>,
    pub(super) parents: &'a [ParentReference],
    pub(super) rules: Vec<Rule<'a>>,
}

/// One rule of it.
pub(super) struct Rule<'a> {
    /// Path of the field, `spec.rules[0]`.
    pub(super) field: String,
    pub(super) name: String,
    /// None: every request.
    pub(super) matches: Vec<Match<'a>>,
    pub(super) filters: Cow<'a, [HttpRouteFilter]>,
    pub(super) backends: Cow<'a, [HttpBackendRef]>,
    pub(super) timeouts: Option<&'a HttpRouteTimeouts>,
    pub(super) retry: Option<&'a HttpRouteRetry>,
    pub(super) session: Option<&'a SessionPersistence>,
}

/// Conditions on a request.
pub(super) enum Match<'a> {
    Http(&'a HttpRouteMatch),
    Grpc(&'a GrpcRouteMatch),
}

impl<'a> Document<'a> {
    pub(super) fn http(route: &'a HttpRoute) -> Document<'a> {
        let object = ObjectRef::from_key(Kind::HttpRoute, &route.metadata.key());
        let rules = route.spec.rules.iter().enumerate();
        let rules = rules.map(|(number, rule)| Rule::http(rule, number, &object));
        let mut rules: Vec<Rule<'a>> = rules.collect();
        if rules.is_empty() {
            // The API server writes one that matches all into a route without rules.
            rules.push(Rule::empty(0, &object));
        }
        Document {
            created: route.metadata.creation_timestamp.as_deref(),
            parents: &route.spec.parent_refs,
            object,
            rules,
        }
    }

    pub(super) fn grpc(route: &'a GrpcRoute) -> Document<'a> {
        let object = ObjectRef::from_key(Kind::GrpcRoute, &route.metadata.key());
        let rules = route.spec.rules.iter().enumerate();
        let rules = rules.map(|(number, rule)| Rule::grpc(rule, number, &object));
        Document {
            created: route.metadata.creation_timestamp.as_deref(),
            parents: &route.spec.parent_refs,
            rules: rules.collect(),
            object,
        }
    }
}

impl<'a> Rule<'a> {
    fn empty(number: usize, object: &ObjectRef) -> Rule<'a> {
        Rule {
            field: format!("spec.rules[{number}]"),
            name: format!("{}.{}.{number}", object.namespace, object.name),
            matches: Vec::new(),
            filters: Cow::default(),
            backends: Cow::default(),
            timeouts: None,
            retry: None,
            session: None,
        }
    }

    fn http(rule: &'a HttpRouteRule, number: usize, object: &ObjectRef) -> Rule<'a> {
        let empty = Rule::empty(number, object);
        Rule {
            name: rule.name.clone().unwrap_or(empty.name),
            matches: rule.matches.iter().map(Match::Http).collect(),
            filters: Cow::Borrowed(&rule.filters),
            backends: Cow::Borrowed(&rule.backend_refs),
            timeouts: rule.timeouts.as_ref(),
            retry: rule.retry.as_ref(),
            session: rule.session_persistence.as_ref(),
            ..empty
        }
    }

    fn grpc(rule: &'a GrpcRouteRule, number: usize, object: &ObjectRef) -> Rule<'a> {
        let empty = Rule::empty(number, object);
        Rule {
            name: rule.name.clone().unwrap_or(empty.name),
            matches: rule.matches.iter().map(Match::Grpc).collect(),
            filters: rule.filters.iter().map(filter).collect(),
            backends: rule.backend_refs.iter().map(backend).collect(),
            session: rule.session_persistence.as_ref(),
            ..empty
        }
    }
}

fn filter(filter: &GrpcRouteFilter) -> HttpRouteFilter {
    HttpRouteFilter {
        type_: filter.type_.map(|kind| match kind {
            GrpcRouteFilterType::RequestHeaderModifier => HttpRouteFilterType::RequestHeaderModifier,
            GrpcRouteFilterType::ResponseHeaderModifier => HttpRouteFilterType::ResponseHeaderModifier,
            GrpcRouteFilterType::RequestMirror => HttpRouteFilterType::RequestMirror,
            GrpcRouteFilterType::ExtensionRef => HttpRouteFilterType::ExtensionRef,
        }),
        request_header_modifier: filter.request_header_modifier.clone(),
        response_header_modifier: filter.response_header_modifier.clone(),
        request_mirror: filter.request_mirror.clone(),
        extension_ref: filter.extension_ref.clone(),
        ..HttpRouteFilter::default()
    }
}

fn backend(backend: &GrpcBackendRef) -> HttpBackendRef {
    HttpBackendRef {
        group: backend.group.clone(),
        kind: backend.kind.clone(),
        namespace: backend.namespace.clone(),
        name: backend.name.clone(),
        port: backend.port,
        weight: backend.weight,
        filters: backend.filters.iter().map(filter).collect(),
    }
}
