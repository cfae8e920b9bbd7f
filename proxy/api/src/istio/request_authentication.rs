use super::selector::{PolicyTargetReference, WorkloadSelector};
use crate::meta::Object;
use crate::value::Duration;

/// Which tokens requests may carry, and how they are checked.
pub type RequestAuthentication = Object<RequestAuthenticationSpec>;

form! {
    /// The desired state of a [`RequestAuthentication`].
    pub struct RequestAuthenticationSpec {
        /// Workloads that this applies to.
        pub selector: Option<WorkloadSelector>,
        /// The one resource that this applies to; the older form of `target_refs`.
        pub target_ref: Option<PolicyTargetReference>,
        /// Resources that this applies to.
        pub target_refs: Vec<PolicyTargetReference>,
        /// Accepted issuers. A token that satisfies none is refused; a request without a token passes.
        pub jwt_rules: Vec<JwtRule>,
    }

    /// How tokens of one issuer are found and checked.
    pub struct JwtRule {
        /// The `iss` claim.
        pub issuer: String,
        /// Accepted `aud` claims. None: any.
        pub audiences: Vec<String>,
        /// Where the key set is fetched.
        #[serde(alias = "jwks_uri")]
        pub jwks_uri: String,
        /// The key set itself.
        pub jwks: String,
        /// Headers that may hold the token. With no place given at all: `Authorization: Bearer` and
        /// `access_token`.
        pub from_headers: Vec<JwtHeader>,
        /// Query parameters that may hold the token.
        pub from_params: Vec<String>,
        /// Cookies that may hold the token.
        pub from_cookies: Vec<String>,
        /// Header that passes the payload on, base64url.
        pub output_payload_to_header: String,
        /// Whether the token is passed on.
        pub forward_original_token: bool,
        /// Claims that are passed on as headers.
        pub output_claim_to_headers: Vec<ClaimToHeader>,
        /// How long fetching the key set may take.
        pub timeout: Option<Duration>,
        /// Claims whose text is a list separated by spaces.
        pub space_delimited_claims: Vec<String>,
        /// Whether a request must carry a token.
        pub presence: Option<JwtPresence>,
    }

    /// A header that may hold a token.
    pub struct JwtHeader {
        /// Header name.
        pub name: String,
        /// What precedes the token, `Bearer ` with its space.
        pub prefix: String,
    }

    /// A claim to pass on.
    pub struct ClaimToHeader {
        /// Header name.
        pub header: String,
        /// Claim name, with dots between nested names.
        pub claim: String,
    }
}

choice! {
    /// Whether a token is required.
    pub enum JwtPresence {
        /// A request without a token passes.
        Optional = "OPTIONAL",
        /// A request without a token is refused.
        Required = "REQUIRED",
    }
}
