//! Phase 5, authenticate: whose token a request carries, as RequestAuthentication asks for it.
//!
//! A request without a token passes without an identity: to refuse it is a matter of authorization.

use cairn_jwt::{Authenticated, Cache, Now, Passed, Request};
use http::Uri;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};

use crate::exchange::{Exchange, Scope};
use crate::failure::Failure;

/// Refuses a request whose token is not good, and keeps what a good one says.
pub(crate) fn check(exchange: &mut Exchange) -> Result<(), Failure> {
    let tokens = &exchange.proxy.tokens;
    let verified = verify(
        &exchange.scope,
        &mut exchange.parts,
        &exchange.authority,
        &tokens.verified,
    );
    let asked = verified.inspect_err(|refused| {
        if let Failure::Unauthenticated(refusal) = refused
            && refusal.keys_wanted()
        {
            tokens.wake();
        }
    })?;
    let Some(token) = asked else {
        return Ok(());
    };
    if let (Some(known), Some(token)) = (&exchange.known, &token) {
        known.authenticated(token);
    }
    exchange.token = token;
    exchange.recorder.headed(&exchange.parts, &exchange.authority);
    Ok(())
}

/// Verifies the tokens of a request, and takes those out that are not to be sent on. `None`: nothing is asked of requests.
pub(crate) fn verify(
    scope: &Scope,
    parts: &mut Parts,
    authority: &Authority,
    verified: &Cache,
) -> Result<Option<Option<Authenticated>>, Failure> {
    let mut all = Vec::new();
    for requirements in scope.requirements().filter(|it| !it.is_empty()) {
        let request = Request {
            method: &parts.method,
            scheme: "http",
            authority: authority.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query(),
            headers: &parts.headers,
        };
        let passed = requirements.authenticate(&request, verified, Now::read());
        all.push(passed.map_err(Failure::Unauthenticated)?);
    }
    // The policies of several services look at one identity: it has to be what the rules of each make of the request.
    let said = |passed: &Passed| {
        passed
            .authenticated()
            .map(|token| (token.issuer().to_owned(), token.claims().clone()))
    };
    if let [first, others @ ..] = all.as_slice()
        && others.iter().any(|other| said(other) != said(first))
    {
        return Err(Failure::Denied("rbac_access_denied_matched_policy[none]".into()));
    }
    // Only when nobody looks at the tokens any more.
    for passed in &all {
        passed.edit(&mut parts.headers);
        take_out(passed, parts)?;
    }
    if all.is_empty() {
        return Ok(None);
    }
    Ok(Some(all.first().and_then(Passed::authenticated).cloned()))
}

/// Takes tokens out of the query.
fn take_out(passed: &Passed, parts: &mut Parts) -> Result<(), Failure> {
    let Some(rest) = parts.uri.query().and_then(|query| passed.query(query)) else {
        return Ok(());
    };
    let path = parts.uri.path();
    let target = match rest.is_empty() {
        true => PathAndQuery::try_from(path),
        false => PathAndQuery::try_from(format!("{path}?{rest}")),
    };
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.path_and_query = Some(target.map_err(|_| Failure::BadTarget)?);
    parts.uri = Uri::from_parts(uri).map_err(|_| Failure::BadTarget)?;
    Ok(())
}
