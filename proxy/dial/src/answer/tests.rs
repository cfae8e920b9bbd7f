use super::*;

fn parse(text: &str) -> Result<Option<Answer>, AnswerError> {
    Answer::parse(text.as_bytes())
}

fn body_of(headers: &str) -> Option<Body> {
    let text = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
    parse(&text).unwrap().expect("a whole head").body
}

#[test]
fn every_prefix_of_a_head_wants_more() {
    let head = "HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.0 200 Connection established\r\nvia: a\r\n\r\n";
    for length in 0..head.len() {
        assert_eq!(parse(&head[..length]), Ok(None), "{length}");
    }
    let expected = Answer {
        length: head.len(),
        status: 200,
        body: Some(Body::Rest),
    };
    assert_eq!(parse(&format!("{head}SSH-2.0")), Ok(Some(expected)));
}

#[test]
fn switching_protocols_is_no_interim_answer() {
    let answer = parse("HTTP/1.1 101 Switching\r\n\r\n").unwrap().unwrap();
    assert_eq!(answer.status, 101);
}

#[test]
fn what_is_not_http_is_known_at_once() {
    for text in [
        "SSH-2.0-OpenSSH",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 2000 x\r\n\r\n",
        "\x16\x03\x01",
    ] {
        assert!(matches!(parse(text), Err(AnswerError::NotHttp(_))), "{text:?}");
    }
}

#[test]
fn a_head_without_end_is_given_up() {
    let begun = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(MAX_HEAD));
    assert_eq!(parse(&begun[..MAX_HEAD - 1]), Ok(None));
    assert_eq!(parse(&begun[..MAX_HEAD]), Err(AnswerError::TooLong));
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_HEAD / 25 + 1);
    assert_eq!(parse(&interim), Err(AnswerError::TooLong));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS + 1));
    assert!(matches!(parse(&many), Err(AnswerError::NotHttp(_))));
}

#[test]
fn bodies_are_marked_off() {
    assert_eq!(body_of(""), Some(Body::Rest));
    assert_eq!(body_of("Content-Length: 12\r\n"), Some(Body::Length(12)));
    assert_eq!(
        body_of("Content-Length: 12\r\ncontent-length: 12\r\n"),
        Some(Body::Length(12))
    );
    assert_eq!(body_of("Transfer-Encoding: Chunked\r\n"), Some(Body::Chunk));
    let empty = parse("HTTP/1.1 204 No\r\ncontent-length: 7\r\n\r\n");
    assert_eq!(empty.unwrap().unwrap().body, Some(Body::Ended));
}

#[test]
fn bodies_that_may_be_read_in_two_ways_are_not_read() {
    for headers in [
        "content-length: 1\r\ncontent-length: 2\r\n",
        "content-length: +1\r\n",
        "content-length: 1, 1\r\n",
        "content-length:\r\n",
        "content-length: 99999999999999999999\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 1\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
    ] {
        assert_eq!(body_of(headers), None, "{headers:?}");
    }
    let old = parse("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_eq!(old.unwrap().unwrap().body, None);
}
