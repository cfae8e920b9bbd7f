//! Byte sequences that must be refused, each with its answer, and never reach the service.

use super::*;

struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    status: u16,
    details: &'static str,
}

fn case(name: &'static str, bytes: impl Into<Vec<u8>>, status: u16, details: &'static str) -> Case {
    Case {
        name,
        bytes: bytes.into(),
        status,
        details,
    }
}

/// `GET /` with these further lines.
fn with(lines: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").into_bytes()
}

/// A chunked POST with this body.
fn chunked(body: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into_bytes()
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

fn cases() -> Vec<Case> {
    let bad = "http1.codec_error";
    let both = "http1.content_length_and_chunked_not_allowed";
    let coding = "http1.invalid_transfer_encoding";
    let url = "http1.invalid_url";
    let many: String = (0..101).map(|at| format!("x-{at}: y\r\n")).collect();
    let long = "x".repeat(61 * 1024);
    vec![
        // Framing.
        case(
            "CL and TE",
            with(&format!(
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
            )),
            400,
            both,
        ),
        case(
            "TE and CL",
            with(&format!(
                "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{SMUGGLED}"
            )),
            400,
            both,
        ),
        case(
            "two CL that differ",
            with(&format!(
                "Content-Length: 0\r\nContent-Length: 37\r\n\r\n{SMUGGLED}"
            )),
            400,
            bad,
        ),
        case(
            "two CL that agree",
            with("Content-Length: 0\r\nContent-Length: 0\r\n"),
            400,
            bad,
        ),
        case("a list in CL", with("Content-Length: 0, 0\r\n"), 400, bad),
        case("a signed CL", with("Content-Length: +5\r\n\r\nhello"), 400, bad),
        case("a negative CL", with("Content-Length: -5\r\n\r\nhello"), 400, bad),
        case(
            "a hexadecimal CL",
            with("Content-Length: 0x5\r\n\r\nhello"),
            400,
            bad,
        ),
        case(
            "a CL with a space inside",
            with("Content-Length: 1 0\r\n\r\nhello"),
            400,
            bad,
        ),
        case("an empty CL", with("Content-Length:\r\n"), 400, bad),
        case(
            "a CL that overflows",
            with("Content-Length: 18446744073709551621\r\n\r\nhello"),
            400,
            bad,
        ),
        case("TE gzip", with("Transfer-Encoding: gzip\r\n"), 501, coding),
        case(
            "TE gzip, chunked",
            with("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            501,
            coding,
        ),
        case(
            "TE identity",
            with("Transfer-Encoding: identity\r\n"),
            501,
            coding,
        ),
        case(
            "TE chunked, identity",
            with("Transfer-Encoding: chunked, identity\r\n"),
            501,
            coding,
        ),
        case(
            "TE xchunked",
            with("Transfer-Encoding: xchunked\r\n"),
            501,
            coding,
        ),
        case(
            "TE with a parameter",
            with("Transfer-Encoding: chunked;a=b\r\n"),
            501,
            coding,
        ),
        case(
            "TE with a vertical tab",
            with("Transfer-Encoding: \x0bchunked\r\n"),
            400,
            bad,
        ),
        case(
            "TE in quotes",
            with("Transfer-Encoding: \"chunked\"\r\n"),
            501,
            coding,
        ),
        case(
            "two TE",
            with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            400,
            bad,
        ),
        case(
            "two TE, one hidden",
            with("Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n"),
            400,
            bad,
        ),
        case(
            "TE in HTTP/1.0",
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "http1.transfer_encoding_not_allowed",
        ),
        case(
            "a CONNECT with a body",
            "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 1\r\n\r\nx",
            400,
            "http1.body_disallowed",
        ),
        // Lines and fields.
        case(
            "a space before the colon",
            with("Content-Length : 5\r\n\r\nhello"),
            400,
            bad,
        ),
        case(
            "a tab before the colon",
            with("Transfer-Encoding\t: chunked\r\n"),
            400,
            bad,
        ),
        case(
            "a folded line",
            with("X-A: b\r\n Transfer-Encoding: chunked\r\n"),
            400,
            bad,
        ),
        case(
            "a space before the first field",
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            400,
            bad,
        ),
        case("a field without a name", with(": x\r\n"), 400, bad),
        case("a field without a colon", with("nothing\r\n"), 400, bad),
        case("a NUL in a value", with("X-A: b\0c\r\n"), 400, bad),
        case(
            "a CR in a value",
            with("X-A: b\rTransfer-Encoding: chunked\r\n"),
            400,
            bad,
        ),
        case("a control character in a value", with("X-A: \x01\r\n"), 400, bad),
        case("a name that is no token", with("X(A): b\r\n"), 400, bad),
        case("a name beyond ASCII", with("X\u{e9}: b\r\n"), 400, bad),
        case(
            "bare LF after a field",
            "GET / HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n",
            400,
            bad,
        ),
        case(
            "bare LF after the request line",
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            400,
            bad,
        ),
        case(
            "bare LF at the end",
            format!("GET / HTTP/1.1\r\nHost: a\r\n\n{SMUGGLED}"),
            400,
            bad,
        ),
        case("a bare LF first", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, bad),
        // Request line.
        case("no version", "GET /\r\nHost: a\r\n\r\n", 400, bad),
        case("HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400, bad),
        case("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400, bad),
        case("http/1.1", "GET / http/1.1\r\nHost: a\r\n\r\n", 400, bad),
        case("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, bad),
        case("a tab between", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, bad),
        case(
            "a method in lower case",
            "get / HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            bad,
        ),
        case("the marker", "refused / HTTP/1.1\r\nHost: -\r\n\r\n", 400, bad),
        case(
            "a method that is no token",
            "G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            bad,
        ),
        case(
            "a target without a slash",
            "GET admin HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            url,
        ),
        case(
            "a target that is an authority",
            "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            url,
        ),
        case(
            "an asterisk for GET",
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            url,
        ),
        case(
            "CONNECT without a port",
            "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            url,
        ),
        case(
            "CONNECT to a path",
            "CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            url,
        ),
        case(
            "user information",
            "GET http://b@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            url,
        ),
        case(
            "a fragment",
            "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            "path_normalization_failed",
        ),
        case(
            "a fragment in a URI",
            "GET http://a/#b HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            "path_normalization_failed",
        ),
        case(
            "a NUL in the target",
            "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            bad,
        ),
        case(
            "a DEL in the target",
            "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            bad,
        ),
        case("not HTTP", "\x16\x03\x01\x02\x00\r\n\r\n", 400, bad),
        // Host.
        case("no Host", "GET / HTTP/1.1\r\n\r\n", 400, "missing_host_header"),
        case(
            "an empty Host",
            "GET / HTTP/1.1\r\nHost:\r\n\r\n",
            400,
            "missing_host_header",
        ),
        case("two Hosts", with("Host: b\r\n"), 400, bad),
        case("two equal Hosts", with("Host: a\r\n"), 400, bad),
        case("a list in Host", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, bad),
        case(
            "user information in Host",
            "GET / HTTP/1.1\r\nHost: b@a\r\n\r\n",
            400,
            bad,
        ),
        case("a path in Host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, bad),
        case("an invalid port", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400, bad),
        case(
            "an open bracket",
            "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
            400,
            bad,
        ),
        // Sizes.
        case(
            "a long field",
            with(&format!("X-A: {long}\r\n")),
            431,
            "http1.headers_too_large",
        ),
        case(
            "a long field without end",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {long}"),
            431,
            "http1.headers_too_large",
        ),
        case("many fields", with(&many), 431, "http1.too_many_headers"),
        case(
            "a long target",
            format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
            414,
            "http1.headers_too_large",
        ),
        case(
            "a long target without end",
            format!("GET /{long}"),
            414,
            "http1.headers_too_large",
        ),
        // Chunks.
        case("no chunk size", chunked("\r\n\r\n"), 400, bad),
        case(
            "a signed chunk size",
            chunked("+5\r\nhello\r\n0\r\n\r\n"),
            400,
            bad,
        ),
        case(
            "a prefixed chunk size",
            chunked("0x5\r\nhello\r\n0\r\n\r\n"),
            400,
            bad,
        ),
        case(
            "a space after the chunk size",
            chunked("5 \r\nhello\r\n0\r\n\r\n"),
            400,
            bad,
        ),
        case(
            "a chunk size that overflows",
            chunked("fffffffffffffffff\r\nhello"),
            400,
            bad,
        ),
        case(
            "a chunk size with a bare LF",
            chunked(&format!("5\nhello\r\n0\r\n\r\n{SMUGGLED}")),
            400,
            bad,
        ),
        case(
            "a bare LF in an extension",
            chunked(&format!("5;a\nhello\r\n0\r\n\r\n{SMUGGLED}")),
            400,
            bad,
        ),
        case(
            "a bare CR in an extension",
            chunked("5;a\rb\r\nhello\r\n0\r\n\r\n"),
            400,
            bad,
        ),
        case(
            "a chunk longer than said",
            chunked(&format!("5\r\nhello!\r\n0\r\n\r\n{SMUGGLED}")),
            400,
            bad,
        ),
        case(
            "a chunk without its CRLF",
            chunked("5\r\nhello0\r\n\r\n"),
            400,
            bad,
        ),
        case(
            "a chunk that ends in LF",
            chunked(&format!("5\r\nhello\n0\r\n\r\n{SMUGGLED}")),
            400,
            bad,
        ),
        case(
            "a long extension",
            chunked(&format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(5000))),
            400,
            bad,
        ),
        case("a folded trailer", chunked("0\r\nX-A: b\r\n c\r\n\r\n"), 400, bad),
        case(
            "a trailer without a colon",
            chunked(&format!("0\r\n{SMUGGLED}")),
            400,
            bad,
        ),
        case(
            "a trailer that ends in LF",
            chunked(&format!("0\r\nX-A: b\n\r\n{SMUGGLED}")),
            400,
            bad,
        ),
        case(
            "long trailers",
            chunked(&format!("0\r\nX-A: {}\r\n\r\n", "x".repeat(20_000))),
            400,
            bad,
        ),
    ]
}

fn body_of(status: u16, details: &str) -> &'static str {
    match status {
        _ if details == "missing_host_header" || details == "path_normalization_failed" => "",
        400 => "Bad Request",
        414 => "URI Too Long",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        _ => panic!("no body for {status}"),
    }
}

fn assert_refused(name: &str, case: &Case, (answer, served, seen): &(String, Served, Vec<String>)) {
    let refusal = served
        .refusal
        .as_ref()
        .unwrap_or_else(|| panic!("{name}: not refused: {answer:?}, {seen:?}"));
    let (status, details) = (case.status, case.details);
    assert_eq!(
        (refusal.status.as_u16(), refusal.details),
        (status, details),
        "{name}: {refusal:?}"
    );
    assert_eq!(
        refusal.flag().is_some(),
        !body_of(status, details).is_empty(),
        "{name}"
    );
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{name}: {answer:?}"
    );
    assert!(answer.contains("\r\nconnection: close\r\n"), "{name}: {answer:?}");
    assert!(answer.contains("\r\ncontent-length: "), "{name}: {answer:?}");
    assert!(
        answer.ends_with(&format!("\r\n\r\n{}", body_of(status, details))),
        "{name}: {answer:?}"
    );
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer:?}");
    assert!(seen.is_empty(), "{name}: {seen:?}");
}

#[tokio::test]
async fn refused_in_one_piece() {
    let cases = cases();
    assert!(cases.len() >= 80);
    for case in &cases {
        assert_refused(case.name, case, &exchange(&case.bytes, Settings::default()).await);
    }
}

/// The same through a stream that yields a few bytes at a time, so that every check meets every split.
#[tokio::test]
async fn refused_in_small_pieces() {
    for case in cases().iter().filter(|case| case.bytes.len() < 4096) {
        for size in [1, 2, 7] {
            let (client, server) = tokio::io::duplex(size);
            let seen = Seen::default();
            let service = {
                let seen = Arc::clone(&seen);
                move |request| record(Arc::clone(&seen), request)
            };
            let settings = Settings::default();
            let bytes = &case.bytes;
            let exchange = async move {
                let mut answer = Vec::new();
                let (mut reader, mut writer) = tokio::io::split(client);
                let sending = async {
                    // The server stops reading at some point, and closes at last.
                    let _ = writer.write_all(bytes).await;
                };
                let (_, read) = tokio::join!(sending, reader.read_to_end(&mut answer));
                read.unwrap();
                answer
            };
            let serving = serve_http1(server, service, &settings, pending());
            let both = async { tokio::join!(serving, exchange) };
            let (served, answer) = tokio::time::timeout(Duration::from_secs(10), both)
                .await
                .expect(case.name);
            let seen = seen.lock().unwrap().clone();
            let answer = String::from_utf8_lossy(&answer).into_owned();
            assert_refused(&format!("{} by {size}", case.name), case, &(answer, served, seen));
        }
    }
}

/// Requests in front of a refused one are answered first and in full, whatever it is refused for.
#[tokio::test]
async fn earlier_requests_are_answered_first() {
    let first = "POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".to_owned()
        + "POST /second HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for case in cases() {
        if case.name == "a bare LF first" || case.name == "not HTTP" {
            continue;
        }
        let mut bytes = first.clone().into_bytes();
        bytes.extend_from_slice(&case.bytes);
        let (answer, served, seen) = exchange(&bytes, Settings::default()).await;
        assert_eq!(seen, ["POST /first 3", "POST /second 3"], "{}", case.name);
        assert_eq!(
            answer.matches("HTTP/1.1 200 OK\r\n").count(),
            2,
            "{}: {answer:?}",
            case.name
        );
        let last = answer.rsplit("HTTP/1.1 ").next().unwrap();
        assert!(
            last.starts_with(&case.status.to_string()),
            "{}: {answer:?}",
            case.name
        );
        assert!(served.refusal.is_some(), "{}", case.name);
    }
}

/// A client that goes on sending still reads why it was refused, instead of a reset.
#[tokio::test]
async fn the_answer_survives_an_upload() {
    let (client, served, _) = connect(Settings::default()).await;
    let (mut reader, mut writer) = client.into_split();
    let sending = tokio::spawn(async move {
        let _ = writer
            .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n")
            .await;
        for _ in 0..16 {
            if writer.write_all(&[b'x'; 16 * 1024]).await.is_err() {
                return;
            }
        }
    });
    let mut answer = Vec::new();
    reader.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400 "));
    sending.await.unwrap();
    drop(reader);
    assert!(served.await.unwrap().refusal.is_some());
}

/// A head must arrive in time; a connection without one is closed quietly.
#[tokio::test(start_paused = true)]
async fn slow_heads_are_refused() {
    let settings = Settings::default();
    let (mut client, server) = tokio::io::duplex(1024);
    let serving = tokio::spawn(async move {
        let service = |_| async { Ok::<_, Infallible>(Response::new(Body::empty())) };
        serve_http1(server, service, &settings, pending()).await
    });
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(3000)).await;
    client.write_all(b"GET /slow HTTP/1.1\r\n").await.unwrap();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        client.write_all(b"X-A: b\r\n").await.unwrap();
    }
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(answer.contains("HTTP/1.1 408 Request Timeout\r\n"), "{answer:?}");
    drop(client);
    assert_eq!(
        serving.await.unwrap().refusal.unwrap().details,
        "request_header_timeout"
    );
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed_quietly() {
    let (mut client, server) = tokio::io::duplex(1024);
    let serving = tokio::spawn(async move {
        let service = |_| async {
            // A request may take longer than a connection may be idle.
            tokio::time::sleep(Duration::from_secs(4000)).await;
            Ok::<_, Infallible>(Response::new(Body::from("late")))
        };
        serve_http1(server, service, &Settings::default(), pending()).await
    });
    let started = tokio::time::Instant::now();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("late"), "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(4000 + 2 * 3600 + 60));
    let served = serving.await.unwrap();
    assert!(served.refusal.is_none() && served.error.is_none(), "{served:?}");
}
