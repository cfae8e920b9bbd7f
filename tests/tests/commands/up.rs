//! `cairn up`, on copies of the examples.

use std::collections::BTreeSet;

use cairn_tests::{Answer, Client, Example, Process, binary};
use http::{Request, StatusCode};

use crate::text;

/// Starts the mesh of a copy and waits until it can be called.
fn up(example: &Example) -> Process {
    let up = Process::start(&binary("cairn"), &["up", text(example.directory.path())]);
    up.wait_for_text("Changes of the files apply at once");
    up
}

/// Which version of reviews has a hand in a page; none when reviews are not on it.
fn version(page: &str) -> Option<&'static str> {
    let reviews = page.contains("An extremely entertaining play by Shakespeare");
    let (black, red) = (
        page.contains("\"color\": \"black\""),
        page.contains("\"color\": \"red\""),
    );
    match (reviews, black, red) {
        (true, false, false) if !page.contains("stars") => Some("v1"),
        (true, true, false) => Some("v2"),
        (true, false, true) => Some("v3"),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bookinfo_shows_details_reviews_and_ratings() {
    let example = Example::copy("bookinfo");
    let up = up(&example);
    let sleep = Client::from(example.ip("127.0.21.9"));
    let productpage = example.socket("127.0.11.1", 9080);
    let page = async || {
        let answer = sleep
            .get(productpage, "/productpage")
            .await
            .expect("the page is answered");
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert!(
            answer.body.contains("William Shakespeare"),
            "details are missing: {}",
            answer.body
        );
        version(&answer.body).unwrap_or_else(|| panic!("reviews are missing: {}", answer.body))
    };
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        seen.insert(page().await);
        if seen.len() == 3 {
            break;
        }
    }
    assert_eq!(seen, BTreeSet::from(["v1", "v2", "v3"]));
    // Stars come from ratings, two calls further on.
    let ratings = format!("\"{}\"", example.socket("127.0.11.4", 9080));
    up.wait_for_text("GET /ratings/0 HTTP/1.1");
    assert!(
        up.text().contains(&ratings) || up.text().contains("ratings:9080"),
        "{}",
        up.text()
    );

    let v3 = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http: [{route: [{destination: {host: reviews, subset: v3}}]}]
";
    example.directory.write("v3.yaml", v3);
    up.wait_for_text("Changed, version 2:\n  30 objects, nothing wrong");
    for _ in 0..30 {
        assert_eq!(page().await, "v3");
    }
    // What is wrong is told, and what was right stays.
    example
        .directory
        .write("v3.yaml", &v3.replace("subset: v3", "subset: v3}"));
    up.wait_for_text("v3.yaml:7: error: VirtualService default/reviews: cannot be read as YAML");
    for _ in 0..10 {
        assert_eq!(page().await, "v3");
    }
    up.terminate();
    let ended = up.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert_eq!(ended.errors, "", "{}", ended.text);
}

/// Puts a file of `examples/traffic` in the place of the last one.
fn change(example: &Example, up: &Process, file: &str, version: usize) {
    let yaml = std::fs::read_to_string(Example::path("traffic").join(file)).unwrap();
    example.directory.write("traffic.yaml", &yaml);
    up.wait_for_text(&format!("Changed, version {version}:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_of_bookinfo_goes_where_the_examples_say() {
    let example = Example::copy("bookinfo");
    let up = up(&example);
    let sleep = Client::from(example.ip("127.0.21.9"));
    let reviews = example.socket("127.0.11.3", 9080);
    let send = async |user: &str| -> Answer {
        let request = Request::get("/reviews/0")
            .header("end-user", user)
            .body("")
            .unwrap();
        sleep.send(reviews, request).await.expect("there is an answer")
    };
    let seen = async |user: &str| version(&send(user).await.body);

    change(&example, &up, "reviews-by-user.yaml", 2);
    for _ in 0..10 {
        assert_eq!(
            (seen("jason").await, seen("frodo").await),
            (Some("v2"), Some("v1"))
        );
    }

    change(&example, &up, "reviews-half.yaml", 3);
    let mut red = 0;
    for _ in 0..200 {
        match seen("frodo").await {
            Some("v3") => red += 1,
            other => assert_eq!(other, Some("v1")),
        }
    }
    // One in a hundred thousand times it is further off.
    assert!((69..=131).contains(&red), "{red} of 200");

    change(&example, &up, "ratings-fault.yaml", 4);
    let ratings = example.socket("127.0.11.4", 9080);
    for (user, status) in [("jason", 500), ("frodo", 200)] {
        let request = Request::get("/ratings/0")
            .header("end-user", user)
            .body("")
            .unwrap();
        let answer = sleep.send(ratings, request).await.expect("there is an answer");
        assert_eq!(answer.status.as_u16(), status, "{user}: {}", answer.body);
    }

    change(&example, &up, "reviews-timeout.yaml", 5);
    let late = send("frodo").await;
    assert_eq!(
        (late.status.as_u16(), &*late.body),
        (504, "upstream request timeout")
    );

    change(&example, &up, "reviews-mirror.yaml", 6);
    // Of v1 and v3 only the latter asks for ratings.
    let asked = || up.text().matches("GET /ratings/0 HTTP/1.1").count();
    let before = asked();
    for _ in 0..5 {
        assert_eq!(seen("frodo").await, Some("v1"));
    }
    for _ in 0..500 {
        if asked() >= before + 5 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(asked() >= before + 5, "v3 has got no copies: {}", up.text());
    up.terminate();
    let ended = up.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn httpbin_is_routed_and_guarded() {
    let example = Example::copy("httpbin");
    let up = up(&example);
    let httpbin = example.socket("127.0.12.1", 8000);
    let curl = Client::from(example.ip("127.0.22.9"));
    let send = async |method: &str, path: &str| -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body("a body")
            .unwrap();
        curl.send(httpbin, request).await.expect("httpbin answers")
    };
    let answer = send("POST", "/anything/x?y=z").await;
    assert_eq!(answer.status, StatusCode::OK);
    let echo: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        (&echo["method"], &echo["data"], &echo["url"]),
        (&"POST".into(), &"a body".into(), &"/anything/x?y=z".into())
    );

    let answer = send("GET", "/status/418").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (
            StatusCode::MOVED_PERMANENTLY,
            format!("http://{httpbin}/status/200").as_str()
        )
    );
    assert_eq!(send("GET", "/status/404").await.status, StatusCode::NOT_FOUND);

    let answer = send("GET", "/legacy/anything").await;
    let echo: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        (&echo["url"], &echo["headers"]["x-routed-by"]),
        (&"/anything".into(), &"cairn".into()),
        "{echo}"
    );

    let denied = (StatusCode::FORBIDDEN, "RBAC: access denied");
    let answer = send("DELETE", "/anything").await;
    assert_eq!((answer.status, answer.body.as_str()), denied);
    let other = Client::from(example.ip("127.0.22.1"));
    let answer = other.get(httpbin, "/get").await.unwrap();
    assert_eq!(
        (answer.status, answer.body.as_str()),
        denied,
        "only curl comes in"
    );

    // A service without the policy, added while it runs.
    let everyone = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: visitor}
