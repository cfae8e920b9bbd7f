//! The filters of one exchange: requests pass them in their order, responses in the reverse order.
//!
//! A response passes the filters that its request has passed, whoever made it. What a filter changes is in force as soon
//! as its hook has succeeded; what fails is dealt with as the plugin's `failStrategy` says.

mod stage;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use cairn_api::istio::PathNormalization;
use cairn_http::body::Body;
use cairn_route::Note;
use cairn_wasm::{
    Attributes, BodyInterest, Exchange, Filter, HeadAnswer, HeadVerdict, HookFailure, LocalReply, Reason,
    RequestHead, ResponseHead, Value,
};
use http::header::{CONTENT_LENGTH, HeaderMap};
use http::request::Parts;
use http::uri::{Authority, Uri};
use http::{Response, response};
use http_body::Body as _;
use tokio::sync::Mutex;

use crate::plugin::{Attached, FailStrategy, Phase, PluginSpec};
use crate::target;

use stage::Stage;
pub(crate) use stage::{Side, Stopped};

/// The filters of one exchange, and how far its request has come.
pub(crate) struct Filters {
    shared: Arc<Shared>,
    /// So many of them have seen the request.
    passed: usize,
    normalization: PathNormalization,
}

/// What the bodies of an exchange share with its heads.
struct Shared {
    /// One hook at a time.
    exchange: Mutex<Exchange>,
    /// Some of them look at heads after these have gone on.
    remembers: bool,
    /// Hooks under way with a body of the request, and of the response.
    calling: [AtomicUsize; 2],
    active: Vec<Active>,
}

/// One generation of a plugin, chosen when the exchange began.
struct Active {
    filter: Arc<Filter>,
    spec: Arc<PluginSpec>,
    /// The exchange has come to it.
    reached: AtomicBool,
    /// It wants to see no more of this exchange, or has failed and may be gone without.
    over: AtomicBool,
    /// It has failed, and nothing of the exchange goes on without it, in either direction.
    failed: OnceLock<Reason>,
}

/// A request after a phase of filters.
pub(crate) struct Passed {
    pub(crate) body: Body,
    /// Its head is not what it was.
    pub(crate) changed: bool,
    /// All that filters have noted so far, where that is more than before.
    pub(crate) noted: Option<Vec<Note>>,
}

/// What filters note about an exchange, to be asked for when its response has passed them.
pub(crate) struct Noted(Arc<Shared>);

impl Noted {
    pub(crate) async fn read(&self) -> Vec<Note> {
        notes(&*self.0.exchange.lock().await)
    }
}

impl Filters {
    /// The filters that see what goes to a port; `None` when there is none, or none can be called and all may be gone without.
    pub(crate) async fn begin(
        chain: &[Attached],
        parts: &Parts,
        authority: &Authority,
        normalization: PathNormalization,
        known: Arc<dyn Attributes>,
    ) -> Result<Option<Filters>, Stopped> {
        let mut active = Vec::with_capacity(chain.len());
        let mut patience = None;
        for attached in chain {
            match attached.slot.current(&mut patience).await {
                Some(filter) => active.push(Active {
                    filter,
                    spec: Arc::clone(&attached.spec),
                    reached: AtomicBool::new(false),
                    over: AtomicBool::new(false),
                    failed: OnceLock::new(),
                }),
                None => {
                    attached.slot.meter.failed(Reason::Missing);
                    if attached.spec.fail != FailStrategy::Open {
                        return Err(Stopped::failed(&attached.spec, Reason::Missing));
                    }
                }
            }
        }
        if active.is_empty() {
            return Ok(None);
        }
        let later = |active: &Active| active.filter.subscriptions().beyond_request_head();
        let exchange = Exchange::new(outline(parts, authority), known);
        Ok(Some(Filters {
            shared: Arc::new(Shared {
                exchange: Mutex::new(exchange),
                remembers: active.iter().any(later),
                calling: Default::default(),
                active,
            }),
            passed: 0,
            normalization,
        }))
    }

