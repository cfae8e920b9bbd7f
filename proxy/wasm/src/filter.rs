//! One generation of a plugin, and its hooks.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::HeaderMap;

use crate::bindings::cairn::filter::types::{
    Block, BodyVerdict as WitBodyVerdict, Edit, HeadVerdict as WitHeadVerdict,
};
use crate::engine::Engine;
use crate::exchange::Exchange;
use crate::failure::{HookFailure, LoadError, Reason, cut};
use crate::instance::{Hook, Instance, Said, Template};
use crate::plugin::Plugin;
use crate::pool::{Permit, Pool};
use crate::spec::Spec;
use crate::subscriptions::{self, BodyInterest, Lines, Subscriptions};
use crate::verdict::{BodyVerdict, HeadAnswer, HeadVerdict};
use crate::{block, edit, imports};

/// A plugin with one component and one configuration, ready for requests.
pub struct Filter {
    plugin: Arc<Plugin>,
    template: Template,
    pool: Arc<Pool>,
    subscriptions: Subscriptions,
}

/// Which of the two messages a hook is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Response,
}

impl Filter {
    /// Compiles a component, and configures a first instance of it. Takes long, and is to be done where no request waits.
    ///
    /// # Errors
    ///
    /// [`LoadError`]: it is no filter, wants what it is not granted, or refuses its configuration.
    pub async fn load(engine: &Engine, component: &[u8], spec: Spec) -> Result<Filter, LoadError> {
        let compiled = engine.compile(Bytes::copy_from_slice(component)).await?;
        let hooks = imports::check(engine, &compiled, &spec.grants)?;
        let plugin = Arc::new(Plugin::new(spec));
        let template = Template::new(engine, compiled, &plugin)?;
        let (instance, asked) = first(&template).await?;
        let subscriptions = subscriptions::compile(asked, &plugin.spec, hooks.ticker)?;
        let pool = Arc::new(Pool::new(&plugin.spec.limits));
        let idle: Weak<Pool> = Arc::downgrade(&pool);
        engine.share(idle);
        pool.give_back(instance, plugin.spec.isolation);
        Ok(Filter {
            plugin,
            template,
            pool,
            subscriptions,
        })
    }

    /// What it is.
    pub fn spec(&self) -> &Spec {
        &self.plugin.spec
    }

    /// What it wants to be called for.
    pub fn subscriptions(&self) -> &Subscriptions {
        &self.subscriptions
    }

    /// A request has come.
    ///
    /// # Errors
    ///
    /// [`HookFailure`]; the exchange is as it was.
    pub async fn on_request_head(
        &self,
        exchange: &mut Exchange,
        end_of_stream: bool,
    ) -> Result<HeadAnswer, HookFailure> {
        let Some(lines) = &self.subscriptions.request_head else {
            return Ok(HeadAnswer {
                verdict: HeadVerdict::Next,
                changed: false,
            });
        };
        let end = end_of_stream;
        let said = self.hook(exchange, Hook::RequestHead { lines, end }).await?;
        self.judge(exchange, Side::Request, said)
    }

    /// A part of the request's body has come. `held`: the head still waits for the body.
    ///
    /// # Errors
    ///
    /// [`HookFailure`]; the exchange is as it was.
    pub async fn on_request_body(
        &self,
        exchange: &mut Exchange,
        part: &[u8],
        end: bool,
        held: bool,
    ) -> Result<BodyVerdict, HookFailure> {
        let said = self.hook(exchange, Hook::RequestBody { part, end }).await?;
        self.judge_body(exchange, Side::Request, held, said)
    }

    /// The request's trailers have come.
    ///
    /// # Errors
    ///
    /// [`HookFailure`]; exchange and trailers are as they were.
    pub async fn on_request_trailers(
        &self,
        exchange: &mut Exchange,
        trailers: &mut HeaderMap,
    ) -> Result<(), HookFailure> {
        let packed = packed(trailers);
        let said = self.hook(exchange, Hook::RequestTrailers(&packed)).await?;
        self.judge_trailers(exchange, trailers, said)
    }

