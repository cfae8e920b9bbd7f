//! The match blocks of a route.

use std::sync::Arc;

use cairn_api::istio::HttpMatchRequest;

use super::conditions;
use super::findings::Findings;
use super::select;
use super::written::{Place, Written};
use crate::matcher::Matcher;

/// A match block, compiled.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) port: Option<u32>,
    pub(super) stat_prefix: Option<Arc<str>>,
    /// `None`: every request matches.
    pub(super) matcher: Option<Matcher>,
}

impl Block {
    pub(super) fn is_for_port(&self, port: u16) -> bool {
        self.port.is_none_or(|wanted| wanted == u32::from(port))
    }
}

/// The match blocks of `route` that are for traffic inside the mesh. `None`: one does not compile.
pub(super) fn compile(route: &Written<'_>, findings: &mut Findings) -> Option<Vec<Block>> {
    if route.matches.is_empty() {
        return Some(vec![Block {
            name: String::new(),
            place: route.place.clone(),
            port: None,
            stat_prefix: None,
            matcher: None,
        }]);
    }
    let compiled: Vec<Option<Block>> = route
        .matches
        .iter()
        .filter(|(_, block)| select::is_for_mesh(&block.gateways))
        .map(|(place, block)| self::block(block, place, findings))
        .collect();
    compiled.into_iter().collect()
}

fn block(block: &HttpMatchRequest, place: &Place, findings: &mut Findings) -> Option<Block> {
    let before = findings.turn_to(place.object.clone());
    let matcher = conditions::matcher(block, &place.field, findings);
    findings.turn_to(before);
    let matcher = Some(matcher?).filter(|matcher| *matcher != Matcher::default());
    // Protobuf cannot tell an absent port from zero.
    Some(Block {
        name: block.name.clone(),
        place: place.clone(),
        port: block.port.filter(|port| *port != 0),
        stat_prefix: stat_prefix(block),
        matcher,
    })
}

fn stat_prefix(block: &HttpMatchRequest) -> Option<Arc<str>> {
    (!block.stat_prefix.is_empty()).then(|| block.stat_prefix.as_str().into())
}
