#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};

use crate::fixtures::{compiled, members};
use crate::providers::ProviderError;

/// What is wrong with a provider over HTTP, without the words that are the same for all.
fn problems(fields: Value) -> (bool, Vec<String>) {
    let mut form = json!({"service": "authz", "port": 9000});
    form.as_object_mut().unwrap().extend(members(fields));
    let (providers, problems) = compiled(json!([{"name": "a", "envoyExtAuthzHttp": form}]));
    let of = "ConfigMap istio-system/istio: mesh.extensionProviders[a].envoyExtAuthzHttp.";
    let problems = problems.iter().map(|problem| problem.replace(of, "")).collect();
    (providers.named("a").is_ok(), problems)
}

#[test]
fn each_field_says_what_is_wrong_with_it() {
    for (fields, problem) in [
        (
            json!({"service": ""}),
            "error: service: the service is missing; write `HOST` or `NAMESPACE/HOST`, such as `ext-authz.foo.svc.cluster.local`",
        ),
        (
            json!({"port": null}),
            "error: port: the port is missing; write the port of the service, 1 to 65535",
        ),
        (
            json!({"port": 0}),
            "error: port: the port is missing; write the port of the service, 1 to 65535",
        ),
        (
            json!({"port": 65536}),
            "error: port: 65536 is no port; write the port of the service, 1 to 65535",
        ),
        (
            json!({"pathPrefix": "check"}),
            "error: pathPrefix: `check` does not begin a path; write a path that begins with `/`",
        ),
        (
            json!({"pathPrefix": "/a b"}),
            "error: pathPrefix: `/a b` does not begin a path; write a path that begins with `/`",
        ),
        (
            json!({"pathPrefix": "/a#b"}),
            "error: pathPrefix: `/a#b` does not begin a path; write a path that begins with `/`",
        ),
        (
            json!({"statusOnError": "forbidden"}),
            "error: statusOnError: `forbidden` is no status; write a status like `403` or `503`",
        ),
        (
            json!({"statusOnError": "0"}),
            "error: statusOnError: `0` is no status; write a status like `403` or `503`",
        ),
        (
            json!({"statusOnError": "100"}),
            "error: statusOnError: `100` is no status; write a status like `403` or `503`",
        ),
        (
            json!({"statusOnError": "418"}),
            "error: statusOnError: `418` is no status; write a status like `403` or `503`",
        ),
        (
            json!({"includeRequestBodyInCheck": {"allowPartialMessage": true}}),
            "error: includeRequestBodyInCheck.maxRequestBytes: nothing is to be sent of the body; write how many bytes may be \
             held back and sent, or remove `includeRequestBodyInCheck`",
        ),
        (
            json!({"includeRequestHeadersInCheck": ["x", "*"]}),
            "error: includeRequestHeadersInCheck[1]: `*` would be every header; write names, or beginnings or ends of names: \
             `x-auth-*`, `*-id`",
        ),
        (
            json!({"includeHeadersInCheck": ["*"]}),
            "error: includeHeadersInCheck[0]: `*` would be every header; write names, or beginnings or ends of names: \
             `x-auth-*`, `*-id`",
        ),
        (
            json!({"headersToUpstreamOnAllow": [""]}),
            "error: headersToUpstreamOnAllow[0]: it names no header; remove it",
        ),
        (
            json!({"headersToDownstreamOnDeny": ["*"]}),
            "error: headersToDownstreamOnDeny[0]: `*` would be every header; write names, or beginnings or ends of names: \
             `x-auth-*`, `*-id`",
        ),
        (
            json!({"headersToDownstreamOnAllow": ["*"]}),
            "error: headersToDownstreamOnAllow[0]: `*` would be every header; write names, or beginnings or ends of names: \
             `x-auth-*`, `*-id`",
        ),
        (
            json!({"includeAdditionalHeadersInCheck": {"a b": "c"}}),
            "error: includeAdditionalHeadersInCheck[a b]: `a b` is no header that can be added; write the name of a header",
        ),
        (
            json!({"includeAdditionalHeadersInCheck": {"Content-Length": "5"}}),
            "error: includeAdditionalHeadersInCheck[Content-Length]: `Content-Length` is no header that can be added; write the \
             name of a header",
        ),
        (
            json!({"includeAdditionalHeadersInCheck": {"a": "b\nc"}}),
            "error: includeAdditionalHeadersInCheck[a]: the value cannot stand in a header; write printable ASCII",
        ),
    ] {
        assert_eq!(
            problems(fields.clone()),
            (false, vec![problem.to_owned()]),
            "{fields}"
        );
    }
}

#[test]
fn what_is_probably_not_meant_is_said() {
    for (fields, problem) in [
        (
            json!({"statusOnError": "200"}),
            "warning: statusOnError: 200 OK is not a status of failure: refused requests look as if they had passed; write a \
             status like `403` or `503`",
        ),
        (
            json!({"includeHeadersInCheck": ["a"], "includeRequestHeadersInCheck": ["b"]}),
            "warning: includeHeadersInCheck: it is not heard beside `includeRequestHeadersInCheck`; remove it",
        ),
        (
            json!({"headersToUpstreamOnAllow": ["x-*-id"]}),
            "warning: headersToUpstreamOnAllow[0]: no header has a name like `x-*-id`; write a name, with at most one `*`, at \
             its beginning or its end",
        ),
    ] {
        assert_eq!(
            problems(fields.clone()),
            (true, vec![problem.to_owned()]),
            "{fields}"
        );
    }
    assert_eq!(
        problems(json!({"includeRequestHeadersInCheck": [":path", ":authority", "a"]})),
        (true, vec![])
    );
}

#[test]
fn a_provider_has_one_name_and_one_protocol() {
    let form = || json!({"service": "authz", "port": 9000});
    let (providers, problems) = compiled(json!([
        {"name": "one", "envoyExtAuthzHttp": form()},
        {"name": "two", "envoyExtAuthzGrpc": form()},
        {"name": "two", "envoyExtAuthzHttp": form()},
        {"envoyExtAuthzHttp": form()},
        {"name": "both", "envoyExtAuthzHttp": form(), "envoyExtAuthzGrpc": form()},
        {"name": "traces", "zipkin": {"service": "zipkin", "port": 9411}},
        {"name": "traces", "prometheus": {}},
    ]));
    let of = "error: ConfigMap istio-system/istio: mesh.extensionProviders";
    assert_eq!(
        problems,
        [
            format!(
                "{of}[two].name: there is another extension provider of this name; give each a name of its own; until then both deny"
            ),
            format!("{of}[3].name: the name is missing; write a `name` for policies to refer to"),
            format!(
                "{of}[both].envoyExtAuthzGrpc: it is a provider over HTTP and one over gRPC; make two providers of it"
            ),
        ]
    );
    assert_eq!(
        providers
            .iter()
            .map(|provider| provider.name())
            .collect::<Vec<_>>(),
        ["one"]
    );
    assert!(providers.named("one").is_ok());
    assert_eq!(
        providers.named("two"),
        Err(ProviderError::Broken("two".to_owned()))
    );
    assert_eq!(
        providers.named("both"),
        Err(ProviderError::Broken("both".to_owned()))
    );
    let unknown = providers.named("traces").unwrap_err().to_string();
    assert_eq!(
        unknown,
        "there is no extension provider `traces` for authorization; there is `both`, `one`, `two`"
    );
    let none = compiled(json!([])).0.named("a").unwrap_err().to_string();
    assert!(
        none.ends_with("add it to `extensionProviders` of the mesh configuration"),
        "{none}"
    );
}
