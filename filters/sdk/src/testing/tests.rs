use std::time::Duration;

use super::{Harness, Request, Response, World};
use crate::shared::{self, SetError};
use crate::{BodyVerdict, Edits, Exchange, Fields, Filter, Head, HeadVerdict, Reply, Subscriptions, Ticker};

/// Does what the configuration names.
struct Scripted(String);

impl Filter for Scripted {
    type Config = String;

    fn configure(config: String) -> Result<Scripted, String> {
        if config == "refuse" {
            return Err("refused".to_owned());
        }
        Ok(Scripted(config))
    }

    fn subscriptions(&self) -> Subscriptions {
        let all = Subscriptions::new()
            .request_head(["X-Seen"])
            .request_trailers()
            .response_head_all()
            .response_body_stream()
            .tick(Duration::from_secs(1))
            .done();
        match self.0.as_str() {
            "buffer" => all.request_body_buffer(8),
            "hold without a body" => all,
            _ => all.request_body_stream(),
        }
    }

    fn on_request_head(&self, exchange: &Exchange<'_>, head: &Head) -> HeadVerdict {
        exchange.set_metadata("hidden", head.has("x-hidden"));
        exchange.set_metadata("all", exchange.request_head().has("x-hidden"));
        let _ = exchange.set_state(&7_u32);
        match self.0.as_str() {
            "break" => HeadVerdict::next().set("x-kept", "no").set("x", "a\r\nb"),
            "frame" => HeadVerdict::next().append("Content-Length", "3"),
            "path" => HeadVerdict::next().set(":path", "no-slash"),
            "hold" | "hold without a body" => HeadVerdict::hold().set("x-held", "1"),
            "done" => HeadVerdict::done().set("x-done", "1"),
            "reply" => HeadVerdict::from(Reply::new(404).header("x", "1").header("y", "1"))
                .set("X", "2")
                .remove("y"),
            _ => HeadVerdict::next().set(":path", "/b").remove("x-seen"),
        }
    }

    fn on_request_body(&self, _: &Exchange<'_>, part: &[u8], end: bool) -> BodyVerdict {
        match self.0.as_str() {
            "hold" if end => BodyVerdict::release(Edits::new().set("x-size", part.len().to_string())),
            "hold" => BodyVerdict::Hold,
            "buffer" => BodyVerdict::Replace(part.to_ascii_uppercase()),
            _ => BodyVerdict::Pass,
        }
    }

    fn on_request_trailers(&self, _: &Exchange<'_>, trailers: &Fields) -> Edits {
        Edits::new().set("x-count", trailers.len().to_string())
    }

    fn on_response_head(&self, exchange: &Exchange<'_>, head: &Head) -> HeadVerdict {
        let state: Option<u32> = exchange.state();
        HeadVerdict::next()
            .set("x-state", format!("{state:?}"))
            .append("x-was", head.status().unwrap_or(0).to_string())
    }

    fn on_response_body(&self, _: &Exchange<'_>, part: &[u8], _: bool) -> BodyVerdict {
        BodyVerdict::Replace(part.iter().rev().copied().collect())
    }

    fn on_done(&self, exchange: &Exchange<'_>) {
        crate::info!(
            "done with {}",
            exchange.request_field(":path").unwrap_or_default()
        );
    }
}

impl Ticker for Scripted {
    fn tick(&self) {
        crate::info!("tick at {:?}", crate::clock::monotonic());
    }
}

fn scripted(script: &str) -> Harness<Scripted> {
    Harness::new(&format!("\"{script}\"")).unwrap()
}

#[test]
fn a_head_hook_sees_what_it_asked_for_and_its_edits_are_made() {
    let harness = scripted("next");
    let exchange = harness.request(Request::get("/a").header("x-seen", "1").header("x-hidden", "1"));
    assert_eq!(exchange.metadata("hidden"), Some(false));
    assert_eq!(exchange.metadata("all"), Some(true));
    assert_eq!(exchange.request_field(":path").as_deref(), Some("/b"));
    assert_eq!(exchange.request_field("x-seen"), None);
    assert_eq!(exchange.failure(), None);
}

#[test]
fn illegal_edits_change_nothing() {
    for script in ["break", "frame", "path"] {
        let harness = scripted(script);
        let exchange = harness.request(Request::get("/a"));
        assert!(exchange.failure().is_some(), "{script}");
        assert_eq!(exchange.request_field("x-kept"), None);
    }
}

