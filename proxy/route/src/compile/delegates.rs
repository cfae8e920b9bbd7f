//! Routes that another VirtualService holds: delegates, merged with the routes that name them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cairn_api::istio::{Delegate, HttpMatchRequest, HttpRoute, StringMatch, VirtualService};
use cairn_api::meta::{Kind, ObjectRef};

use super::blocks;
use super::findings::Findings;
use super::inputs::Inputs;
use super::select;
use super::written::{Place, Written};
use crate::host;

/// The routes of `virtual_service`, those of its delegates in the place of the routes that name them. A route whose
/// delegate cannot be had stays as it is, and leads nowhere.
pub(super) fn expand<'a>(
    virtual_service: &'a VirtualService,
    inputs: Option<&Inputs<'a>>,
    findings: &mut Findings,
) -> Vec<Written<'a>> {
    let mut expanded = Vec::new();
    for (number, route) in virtual_service.spec.http.iter().enumerate() {
        let root = Written::whole(route, http(findings.object().clone(), number));
        let Some(delegate) = named(route) else {
            expanded.push(root);
            continue;
        };
        if virtual_service.spec.hosts.is_empty() {
            nested(&root.place.field, findings);
            expanded.push(root);
            continue;
        }
        let Some(inputs) = inputs else {
            expanded.push(root);
            continue;
        };
        // What is wrong with its own matches is told where all routes are compiled.
        let mut own = Findings::new(root.place.object.clone());
        if blocks::compile(&root, &mut own).is_none() {
            expanded.push(root);
            continue;
        }
        let merged = found(delegate, &root.place, inputs, findings)
            .and_then(|delegate| merged(&root, delegate, findings));
        match merged {
            Some(merged) => {
                findings.append(own);
                expanded.extend(merged);
            }
            None => expanded.push(root),
        }
    }
    expanded
}

/// The delegate of a route that leads nowhere itself.
fn named(route: &HttpRoute) -> Option<&Delegate> {
    let leads_on = !route.route.is_empty() || route.redirect.is_some() || route.direct_response.is_some();
    route.delegate.as_ref().filter(|_| !leads_on)
}

fn nested(field: &str, findings: &mut Findings) {
    findings.error(
        format!("{field}.delegate"),
        "a delegate cannot have delegates itself",
        "write the routes here, or name the other VirtualService in the one with `hosts`",
    );
}

fn found<'a>(
    delegate: &Delegate,
    root: &Place,
    inputs: &Inputs<'a>,
    findings: &mut Findings,
) -> Option<&'a VirtualService> {
    let wanted = select::delegate_key(delegate, &root.object.namespace);
    let mut all = inputs.virtual_services.iter();
    let found =
        all.find(|one| one.metadata.name == wanted.name && one.metadata.namespace == wanted.namespace);
    let field = format!("{}.delegate", root.field);
    let mut refuse = |message: String, hint: &str| {
        let message = format!("{message}; requests are answered 500");
        findings.error(field.as_str(), message, hint);
        None
    };
    let Some(found) = found else {
        return refuse(
            format!("there is no VirtualService {wanted} without hosts"),
            "name one, with its namespace when it is in another",
        );
    };
    if !found.spec.hosts.is_empty() {
        return refuse(
            format!("VirtualService {wanted} has hosts of its own, so it is no delegate"),
            "remove its `hosts`, or name another one",
        );
    }
    let owner = &found.metadata.namespace;
    if !host::is_exported(&found.spec.export_to, owner, &root.object.namespace) {
        return refuse(
            format!(
                "VirtualService {wanted} is not exported to {}",
                root.object.namespace
            ),
            "add the namespace to its `exportTo`",
        );
    }
    Some(found)
}

