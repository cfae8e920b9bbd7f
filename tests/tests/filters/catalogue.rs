//! The filters that come with Cairn, each as its README shows it.

use cairn_tests::{Answer, Files, Lone, component, samples};
use http::{Request, StatusCode};

use crate::scene::{get, line};

/// A WasmPlugin of a filter of the catalogue for service `app`; `config` is JSON.
fn plugin(filter: &str, more: &str, config: &str) -> Option<String> {
    let module = component(filter)?;
    Some(format!(
        "
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata:
  name: {filter}
  annotations: {{filters.cairn.io/grants: shared, filters.cairn.io/outbound: 'other.default.svc.cluster.local:80'}}
spec:
  targetRefs: [{{group: '', kind: Service, name: app}}, {{group: '', kind: Service, name: other}}]
  url: file://{}
  pluginConfig: {config}
{more}
",
        module.display()
    ))
}

/// Service `other`, behind the same waypoint, with files for an application.
pub(crate) const OTHER: &str = "
apiVersion: v1
kind: Service
metadata: {name: other, labels: {istio.io/use-waypoint: waypoint}}
spec:
  clusterIP: NET.15
  selector: {app: other}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: other, labels: {app: other, istio.io/dataplane-mode: none}}
spec: {serviceAccountName: other, containers: [{name: other}]}
status: {podIP: NET.41}
";

async fn start(files: &[&str]) -> Lone {
    let names = (0..).map(|number| format!("file-{number}.yaml"));
    let files: Vec<_> = names.zip(files).collect();
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), **text)).collect();
    let mesh = Lone::start(&files).await;
    line(&mesh, "filter in force");
    mesh
}

/// A GET of `path` with one header.
fn with<'a>(path: &str, name: &str, value: &str) -> Request<&'a str> {
    Request::get(path).header(name, value).body("").unwrap()
}