    /// Lets the request pass the filters up to and with those of `phase`.
    pub(crate) async fn request(
        &mut self,
        phase: Phase,
        parts: &mut Parts,
        authority: &mut Authority,
        body: Body,
    ) -> Result<Passed, Stopped> {
        let Some(next) = self.next(phase) else {
            return Ok(Passed {
                body,
                changed: false,
                noted: None,
            });
        };
        let lost = Stopped::failed(&next.spec, Reason::Limit);
        let shared = Arc::clone(&self.shared);
        let before = {
            let mut exchange = shared.exchange.lock().await;
            if let Some(head) = exchange.request_mut() {
                *head = lend(parts, authority);
            }
            exchange.revision()
        };
        let passed = self.pass(phase, body).await;
        let mut exchange = shared.exchange.lock().await;
        // With the exchange its head is lost, and nothing is known any more that could go on.
        let head = exchange.request_mut().ok_or(lost)?;
        parts.headers = if shared.remembers {
            head.headers.clone()
        } else {
            std::mem::take(&mut head.headers)
        };
        let (body, changed) = passed?;
        if changed {
            parts.method = head.method.clone();
            parts.uri = Uri::from(head.target.clone());
            *authority = head.authority.clone();
        }
        Ok(Passed {
            body,
            changed,
            noted: (exchange.revision() != before).then(|| notes(&exchange)),
        })
    }

    /// Gives the body as it is after the filters up to those of `phase`, and whether they have changed the head.
    async fn pass(&mut self, phase: Phase, mut body: Body) -> Result<(Body, bool), Stopped> {
        let mut changed = false;
        let shared = Arc::clone(&self.shared);
        while let Some(active) = self.next(phase) {
            let subscriptions = active.filter.subscriptions();
            let wanted = subscriptions.request_body;
            active.reached.store(true, Ordering::Relaxed);
            let answer = {
                let mut exchange = shared.exchange.lock().await;
                active
                    .head(Side::Request, &mut exchange, body.is_end_stream())
                    .await?
            };
            let mut hold = matches!(wanted, BodyInterest::Buffer(_));
            if let Some(answer) = answer {
                if answer.changed {
                    changed = true;
                    self.settle().await?;
                }
                match answer.verdict {
                    HeadVerdict::Next => {}
                    HeadVerdict::Hold => hold = true,
                    HeadVerdict::Done => active.over.store(true, Ordering::Relaxed),
                    HeadVerdict::Reply(reply) => return Err(Stopped::Replied(Box::new(reply))),
                }
            }
            let sees_body = wanted != BodyInterest::None || subscriptions.request_trailers;
            if sees_body && active.is_on() && !body.is_end_stream() {
                // The filter may make it longer or shorter; what frames the body says how long it is.
                if let Some(head) = shared.exchange.lock().await.request_mut() {
                    head.headers.remove(CONTENT_LENGTH);
                }
                let stage = Stage::new(&shared, self.passed, Side::Request, body);
                let staged = stage.admit(hold).await?;
                if staged.changed {
                    changed = true;
                    self.settle().await?;
                }
                body = staged.body;
            }
            self.passed += 1;
        }
        Ok((body, changed))
    }

    /// Gives the target that a filter may have written its one form, before another looks at it.
    async fn settle(&self) -> Result<(), Stopped> {
        let mut exchange = self.shared.exchange.lock().await;
        exchange.request_mut().map_or(Ok(()), |head| {
            target::settle_origin(&head.method, &mut head.target, self.normalization).map_err(Stopped::Target)
        })
    }

    /// What they note, also about the response.
    pub(crate) fn noted(&self) -> Noted {
        Noted(Arc::clone(&self.shared))
    }

    /// The next filter that has something to say in `phase`.
    fn next(&self, phase: Phase) -> Option<&Active> {
        let next = self.shared.active.get(self.passed);
        next.filter(|active| active.spec.phase <= phase)
    }

