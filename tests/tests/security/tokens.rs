//! RequestAuthentication, and what policies and routes make of tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cairn_tests::{Answer, Lone, Signer, seconds_from_now};
use http::Request;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const ISSUER: &str = "https://issuer.example/users";
const FORM: &str = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";

/// The service asks for tokens of the issuer, with these fields beside.
fn authentication(keys: &str, more: &str) -> String {
    format!(
        "
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: users}}
spec:
  targetRefs: [{{group: '', kind: Service, name: app}}]
  jwtRules:
  - issuer: {ISSUER}
    {keys}
{more}"
    )
}

fn inline(signer: &Signer) -> String {
    format!("jwks: '{}'", signer.keys())
}

fn claims(more: &Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "sub": "jane", "exp": seconds_from_now(600)});
    claims
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    claims
}

async fn get(mesh: &Lone, target: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(target);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    mesh.send(request.body("").unwrap()).await
}

async fn with(mesh: &Lone, token: &str) -> Answer {
    get(mesh, "/", &[("authorization", &format!("Bearer {token}"))]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_good_is_refused_in_envoys_words() {
    let signer = Signer::new("one");
    let files = authentication(&inline(&signer), "    audiences: [app]\n");
    let mesh = Lone::start(&[("users.yaml", &files)]).await;
    let aud = json!({"aud": "app"});
    let good = signer.token(&claims(&aud));
    assert_eq!(with(&mesh, &good).await.status, 200);
    let seen = mesh.v1.seen().into_iter().chain(mesh.v2.seen()).next().unwrap();
    assert!(
        !seen.headers.contains_key("authorization"),
        "the token is not sent on"
    );
    // Without a token there is no identity, and nothing else is asked.
    assert_eq!(get(&mesh, "/", &[]).await.status, 200);
    assert_eq!(
        get(&mesh, "/", &[("authorization", "Basic eA==")]).await.status,
        200
    );

    let forged = Signer::new("one").token(&claims(&aud));
    let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
    let cases = [
        (
            signer.token(&claims(&json!({"aud": "app", "exp": seconds_from_now(-120)}))),
            401,
            "Jwt is expired",
        ),
        (
            signer.token(&claims(&json!({"aud": "app", "nbf": seconds_from_now(600)}))),
            401,
            "Jwt not yet valid",
        ),
        (forged, 401, "Jwt verification fails"),
        (unsigned, 401, FORM),
        (
            signer.token(&claims(&json!({"aud": "app", "iss": "other"}))),
            401,
            "Jwt issuer is not configured",
        ),
        ("a.b".to_owned(), 401, FORM),
        (
            Signer::new("two").token(&claims(&aud)),
            401,
            "Jwks doesn't have key to match kid or alg from Jwt",
        ),
        (
            signer.token(&claims(&json!({"aud": "other"}))),
            403,
            "Audiences in Jwt are not allowed",
        ),
        (
            signer.token(&claims(&json!({}))),
            403,
            "Audiences in Jwt are not allowed",
        ),
    ];
    for (token, status, text) in cases {
        let before = mesh.v1.seen().len() + mesh.v2.seen().len();
        let answer = with(&mesh, &token).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (status, text));
        let challenge = format!(
            r#"Bearer realm="http://{}/", error="invalid_token""#,
            mesh.network.socket(10, 80)
        );
        assert_eq!(answer.header("www-authenticate"), challenge, "{text}");
        let details = format!(
            " {status} - jwt_authn_access_denied{{{}}} ",
            text.replace(' ', "_")
        );
        mesh.waypoint.wait_for_text(&details);
        assert_eq!(mesh.v1.seen().len() + mesh.v2.seen().len(), before, "{text}");
    }
    // 60 seconds of difference between clocks are forgiven.
    let skewed = signer.token(&claims(
        &json!({"aud": ["x", "app"], "exp": seconds_from_now(-20), "nbf": seconds_from_now(20)}),
    ));
    assert_eq!(with(&mesh, &skewed).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_and_routes_see_what_a_token_says() {
    let signer = Signer::new("one");
    let more = "
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: jane-or-admins}
spec:
  action: ALLOW
  targetRefs: [{group: '', kind: Service, name: app}]
  rules:
  - from: [{source: {requestPrincipals: ['https://issuer.example/users/jane']}}]
  - when: [{key: 'request.auth.claims[realm][roles]', values: [admin]}, {key: request.auth.presenter, values: ['web-*']}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  hosts: [app]
  http:
  - match: [{headers: {'@request.auth.claims.group': {exact: beta}}}]
    route: [{destination: {host: app, subset: v2}}]
  - route: [{destination: {host: app, subset: v1}}]
";
    let files = authentication(&inline(&signer), more);
    let mesh = Lone::start(&[("users.yaml", &files)]).await;
    let ask = async |claims: Value| with(&mesh, &signer.token(&claims)).await;
    let jane = ask(claims(&json!({}))).await;
    assert_eq!((jane.status.as_u16(), &*jane.body), (200, "backend v1: "));
    let beta = ask(claims(&json!({"group": ["alpha", "beta"]}))).await;
    assert_eq!((beta.status.as_u16(), &*beta.body), (200, "backend v2: "));
    let admin = ask(claims(
        &json!({"sub": "joe", "azp": "web-1", "realm": {"roles": ["user", "admin"]}}),
    ))
    .await;
    assert_eq!(admin.status, 200);
    for other in [
        json!({"sub": "joe"}),
        json!({"sub": "jane/x"}),
        json!({"sub": "joe", "azp": "cli", "realm": {"roles": ["admin"]}}),
        json!({"sub": "joe", "azp": "web-1", "realm": {"roles": ["user"]}}),
    ] {
        let answer = ask(claims(&other)).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.body),
            (403, "RBAC: access denied"),
            "{other}"
        );
    }
    let nobody = get(&mesh, "/", &[]).await;
    assert_eq!(nobody.status, 403);
    // What a client says of itself is nothing that a token says.
    let liar = get(&mesh, "/", &[("x-jwt-claim-sub", "jane")]).await;
    assert_eq!(liar.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_found_taken_out_and_told_where_the_rule_says() {
    let signer = Signer::new("one");
    let more = "    fromHeaders: [{name: x-token, prefix: 'Token '}]
    fromParams: [token]
    outputPayloadToHeader: x-payload
    outputClaimToHeaders: [{header: x-subject, claim: sub}]
";
    let files = authentication(&inline(&signer), more);
    let mesh = Lone::start(&[("users.yaml", &files)]).await;
    let token = signer.token(&claims(&json!({})));
    let last = async |target: &str, fields: &[(&str, &str)]| {
        let (first, second) = (mesh.v1.seen().len(), mesh.v2.seen().len());
        assert_eq!(get(&mesh, target, fields).await.status, 200);
        [mesh.v1.seen().split_off(first), mesh.v2.seen().split_off(second)]
            .concat()
            .remove(0)
    };
    let payload = token.split('.').nth(1).unwrap();
    for (target, field) in [
        ("/a?x=1", Some(format!("Token {token}"))),
        (&*format!("/a?token={token}&x=1"), None),
    ] {
        let fields: Vec<(&str, &str)> = field.iter().map(|value| ("x-token", &**value)).collect();
        let seen = last(target, &fields).await;
        assert_eq!(seen.target, "/a?x=1");
        assert!(!seen.headers.contains_key("x-token"));
        assert_eq!(seen.headers["x-payload"], *payload);
        assert_eq!(seen.headers["x-subject"], "jane");
    }
    // Only a token fills these.
    let seen = last("/", &[("x-subject", "admin"), ("x-payload", "e30")]).await;
    assert!(!seen.headers.contains_key("x-subject") && !seen.headers.contains_key("x-payload"));
    // Where the rule does not look, a token is none.
    let seen = last("/", &[("authorization", "Bearer a.b.c")]).await;
    assert_eq!(seen.headers["authorization"], "Bearer a.b.c");
}

/// Serves keys, and counts how often it is asked.
async fn keys(listener: TcpListener, keys: String) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{keys}",
                keys.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_and_not_because_somebody_makes_up_names() {
    let signer = Signer::new("one");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let files = authentication(&format!("jwksUri: {url}"), "");
    let mesh = Lone::start(&[("users.yaml", &files)]).await;
    let token = signer.token(&claims(&json!({})));
    // Nobody answers yet: no keys, no identity, no way past.
    let answer = with(&mesh, &token).await;
    assert_eq!(answer.status, 401);
    let asked = keys(listener, signer.keys()).await;
    let mut status = 401;
    for _ in 0..600 {
        status = with(&mesh, &token).await.status.as_u16();
        if status == 200 {
            break;
        }
        assert_eq!(status, 401);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(status, 200);
    let before = asked.load(Ordering::Relaxed);
    for number in 0..50 {
        let unknown = Signer::new(&format!("unknown-{number}")).token(&claims(&json!({})));
        assert_eq!(with(&mesh, &unknown).await.status, 401);
    }
    let after = asked.load(Ordering::Relaxed);
    assert!(after <= before + 1, "{before} {after}");
    assert_eq!(with(&mesh, &token).await.status, 200);
}
