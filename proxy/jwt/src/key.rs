//! One public key of a set (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

use std::fmt;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::algorithm::{Algorithm, Curve};
use crate::claim::{Claim, Claims};

/// Bits of the moduli of RSA keys: RFC 7518 asks for 2048 at least, and more than 8192 only costs.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Some servers pad what they publish; there is no harm in it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key, ready for each algorithm that it may be used with.
pub(crate) struct Key {
    /// Absent: the key is for tokens of any `kid`.
    id: Option<Box<str>>,
    /// What the key itself says it is for.
    algorithm: Option<Algorithm>,
    forms: Vec<(Algorithm, ParsedPublicKey)>,
}

/// Whether a key is for a token, by what both say of themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    /// By this key.
    Yes,
    /// The key is for such tokens, and has not signed this one.
    No,
    /// The key is for others.
    OtherKey,
}

/// Why a key of a set is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// The key is no object.
    #[error("it is not an object")]
    NotAnObject,
    /// No `kty`.
    #[error("it has no kty")]
    NoType,
    /// `kty` is none of RSA, EC and OKP. Symmetric keys (`oct`) have no place in a policy that many may read.
    #[error("its kty is not RSA, EC or OKP")]
    OtherType,
    /// `use` is not `sig`, or `key_ops` is without `verify`.
    #[error("it is not for verifying signatures")]
    OtherUse,
    /// `kid` or `alg` is no string.
    #[error("its kid or alg is not a string")]
    NotText,
    /// `alg` is not known, or not for this type of key or curve.
    #[error("its alg is not supported, or not for its kty and crv")]
    Algorithm,
    /// `crv` is not supported.
    #[error("its crv is not P-256, P-384, P-521 or Ed25519")]
    Curve,
    /// A number is missing or not base64url.
    #[error("one of its numbers is missing or not base64url")]
    Number,
    /// An RSA key of a size that is not accepted.
    #[error("its modulus has not 2048 to 8192 bits")]
    Size,
    /// An RSA key with an exponent other than 3 and 65537.
    #[error("its exponent is neither 3 nor 65537")]
    Exponent,
    /// The numbers make no key.
    #[error("its numbers are not those of a public key")]
    Invalid,
}

impl Key {
    pub(crate) fn parse(json: &Claim) -> Result<Self, Unusable> {
        let Claim::Object(json) = json else {
            return Err(Unusable::NotAnObject);
        };
        let kind = text(json, "kty")?.ok_or(Unusable::NoType)?;
        if !is_for_verifying(json) {
            return Err(Unusable::OtherUse);
        }
        let algorithm = match text(json, "alg")? {
            None | Some("") => None,
            Some(name) => Some(Algorithm::named(name).ok_or(Unusable::Algorithm)?),
        };
        let forms = match kind {
            "RSA" => rsa(json, algorithm)?,
            "EC" => elliptic(json, algorithm)?,
            "OKP" => edwards(json, algorithm)?,
            _ => return Err(Unusable::OtherType),
        };
        let id = text(json, "kid")?.filter(|id| !id.is_empty()).map(Box::from);
        Ok(Self { id, algorithm, forms })
    }

    /// Whether this key has signed `message`, which names `id` and `algorithm`.
    pub(crate) fn has_signed(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Signed {
        let other_id = matches!((id, self.id.as_deref()), (Some(asked), Some(own)) if asked != own);
        if other_id || self.algorithm.is_some_and(|own| own != algorithm) {
            return Signed::OtherKey;
        }
        let form = self.forms.iter().find(|(own, _)| *own == algorithm);
        let verified = form.is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok());
        if verified { Signed::Yes } else { Signed::No }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// A member that is a string where it is present.
fn text<'a>(json: &'a Claims, name: &str) -> Result<Option<&'a str>, Unusable> {
    match json.get(name) {
        None => Ok(None),
        Some(Claim::Text(text)) => Ok(Some(text)),
        Some(_) => Err(Unusable::NotText),
    }
}

