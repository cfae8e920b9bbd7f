//! The same endpoint for the requests of one session, as `sessionPersistence` of the Gateway API wants it.
//!
//! The endpoint is not computed, as it is with [`HashKey`](crate::HashKey), but remembered: by the client, which gets a token that
//! names it and sends it along. Endpoints that come and go therefore move nobody else's session. The token tells nothing of
//! the endpoint but a digest of its identifier, so that it neither shows addresses nor leads to any other than those that the
//! route leads to anyway.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use sha2::{Digest, Sha256};

/// How the requests of a session find their endpoint again.
///
/// ```
/// use std::time::SystemTime;
/// use cairn_route::EndpointMark;
/// # let document = serde_json::json!({
/// #     "metadata": {"name": "cart", "namespace": "shop"},
/// #     "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": "cart"}],
/// #         "rules": [{"backendRefs": [{"name": "cart", "port": 80}], "sessionPersistence": {"type": "Header", "sessionName": "x-cart"}}]},
/// # });
/// # let (table, _) = cairn_route::compile(&cairn_route::Inputs {
/// #     service_host: "cart.shop.svc.cluster.local", service_namespace: "shop", port: 80,
/// #     http_routes: &[std::sync::Arc::new(serde_json::from_value(document)?)], ..Default::default()
/// # });
/// # let table = table.expect("it is attached");
/// # let persistence = table.routes()[0].session.as_ref().expect("it has sessions");
/// # let (mut headers, now) = (http::HeaderMap::new(), SystemTime::now());
/// // On a request: whose is it? The endpoint with this mark is taken if it is there, else any.
/// let session = persistence.read(&headers, now);
/// assert!(session.is_none(), "the first one");
/// // On its response: what the client is to remember.
/// let taken = EndpointMark::of("Kubernetes//Pod/shop/cart-1");
/// let (name, value) = persistence.issue(taken, session.as_ref(), now).expect("it does not know it yet");
/// # headers.insert(name, value);
/// assert_eq!(persistence.read(&headers, now).map(|session| session.endpoint), Some(taken));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPersistence {
    pub(crate) carrier: Carrier,
    /// How long a session lasts at most.
    pub(crate) absolute: Option<Duration>,
    /// How long a session lasts without requests.
    pub(crate) idle: Option<Duration>,
}

/// What carries the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Carrier {
    Cookie {
        name: String,
        /// Whether browsers keep it until the session is over, and not only as long as they run.
        permanent: bool,
    },
    Header(HeaderName),
}

/// What names an endpoint in a token: a digest of its identifier, the same in every waypoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointMark([u8; 12]);

/// What a valid token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The endpoint that has the session.
    pub endpoint: EndpointMark,
    /// When the session began, and when it was last seen, in seconds of Unix.
    begun: u64,
    seen: u64,
}

/// Clocks of waypoints differ by no more than this.
const SKEW: u64 = 60;

/// The first character of tokens of this form.
const FORM: char = '1';

impl EndpointMark {
    /// The mark of the endpoint with this identifier, which is the workload's `uid`.
    pub fn of(uid: &str) -> EndpointMark {
        let digest = Sha256::digest(uid.as_bytes());
        let mut mark = [0; 12];
        for (to, from) in mark.iter_mut().zip(digest) {
            *to = from;
        }
        EndpointMark(mark)
    }
}

impl fmt::Display for EndpointMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EndpointMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointMark({self})")
    }
}

impl SessionPersistence {
    /// The session of a request. `None`: it has none, or one that is over or cannot be read; it may be led anywhere, as
    /// the first one of a new session.
    pub fn read(&self, headers: &HeaderMap, now: SystemTime) -> Option<Session> {
        let now = seconds(now);
        let token = match &self.carrier {
            Carrier::Cookie { name, .. } => cookie(headers, name)?,
            Carrier::Header(name) => headers.get(name)?.to_str().ok()?,
        };
        let session = Session::parse(token)?;
        let is_over = |limit: Option<Duration>, since: u64| {
            limit.is_some_and(|limit| now.saturating_sub(since) >= limit.as_secs().max(1))
        };
        // A time to come was made up: such a session would never be over.
        let made_up = session.begun > now + SKEW || session.seen > now + SKEW;
        let over = is_over(self.absolute, session.begun) || is_over(self.idle, session.seen);
        (!made_up && !over).then_some(session)
    }

    /// What is to be added to the response of the endpoint that a request was led to, for the client to send along from now on;
    /// `before` is the session that the request had. `None`: what the client has is still right.
    pub fn issue(
        &self,
        endpoint: EndpointMark,
        before: Option<&Session>,
        now: SystemTime,
    ) -> Option<(HeaderName, HeaderValue)> {
        let now = seconds(now);
        let kept = before.filter(|session| session.endpoint == endpoint);
        if kept.is_some_and(|session| self.idle.is_none() || session.seen >= now) {
            return None;
        }
        let session = Session {
            endpoint,
            begun: kept.map_or(now, |session| session.begun),
            seen: now,
        };
        let (name, text) = match &self.carrier {
            Carrier::Header(name) => (name.clone(), session.to_string()),
            Carrier::Cookie { name, permanent } => {
                let rest = self.absolute.filter(|_| *permanent).map(|absolute| {
                    let passed = now.saturating_sub(session.begun);
                    format!("; Max-Age={}", absolute.as_secs().max(1).saturating_sub(passed))
                });
                let rest = rest.unwrap_or_default();
                (SET_COOKIE, format!("{name}={session}{rest}; Path=/; HttpOnly"))
            }
        };
        Some((name, text.parse().ok()?))
    }
}

impl Session {
    /// `1` and three parts in hexadecimal: the mark, when it began, and when it was seen last.
    fn parse(token: &str) -> Option<Session> {
        let mut parts = token.strip_prefix(FORM)?.split('.');
        let mut part = || {
            parts
                .next()
                .filter(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        let (mark, begun, seen) = (part()?, part()?, part()?);
        if parts.next().is_some() || mark.len() != 24 {
            return None;
        }
        let mut endpoint = [0; 12];
        for (place, byte) in endpoint.iter_mut().enumerate() {
            *byte = u8::from_str_radix(mark.get(2 * place..2 * place + 2)?, 16).ok()?;
        }
        Some(Session {
            endpoint: EndpointMark(endpoint),
            begun: u64::from(u32::from_str_radix(begun, 16).ok()?),
            seen: u64::from(u32::from_str_radix(seen, 16).ok()?),
        })
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORM}{}.{:x}.{:x}", self.endpoint, self.begun, self.seen)
    }
}

/// The value of a cookie, without quotes. Of several with the name the first, which is the one with the longest path.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).into_iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut values = pairs.filter_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
    values.next().map(|value| value.trim_matches('"'))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests;