    /// Lets a response pass, in the reverse order, the filters that its request has passed. `local` makes the response of
    /// what a filter has in store instead. `instead`: the response is one already, in place of what did not come to be.
    pub(crate) async fn response(
        self,
        response: Response<Body>,
        mut instead: bool,
        mut local: impl FnMut(Stopped) -> Response<Body>,
    ) -> Response<Body> {
        let (mut parts, mut body) = response.into_parts();
        for index in (0..self.passed).rev() {
            let Some(active) = self.shared.active.get(index) else {
                continue;
            };
            let passed = match active.may_go_without() {
                Err(stopped) if !instead => Err(stopped),
                _ => self.respond(index, active, &mut parts, body).await,
            };
            match passed {
                Ok(passed) => body = passed,
                Err(stopped) => {
                    instead = true;
                    (parts, body) = local(stopped).into_parts();
                }
            }
        }
        // What is told at the end of the exchange is told when nobody holds it any more.
        if self.shared.tells_end() && !body.is_end_stream() {
            body = Body::boxed(stage::Held::new(body, Arc::clone(&self.shared)));
        }
        Response::from_parts(parts, body)
    }

    async fn respond(
        &self,
        index: usize,
        active: &Active,
        parts: &mut response::Parts,
        body: Body,
    ) -> Result<Body, Stopped> {
        let subscriptions = active.filter.subscriptions();
        if !active.is_on() {
            return Ok(body);
        }
        let wanted = subscriptions.response_body;
        let mut hold = matches!(wanted, BodyInterest::Buffer(_));
        if subscriptions.response_head.is_some() || wanted != BodyInterest::None {
            let mut exchange = self.shared.exchange.lock().await;
            exchange.set_response(ResponseHead {
                status: parts.status,
                headers: std::mem::take(&mut parts.headers),
            });
            let end = body.is_end_stream();
            let answer = active.head(Side::Response, &mut exchange, end).await;
            restore(parts, &mut exchange, self.shared.remembers);
            drop(exchange);
            match answer?.map(|answer| answer.verdict) {
                Some(HeadVerdict::Hold) => hold = true,
                Some(HeadVerdict::Done) => active.over.store(true, Ordering::Relaxed),
                Some(HeadVerdict::Reply(reply)) => return Err(Stopped::Replied(Box::new(reply))),
                Some(HeadVerdict::Next) | None => {}
            }
        }
        let sees_body = wanted != BodyInterest::None || subscriptions.response_trailers;
        // After a switch of protocols there is no body, and of a body that ends with the head there is none either.
        let switched = parts.status == http::StatusCode::SWITCHING_PROTOCOLS;
        if !sees_body || !active.is_on() || body.is_end_stream() || switched {
            return Ok(body);
        }
        parts.headers.remove(CONTENT_LENGTH);
        self.shared.exchange.lock().await.set_response(ResponseHead {
            status: parts.status,
            headers: std::mem::take(&mut parts.headers),
        });
        let stage = Stage::new(&self.shared, index, Side::Response, body);
        let staged = stage.admit(hold).await;
        restore(
            parts,
            &mut *self.shared.exchange.lock().await,
            self.shared.remembers,
        );
        Ok(staged?.body)
    }
}

/// Takes the response's head back from the filters, or a copy of it.
fn restore(parts: &mut response::Parts, exchange: &mut Exchange, copy: bool) {
    if let Some(head) = exchange.response_mut() {
        parts.status = head.status;
        parts.headers = if copy {
            head.headers.clone()
        } else {
            std::mem::take(&mut head.headers)
        };
    }
}

/// As conditions compare it: text, and each item of a list by itself. Bytes are compared with nothing.
fn notes(exchange: &Exchange) -> Vec<Note> {
    let mut notes = Vec::new();
    for (filter, key, value) in exchange.notes() {
        let mut note = |text: &str| notes.push((Arc::clone(filter), key.into(), text.into()));
        match value {
            Value::Boolean(value) => note(&value.to_string()),
            Value::Int(value) => note(&value.to_string()),
            Value::Float(value) => note(&value.to_string()),
            Value::Text(text) => note(text),
            Value::Texts(texts) => texts.iter().for_each(|text| note(text)),
            Value::Bytes(_) => {}
        }
    }
    notes
}