/// The routes of `delegate` under `root`. `None`: there are none that can be taken.
fn merged<'a>(
    root: &Written<'a>,
    delegate: &'a VirtualService,
    findings: &mut Findings,
) -> Option<Vec<Written<'a>>> {
    let object = ObjectRef::from_key(Kind::VirtualService, &delegate.metadata.key());
    let before = findings.turn_to(object.clone());
    let routes = delegate.spec.http.iter().enumerate();
    let leaves: Vec<Written<'a>> = routes
        .map(|(number, route)| Written::whole(route, http(object.clone(), number)))
        .collect();
    let blocks: Vec<_> = leaves
        .iter()
        .map(|leaf| blocks::compile(leaf, findings))
        .collect();
    let complete = blocks.iter().all(Option::is_some);
    let mut merged = Vec::new();
    for leaf in leaves.into_iter().filter(|_| complete) {
        if leaf.form.delegate.is_some() {
            nested(&leaf.place.field, findings);
        }
        match matches(root, &leaf) {
            Some(matches) => merged.push(under(root, leaf, matches)),
            None => findings.error(
                format!("{}.match", leaf.place.field),
                format!(
                    "one of the matches goes beyond those of {} {}, so the route is not taken",
                    root.place.object, root.place.field
                ),
                "match no more than the route that names this VirtualService; a regular expression can be on one side only",
            ),
        }
    }
    findings.turn_to(before);
    if merged.is_empty() {
        findings.error(
            format!("{}.delegate", root.place.field),
            format!("{object} has no route that can be taken; requests are answered 500"),
            "correct its routes",
        );
        return None;
    }
    Some(merged)
}

/// `leaf` with `matches`, and with what only `root` says.
fn under<'a>(
    root: &Written<'a>,
    leaf: Written<'a>,
    matches: Vec<(Place, Cow<'a, HttpMatchRequest>)>,
) -> Written<'a> {
    let above = &root.form;
    let mut form = leaf.form.into_owned();
    let mut names = Vec::new();
    form.name = joined(&above.name, &form.name);
    macro_rules! inherit {
        ($($field:ident: $name:literal, $absent:ident;)+) => {$(
            if form.$field.$absent() && !above.$field.$absent() {
                form.$field.clone_from(&above.$field);
                names.push($name);
            }
        )+};
    }
    inherit! {
        rewrite: "rewrite", is_none;
        timeout: "timeout", is_none;
        retries: "retries", is_none;
        fault: "fault", is_none;
        mirror: "mirror", is_none;
        mirrors: "mirrors", is_empty;
        mirror_percent: "mirrorPercent", is_none;
        mirror_percentage: "mirrorPercentage", is_none;
        cors_policy: "corsPolicy", is_none;
        headers: "headers", is_none;
    }
    Written {
        form: Cow::Owned(form),
        place: leaf.place,
        matches,
        inherited: Some((root.place.clone(), names)),
    }
}

/// The match blocks of `leaf`, each with what a block of `root` asks for that it fits. `None`: one fits none.
fn matches<'a>(root: &Written<'a>, leaf: &Written<'a>) -> Option<Vec<(Place, Cow<'a, HttpMatchRequest>)>> {
    if root.matches.is_empty() {
        return Some(leaf.matches.clone());
    }
    if leaf.matches.is_empty() {
        let blocks = root.matches.iter();
        return Some(
            blocks
                .map(|(_, block)| (leaf.place.clone(), block.clone()))
                .collect(),
        );
    }
    let mut merged = Vec::new();
    for (place, block) in &leaf.matches {
        let fitting = root.matches.iter().filter(|(_, above)| fits(above, block));
        let before = merged.len();
        merged.extend(fitting.map(|(_, above)| (place.clone(), Cow::Owned(both(above, block)))));
        if merged.len() == before {
            return None;
        }
    }
    Some(merged)
}

