//! A token: its parts and what they say (RFC 7515 section 3.1, RFC 7519).

use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

use crate::algorithm::Algorithm;
use crate::claim::{Claim, Claims};
use crate::fault::Fault;
use crate::key_set::KeySet;

/// Bytes of a token. Heads of requests end at 60 KiB; tokens with hundreds of groups stay below this.
pub(crate) const MAX_BYTES: usize = 32 << 10;

/// Seconds by which clocks may differ.
const SKEW: u64 = 60;

/// A token in its proper form. What it says is not believed before a key has verified it.
pub(crate) struct Token {
    text: Bytes,
    /// Where header and payload are in the text, which is also what is signed.
    signed: Range<usize>,
    payload: Range<usize>,
    signature: Box<[u8]>,
    algorithm: Algorithm,
    key_id: Option<Box<str>>,
    claims: Claims,
    not_before: Option<u64>,
    expiry: Option<u64>,
}

impl Token {
    /// The checks are in Envoy's order, so that a token with two faults is refused for the same one.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Fault> {
        if text.len() > MAX_BYTES {
            return Err(Fault::TooLarge);
        }
        let mut parts = text.split(|byte| *byte == b'.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Fault::Form);
        };
        if header.is_empty() || payload.is_empty() || signature.is_empty() {
            return Err(Fault::Form);
        }
        let (signed, begin) = (header.len() + 1 + payload.len(), header.len() + 1);

        let json = decode(header).ok_or(Fault::HeaderBase64)?;
        let (algorithm, key_id) = read_header(&json)?;
        let json = decode(payload).ok_or(Fault::PayloadBase64)?;
        let claims = Claims::parse(&json).ok_or(Fault::PayloadJson)?;
        expect_text(&claims, "iss", Fault::IssuerNotText)?;
        expect_text(&claims, "sub", Fault::SubjectNotText)?;
        time(
            &claims,
            "iat",
            Fault::IssuedAtNotNumber,
            Fault::IssuedAtOutOfRange,
        )?;
        let not_before = time(
            &claims,
            "nbf",
            Fault::NotBeforeNotNumber,
            Fault::NotBeforeOutOfRange,
        )?;
        let expiry = time(&claims, "exp", Fault::ExpiryNotNumber, Fault::ExpiryOutOfRange)?;
        expect_text(&claims, "jti", Fault::TokenIdNotText)?;
        expect_audiences(&claims)?;
        let signature = decode(signature).ok_or(Fault::SignatureBase64)?;
        Ok(Self {
            text: Bytes::copy_from_slice(text),
            signed: 0..signed,
            payload: begin..signed,
            signature: signature.into(),
            algorithm,
            key_id,
            claims,
            not_before,
            expiry,
        })
    }

    /// The whole token.
    pub(crate) fn text(&self) -> &Bytes {
        &self.text
    }

    /// The payload, base64url.
    pub(crate) fn payload(&self) -> Bytes {
        self.text.slice(self.payload.clone())
    }

    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The string of a claim of the first level.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Claim::as_text)
    }

    /// Whether the token is of this time, in seconds since 1970.
    pub(crate) fn check_time(&self, now: u64) -> Result<(), Fault> {
        if self
            .not_before
            .is_some_and(|begin| now.saturating_add(SKEW) < begin)
        {
            return Err(Fault::NotYetValid);
        }
        if self.is_expired(now) {
            return Err(Fault::Expired);
        }
        Ok(())
    }

    /// Whether the token's time is over for good.
    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.expiry.is_some_and(|end| now > end.saturating_add(SKEW))
    }

    pub(crate) fn verify(&self, keys: &KeySet) -> Result<(), Fault> {
        if self.algorithm == Algorithm::EdDsa && self.signature.len() != 64 {
            return Err(Fault::SignatureLength);
        }
        let message = self.text.get(self.signed.clone()).unwrap_or_default();
        keys.verify(self.key_id.as_deref(), self.algorithm, message, &self.signature)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

/// Strict: the letters of base64url, no padding, no whitespace, no bits left over. Each other spelling would be a second
/// token for the same claims.
fn decode(part: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

fn read_header(json: &[u8]) -> Result<(Algorithm, Option<Box<str>>), Fault> {
    let header = Claims::parse(json).ok_or(Fault::HeaderJson)?;
    let name = header
        .get("alg")
        .and_then(Claim::as_text)
        .ok_or(Fault::AlgorithmNotText)?;
    let algorithm = Algorithm::named(name).ok_or(Fault::AlgorithmUnsupported)?;
    let key_id = match header.get("kid") {
        None => None,
        Some(Claim::Text(id)) => Some(id.clone()).filter(|id| !id.is_empty()),
        Some(_) => return Err(Fault::KeyIdNotText),
    };
    if header.get("crit").is_some() {
        return Err(Fault::Critical);
    }
    if header.get("b64").is_some() {
        return Err(Fault::PayloadEncoding);
    }
    Ok((algorithm, key_id))
}

fn expect_text(claims: &Claims, name: &str, fault: Fault) -> Result<(), Fault> {
    match claims.get(name) {
        None | Some(Claim::Text(_)) => Ok(()),
        Some(_) => Err(fault),
    }
}

fn expect_audiences(claims: &Claims) -> Result<(), Fault> {
    match claims.get("aud") {
        None | Some(Claim::Text(_)) => Ok(()),
        Some(Claim::List(items)) if items.iter().all(|item| item.as_text().is_some()) => Ok(()),
        Some(_) => Err(Fault::AudienceNotText),
    }
}

/// Whole seconds since 1970; what is after the point is cut off.
fn time(claims: &Claims, name: &str, not_number: Fault, out_of_range: Fault) -> Result<Option<u64>, Fault> {
    let number = match claims.get(name) {
        None => return Ok(None),
        Some(Claim::Number(number)) => number,
        Some(_) => return Err(not_number),
    };
    if let Some(seconds) = number.as_u64() {
        return Ok(Some(seconds));
    }
    match number.as_f64() {
        Some(seconds) if (0.0..u64::MAX as f64).contains(&seconds) => Ok(Some(seconds as u64)),
        _ => Err(out_of_range),
    }
}

#[cfg(test)]
mod tests;