/// The head of a request, moved to where filters see it.
fn lend(parts: &mut Parts, authority: &Authority) -> RequestHead {
    let headers = std::mem::take(&mut parts.headers);
    RequestHead {
        headers,
        ..outline(parts, authority)
    }
}

/// The head of a request without its fields.
fn outline(parts: &Parts, authority: &Authority) -> RequestHead {
    let target = parts.uri.path_and_query().cloned();
    RequestHead {
        method: parts.method.clone(),
        target: target.unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")),
        authority: authority.clone(),
        scheme: "http",
        headers: HeaderMap::new(),
    }
}

impl Active {
    /// Whether it is to be told that the exchange has ended, of which it has seen something.
    fn wants_end(&self) -> bool {
        self.filter.subscriptions().done && self.reached.load(Ordering::Relaxed) && self.is_on()
    }

    fn is_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// Fails when nothing may go on that the filter has not seen, and it cannot see it any more.
    fn may_go_without(&self) -> Result<(), Stopped> {
        match self.failed.get() {
            Some(reason) => Err(Stopped::failed(&self.spec, *reason)),
            None => Ok(()),
        }
    }

    /// It sees no more of the exchange, of which nothing goes on.
    fn fail(&self, reason: Reason) {
        let _ = self.failed.set(reason);
        self.over.store(true, Ordering::Relaxed);
    }

    /// Shows a head to the filter, and does with its failure as the plugin says. `None`: the exchange goes on without the filter.
    async fn head(
        &self,
        side: Side,
        exchange: &mut Exchange,
        end: bool,
    ) -> Result<Option<HeadAnswer>, Stopped> {
        if !self.is_on() {
            return Ok(None);
        }
        let mut again = self.spec.fail == FailStrategy::Reload;
        loop {
            let called = match side {
                Side::Request => self.filter.on_request_head(exchange, end).await,
                Side::Response => self.filter.on_response_head(exchange, end).await,
            };
            match called {
                Ok(answer) => return Ok(Some(answer)),
                Err(_) if again => {
                    again = false;
                    exchange.try_afresh();
                }
                Err(failure) => return self.give_up(&failure).map(|()| None),
            }
        }
    }

    /// What becomes of an exchange whose filter has failed: it ends, or goes on without.
    fn give_up(&self, failure: &HookFailure) -> Result<(), Stopped> {
        tracing::warn!(plugin = &*self.spec.label, "filter failed: {failure}");
        match self.spec.fail {
            FailStrategy::Open => self.over.store(true, Ordering::Relaxed),
            FailStrategy::Close | FailStrategy::Reload => self.fail(failure.reason),
        }
        self.may_go_without()
    }
}

impl Shared {
    fn tells_end(&self) -> bool {
        self.active.iter().any(Active::wants_end)
    }
}

impl Drop for Shared {
    /// The exchange has ended; filters that want to know are told without anybody waiting for it.
    fn drop(&mut self) {
        let told: Vec<_> = self
            .active
            .drain(..)
            .filter(|active| active.wants_end())
            .collect();
        let (false, Ok(runtime)) = (told.is_empty(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let nothing = Exchange::gone();
        let mut exchange = std::mem::replace(self.exchange.get_mut(), nothing);
        runtime.spawn(async move {
            for active in told {
                if let Err(failure) = active.filter.on_done(&mut exchange).await {
                    tracing::warn!(plugin = &*active.spec.label, "filter failed: {failure}");
                }
            }
        });
    }
}

impl Stopped {
    fn failed(spec: &PluginSpec, reason: Reason) -> Stopped {
        Stopped::Failed {
            plugin: Arc::clone(&spec.label),
            reason,
        }
    }
}

/// What a filter answers in place of the service.
pub(crate) type Replied = Box<LocalReply>;
