//! A route as it is written, in one object or in two.

use std::borrow::Cow;

use cairn_api::istio::{HttpMatchRequest, HttpRoute};
use cairn_api::meta::ObjectRef;

use super::findings::Findings;

/// Where something is written.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) object: ObjectRef,
    /// Path of the field, `spec.http[0]`.
    pub(super) field: String,
}

/// A route, and where each part of it is written: a route of a delegate takes from the route that names the delegate
/// what it does not say itself.
#[derive(Debug)]
pub(super) struct Written<'a> {
    /// All of it but its match blocks.
    pub(super) form: Cow<'a, HttpRoute>,
    pub(super) place: Place,
    pub(super) matches: Vec<(Place, Cow<'a, HttpMatchRequest>)>,
    /// The route that names the delegate, and the fields that are taken from it.
    pub(super) inherited: Option<(Place, Vec<&'static str>)>,
}

impl<'a> Written<'a> {
    /// A route that is written in one object.
    pub(super) fn whole(route: &'a HttpRoute, place: Place) -> Written<'a> {
        let blocks = route.matches.iter().enumerate();
        let matches = blocks.map(|(number, block)| {
            let place = Place {
                object: place.object.clone(),
                field: format!("{}.match[{number}]", place.field),
            };
            (place, Cow::Borrowed(block))
        });
        Written {
            matches: matches.collect(),
            form: Cow::Borrowed(route),
            place,
            inherited: None,
        }
    }

    /// Looks at the part that the field `name` of the route holds: gives `look` the path of the field, and attributes
    /// what it finds to the object in which that is written.
    pub(super) fn within<T>(
        &self,
        name: &'static str,
        findings: &mut Findings,
        look: impl FnOnce(&str, &mut Findings) -> T,
    ) -> T {
        let place = match &self.inherited {
            Some((root, names)) if names.contains(&name) => root,
            _ => &self.place,
        };
        let before = findings.turn_to(place.object.clone());
        let seen = look(&format!("{}.{name}", place.field), findings);
        findings.turn_to(before);
        seen
    }
}