/// What a metric of a filter has counted, over all its other labels.
async fn counted(mesh: &Lone, name: &str, label: (&str, &str)) -> f64 {
    let all = samples(mesh.network.socket(30, 15020)).await;
    all.iter()
        .filter(|sample| sample.is(name, &[label]))
        .map(|sample| sample.value)
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn api_keys_open_the_door_and_their_names_decide_what_is_behind() {
    // The hash of `secret-of-blue`, and that of `secret-of-red`.
    let config = "{keys: [{name: blue, sha256: e02b021104c7e1accb66c76be745cb0e814d961bd395a557141f2c4d5200f954}, {name: red, \
                  sha256: RED}], nameHeader: x-consumer, exemptPaths: [/healthz]}";
    let red = {
        use sha2::Digest as _;
        let sum = sha2::Sha256::digest(b"secret-of-red");
        sum.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let Some(plugin) = plugin("api-key", "  phase: AUTHN", &config.replace("RED", &red)) else {
        return;
    };
    let policy = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: blue-only}
spec:
  action: DENY
  targetRefs: [{group: '', kind: Service, name: app}]
  rules:
  - to: [{operation: {paths: [/blue]}}]
    when: [{key: 'experimental.envoy.filters.api-key[key]', notValues: [blue]}]
";
    let mesh = start(&[&plugin, policy]).await;
    let answer = mesh.send(get("/")).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.header("www-authenticate").contains("realm"), "{answer:?}");
    let status = async |path: &str, key: &str| mesh.send(with(path, "x-api-key", key)).await.status;
    assert_eq!(status("/", "secret-of-green").await, StatusCode::UNAUTHORIZED);
    assert_eq!(status("/", "secret-of-red").await, StatusCode::OK);
    assert_eq!(status("/blue", "secret-of-red").await, StatusCode::FORBIDDEN);
    assert_eq!(status("/blue", "secret-of-blue").await, StatusCode::OK);
    assert_eq!(mesh.send(get("/healthz")).await.status, StatusCode::OK);
    let seen: Vec<_> = mesh.v1.seen().into_iter().chain(mesh.v2.seen()).collect();
    assert!(seen.iter().all(|seen| !seen.headers.contains_key("x-api-key")));
    assert!(
        seen.iter()
            .any(|seen| seen.headers.get("x-consumer").is_some_and(|name| name == "blue"))
    );
    line(&mesh, "api_key_unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_counts_each_identity_by_itself() {
    let config = "{limits: [{name: caller, by: identity, requests: 3, per: day}]}";
    let Some(plugin) = plugin("local-rate-limit", "", config) else {
        return;
    };
    let mesh = start(&[&plugin]).await;
    for left in ["r=2", "r=1", "r=0"] {
        let answer = mesh.send(get("/")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.header("ratelimit").contains(left), "{answer:?}");
    }
    let limited = mesh.send(get("/")).await;
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(limited.header("retry-after").parse::<u32>().unwrap() > 0);
    assert!(
        limited.header("ratelimit-policy").contains("\"caller\";q=3"),
        "{limited:?}"
    );
    let other = mesh.send_as("notsleep", get("/")).await;
    assert_eq!(other.status, StatusCode::OK);
    let name = "cairn_filter_rate_limit_requests_total";
    assert_eq!(counted(&mesh, name, ("outcome", "limited")).await, 1.0);
    line(&mesh, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_fit_its_schema_is_refused_with_the_place() {
    let schema = "{type: object, required: [item], properties: {item: {type: string}, count: {type: integer, maximum: 100}}, \
                  additionalProperties: false}";
    let config = format!("{{rules: [{{pathPrefix: /orders, schema: {schema}}}], maxBytes: 1000}}");
    let Some(plugin) = plugin("json-schema", "", &config) else {
        return;
    };
    let mesh = start(&[&plugin]).await;
    let post = async |path: &str, body: &str| -> Answer {
        let request = Request::post(path).header("content-type", "application/json");
        mesh.send(request.body(body).unwrap()).await
    };
    let good = post("/orders", "{\"item\": \"tea\", \"count\": 3}").await;
    assert_eq!(good.status, StatusCode::OK, "{}", good.body);
    assert!(
        good.body.contains("\"count\": 3"),
        "the body goes on as it came: {}",
        good.body
    );
    let bad = post("/orders", "{\"item\": \"tea\", \"count\": 300}").await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    assert!(bad.body.contains("/count"), "{}", bad.body);
    assert_eq!(
        post("/orders", "{\"item\":").await.status,
        StatusCode::BAD_REQUEST
    );
    let large = format!("{{\"item\": \"{}\"}}", "x".repeat(2000));
    assert_eq!(
        post("/orders", &large).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(post("/elsewhere", "no JSON").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_masked_wherever_the_stream_is_cut() {
    let config = "{patterns: [{name: token, regex: '\\btok_\\w{8,64}'}]}";
    let Some(plugin) = plugin("redact", "", config) else {
        return;
    };
    let mesh = start(&[&plugin, OTHER]).await;
    let files = Files::start(mesh.network.socket(41, 8080)).await;
    // Secrets at all places of the frames in which it comes.
    let secret = "tok_0123456789abcdef";
    let mut text = String::new();
    for number in 0..5000 {
        text.push_str(&format!("{} {secret}\n", "x".repeat(number % 37)));
    }
    files.put("/text", "text/plain", text.clone());
    files.put("/image", "image/png", text.clone());
    let get = async |path: &str| {
        let sent = mesh.tunnels.send(
            "sleep",
            mesh.network.ip(11),
            mesh.network.socket(15, 80),
            get(path),
        );
        sent.await.unwrap()
    };
    let masked = get("/text").await;
    assert_eq!(masked.status, StatusCode::OK);
    assert_eq!(masked.body, text.replace(secret, "[redacted]"));
    assert_eq!(get("/image").await.body, text);
    let name = "cairn_filter_redact_matches_total";
    assert_eq!(counted(&mesh, name, ("pattern", "token")).await, 5000.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_stays_on_its_variant_and_the_routes_follow_it() {
    let config = "{variants: [{name: stable, weight: 1}, {name: canary, weight: 1}], cookie: {name: variant, secure: false}}";
    let Some(plugin) = plugin("canary", "", config) else {
        return;
    };
    let routes = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  hosts: [app]
  http:
  - match: [{headers: {x-variant: {exact: canary}}}]
    route: [{destination: {host: app, subset: v2}}]
  - route: [{destination: {host: app, subset: v1}}]
";
    let mesh = start(&[&plugin, routes]).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..64 {
        let first = mesh.send(get("/")).await;
        let cookie = first.header("set-cookie").split(';').next().unwrap().to_owned();
        let backend = match &*cookie {
            "variant=stable" => "backend v1: ",
            "variant=canary" => "backend v2: ",
            other => panic!("{other}"),
        };
        assert_eq!(first.body, backend);
        // What a client says under the header itself counts for nothing.
        let again = Request::get("/")
            .header("cookie", &cookie)
            .header("x-variant", "canary");
        let again = mesh.send(again.body("").unwrap()).await;
        assert_eq!((&*again.body, again.header("set-cookie")), (backend, ""));
        seen.insert(cookie);
    }
    // Each comes with probability one half.
    assert_eq!(seen.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_answers_all_but_probes_and_testers() {
    let config = "{always: true, retryAfter: 60, body: back soon, allowPaths: [/healthz], allowIdentities: \
                  [cluster.local/ns/default/sa/notsleep]}";
    let Some(plugin) = plugin("maintenance", "", config) else {
        return;
    };
    let mesh = start(&[&plugin]).await;
    let closed = mesh.send(get("/")).await;
    assert_eq!(
        (closed.status, &*closed.body),
        (StatusCode::SERVICE_UNAVAILABLE, "back soon")
    );
    assert_eq!(closed.header("retry-after"), "60");
    assert_eq!(mesh.send(get("/healthz")).await.status, StatusCode::OK);
    assert_eq!(mesh.send_as("notsleep", get("/")).await.status, StatusCode::OK);
    line(&mesh, " maintenance ");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_asked_about_and_the_answer_is_kept() {
    let config = "{target: 'other.default.svc.cluster.local:80', path: /introspect, requiredScopes: [read], cacheSeconds: 3600, \
                  inactiveCacheSeconds: 0}";
    let more = "  phase: AUTHN\n  match: [{ports: [{number: 80}]}]";
    let Some(plugin) = plugin("introspect", more, config) else {
        return;
    };
    // The authorization server itself is not guarded.
    let plugin = plugin.replace(", {group: '', kind: Service, name: other}", "");
    let mesh = start(&[&plugin, OTHER]).await;
    let server = Files::start(mesh.network.socket(41, 8080)).await;
    let says = |answer: &'static str| server.put("/introspect", "application/json", answer);
    let status = async |token: &str| {
        let value = format!("Bearer {token}");
        mesh.send(with("/", "authorization", &value)).await.status
    };
    assert_eq!(mesh.send(get("/")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(status("early").await, StatusCode::SERVICE_UNAVAILABLE);
    says("{\"active\": true, \"scope\": \"read write\", \"sub\": \"anna\"}");
    assert_eq!(status("good").await, StatusCode::OK);
    let asked = server.asked().len();
    says("{\"active\": false}");
    assert_eq!(status("good").await, StatusCode::OK, "known for an hour");
    assert_eq!(server.asked().len(), asked);
    assert_eq!(status("bad").await, StatusCode::UNAUTHORIZED);
    says("{\"active\": true, \"scope\": \"write\"}");
    assert_eq!(status("little").await, StatusCode::FORBIDDEN);
    line(&mesh, "introspect_");
}
