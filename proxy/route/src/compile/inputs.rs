//! What compiling takes into account.

use std::sync::Arc;

use cairn_api::istio::VirtualService;

use crate::rules::DestinationRules;

/// Everything that decides the routes of one service and port. `..Inputs::default()` leaves out what
/// is not known; what refers to it is then not checked.
#[derive(Clone, Copy, Default)]
pub struct Inputs<'a> {
    /// The service's host, fully qualified.
    pub service_host: &'a str,
    /// The service's namespace.
    pub service_namespace: &'a str,
    /// The waypoint's namespace.
    pub waypoint_namespace: &'a str,
    /// The service port.
    pub port: u16,
    /// VirtualServices, in any order; those that do not apply are passed over. With many of them, choose with
    /// [`VirtualServices`](crate::VirtualServices) first.
    pub virtual_services: &'a [Arc<VirtualService>],
    /// The services of the mesh.
    pub services: Option<&'a dyn KnownServices>,
    /// The DestinationRules.
    pub rules: Option<&'a DestinationRules>,
}

/// The services that destinations can name.
pub trait KnownServices {
    /// The service with this full host name.
    fn service(&self, host: &str) -> Option<KnownService>;
}

/// A service that a destination names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownService {
    /// Its namespace.
    pub namespace: String,
    /// Its port numbers.
    pub ports: Vec<u16>,
}

impl<F: Fn(&str) -> Option<KnownService>> KnownServices for F {
    fn service(&self, host: &str) -> Option<KnownService> {
        self(host)
    }
}
