#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

fn request(fields: &[(&str, &str)]) -> Request<()> {
    let mut builder = Request::get("/");
    for (name, value) in fields {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap()
}

#[test]
fn what_is_wanted() {
    assert_eq!(requested(&request(&[])), None);
    assert_eq!(requested(&request(&[("upgrade", "websocket")])), None);
    assert_eq!(requested(&request(&[("connection", "upgrade")])), None);
    assert_eq!(
        requested(&request(&[("connection", "upgraded"), ("upgrade", "x")])),
        None
    );
    let wanted = requested(&request(&[
        ("connection", "keep-alive"),
        ("connection", "x , UpGrade"),
        ("upgrade", "WebSocket"),
    ]));
    assert_eq!(
        wanted,
        Some(Wanted::Upgrade(HeaderValue::from_static("WebSocket")))
    );
    assert!(wanted.unwrap().is_websocket());
    assert!(
        !requested(&request(&[("connection", "upgrade"), ("upgrade", "h2c")]))
            .unwrap()
            .is_websocket()
    );

    let mut connect = Request::connect("a:80").body(()).unwrap();
    assert_eq!(requested(&connect), Some(Wanted::Connect));
    assert!(!Wanted::Connect.is_websocket());
    let protocol = hyper::ext::Protocol::from_static("websocket");
    connect.extensions_mut().insert(protocol.clone());
    assert_eq!(requested(&connect), Some(Wanted::Extended(protocol)));
    assert!(requested(&connect).unwrap().is_websocket());
}

#[test]
fn a_message_without_a_switch_has_no_stream() {
    assert!(OnUpgrade::take(request(&[]).extensions_mut()).is_none());
}
