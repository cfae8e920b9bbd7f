use cairn_filter::Reply;
use cairn_filter::testing::{Harness, Request, Response};

use crate::Greeter;

#[test]
fn the_service_is_greeted_and_the_response_is_signed() {
    for (config, greeting) in [("{}", "hello"), (r#"{"greeting": "good day"}"#, "good day")] {
        let harness = Harness::<Greeter>::new(config).unwrap();
        let mut passed = harness.request(Request::get("/"));
        assert_eq!(passed.request_field("x-greeting").as_deref(), Some(greeting));
        passed.respond(Response::new(200));
        assert_eq!(passed.response_field("x-filtered-by").as_deref(), Some("rust"));
    }
}

#[test]
fn who_says_so_is_blocked() {
    let harness = Harness::<Greeter>::new("{}").unwrap();
    let refused = harness.request(Request::get("/").header("x-blocked", "1"));
    assert_eq!(refused.reply().map(Reply::status), Some(403));
}

#[test]
fn a_mistake_in_the_configuration_is_named() {
    for config in [r#"{"greeting": 1}"#, r#"{"greeting": null}"#, "[]", "1", "{"] {
        assert!(Harness::<Greeter>::new(config).is_err(), "{config}");
    }
}