    /// A response has come; its head is the exchange's.
    ///
    /// # Errors
    ///
    /// [`HookFailure`]; the exchange is as it was.
    pub async fn on_response_head(
        &self,
        exchange: &mut Exchange,
        end_of_stream: bool,
    ) -> Result<HeadAnswer, HookFailure> {
        let Some(lines) = &self.subscriptions.response_head else {
            return Ok(HeadAnswer {
                verdict: HeadVerdict::Next,
                changed: false,
            });
        };
        let end = end_of_stream;
        let said = self.hook(exchange, Hook::ResponseHead { lines, end }).await?;
        self.judge(exchange, Side::Response, said)
    }

    /// A part of the response's body has come. `held`: the head still waits for the body.
    ///
    /// # Errors
    ///
    /// [`HookFailure`]; the exchange is as it was.
    pub async fn on_response_body(
        &self,
        exchange: &mut Exchange,
        part: &[u8],
        end: bool,
        held: bool,
    ) -> Result<BodyVerdict, HookFailure> {
        let said = self.hook(exchange, Hook::ResponseBody { part, end }).await?;
        self.judge_body(exchange, Side::Response, held, said)
    }

    /// The response's trailers have come.
    ///
    /// # Errors
    ///
    /// [`HookFailure`]; exchange and trailers are as they were.
    pub async fn on_response_trailers(
        &self,
        exchange: &mut Exchange,
        trailers: &mut HeaderMap,
    ) -> Result<(), HookFailure> {
        let packed = packed(trailers);
        let said = self.hook(exchange, Hook::ResponseTrailers(&packed)).await?;
        self.judge_trailers(exchange, trailers, said)
    }

    /// The exchange has ended.
    ///
    /// # Errors
    ///
    /// [`HookFailure`].
    pub async fn on_done(&self, exchange: &mut Exchange) -> Result<(), HookFailure> {
        self.hook(exchange, Hook::Done).await.map(drop)
    }

    /// The time that the filter subscribed to has passed.
    ///
    /// # Errors
    ///
    /// [`HookFailure`].
    pub async fn tick(&self) -> Result<(), HookFailure> {
        let (mut instance, _permit) = self.instance(false).await?;
        let limits = &self.plugin.spec.limits;
        let called = instance.bounded(limits.cpu, limits.wall, Hook::Tick).await;
        self.finish(instance, called).map(drop)
    }

    async fn hook(&self, exchange: &mut Exchange, hook: Hook<'_>) -> Result<Said, HookFailure> {
        let (mut instance, _permit) = self.instance(exchange.takes_afresh()).await?;
        let called = instance.call(exchange, hook).await;
        self.finish(instance, called)
    }

    /// An instance to do work with, and the right to; `afresh`: one that has done none.
    async fn instance(&self, afresh: bool) -> Result<(Box<Instance>, Permit<'_>), HookFailure> {
        let permit = self.counted(self.pool.permit(&self.plugin.spec.limits).await)?;
        // A fresh one takes the place of one that is idle.
        if let Some(instance) = self.pool.take().filter(|_| !afresh) {
            return Ok((instance, permit));
        }
        let started = first(&self.template).await;
        let started = started.map_err(|error| HookFailure::new(Reason::Start, error.to_string()));
        let (instance, _) = self.counted(started)?;
        Ok((instance, permit))
    }

    /// An instance whose hook has failed is not used again.
    fn finish<T>(&self, instance: Box<Instance>, called: Result<T, HookFailure>) -> Result<T, HookFailure> {
        if called.is_ok() {
            self.pool.give_back(instance, self.plugin.spec.isolation);
        }
        self.counted(called)
    }

    fn counted<T>(&self, result: Result<T, HookFailure>) -> Result<T, HookFailure> {
        if let Err(failure) = &result {
            self.plugin.spec.meter.failed(failure.reason);
        }
        result
    }

    fn judge(&self, exchange: &mut Exchange, side: Side, said: Said) -> Result<HeadAnswer, HookFailure> {
        let Said::Head(verdict) = said else {
            return Err(other_hook());
        };
        let (verdict, edits) = match verdict {
            WitHeadVerdict::Next(edits) => (HeadVerdict::Next, edits),
            WitHeadVerdict::Done(edits) => (HeadVerdict::Done, edits),
            WitHeadVerdict::Hold(edits) => {
                self.counted(self.may_hold(side))?;
                (HeadVerdict::Hold, edits)
            }
            WitHeadVerdict::Reply(reply) => {
                (HeadVerdict::Reply(self.counted(edit::reply(reply))?), Vec::new())
            }
        };
        let changed = self.counted(change(exchange, side, edits))?;
        exchange.commit();
        Ok(HeadAnswer { verdict, changed })
    }

