#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

fn head() -> RequestHead {
    let mut headers = HeaderMap::new();
    headers.append("x-a", "1".parse().unwrap());
    headers.append("x-a", "2".parse().unwrap());
    RequestHead {
        method: Method::GET,
        target: PathAndQuery::from_static("/a?b"),
        authority: Authority::from_static("app"),
        scheme: "http",
        headers,
    }
}

fn set(name: &str, value: &[u8]) -> Edit {
    Edit::Set((name.to_owned(), value.to_vec()))
}

#[test]
fn changes_are_made_in_their_order() {
    let mut head = head();
    let append = Edit::Append(("x-b".to_owned(), b"2".to_vec()));
    let edits = vec![
        set("X-B", b"1"),
        append,
        Edit::Remove("x-a".to_owned()),
        set(":path", b"/c"),
    ];
    assert_eq!(request(&mut head, edits), Ok(true));
    let all: Vec<_> = head.headers.get_all("x-b").iter().collect();
    assert_eq!(all, ["1", "2"]);
    assert!(!head.headers.contains_key("x-a"));
    assert_eq!(head.target, "/c");
    assert_eq!(request(&mut head, Vec::new()), Ok(false));
}

#[test]
fn one_illegal_change_undoes_all() {
    for (name, value) in [
        ("x-a", &b"1\r\nx-b: 2"[..]),
        ("x-a", b"\0"),
        ("x a", b"1"),
        ("", b"1"),
        ("content-length", b"5"),
        ("transfer-encoding", b"chunked"),
        ("connection", b"close"),
        ("upgrade", b"h2c"),
        ("host", b"other"),
        ("x-forwarded-client-cert", b"URI=spiffe://a/b"),
        (":status", b"200"),
        (":method", b"CONNECT"),
        (":method", b"G T"),
        (":path", b"no-slash"),
        (":path", b"/a b"),
        (":path", b"/a#b"),
        (":authority", b"user@host"),
        (":authority", b""),
        (":scheme", b"https"),
        (":other", b"1"),
    ] {
        let mut changed = head();
        let failure = request(&mut changed, vec![set("x-new", b"1"), set(name, value)]).unwrap_err();
        assert_eq!(failure.reason, Reason::Edit, "{name} {value:?}");
        assert_eq!(
            format!("{changed:?}"),
            format!("{:?}", head()),
            "{name} {value:?}"
        );
    }
    let twice = Edit::Append((":path".to_owned(), b"/b".to_vec()));
    assert!(request(&mut head(), vec![twice]).is_err());
    assert!(request(&mut head(), vec![Edit::Remove("content-length".to_owned())]).is_err());
}

#[test]
fn a_head_stays_within_bounds() {
    let many = (0..MAX_LINES).map(|n| set(&format!("x-{n}"), b"1")).collect();
    assert!(request(&mut head(), many).is_err());
    assert!(request(&mut head(), vec![set("x-b", &vec![b'a'; MAX_BYTES])]).is_err());
}

#[test]
fn a_status_may_not_change_what_the_body_is() {
    let mut head = ResponseHead {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
    };
    for status in ["100", "101", "204", "304", "600", "99", "abc"] {
        assert!(
            response(&mut head, vec![set(":status", status.as_bytes())]).is_err(),
            "{status}"
        );
    }
    assert_eq!(response(&mut head, vec![set(":status", b"503")]), Ok(true));
    assert_eq!(head.status, 503);
}

#[test]
fn a_reply_must_be_one() {
    let legal = WitReply {
        status: 429,
        headers: vec![("retry-after".to_owned(), b"1".to_vec())],
        body: b"slow down".to_vec(),
        grpc_status: Some(8),
        details: "rate_limited".to_owned(),
    };
    let made = reply(legal.clone()).unwrap();
    assert_eq!((made.status.as_u16(), &made.body[..]), (429, &b"slow down"[..]));
    for wrong in [
        WitReply {
            status: 101,
            ..legal.clone()
        },
        WitReply {
            status: 700,
            ..legal.clone()
        },
        WitReply {
            status: 204,
            ..legal.clone()
        },
        WitReply {
            details: "two words".to_owned(),
            ..legal.clone()
        },
        WitReply {
            headers: vec![("content-length".to_owned(), b"1".to_vec())],
            ..legal.clone()
        },
        WitReply {
            headers: vec![("a".to_owned(), b"\n".to_vec())],
            ..legal.clone()
        },
        WitReply {
            headers: vec![(":status".to_owned(), b"200".to_vec())],
            ..legal
        },
    ] {
        assert_eq!(
            reply(wrong.clone()).unwrap_err().reason,
            Reason::Reply,
            "{wrong:?}"
        );
    }
}

#[test]
fn nothing_changes_whether_a_message_has_a_body() {
    for (was, becomes) in [(Method::HEAD, &b"GET"[..]), (Method::GET, b"HEAD")] {
        let mut head = RequestHead {
            method: was,
            ..head()
        };
        let before = head.clone();
        let failure = request(&mut head, vec![set("x-b", b"1"), set(":method", becomes)]).unwrap_err();
        assert_eq!(failure.reason, Reason::Edit);
        assert_eq!((head.method, head.headers), (before.method, before.headers));
    }
    let respond = |status: u16, to: &[u8]| {
        let mut head = ResponseHead {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static("5"))]),
        };
        response(&mut head, vec![set(":status", to)]).map(|_| head)
    };
    assert!(respond(101, b"200").is_err());
    assert!(respond(200, b"304").is_err());
    assert!(respond(200, b"404").unwrap().headers.contains_key(CONTENT_LENGTH));
    assert!(!respond(304, b"200").unwrap().headers.contains_key(CONTENT_LENGTH));
}
