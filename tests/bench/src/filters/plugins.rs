//! Filters, told twice: as WasmPlugins, and as Istio writes them for Envoy.

use std::path::Path;

use serde_json::{Value, json};

/// A WasmPlugin of the service.
pub(super) fn plugin(name: &str, module: &Path, config: &Value) -> Value {
    json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": {"name": name},
        "spec": {
            "targetRefs": [{"group": "", "kind": "Service", "name": "app"}],
            "url": url(module),
            "pluginConfig": config,
        },
    })
}

/// A WasmPlugin for what goes to one port of the service, with the grants that `probe` needs.
pub(super) fn plugin_of_port(name: &str, port: u16, module: &Path, config: &Value) -> Value {
    json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": {"name": name, "annotations": {
            "filters.cairn.io/grants": "shared, ticker",
            "filters.cairn.io/outbound": "app.default.svc.cluster.local:80",
        }},
        "spec": {
            "targetRefs": [{"group": "", "kind": "Service", "name": "app"}],
            "match": [{"ports": [{"number": port}]}],
            "url": url(module),
            "pluginConfig": config,
        },
    })
}

fn url(module: &Path) -> String {
    format!("file://{}", module.display())
}

/// So many of them that read ten lines and append one.
pub(super) fn reading(module: &Path, count: usize) -> Vec<Value> {
    (0..count)
        .map(|number| plugin(&format!("bench-{number}"), module, &json!({"head": "read"})))
        .collect()
}

/// So many HTTP filters that do the same in Envoy.
pub(super) fn envoy(module: &Path, count: usize) -> Vec<Value> {
    let filter = |number| {
        json!({
            "name": format!("default.bench-{number}"),
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": {
                    "name": format!("default.bench-{number}"),
                    "vm_config": {
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": {"local": {"filename": module}},
                    },
                },
            },
        })
    };
    (0..count).map(filter).collect()
}
