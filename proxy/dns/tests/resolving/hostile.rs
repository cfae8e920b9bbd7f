//! Answers that are none, and answers that want to be believed too much.

use cairn_dns::{DnsError, Resolver};

use crate::server::{A, Question, Reply, Server, addresses, ips, labels, record};
use crate::{host, known, options, resolver, until};

const CNAME: u16 = 5;

fn garbage(_: &Question) -> Vec<u8> {
    (0..=255).cycle().take(1200).collect()
}

fn nothing(_: &Question) -> Vec<u8> {
    Vec::new()
}

fn header_only(question: &Question) -> Vec<u8> {
    question.response(0, &[]).into_iter().take(12).collect()
}

fn cut_short(question: &Question) -> Vec<u8> {
    let mut message = question.response(0, &[record(None, A, 60, &[10, 6, 6, 6])]);
    message.truncate(message.len() - 2);
    message
}

fn misdirected(question: &Question) -> Vec<u8> {
    question.misdirected(&[record(None, A, 60, &[10, 6, 6, 6])])
}

fn about_another_name(question: &Question) -> Vec<u8> {
    question.response(0, &[record(Some("other.example"), A, 60, &[10, 6, 6, 6])])
}

fn longer_than_its_kind(question: &Question) -> Vec<u8> {
    question.response(0, &[record(None, A, 60, &[10, 6, 6, 6, 6, 6])])
}

/// An owner that points at itself.
fn endless_name(question: &Question) -> Vec<u8> {
    let at = u16::try_from(question.response(0, &[]).len()).unwrap();
    let mut message = question.response(0, &[record(None, A, 60, &[10, 6, 6, 6])]);
    let at_record = usize::from(at);
    message[at_record..at_record + 2].copy_from_slice(&(0xc000 | at).to_be_bytes());
    message
}

fn alias_of_itself(question: &Question) -> Vec<u8> {
    question.response(0, &[record(None, CNAME, 60, &[0xc0, 12])])
}

fn alias_without_end(question: &Question) -> Vec<u8> {
    let one = record(None, CNAME, 60, &labels("loop.example"));
    let other = record(Some("loop.example"), CNAME, 60, &[0xc0, 12]);
    question.response(0, &[one, other])
}

fn alias(question: &Question) -> Vec<u8> {
    let alias = record(None, CNAME, 60, &labels("real.example"));
    question.response(0, &[alias, record(Some("real.example"), A, 3600, &[10, 0, 0, 7])])
}

/// As a server that does not look further answers.
fn alias_only(question: &Question) -> Vec<u8> {
    question.response(0, &[record(None, CNAME, 60, &labels("elsewhere.example"))])
}

fn with_another_name(question: &Question) -> Vec<u8> {
    let other = record(Some("other.example"), A, 1, &[10, 6, 6, 6]);
    question.response(0, &[other.clone(), record(None, A, 3600, &[10, 0, 0, 8]), other])
}

/// More records than there is room for in the rest of a message, by its header.
fn boastful(question: &Question) -> Vec<u8> {
    let mut message = question.response(0, &[record(None, A, 60, &[10, 6, 6, 6])]);
    message[6..8].copy_from_slice(&u16::MAX.to_be_bytes());
    message
}

#[tokio::test]
async fn bad_answers_are_failures_and_leave_what_is_known() {
    for (what, bad) in [
        ("garbage", garbage as fn(&Question) -> Vec<u8>),
        ("nothing", nothing),
        ("a header only", header_only),
        ("a record cut short", cut_short),
        ("another id", misdirected),
        ("a record of the wrong length", longer_than_its_kind),
        ("an endless name", endless_name),
        ("fewer records than said", boastful),
    ] {
        let server = Server::start().await;
        server.set("h", &addresses(0, &["10.0.0.1"]));
        server.set("other", &addresses(0, &["10.0.0.2"]));
        let resolver = resolver(&server);
        resolver.follow([host("h"), host("other")]).unwrap();
        resolver.settled().await;

        server.set("h", &Reply::Bytes(bad));
        until("it fails", || crate::error(&resolver, "h").is_some()).await;
        assert_eq!(known(&resolver, "h"), ips(&["10.0.0.1"]), "{what}");
        let error = Resolver::new(options(&server))
            .unwrap()
            .lookup(&host("h"))
            .await
            .unwrap_err();
        assert!(
            matches!(error, DnsError::Failed { .. } | DnsError::Timeout { .. }),
            "{what}: {error:?}"
        );
        assert!(
            error.to_string().starts_with("cannot resolve h: "),
            "{what}: {error}"
        );

        server.set("h", &addresses(3600, &["10.0.0.3"]));
        server.set("other", &addresses(3600, &["10.0.0.4"]));
        until("both are resolved again", || {
            known(&resolver, "h") == ips(&["10.0.0.3"]) && known(&resolver, "other") == ips(&["10.0.0.4"])
        })
        .await;
    }
}

#[tokio::test]
async fn addresses_of_other_names_are_not_believed() {
    for (what, bad) in [
        ("another name", about_another_name as fn(&Question) -> Vec<u8>),
        ("an alias of itself", alias_of_itself),
        ("an alias without end", alias_without_end),
    ] {
        let server = Server::start().await;
        server.set("h", &Reply::Bytes(bad));
        let error = resolver(&server).lookup(&host("h")).await;
        assert!(error.is_err(), "{what}: {error:?}");
    }
}

#[tokio::test]
async fn an_alias_is_followed_and_other_names_are_not() {
    let server = Server::start().await;
    server.set("mixed", &Reply::Bytes(with_another_name));
    server.set("bare", &Reply::Bytes(alias_only));
    server.set("elsewhere.example", &addresses(3600, &["10.0.0.9"]));
    server.set("h", &Reply::Bytes(alias));
    let resolver = resolver(&server);
    assert_eq!(
        resolver.lookup(&host("h")).await.unwrap().to_vec(),
        ips(&["10.0.0.7"])
    );
    let elsewhere = resolver.lookup(&host("bare")).await;
    assert_eq!(elsewhere.unwrap().to_vec(), ips(&["10.0.0.9"]));
    assert_eq!(
        resolver.lookup(&host("mixed")).await.unwrap().to_vec(),
        ips(&["10.0.0.8"])
    );
}

#[tokio::test]
async fn what_does_not_fit_is_asked_for_over_tcp() {
    let server = Server::start().await;
    server.set("h", &Reply::OverTcp(Box::new(addresses(3600, &["10.0.0.1"]))));
    server.set("never", &Reply::OverTcp(Box::new(Reply::Silence)));
    let resolver = resolver(&server);
    assert_eq!(
        resolver.lookup(&host("h")).await.unwrap().to_vec(),
        ips(&["10.0.0.1"])
    );
    let error = resolver.lookup(&host("never")).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot resolve never: "), "{error}");
}

#[tokio::test]
async fn a_huge_answer_is_cut() {
    let server = Server::start().await;
    let all: Vec<String> = (0..4000)
        .map(|number| format!("10.1.{}.{}", number / 250, number % 250))
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    server.set("h", &Reply::OverTcp(Box::new(addresses(3600, &all))));
    let resolver = resolver(&server);
    assert_eq!(
        resolver.lookup(&host("h")).await.unwrap().to_vec(),
        ips(&all[..1024])
    );
}
