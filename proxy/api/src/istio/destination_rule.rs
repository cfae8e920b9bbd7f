use std::collections::BTreeMap;

use super::selector::WorkloadSelector;
use super::traffic_policy::TrafficPolicy;
use crate::meta::Object;

/// How to talk to a host, and the subsets that it falls into.
pub type DestinationRule = Object<DestinationRuleSpec>;

form! {
    /// The desired state of a [`DestinationRule`].
    pub struct DestinationRuleSpec {
        /// Host, short or full; short names are of the rule's namespace. May begin with `*`.
        pub host: String,
        /// How to talk to all of the host.
        pub traffic_policy: Option<TrafficPolicy>,
        /// Named subsets of the endpoints.
        pub subsets: Vec<Subset>,
        /// Namespaces whose workloads see the rule.
        pub export_to: Vec<String>,
        /// Client workloads that the rule applies to.
        pub workload_selector: Option<WorkloadSelector>,
    }

    /// A named subset of a host's endpoints.
    pub struct Subset {
        /// Name, referred to by routes.
        pub name: String,
        /// Labels that an endpoint must all have.
        pub labels: BTreeMap<String, String>,
        /// What differs from the host's policy.
        pub traffic_policy: Option<TrafficPolicy>,
    }
}
