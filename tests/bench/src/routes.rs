//! Routes, told once: as Istio's VirtualService has them, and as Istio writes them for Envoy.

use serde_json::{Value, json};

use crate::mesh::{HOST, SERVICE_PORT};

/// One route: what it matches. All lead to the same service.
#[derive(Clone, Debug, Default)]
pub struct Route {
    name: String,
    path: Path,
    method: Option<&'static str>,
    header: Option<(&'static str, String)>,
    query: Option<(&'static str, String)>,
    fault: bool,
}

#[derive(Clone, Debug, Default)]
enum Path {
    #[default]
    Any,
    Exact(String),
    Prefix(String),
    Regex(String),
}

/// Twelve routes of a shop, of every kind. The last one matches, and has a fault that never happens.
#[must_use]
pub fn shop() -> Vec<Route> {
    let route = |name: &str, path: Path| Route {
        name: name.to_owned(),
        path,
        ..Route::default()
    };
    let exact = |text: &str| Path::Exact(text.to_owned());
    let prefix = |text: &str| Path::Prefix(text.to_owned());
    vec![
        route("health", exact("/healthz")),
        Route {
            header: Some(("x-canary", "always".to_owned())),
            ..route("canary", Path::Any)
        },
        route("login", exact("/login")),
        route("order", Path::Regex("/orders/[0-9]+(/lines)?".to_owned())),
        Route {
            method: Some("POST"),
            ..route("write", prefix("/shop/"))
        },
        Route {
            query: Some(("version", "2".to_owned())),
            ..route("second", prefix("/shop/"))
        },
        route("static", prefix("/static/")),
        Route {
            header: Some(("end-user", "jason".to_owned())),
            ..route("jason", prefix("/shop/items"))
        },
        route("reviews", Path::Regex("/reviews/[a-z0-9-]+".to_owned())),
        route("ratings", prefix("/ratings")),
        route("old", exact("/shop/items.php")),
        Route {
            fault: true,
            ..route("shop", prefix("/shop/"))
        },
    ]
}

/// So many routes, as a gateway of many tenants collects them: by path, and by a header on the same path. The last one
/// matches.
#[must_use]
pub fn tenants(count: usize) -> Vec<Route> {
    let others = count.saturating_sub(1);
    let tenant = |number: usize| {
        let (path, header) = match number % 4 {
            0 => (Path::Exact(format!("/tenant-{number}/items")), None),
            1 | 2 => (Path::Prefix(format!("/tenant-{number}/")), None),
            _ => (
                Path::Prefix("/shop/".to_owned()),
                Some(("x-tenant", number.to_string())),
            ),
        };
        Route {
            name: format!("tenant-{number}"),
            path,
            header,
            ..Route::default()
        }
    };
    let last = Route {
        name: "shop".to_owned(),
        path: Path::Prefix("/shop/".to_owned()),
        ..Route::default()
    };
    (0..others).map(tenant).chain([last]).collect()
}

impl Route {
    /// As `spec.http[]` of a VirtualService.
    #[must_use]
    pub fn istio(&self) -> Value {
        let mut route = json!({
            "name": self.name,
            "match": [self.istio_match()],
            "route": [{"destination": {"host": HOST, "port": {"number": SERVICE_PORT}}}],
        });
        if self.fault {
            set(
                &mut route,
                "fault",
                json!({
                    "delay": {"fixedDelay": "5s", "percentage": {"value": 0}},
                    "abort": {"httpStatus": 500, "percentage": {"value": 0}},
                }),
            );
        }
        route
    }

    fn istio_match(&self) -> Value {
        let mut block = json!({});
        match &self.path {
            Path::Any => {}
            Path::Exact(text) => set(&mut block, "uri", json!({"exact": text})),
            Path::Prefix(text) => set(&mut block, "uri", json!({"prefix": text})),
            Path::Regex(text) => set(&mut block, "uri", json!({"regex": text})),
        }
        if let Some(method) = self.method {
            set(&mut block, "method", json!({"exact": method}));
        }
        if let Some((name, value)) = &self.header {
            set(&mut block, "headers", json!({*name: {"exact": value}}));
        }
        if let Some((name, value)) = &self.query {
            set(&mut block, "queryParams", json!({*name: {"exact": value}}));
        }
        block
    }

    /// As `routes[]` of Envoy's virtual host, with what Istio adds to every route.
    #[must_use]
    pub fn envoy(&self, cluster: &str) -> Value {
        let mut route = json!({
            "name": self.name,
            "match": self.envoy_match(),
            "route": envoy_action(cluster),
            "decorator": {"operation": format!("{HOST}:{SERVICE_PORT}/*")},
        });
        if self.fault {
            set(
                &mut route,
                "typed_per_filter_config",
                json!({"envoy.filters.http.fault": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
                    "delay": {"fixed_delay": "5s", "percentage": {"numerator": 0, "denominator": "MILLION"}},
                    "abort": {"http_status": 500, "percentage": {"numerator": 0, "denominator": "MILLION"}},
                }}),
            );
        }
        route
    }

    fn envoy_match(&self) -> Value {
        let mut block = match &self.path {
            Path::Any => json!({"prefix": "/"}),
            Path::Exact(text) => json!({"path": text}),
            Path::Prefix(text) => json!({"prefix": text}),
            Path::Regex(text) => json!({"safe_regex": {"regex": text}}),
        };
        set(&mut block, "case_sensitive", json!(true));
        let method = self.method.map(|method| (":method", method.to_owned()));
        let headers: Vec<Value> = method
            .iter()
            .chain(&self.header)
            .map(|(name, value)| json!({"name": name, "string_match": {"exact": value}}))
            .collect();
        if !headers.is_empty() {
            set(&mut block, "headers", json!(headers));
        }
        if let Some((name, value)) = &self.query {
            let query = json!([{"name": name, "string_match": {"exact": value}}]);
            set(&mut block, "query_parameters", query);
        }
        block
    }
}

/// The route that Envoy has where no VirtualService applies.
#[must_use]
pub fn envoy_default(cluster: &str) -> Value {
    json!({
        "name": "default",
        "match": {"prefix": "/"},
        "route": envoy_action(cluster),
        "decorator": {"operation": format!("{HOST}:{SERVICE_PORT}/*")},
    })
}

/// Istio's defaults: no timeout, two retries of what has certainly reached nobody.
fn envoy_action(cluster: &str) -> Value {
    json!({
        "cluster": cluster,
        "timeout": "0s",
        "max_stream_duration": {"max_stream_duration": "0s", "grpc_timeout_header_max": "0s"},
        "retry_policy": {
            "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
            "num_retries": 2,
            "retry_host_predicate": [{
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
                },
            }],
            "host_selection_retry_max_attempts": "5",
        },
    })
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(fields) = object {
        fields.insert(key.to_owned(), value);
    }
}