#[test]
fn a_held_head_waits_for_its_body() {
    let harness = scripted("hold");
    let mut exchange = harness.request(Request::post("/"));
    assert!(exchange.is_held());
    assert_eq!(exchange.request_body("abc", false), b"");
    assert!(exchange.is_held());
    assert_eq!(exchange.request_body("de", true), b"abcde");
    assert!(!exchange.is_held());
    assert_eq!(exchange.request_field("x-size").as_deref(), Some("5"));

    let harness = scripted("hold without a body");
    assert!(harness.request(Request::post("/")).failure().is_some());
}

#[test]
fn a_buffered_body_comes_once_and_is_bounded() {
    let harness = scripted("buffer");
    let mut exchange = harness.request(Request::post("/"));
    assert_eq!(exchange.request_body("abc", false), b"");
    assert_eq!(exchange.request_body("de", true), b"ABCDE");

    let mut exchange = harness.request(Request::post("/"));
    exchange.request_body("123456789", false);
    assert_eq!(exchange.reply().map(Reply::status), Some(413));
}

#[test]
fn after_done_nothing_is_called() {
    let harness = scripted("done");
    let mut exchange = harness.request(Request::get("/"));
    assert_eq!(exchange.request_field("x-done").as_deref(), Some("1"));
    exchange.respond(Response::new(200));
    assert_eq!(exchange.response_field("x-was"), None);
    assert_eq!(exchange.response_body("ab", true), b"ab");
    exchange.finish();
    assert!(harness.world().log().is_empty());
}

#[test]
fn edits_of_a_reply_change_the_reply() {
    let harness = scripted("reply");
    let exchange = harness.request(Request::get("/"));
    let reply = exchange.reply().unwrap();
    assert_eq!((reply.get("x"), reply.get("y")), (Some("2"), None));
}

#[test]
fn responses_pass_by() {
    let harness = scripted("next");
    let mut exchange = harness.request(Request::get("/"));
    exchange.respond(Response::new(200).header("x-was", "0"));
    assert_eq!(exchange.response_field("x-state").as_deref(), Some("Some(7)"));
    assert_eq!(exchange.response_fields("x-was"), ["0", "200"]);
    assert_eq!(exchange.response_body("abc", true), b"cba");
    let trailers = exchange.request_trailers(&[("a", "1")]);
    assert_eq!(trailers.last().unwrap(), &("x-count".to_owned(), "1".to_owned()));
    exchange.finish();
    assert_eq!(harness.world().log(), ["done with /b"]);
}

#[test]
fn a_ticker_is_called_when_its_time_has_passed() {
    let harness = scripted("next");
    assert!(harness.tick());
    assert!(harness.tick());
    assert_eq!(harness.world().log(), ["tick at 1s", "tick at 2s"]);
}

#[test]
fn a_refused_configuration_is_an_error() {
    assert_eq!(
        Harness::<Scripted>::new("\"refuse\"").err().as_deref(),
        Some("refused")
    );
    assert!(
        Harness::<Scripted>::new("7")
            .unwrap_err()
            .starts_with("pluginConfig: ")
    );
    // Not even one that has the fields in order.
    assert_eq!(
        Harness::<Scripted>::new(" [\"next\"]").err().as_deref(),
        Some("pluginConfig: invalid type: sequence, expected an object")
    );
}

#[test]
fn the_shared_store_keeps_versions_and_forgets_in_time() {
    let world = World::new();
    world.during(|| {
        let first = shared::compare_and_set("k", b"a", 0, Some(Duration::from_millis(5))).unwrap();
        assert_eq!(
            shared::compare_and_set("k", b"b", 0, None),
            Err(SetError::Conflict(first))
        );
        assert_eq!(shared::get("k").unwrap().value, b"a");
        assert_eq!(shared::add("n", 2, Some(Duration::from_millis(5))), Ok(2));
        assert_eq!(shared::add("n", 3, None), Ok(5));
    });
    world.advance(Duration::from_millis(5));
    world.during(|| {
        assert_eq!(shared::get("k"), None);
        assert_eq!(shared::add("n", 1, None), Ok(1));
    });
}

#[test]
fn an_update_is_made_again_when_somebody_was_faster() {
    let world = World::new();
    let sum = world.during(|| {
        let mut tries = 0;
        shared::update("k", None, |old| {
            tries += 1;
            if tries == 1 {
                shared::set("k", &[9], None).unwrap();
            }
            let value = old.and_then(<[u8]>::first).copied().unwrap_or(0) + 1;
            (Some(vec![value]), (value, tries))
        })
    });
    assert_eq!(sum, Ok((10, 2)));
    world.set_full(true);
    let left = world.during(|| shared::update("k", None, |old| (None, old.map(<[u8]>::to_vec))));
    assert_eq!(left, Ok(Some(vec![10])));
}
