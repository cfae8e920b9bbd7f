#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

#[test]
fn callers_are_namespace_and_account() {
    assert_eq!(
        caller("default/sleep").unwrap(),
        ("default".to_owned(), "sleep".to_owned())
    );
    assert!(caller("sleep").is_err());
    assert!(caller("/sleep").is_err());
}

#[test]
fn urls_may_leave_out_the_scheme() {
    assert_eq!(
        url("helloworld:5000/hello").unwrap(),
        "http://helloworld:5000/hello"
    );
    assert_eq!(url("http://helloworld/hello?x=1").unwrap().query(), Some("x=1"));
    assert!(
        url("https://helloworld/hello")
            .unwrap_err()
            .to_string()
            .contains("TLS")
    );
    assert!(url("ftp://helloworld/").is_err());
}

#[test]
fn headers_are_name_and_value() {
    let (name, value) = header("End-User: jason: the first").unwrap();
    assert_eq!(
        (name.as_str(), value.to_str().unwrap()),
        ("end-user", "jason: the first")
    );
    assert!(header("end-user").is_err());
    assert!(header("end user: x").is_err());
}
