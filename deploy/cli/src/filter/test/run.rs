//! One exchange through one filter, by the rules that the waypoint has for it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use cairn_wasm::{
    BodyInterest, BodyVerdict, Exchange, Filter, HeadVerdict, HookFailure, LocalReply, RequestHead,
    ResponseHead,
};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};

use super::message::{Message, Request, Scene};
use super::watch::{Hook, Line, Part, Watch, lines};

/// What came of an exchange.
pub(super) struct Ran {
    /// What was logged before any hook was called.
    pub(super) configuring: Vec<Line>,
    pub(super) hooks: Vec<Hook>,
    /// The request as it reached the service; nothing if it did not.
    pub(super) request: Option<Sent>,
    /// What the client got.
    pub(super) response: Sent,
    /// Who gave that.
    pub(super) by: &'static str,
}

/// A message that has gone on.
pub(super) struct Sent {
    /// Its lines, those with a colon first.
    pub(super) head: Vec<(String, String)>,
    pub(super) body: Bytes,
    pub(super) trailers: Vec<(String, String)>,
}

/// Which message a hook is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Request,
    Response,
}

/// Why a message does not go on.
enum Stop {
    Reply(LocalReply),
    Failed,
    /// The whole body was wanted, and it has more than so many bytes.
    TooLarge(Side, usize),
}

struct Run<'a> {
    filter: &'a Filter,
    exchange: Exchange,
    watch: Watch<'a>,
    parts: Option<usize>,
    hooks: Vec<Hook>,
    /// The filter is not called any more.
    over: bool,
}

/// Runs an exchange to its end.
pub(super) async fn run<'a>(filter: &'a Filter, scene: Scene, watch: Watch<'a>) -> Ran {
    let Scene {
        request,
        response,
        parts,
        known,
    } = scene;
    let configuring = watch.so_far();
    let mut run = Run {
        filter,
        exchange: Exchange::new(head(&request), Arc::new(known)),
        watch,
        parts,
        hooks: Vec::new(),
        over: false,
    };
    let (mut sent, mut by) = (None, "the service");
    let asked = run.pass(Side::Request, &request.message).await;
    let answered = match asked {
        Ok(asked) => {
            sent = Some(asked);
            run.exchange.set_response(ResponseHead {
                status: response.status,
                headers: response.message.headers.clone(),
            });
            run.pass(Side::Response, &response.message).await
        }
        Err(stop) => Err(stop),
    };
    let got = match answered {
        Ok(got) => got,
        Err(stop) => {
            by = match &stop {
                Stop::Reply(_) => "the filter",
                Stop::Failed | Stop::TooLarge(..) => "the waypoint",
            };
            run.over |= !matches!(stop, Stop::Reply(_));
            let kind = request.message.headers.get(CONTENT_TYPE);
            local(
                stop,
                kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")),
            )
        }
    };
    if filter.subscriptions().done && !run.over {
        run.done().await;
    }
    if filter.subscriptions().tick.is_some() {
        run.tick().await;
    }
    Ran {
        configuring,
        hooks: run.hooks,
        request: sent,
        response: got,
        by,
    }
}

impl Ran {
    /// Whether a hook has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.hooks.iter().any(|hook| hook.failure.is_some())
    }
}