---
apiVersion: v1
kind: Pod
metadata: {name: visitor, labels: {app: visitor}}
spec: {serviceAccountName: visitor}
status: {podIP: NET.200}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: visitor}
spec:
  targetRefs: [{group: '', kind: Service, name: httpbin}]
  rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/visitor]}}]}]
";
    example.directory.write("visitor.yaml", everyone);
    up.wait_for_text("Changed, version 2:\n  13 objects, nothing wrong");
    let visitor = Client::from(example.network.ip(200));
    let answer = visitor.get(httpbin, "/get").await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    example.directory.remove("visitor.yaml");
    up.wait_for_text("version 3:");
    up.terminate();
    assert_eq!(up.wait().code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn helloworld_tells_what_runs_and_what_to_try() {
    let example = Example::copy("helloworld");
    let up = up(&example);
    let (service, waypoint) = (
        example.socket("127.0.10.1", 5000),
        example.socket("127.0.30.1", 15008),
    );
    let text = up.text();
    for says in [
        format!("service default/helloworld  {service}"),
        format!("waypoint default/namespace  {waypoint}"),
        format!("--interface {} http://{service}/hello", example.ip("127.0.20.3")),
        "11 objects, nothing wrong".to_owned(),
    ] {
        assert!(text.contains(&says), "{says:?}:\n{text}");
    }
    let sleep = Client::from(example.ip("127.0.20.3"));
    let answer = sleep.get(service, "/hello").await.unwrap();
    assert!(answer.body.starts_with("Hello version: v"), "{}", answer.body);
    // The lines of all proxies are told apart.
    up.wait_for_text("waypoint default/namespace | [");
    up.wait_for_text("ztunnel | ");
    let admin = Client::from(waypoint.ip());
    let ready = admin
        .get(std::net::SocketAddr::new(waypoint.ip(), 15021), "/healthz/ready")
        .await
        .unwrap();
    assert_eq!((ready.status, ready.body.as_str()), (StatusCode::OK, "ready\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn waypoints_and_applications_come_and_go_with_the_files() {
    let example = Example::copy("helloworld");
    let up = up(&example);
    let sleep = Client::from(example.ip("127.0.20.3"));
    let more = "
apiVersion: v1
kind: Service
metadata: {name: more}
spec: {clusterIP: NET.210, selector: {app: more}, ports: [{name: http, port: 5000}]}
---
apiVersion: v1
kind: Pod
metadata: {name: more, labels: {app: more, version: v1}}
spec: {serviceAccountName: more, containers: [{name: more, image: docker.io/istio/examples-helloworld-v3:1.0, ports: [{containerPort: 5000}]}]}
status: {podIP: NET.211}
";
    let service = example.network.socket(210, 5000);
    assert!(sleep.get(service, "/hello").await.is_err());
    example.directory.write("more.yaml", more);
    up.wait_for_text("started pod default/more");
    let answer = sleep.get(service, "/hello").await.unwrap();
    assert!(answer.body.starts_with("Hello version: v3"), "{}", answer.body);
    example.directory.remove("more.yaml");
    up.wait_for_text("stopped pod default/more");
    cairn_tests::eventually("its address is free again", || {
        std::net::TcpListener::bind(example.network.socket(211, 5000)).ok()
    });
    let answer = sleep
        .get(example.socket("127.0.10.1", 5000), "/hello")
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::OK, "the rest goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_interface_that_is_told_to_quit_ends_the_mesh() {
    let example = Example::copy("helloworld");
    let up = up(&example);
    let admin = example.socket("127.0.30.1", 15000);
    let quit = Request::post("/quitquitquit").body("").unwrap();
    let told = Client::from(admin.ip()).send(admin, quit).await;
    assert_eq!(told.unwrap().status, StatusCode::OK);
    let output = up.wait();
    assert_eq!(output.code, Some(0), "{}", output.errors);
}
