//! What a registry asks for before it answers: the `WWW-Authenticate` of its 401.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use http_auth::parser::ChallengeParser;

/// How a registry wants to be convinced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// By a token of the server at `realm`, issued for `service`.
    Bearer { realm: String, service: Option<String> },
    /// By user and password.
    Basic,
}

/// The strongest challenge among the headers that is understood.
pub(crate) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut basic = None;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let Ok(text) = value.to_str() else { continue };
        for one in ChallengeParser::new(text).map_while(Result::ok) {
            let parameter = |name: &str| {
                let found = one.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            if one.scheme.eq_ignore_ascii_case("bearer") {
                if let Some(realm) = parameter("realm") {
                    return Some(Challenge::Bearer {
                        realm,
                        service: parameter("service"),
                    });
                }
            } else if one.scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            }
        }
    }
    basic
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(values: &[&'static str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
        challenge(&headers)
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        let bearer = Challenge::Bearer {
            realm: "https://auth.io/token?a=b,c".into(),
            service: Some("r.io".into()),
        };
        let asked = r#"bearer realm="https://auth.io/token?a=b,c",service="r.io",scope="repository:a:pull""#;
        assert_eq!(of(&["Basic realm=\"x\"", asked]), Some(bearer));
        assert_eq!(of(&["Negotiate", "Basic realm=\"x\""]), Some(Challenge::Basic));
    }

    #[test]
    fn what_is_not_understood_is_none() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["Bearer service=\"x\"", "Digest realm=\"x\"", "=,="]), None);
    }
}
