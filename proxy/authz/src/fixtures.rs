//! Policies and requests for tests.
// Literals of JSON are passed as they are.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cairn_api::istio::AuthorizationPolicy;
use cairn_config::Problem;
use cairn_identity::SpiffeId;
use cairn_jwt::{Authenticated, Cache, KeyRing, Now, Requirements};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use crate::policy_set::{CompileOptions, PolicySet};
use crate::request::{Http, Note, Request};
use crate::verdict::Verdict;

/// A policy `default/NAME`.
pub(crate) fn policy(name: &str, spec: Value) -> Arc<AuthorizationPolicy> {
    let document = json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec});
    Arc::new(serde_json::from_value(document).unwrap())
}

/// Such a policy with the annotation of a rehearsal.
pub(crate) fn annotated(name: &str, dry_run: &str, spec: Value) -> Arc<AuthorizationPolicy> {
    let mut policy = AuthorizationPolicy::clone(&policy(name, spec));
    let annotations = &mut policy.metadata.annotations;
    annotations.insert("istio.io/dry-run".to_owned(), dry_run.to_owned());
    Arc::new(policy)
}

pub(crate) fn compile(policies: &[Arc<AuthorizationPolicy>]) -> (PolicySet, Vec<Problem>) {
    PolicySet::compile(policies, [], &CompileOptions::default())
}

pub(crate) fn decide(policies: &[Arc<AuthorizationPolicy>], call: &Call) -> Verdict {
    compile(policies).0.evaluate(&call.request())
}

pub(crate) fn allows(spec: Value, call: &Call) -> bool {
    decide(&[policy("p", spec)], call).is_allow()
}

pub(crate) fn source(source: Value) -> Value {
    json!({"from": [{"source": source}]})
}

pub(crate) fn operation(operation: Value) -> Value {
    json!({"to": [{"operation": operation}]})
}

pub(crate) fn when(key: &str, values: &[&str]) -> Value {
    json!({"when": [{"key": key, "values": values}]})
}

pub(crate) fn unless(key: &str, values: &[&str]) -> Value {
    json!({"when": [{"key": key, "notValues": values}]})
}

/// A request that owns its parts: `GET /hello` from `default/sleep`, unless changed.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) peer: Option<SpiffeId>,
    pub(crate) source_ip: IpAddr,
    pub(crate) remote_ip: IpAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authority: String,
    pub(crate) headers: HeaderMap,
    pub(crate) noted: Vec<Note>,
    pub(crate) token: Option<Token>,
    pub(crate) sni: Option<String>,
    pub(crate) tcp: bool,
}

impl Default for Call {
    fn default() -> Call {
        Call {
            peer: Some(SpiffeId::new("cluster.local", "default", "sleep")),
            source_ip: [10, 0, 0, 1].into(),
            remote_ip: [192, 0, 2, 7].into(),
            destination: ([10, 1, 0, 1], 5000).into(),
            method: "GET".to_owned(),
            path: "/hello".to_owned(),
            authority: "helloworld:5000".to_owned(),
            headers: HeaderMap::new(),
            noted: Vec::new(),
            token: None,
            sni: None,
            tcp: false,
        }
    }
}

impl Call {
    pub(crate) fn path(path: &str) -> Call {
        Call {
            path: path.to_owned(),
            ..Call::default()
        }
    }

    pub(crate) fn authority(authority: &str) -> Call {
        Call {
            authority: authority.to_owned(),
            ..Call::default()
        }
    }

    pub(crate) fn peer(principal: &str) -> Call {
        Call {
            peer: Some(format!("spiffe://{principal}").parse().unwrap()),
            ..Call::default()
        }
    }

    pub(crate) fn nobody() -> Call {
        Call {
            peer: None,
            ..Call::default()
        }
    }

    pub(crate) fn tcp() -> Call {
        Call {
            tcp: true,
            ..Call::default()
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Call {
        let name: HeaderName = name.parse().unwrap();
        self.headers
            .append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    /// With a token that says this.
    pub(crate) fn token(self, claims: Value) -> Call {
        Call {
            token: Some(Token::new(claims)),
            ..self
        }
    }

    pub(crate) fn noted(mut self, filter: &str, key: &str, value: &str) -> Call {
        self.noted.push((filter.into(), key.into(), value.into()));
        self
    }

    pub(crate) fn request(&self) -> Request<'_> {
        let http = Http {
            method: &self.method,
            path: &self.path,
            authority: &self.authority,
            headers: &self.headers,
            noted: &self.noted,
            token: self.token.as_ref().map(|token| &token.authenticated),
        };
        Request {
            peer: self.peer.as_ref(),
            source_ip: self.source_ip,
            remote_ip: self.remote_ip,
            destination: self.destination,
            http: (!self.tcp).then_some(http),
            sni: self.sni.as_deref(),
        }
    }
}

/// A verified token, and what it says.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) claims: Value,
    pub(crate) authenticated: Authenticated,
}

impl Token {
    /// Signed, and verified by a rule for its issuer.
    pub(crate) fn new(claims: Value) -> Token {
        static KEY: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::generate().unwrap());
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let header = json!({"alg": "EdDSA"}).to_string();
        let signed = format!(
            "{}.{}",
            encode(header.as_bytes()),
            encode(claims.to_string().as_bytes())
        );
        let signature = encode(KEY.sign(signed.as_bytes()).as_ref());
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": encode(KEY.public_key().as_ref())});
        let rule = json!({"issuer": claims["iss"], "jwks": json!({"keys": [key]}).to_string()});
        let policy =
            json!({"metadata": {"name": "jwt", "namespace": "default"}, "spec": {"jwtRules": [rule]}});
        let policy = Arc::new(serde_json::from_value(policy).unwrap());
        let (requirements, problems) = Requirements::compile(&[policy], &KeyRing::default());
        assert!(problems.is_empty(), "{problems:?}");
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {signed}.{signature}");
        headers.insert(AUTHORIZATION, bearer.try_into().unwrap());
        let request = cairn_jwt::Request {
            method: &Method::GET,
            scheme: "http",
            authority: "app",
            path: "/",
            query: None,
            headers: &headers,
        };
        let passed = requirements
            .authenticate(&request, &Cache::default(), Now::read())
            .unwrap();
        Token {
            authenticated: passed.authenticated().unwrap().clone(),
            claims,
        }
    }
}