fn both(above: &HttpMatchRequest, block: &HttpMatchRequest) -> HttpMatchRequest {
    let either = |block: &Option<StringMatch>, above: &Option<StringMatch>| block.clone().or(above.clone());
    HttpMatchRequest {
        name: joined(&above.name, &block.name),
        uri: either(&block.uri, &above.uri),
        scheme: either(&block.scheme, &above.scheme),
        method: either(&block.method, &above.method),
        authority: either(&block.authority, &above.authority),
        headers: union(&above.headers, &block.headers),
        port: block.port.filter(|port| *port != 0).or(above.port),
        source_labels: union(&above.source_labels, &block.source_labels),
        gateways: first(&block.gateways, &above.gateways),
        query_params: union(&above.query_params, &block.query_params),
        ignore_uri_case: block.ignore_uri_case,
        without_headers: union(&above.without_headers, &block.without_headers),
        source_namespace: first(&block.source_namespace, &above.source_namespace),
        stat_prefix: first(&block.stat_prefix, &above.stat_prefix),
    }
}

/// Whether `block` asks for no less than `above` does, as far as Istio can tell: of two expressions it cannot.
fn fits(above: &HttpMatchRequest, block: &HttpMatchRequest) -> bool {
    let single = [
        (&above.uri, &block.uri),
        (&above.scheme, &block.scheme),
        (&above.method, &block.method),
        (&above.authority, &block.authority),
    ];
    let lists = [
        (&above.headers, &block.headers),
        (&above.query_params, &block.query_params),
    ];
    let ports = (above.port.unwrap_or(0), block.port.unwrap_or(0));
    let gateways = &above.gateways;
    single
        .into_iter()
        .all(|(above, block)| is_within(above.as_ref(), block.as_ref()))
        && lists.into_iter().all(|(above, block)| {
            let mut conditions = block.iter();
            conditions.all(|(name, condition)| is_within(above.get(name), Some(condition)))
        })
        // What the root leaves out stays out: the delegate may leave out more.
        && block.without_headers.iter().all(|(name, condition)| {
            let left_out = above.without_headers.get(name);
            is_within(Some(condition), left_out)
        })
        && above.ignore_uri_case == block.ignore_uri_case
        && (ports.0 == 0 || ports.1 == 0 || ports.0 == ports.1)
        && (above.source_namespace.is_empty() || above.source_namespace == block.source_namespace)
        && block
            .source_labels
            .iter()
            .all(|(key, value)| above.source_labels.get(key).is_none_or(|known| known == value))
        && (gateways.is_empty() || block.gateways.iter().all(|gateway| gateways.contains(gateway)))
}

fn is_within(above: Option<&StringMatch>, block: Option<&StringMatch>) -> bool {
    let (Some(above), Some(block)) = (above, block) else {
        return true;
    };
    let text = |part: &Option<String>| part.clone().filter(|text| !text.is_empty());
    if text(&above.regex).is_some() || text(&block.regex).is_some() {
        return false;
    }
    match (
        text(&above.exact),
        text(&above.prefix),
        text(&block.exact),
        text(&block.prefix),
    ) {
        (Some(above), _, Some(block), None) => above == block,
        (None, Some(above), _, Some(block)) | (None, Some(above), Some(block), None) => {
            block.starts_with(&above)
        }
        _ => false,
    }
}

fn http(object: ObjectRef, number: usize) -> Place {
    Place {
        object,
        field: format!("spec.http[{number}]"),
    }
}

fn joined(above: &str, name: &str) -> String {
    match (above, name) {
        ("", only) | (only, "") => only.to_owned(),
        (above, name) => format!("{above}-{name}"),
    }
}

fn union<T: Clone>(above: &BTreeMap<String, T>, block: &BTreeMap<String, T>) -> BTreeMap<String, T> {
    let mut union = above.clone();
    union.extend(block.iter().map(|(key, value)| (key.clone(), value.clone())));
    union
}

fn first<T: Clone + Default + PartialEq>(block: &T, above: &T) -> T {
    if *block == T::default() { above } else { block }.clone()
}
