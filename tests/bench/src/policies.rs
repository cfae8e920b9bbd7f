//! Policies, told twice: as AuthorizationPolicy, and as Istio writes them for Envoy.
//!
//! One policy denies, one allows; a request of the client passes all rules of the first and is allowed by the third rule
//! of the second.

use serde_json::{Value, json};

use crate::mesh::{TRUST_DOMAIN, identity};

/// The two AuthorizationPolicies of the service.
#[must_use]
pub fn istio() -> [Value; 2] {
    let policy = |name: &str, action: &str, rules: Value| {
        json!({
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": name},
            "spec": {
                "targetRefs": [{"kind": "Service", "group": "", "name": "app"}],
                "action": action,
                "rules": rules,
            },
        })
    };
    let deny = json!([
        {"to": [{"operation": {"paths": ["/admin", "/admin/*"]}}]},
        {"to": [{"operation": {"methods": ["TRACE", "PATCH"]}}]},
        {"from": [{"source": {"namespaces": ["sandbox", "untrusted"]}}]},
        {"when": [{"key": "request.headers[x-debug]", "values": ["*"]}]},
    ]);
    let allow = json!([
        {
            "from": [{"source": {"principals": [principal("kubelet")]}}],
            "to": [{"operation": {"methods": ["GET"], "paths": ["/healthz"]}}],
        },
        {
            "from": [{"source": {"namespaces": ["monitoring"]}}],
            "to": [{"operation": {"methods": ["GET"], "paths": ["/metrics"]}}],
        },
        {
            "from": [{"source": {"principals": [principal("sleep"), principal("cart")]}}],
            "to": [{"operation": {"methods": ["GET", "HEAD"], "paths": ["/shop/*", "/static/*"]}}],
        },
    ]);
    [policy("deny", "DENY", deny), policy("allow", "ALLOW", allow)]
}

fn principal(account: &str) -> String {
    format!("{TRUST_DOMAIN}/ns/default/sa/{account}")
}

/// The HTTP filters that Istio makes of the same policies.
#[must_use]
pub fn envoy() -> [Value; 2] {
    let deny = json!({
        "ns[default]-policy[deny]-rule[0]": rule(&[any_of(&[path_exact("/admin"), path_prefix("/admin/")])], &[]),
        "ns[default]-policy[deny]-rule[1]": rule(&[any_of(&[method("TRACE"), method("PATCH")])], &[]),
        "ns[default]-policy[deny]-rule[2]": rule(&[], &[any_id(&[namespace("sandbox"), namespace("untrusted")])]),
        "ns[default]-policy[deny]-rule[3]": rule(&[], &[any_id(&[
            json!({"header": {"name": "x-debug", "present_match": true}}),
        ])]),
    });
    let allow = json!({
        "ns[default]-policy[allow]-rule[0]": rule(
            &[any_of(&[method("GET")]), any_of(&[path_exact("/healthz")])],
            &[any_id(&[peer("kubelet")])],
        ),
        "ns[default]-policy[allow]-rule[1]": rule(
            &[any_of(&[method("GET")]), any_of(&[path_exact("/metrics")])],
            &[any_id(&[namespace("monitoring")])],
        ),
        "ns[default]-policy[allow]-rule[2]": rule(
            &[
                any_of(&[method("GET"), method("HEAD")]),
                any_of(&[path_prefix("/shop/"), path_prefix("/static/")]),
            ],
            &[any_id(&[peer("sleep"), peer("cart")])],
        ),
    });
    [filter("DENY", &deny), filter("ALLOW", &allow)]
}

fn filter(action: &str, policies: &Value) -> Value {
    json!({
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"action": action, "policies": policies},
        },
    })
}

fn rule(permissions: &[Value], principals: &[Value]) -> Value {
    let all = |rules: &[Value], and: &str, list: &str| match rules {
        [] => json!([{and: {list: [{"any": true}]}}]),
        rules => json!([{and: {list: rules}}]),
    };
    json!({
        "permissions": all(permissions, "and_rules", "rules"),
        "principals": all(principals, "and_ids", "ids"),
    })
}

fn any_of(rules: &[Value]) -> Value {
    json!({"or_rules": {"rules": rules}})
}

fn any_id(ids: &[Value]) -> Value {
    json!({"or_ids": {"ids": ids}})
}

fn path_exact(path: &str) -> Value {
    json!({"url_path": {"path": {"exact": path}}})
}

fn path_prefix(path: &str) -> Value {
    json!({"url_path": {"path": {"prefix": path}}})
}

fn method(method: &str) -> Value {
    json!({"header": {"name": ":method", "string_match": {"exact": method}}})
}

fn peer(account: &str) -> Value {
    json!({"filter_state": {
        "key": "io.istio.peer_principal",
        "string_match": {"exact": identity(account).to_string()},
    }})
}

fn namespace(namespace: &str) -> Value {
    json!({"filter_state": {
        "key": "io.istio.peer_principal",
        "string_match": {"safe_regex": {"regex": format!(".*/ns/{namespace}/.*")}},
    }})
}
