#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use http::{Method, Version};

use super::*;

fn head(method: Method, uri: &str, host: Option<&str>) -> request::Parts {
    let mut builder = Request::builder().method(method).uri(uri);
    if let Some(host) = host {
        builder = builder.header(HOST, host);
    }
    builder.body(()).unwrap().into_parts().0
}

#[test]
fn the_authority_is_the_targets_or_hosts() {
    let of = |uri: &str, host: Option<&str>| {
        authority(&Request::from_parts(head(Method::GET, uri, host), ())).to_owned()
    };
    assert_eq!(of("/", Some("a:80")), "a:80");
    assert_eq!(of("http://b:81/", Some("a:80")), "b:81");
    assert_eq!(of("/", None), "");
    assert_eq!(of("*", Some("a")), "a");
}

#[test]
fn heads_are_normalised_in_place() {
    let mut plain = head(Method::GET, "/a/../%62?c=/../d", Some("a"));
    normalize_head(&mut plain, Normalization::Base).unwrap();
    assert_eq!(plain.uri, "/b?c=/../d");

    let mut absolute = head(Method::GET, "http://b:80/x/./y", Some("a"));
    normalize_head(&mut absolute, Normalization::None).unwrap();
    assert_eq!(
        (absolute.uri.to_string().as_str(), &absolute.headers[HOST]),
        ("/x/./y", &"b:80".parse().unwrap())
    );

    let mut http2 = head(Method::GET, "http://b:80/x/./y", None);
    http2.version = Version::HTTP_2;
    normalize_head(&mut http2, Normalization::Base).unwrap();
    assert_eq!(
        (http2.uri.to_string().as_str(), &http2.headers[HOST]),
        ("/x/y", &"b:80".parse().unwrap())
    );

    let mut server = head(Method::OPTIONS, "*", None);
    server.uri = http::Uri::builder()
        .scheme("http")
        .authority("b:80")
        .path_and_query("*")
        .build()
        .unwrap();
    normalize_head(&mut server, Normalization::Base).unwrap();
    assert_eq!(
        (server.uri.path(), &server.headers[HOST]),
        ("*", &"b:80".parse().unwrap())
    );

    for (method, uri) in [(Method::OPTIONS, "*"), (Method::CONNECT, "a:80")] {
        let mut untouched = head(method, uri, Some("a"));
        normalize_head(&mut untouched, Normalization::Base).unwrap();
        assert_eq!(untouched.uri, uri);
    }
    let mut nul = head(Method::GET, "/a%00", Some("a"));
    assert_eq!(normalize_head(&mut nul, Normalization::Base), Err(PathError::Nul));
}