fn is_for_verifying(json: &Claims) -> bool {
    let usage = match json.get("use") {
        None => true,
        Some(usage) => usage.as_text() == Some("sig"),
    };
    let operation = match json.get("key_ops") {
        None => true,
        Some(Claim::List(operations)) => operations.iter().any(|one| one.as_text() == Some("verify")),
        Some(_) => false,
    };
    usage && operation
}

/// A number, without the zeros before it.
fn number(json: &Claims, name: &str) -> Result<Vec<u8>, Unusable> {
    let text = json.get(name).and_then(Claim::as_text).ok_or(Unusable::Number)?;
    let bytes = LENIENT.decode(text).map_err(|_| Unusable::Number)?;
    Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn rsa(json: &Claims, algorithm: Option<Algorithm>) -> Result<Vec<(Algorithm, ParsedPublicKey)>, Unusable> {
    let (n, e) = (number(json, "n")?, number(json, "e")?);
    let bits = n
        .first()
        .map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err(Unusable::Size);
    }
    if !matches!(e.as_slice(), [3] | [1, 0, 1]) {
        return Err(Unusable::Exponent);
    }
    if n.last().is_none_or(|last| last % 2 == 0) {
        return Err(Unusable::Invalid);
    }
    let key = RsaPublicKeyComponents { n, e };
    let algorithms = Algorithm::RSA
        .into_iter()
        .filter(|one| algorithm.is_none_or(|own| own == *one));
    let forms: Vec<_> = algorithms
        .filter_map(|one| Some((one, one.rsa()?)))
        .map(|(one, parameters)| {
            let form = key.to_parsed_public_key(parameters);
            Ok((one, form.map_err(|_| Unusable::Invalid)?))
        })
        .collect::<Result<_, _>>()?;
    if forms.is_empty() {
        return Err(Unusable::Algorithm);
    }
    Ok(forms)
}

fn elliptic(
    json: &Claims,
    algorithm: Option<Algorithm>,
) -> Result<Vec<(Algorithm, ParsedPublicKey)>, Unusable> {
    // Envoy takes a key without `crv` for one of the curve of its `alg`, or P-256.
    let curve = match (text(json, "crv")?, algorithm) {
        (Some(name), _) => Curve::named(name).ok_or(Unusable::Curve)?,
        (None, Some(algorithm)) => Curve::of(algorithm).ok_or(Unusable::Algorithm)?,
        (None, None) => Curve::P256,
    };
    if algorithm.is_some_and(|own| own != curve.algorithm()) {
        return Err(Unusable::Algorithm);
    }
    // An uncompressed point (SEC 1, 2.3.3).
    let mut point = vec![4];
    for name in ["x", "y"] {
        let coordinate = number(json, name)?;
        let zeros = curve
            .width()
            .checked_sub(coordinate.len())
            .ok_or(Unusable::Number)?;
        point.extend(std::iter::repeat_n(0, zeros));
        point.extend(coordinate);
    }
    let key = ParsedPublicKey::new(curve.verification(), point).map_err(|_| Unusable::Invalid)?;
    Ok(vec![(curve.algorithm(), key)])
}

fn edwards(
    json: &Claims,
    algorithm: Option<Algorithm>,
) -> Result<Vec<(Algorithm, ParsedPublicKey)>, Unusable> {
    if algorithm.is_some_and(|own| own != Algorithm::EdDsa) {
        return Err(Unusable::Algorithm);
    }
    if text(json, "crv")? != Some("Ed25519") {
        return Err(Unusable::Curve);
    }
    let text = text(json, "x")?.ok_or(Unusable::Number)?;
    let bytes = LENIENT.decode(text).map_err(|_| Unusable::Number)?;
    if bytes.len() != 32 {
        return Err(Unusable::Invalid);
    }
    let key = ParsedPublicKey::new(&signature::ED25519, bytes).map_err(|_| Unusable::Invalid)?;
    Ok(vec![(Algorithm::EdDsa, key)])
}
