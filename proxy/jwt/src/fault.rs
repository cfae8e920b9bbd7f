//! Why a token is refused, in Envoy's words where Envoy has them.

use std::fmt;

/// What is wrong with the tokens of a request.
///
/// Displays as the body of the response (Envoy's `jwt_authn` and its status texts, 1.40).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// A rule requires a token, and there is none.
    Missing,
    /// `nbf` is to come.
    NotYetValid,
    /// `exp` is past.
    Expired,
    /// Not three sections with two dots between.
    Form,
    /// Longer than any token that is read.
    TooLarge,
    /// The header is not base64url without padding.
    HeaderBase64,
    /// The header is no JSON object, or has a member twice.
    HeaderJson,
    /// No `alg`, or one that is no string.
    AlgorithmNotText,
    /// `alg` is `none`, symmetric, or not known.
    AlgorithmUnsupported,
    /// `kid` is no string.
    KeyIdNotText,
    /// The header asks for extensions to be understood (`crit`): none are.
    Critical,
    /// The header says how its payload is encoded (`b64`, RFC 7797).
    PayloadEncoding,
    /// The payload is not base64url without padding.
    PayloadBase64,
    /// The payload is no JSON object, or has a member twice.
    PayloadJson,
    /// `iss` is no string.
    IssuerNotText,
    /// `sub` is no string.
    SubjectNotText,
    /// `iat` is no number.
    IssuedAtNotNumber,
    /// `iat` is negative or beyond 64 bits.
    IssuedAtOutOfRange,
    /// `nbf` is no number.
    NotBeforeNotNumber,
    /// `nbf` is negative or beyond 64 bits.
    NotBeforeOutOfRange,
    /// `exp` is no number.
    ExpiryNotNumber,
    /// `exp` is negative or beyond 64 bits.
    ExpiryOutOfRange,
    /// `jti` is no string.
    TokenIdNotText,
    /// `aud` is neither a string nor a list of strings.
    AudienceNotText,
    /// The signature is not base64url without padding.
    SignatureBase64,
    /// A signature with Ed25519 that has not 64 bytes.
    SignatureLength,
    /// No rule is for this issuer at this place.
    UnknownIssuer,
    /// None of the token's audiences is one of the rule's.
    AudienceNotAllowed,
    /// No key of those that it may have been signed with has signed it.
    VerificationFails,
    /// No key is for its `kid` and `alg`.
    NoFittingKey,
    /// The rule has no keys because they are written wrongly.
    NoKeys,
    /// The rule's keys have not been fetched yet.
    KeysNotFetched,
}

impl Fault {
    /// The body of the response.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Missing => "Jwt is missing",
            Self::NotYetValid => "Jwt not yet valid",
            Self::Expired => "Jwt is expired",
            Self::Form => "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
            Self::TooLarge => "Jwt is too large",
            Self::HeaderBase64 => "Jwt header is an invalid Base64url encoded",
            Self::HeaderJson => "Jwt header is an invalid JSON",
            Self::AlgorithmNotText => "Jwt header [alg] field is required and must be a string",
            Self::AlgorithmUnsupported => "Jwt header [alg] is not supported",
            Self::KeyIdNotText => "Jwt header [kid] field is not a string",
            Self::Critical => "Jwt header [crit] is not supported",
            Self::PayloadEncoding => "Jwt header [b64] is not supported",
            Self::PayloadBase64 => "Jwt payload is an invalid Base64url encoded",
            Self::PayloadJson => "Jwt payload is an invalid JSON",
            Self::IssuerNotText => "Jwt payload [iss] field is not a string",
            Self::SubjectNotText => "Jwt payload [sub] field is not a string",
            Self::IssuedAtNotNumber => "Jwt payload [iat] field is not an integer",
            Self::IssuedAtOutOfRange => "Jwt payload [iat] field is not a positive 64 bit integer",
            Self::NotBeforeNotNumber => "Jwt payload [nbf] field is not an integer",
            Self::NotBeforeOutOfRange => "Jwt payload [nbf] field is not a positive 64 bit integer",
            Self::ExpiryNotNumber => "Jwt payload [exp] field is not an integer",
            Self::ExpiryOutOfRange => "Jwt payload [exp] field is not a positive 64 bit integer",
            Self::TokenIdNotText => "Jwt payload [jti] field is not a string",
            Self::AudienceNotText => "Jwt payload [aud] field is not a string or string list",
            Self::SignatureBase64 => "Jwt signature is an invalid Base64url encoded",
            Self::SignatureLength => "Jwt ED25519 signature is wrong length",
            Self::UnknownIssuer => "Jwt issuer is not configured",
            Self::AudienceNotAllowed => "Audiences in Jwt are not allowed",
            Self::VerificationFails => "Jwt verification fails",
            Self::NoFittingKey => "Jwks doesn't have key to match kid or alg from Jwt",
            Self::NoKeys => "Jwks doesn't have any valid public key",
            Self::KeysNotFetched => "Jwks remote fetch is failed",
        }
    }

    /// Whether this says only that a rule is not concerned: no token at its places, or one of another issuer.
    pub(crate) const fn is_of_another_rule(self) -> bool {
        matches!(self, Self::Missing | Self::UnknownIssuer)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Fault {}