impl Run<'_> {
    /// Lets a message pass the filter, as far as it lets it.
    async fn pass(&mut self, side: Side, message: &Message) -> Result<Sent, Stop> {
        if self.over {
            return Ok(self.sent(side, message.body.clone(), &message.trailers));
        }
        let subscriptions = self.filter.subscriptions();
        let (head, interest, trailers) = match side {
            Side::Request => (
                subscriptions.request_head.is_some(),
                subscriptions.request_body,
                subscriptions.request_trailers,
            ),
            Side::Response => (
                subscriptions.response_head.is_some(),
                subscriptions.response_body,
                subscriptions.response_trailers,
            ),
        };
        let mut hold = matches!(interest, BodyInterest::Buffer(_));
        if head {
            match self.head(side, message.ends_with_head()).await? {
                HeadVerdict::Next => {}
                HeadVerdict::Hold => hold = true,
                HeadVerdict::Done => self.over = true,
                HeadVerdict::Reply(reply) => return Err(Stop::Reply(reply)),
            }
        }
        let staged = (interest != BodyInterest::None || trailers) && !message.ends_with_head() && !self.over;
        if !staged {
            return Ok(self.sent(side, message.body.clone(), &message.trailers));
        }
        self.forget_length(side);
        let mut stage = Stage {
            side,
            limit: self.filter.spec().limits.buffer,
            held: BytesMut::new(),
            kept: BytesMut::new(),
            head: None,
        };
        if !hold {
            stage.head = Some(self.sent(side, Bytes::new(), &HeaderMap::new()));
        }
        if interest != BodyInterest::None {
            self.body(&mut stage, interest, message).await?;
        }
        let body = if interest == BodyInterest::None {
            message.body.clone()
        } else {
            stage.kept.freeze()
        };
        let mut after = message.trailers.clone();
        if trailers && !after.is_empty() {
            self.trailers(side, &mut after).await?;
        }
        let head = match stage.head {
            Some(sent) => sent,
            None => self.sent(side, Bytes::new(), &HeaderMap::new()),
        };
        Ok(Sent {
            body,
            trailers: lines(&after),
            ..head
        })
    }

    async fn head(&mut self, side: Side, end: bool) -> Result<HeadVerdict, Stop> {
        self.watch.before(self.lines(side));
        let (name, answer) = match side {
            Side::Request => (
                "on-request-head",
                self.filter.on_request_head(&mut self.exchange, end).await,
            ),
            Side::Response => (
                "on-response-head",
                self.filter.on_response_head(&mut self.exchange, end).await,
            ),
        };
        let mut hook = self.watch.after(name, &self.exchange, &self.lines(side));
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => return Err(self.failed(hook, failure)),
        };
        hook.verdict = Some(match &answer.verdict {
            HeadVerdict::Next => "next".to_owned(),
            HeadVerdict::Hold => "hold".to_owned(),
            HeadVerdict::Done => "done".to_owned(),
            HeadVerdict::Reply(reply) => replied(reply),
        });
        self.hooks.push(hook);
        Ok(answer.verdict)
    }

    /// Shows a body to the filter, in parts or as a whole.
    async fn body(
        &mut self,
        stage: &mut Stage,
        interest: BodyInterest,
        message: &Message,
    ) -> Result<(), Stop> {
        let body = &message.body;
        let parts: Vec<Bytes> = match interest {
            BodyInterest::Buffer(most) if body.len() > most => {
                return Err(Stop::TooLarge(stage.side, most));
            }
            BodyInterest::Stream => {
                let size = self.parts.unwrap_or(usize::MAX).min(body.len()).max(1);
                let mut parts: Vec<Bytes> = body.chunks(size).map(Bytes::copy_from_slice).collect();
                if !message.trailers.is_empty() {
                    // That the body has ended is seen by the trailers.
                    parts.push(Bytes::new());
                }
                parts
            }
            _ => vec![body.clone()],
        };
        let last = parts.len();
        for (index, part) in parts.into_iter().enumerate() {
            self.part(stage, &part, index + 1 == last).await?;
        }
        Ok(())
    }

    async fn part(&mut self, stage: &mut Stage, part: &[u8], end: bool) -> Result<(), Stop> {
        let mut shown = std::mem::take(&mut stage.held);
        shown.extend_from_slice(part);
        self.watch.before(self.lines(stage.side));
        let late = stage.head.is_some();
        let (name, answer) = match stage.side {
            Side::Request => (
                "on-request-body",
                self.filter
                    .on_request_body(&mut self.exchange, &shown, end, !late)
                    .await,
            ),
            Side::Response => (
                "on-response-body",
                self.filter
                    .on_response_body(&mut self.exchange, &shown, end, !late)
                    .await,
            ),
        };
        let mut hook = self.watch.after(name, &self.exchange, &self.lines(stage.side));
        hook.part = Some(Part {
            bytes: shown.len(),
            end,
        });
        let verdict = match answer {
            Ok(verdict) => verdict,
            Err(failure) => return Err(self.failed(hook, failure)),
        };
        let (word, replaced) = match &verdict {
            BodyVerdict::Pass => ("pass".to_owned(), None),
            BodyVerdict::Replace(body) => ("replace".to_owned(), Some(body.to_vec())),
            BodyVerdict::Hold => ("hold".to_owned(), None),
            BodyVerdict::Release { body, .. } => {
                ("release".to_owned(), body.as_ref().map(|body| body.to_vec()))
            }
            BodyVerdict::Reply(reply) => (replied(reply), None),
        };
        (hook.verdict, hook.replaced) = (Some(word), replaced);
        match verdict {
            BodyVerdict::Reply(_) if late && stage.side == Side::Response => {
                hook.remark = Some(
                    "the head has gone on already: the client sees the stream end with an error".to_owned(),
                );
            }
            BodyVerdict::Hold if end => {
                hook.remark = Some("nothing follows: it goes on as it is".to_owned());
            }
            _ => {}
        }
        self.hooks.push(hook);
        match verdict {
            BodyVerdict::Pass => stage.kept.extend_from_slice(&shown),
            BodyVerdict::Replace(body) => stage.kept.extend_from_slice(&body),
            BodyVerdict::Hold if end => stage.kept.extend_from_slice(&shown),
            BodyVerdict::Hold => stage.held = shown,
            BodyVerdict::Release { body, .. } => {
                if !late {
                    stage.head = Some(self.sent(stage.side, Bytes::new(), &HeaderMap::new()));
                }
                stage.kept.extend_from_slice(body.as_deref().unwrap_or(&shown));
            }
            BodyVerdict::Reply(reply) => return Err(Stop::Reply(reply)),
        }
        let waiting = if stage.head.is_none() { stage.kept.len() } else { 0 };
        if stage.held.len() > stage.limit || waiting > stage.limit {
            return Err(Stop::TooLarge(stage.side, stage.limit));
        }
        Ok(())
    }

    async fn trailers(&mut self, side: Side, trailers: &mut HeaderMap) -> Result<(), Stop> {
        self.watch.before(lines(trailers));
        let (name, answer) = match side {
            Side::Request => (
                "on-request-trailers",
                self.filter
                    .on_request_trailers(&mut self.exchange, trailers)
                    .await,
            ),
            Side::Response => (
                "on-response-trailers",
                self.filter
                    .on_response_trailers(&mut self.exchange, trailers)
                    .await,
            ),
        };
        let hook = self.watch.after(name, &self.exchange, &lines(trailers));
        match answer {
            Ok(()) => self.hooks.push(hook),
            Err(failure) => return Err(self.failed(hook, failure)),
        }
        Ok(())
    }

    async fn done(&mut self) {
        self.watch.before(Vec::new());
        let answer = self.filter.on_done(&mut self.exchange).await;
        let mut hook = self.watch.after("on-done", &self.exchange, &[]);
        hook.failure = answer.err();
        self.hooks.push(hook);
    }

    async fn tick(&mut self) {
        self.watch.before(Vec::new());
        let answer = self.filter.tick().await;
        let mut hook = self.watch.after("tick", &self.exchange, &[]);
        hook.failure = answer.err();
        self.hooks.push(hook);
    }

    fn failed(&mut self, mut hook: Hook, failure: HookFailure) -> Stop {
        hook.failure = Some(failure);
        self.hooks.push(hook);
        self.over = true;
        Stop::Failed
    }

    /// The filter may make a body longer or shorter.
    fn forget_length(&mut self, side: Side) {
        match side {
            Side::Request => {
                if let Some(head) = self.exchange.request_mut() {
                    head.headers.remove(CONTENT_LENGTH);
                }
            }
            Side::Response => {
                if let Some(head) = self.exchange.response_mut() {
                    head.headers.remove(CONTENT_LENGTH);
                }
            }
        }
    }

    /// The lines of a head as it is now.
    fn lines(&self, side: Side) -> Vec<(String, String)> {
        match side {
            Side::Request => self.exchange.request().map(request_lines).unwrap_or_default(),
            Side::Response => self.exchange.response().map(response_lines).unwrap_or_default(),
        }
    }

    /// A message whose head goes on as it is now.
    fn sent(&self, side: Side, body: Bytes, trailers: &HeaderMap) -> Sent {
        Sent {
            head: self.lines(side),
            body,
            trailers: lines(trailers),
        }
    }
}

