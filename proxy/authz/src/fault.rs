//! What makes a policy impossible to compile.

/// An error in a policy. The policy then denies all that it selects, because what it meant to forbid is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Fault {
    /// A value is the empty string.
    #[error("a value is empty")]
    EmptyValue,
    /// A port is not a number from 0 to 65535.
    #[error("{0:?} is not a port")]
    Port(String),
    /// An address or CIDR block cannot be read.
    #[error("{0:?} is neither an IP address nor a CIDR block")]
    Block(String),
    /// A path template has a form that Istio refuses.
    #[error("{0:?} is not a path template")]
    Template(String),
    /// A service account is neither `NAME` nor `NAMESPACE/NAME`.
    #[error("{0:?} is not a service account")]
    ServiceAccount(String),
    /// `serviceAccounts` stands beside `principals` or `namespaces`.
    #[error("serviceAccounts cannot stand beside principals or namespaces")]
    AccountsBesideOthers,
    /// An entry of `from` has no source, or one without fields.
    #[error("the source is empty")]
    EmptySource,
    /// An entry of `to` has no operation, or one without fields.
    #[error("the operation is empty")]
    EmptyOperation,
    /// A condition has neither `values` nor `notValues`.
    #[error("the condition has no values")]
    EmptyCondition,
    /// A condition is on an attribute that does not exist.
    #[error("{0:?} is not an attribute")]
    UnknownKey(String),
    /// A condition is on the metadata of a filter, and does not say which.
    #[error("{0:?} does not name a filter and a key of its metadata")]
    Experimental(String),
    /// A condition is on a header whose name cannot be one.
    #[error("{0:?} does not name a header")]
    HeaderName(String),
    /// A condition is on a pseudo-header that is not available.
    #[error("the pseudo-header in {0:?} cannot be compared")]
    PseudoHeader(String),
    /// A condition is on a claim, and does not name it.
    #[error("{0:?} does not name a claim")]
    Claim(String),
    /// The action is CUSTOM, and no provider is named.
    #[error("the action CUSTOM needs a provider, and none is named")]
    NoProvider,
    /// `provider` stands in a policy whose action is not CUSTOM.
    #[error("provider is for the action CUSTOM, and the action is {0}")]
    Provider(&'static str),
}

impl Fault {
    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Fault::EmptyValue => "remove the value, or write \"*\" for any",
            Fault::Port(_) => "write one number from 0 to 65535, in quotes, without wildcards or ranges",
            Fault::Block(_) => "write an address such as 10.1.2.3 or a block such as 10.1.0.0/16",
            Fault::Template(_) => {
                "start with /, let {*} and {**} be whole segments (with literal text after the last at most), and put {**} after all {*}"
            }
            Fault::ServiceAccount(_) => {
                "write NAME or NAMESPACE/NAME without wildcards; principals take wildcards"
            }
            Fault::AccountsBesideOthers => {
                "write NAMESPACE/NAME in serviceAccounts, and leave the other fields out"
            }
            Fault::EmptySource => {
                "name principals, namespaces or addresses, or leave `from` out for any source"
            }
            Fault::EmptyOperation => {
                "name hosts, ports, methods or paths, or leave `to` out for any operation"
            }
            Fault::EmptyCondition => "give values or notValues",
            Fault::UnknownKey(_) => {
                "see Istio's list of authorization policy conditions, such as source.ip or request.headers[NAME]"
            }
            Fault::Experimental(_) => {
                "write experimental.envoy.filters.NAME[KEY] with the pluginName of a filter, or its plugin's name"
            }
            Fault::HeaderName(_) => "write request.headers[NAME] with the name of a header",
            Fault::PseudoHeader(_) => "use the paths, methods and hosts of an operation",
            Fault::Claim(_) => "write request.auth.claims[NAME], or [NAME][NAME] for one within another",
            Fault::NoProvider => "name one of the extensionProviders of the mesh configuration",
            Fault::Provider(_) => "set the action to CUSTOM, or remove provider",
        }
    }
}