    fn judge_trailers(
        &self,
        exchange: &mut Exchange,
        trailers: &mut HeaderMap,
        said: Said,
    ) -> Result<(), HookFailure> {
        let Said::Trailers(edits) = said else {
            return Err(other_hook());
        };
        self.counted(edit::trailers(trailers, edits))?;
        exchange.commit();
        Ok(())
    }

    /// A head that waits for a body that nobody hands over would wait for ever.
    fn may_hold(&self, side: Side) -> Result<(), HookFailure> {
        let body = match side {
            Side::Request => self.subscriptions.request_body,
            Side::Response => self.subscriptions.response_body,
        };
        if body == BodyInterest::None {
            let message = "holds a head without having subscribed to its body";
            return Err(HookFailure::new(Reason::Limit, message));
        }
        Ok(())
    }

    fn judge_body(
        &self,
        exchange: &mut Exchange,
        side: Side,
        held: bool,
        said: Said,
    ) -> Result<BodyVerdict, HookFailure> {
        let Said::Body(verdict) = said else {
            return Err(other_hook());
        };
        let verdict = match verdict {
            WitBodyVerdict::Pass => BodyVerdict::Pass,
            WitBodyVerdict::Replace(body) => BodyVerdict::Replace(body.into()),
            WitBodyVerdict::Hold => BodyVerdict::Hold,
            // Policies and routes have seen it, or the client has.
            WitBodyVerdict::Release((edits, _)) if !held && !edits.is_empty() => {
                let message = "changes a head that has gone on already";
                return self.counted(Err(HookFailure::new(Reason::Edit, message)));
            }
            WitBodyVerdict::Release((edits, body)) => BodyVerdict::Release {
                changed: self.counted(change(exchange, side, edits))?,
                body: body.map(Bytes::from),
            },
            WitBodyVerdict::Reply(reply) => BodyVerdict::Reply(self.counted(edit::reply(reply))?),
        };
        exchange.commit();
        Ok(verdict)
    }
}

/// Hooks answer what is theirs: each arm of a call makes its own kind of answer.
fn other_hook() -> HookFailure {
    HookFailure::new(Reason::Trap, "the answer is of another hook")
}

/// An instance that has been configured, and what it asked for.
async fn first(
    template: &Template,
) -> Result<
    (
        Box<Instance>,
        crate::bindings::cairn::filter::types::Subscriptions,
    ),
    LoadError,
> {
    let plugin = template.plugin();
    let start = |failure: HookFailure| LoadError::Start(failure.to_string());
    let mut instance = Box::new(template.instance().await.map_err(start)?);
    let (longest, config, name) = (plugin.spec.limits.start, &*plugin.spec.config, &*plugin.spec.name);
    let said = instance
        .bounded(longest, longest * 5, Hook::Configure { config, name })
        .await
        .map_err(start)?;
    let Said::Configured(asked) = said else {
        return Err(start(other_hook()));
    };
    let asked = asked.map_err(|said| LoadError::Configure(cut(said)))?;
    instance.configured();
    Ok((instance, asked))
}

fn change(exchange: &mut Exchange, side: Side, edits: Vec<Edit>) -> Result<bool, HookFailure> {
    if edits.is_empty() {
        return Ok(false);
    }
    let content = exchange.content_mut();
    match side {
        Side::Request => match content {
            Some(content) => edit::request(&mut content.request, edits),
            None => Ok(false),
        },
        Side::Response => match content.and_then(|content| content.response.as_mut()) {
            Some(head) => edit::response(head, edits),
            None => Ok(false),
        },
    }
}

fn packed(trailers: &HeaderMap) -> Block {
    let mut packed = block::empty();
    block::trailers(&mut packed, trailers);
    packed
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter")
            .field("plugin", &self.plugin.spec.plugin)
            .field("subscriptions", &self.subscriptions)
            .finish_non_exhaustive()
    }
}

impl Lines {
    pub(crate) fn has_pseudo(&self, name: &str) -> bool {
        match self {
            Lines::All => true,
            Lines::Named { pseudo, .. } => pseudo.iter().any(|one| one == name),
        }
    }
}