/// A body on its way.
struct Stage {
    side: Side,
    limit: usize,
    /// What the filter wants to see again.
    held: BytesMut,
    /// What goes on.
    kept: BytesMut,
    /// The head, once it has gone on.
    head: Option<Sent>,
}

fn head(request: &Request) -> RequestHead {
    RequestHead {
        method: request.method.clone(),
        target: request.target.clone(),
        authority: request.authority.clone(),
        scheme: "http",
        headers: request.message.headers.clone(),
    }
}

fn request_lines(head: &RequestHead) -> Vec<(String, String)> {
    let mut all = vec![
        (":method".to_owned(), head.method.to_string()),
        (":path".to_owned(), head.target.to_string()),
        (":authority".to_owned(), head.authority.to_string()),
        (":scheme".to_owned(), head.scheme.to_owned()),
    ];
    all.extend(lines(&head.headers));
    all
}

fn response_lines(head: &ResponseHead) -> Vec<(String, String)> {
    let mut all = vec![(":status".to_owned(), head.status.as_u16().to_string())];
    all.extend(lines(&head.headers));
    all
}

fn replied(reply: &LocalReply) -> String {
    let details = if reply.details.is_empty() {
        String::new()
    } else {
        format!(" ({})", reply.details)
    };
    format!("reply {}{details}", reply.status.as_u16())
}

/// What the client gets when a message does not go on; `grpc`: of a request that is gRPC.
fn local(stop: Stop, grpc: bool) -> Sent {
    let plain = |status: &str, body: String| Sent {
        head: vec![(":status".to_owned(), status.to_owned())],
        body: body.into(),
        trailers: Vec::new(),
    };
    match stop {
        Stop::Reply(reply) => {
            let mut head = vec![(":status".to_owned(), reply.status.as_u16().to_string())];
            head.extend(lines(&reply.headers));
            if let Some(code) = reply.grpc_status.filter(|_| grpc) {
                head.push(("grpc-status".to_owned(), code.to_string()));
            }
            Sent {
                head,
                body: reply.body,
                trailers: Vec::new(),
            }
        }
        Stop::Failed => plain("503", String::new()),
        Stop::TooLarge(Side::Request, most) => plain("413", format!("the body has more than {most} bytes")),
        Stop::TooLarge(Side::Response, most) => plain("500", format!("the body has more than {most} bytes")),
    }
}
