//! Phase 9, record: one access log line and one sample of each metric, at the end of the body.
//!
//! A [`Recorder`] is opened with the request's head and closed exactly once: with the response's body, or, when the
//! client goes away before there is one, by being dropped.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use cairn_balance::{Picked, Utilization};
use cairn_http::body::{End, Outcome};
use cairn_http::guard::Refusal;
use cairn_route::{Facts, Note, UpstreamFacts};
use cairn_telemetry::traffic::{
    HttpLabels, Interned, Reporter, RequestProtocol, SecurityPolicy, ServiceLabels, WorkloadLabels,
};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, StatusCode};

use crate::access_log::{Record, UpstreamLocal};
use crate::breaker::UnderWay;
use crate::cluster::Cluster;
use crate::deadline::TimedOut;
use crate::downstream::Downstream;
use crate::failure::{Failure, Flags};
use crate::filtering::Stopped;
use crate::load;
use crate::plan::Plans;
use crate::proxy::Proxy;
use crate::upload::Progress;
use crate::upstream::Upstream;

/// What is known of a request so far; it is written down when the recorder is closed or dropped.
pub(crate) struct Recorder(Option<Box<Open>>);

struct Open {
    proxy: Arc<Proxy>,
    plans: Arc<Plans>,
    downstream: Arc<Downstream>,
    record: Record,
    began: Instant,
    progress: Arc<Progress>,
    service: Interned<ServiceLabels>,
    destination: Option<Interned<WorkloadLabels>>,
    held: Option<(Picked<Upstream>, UnderWay)>,
    /// How the endpoint is weighed by what it says in its trailers.
    awaited: Option<Arc<Utilization>>,
    grpc: bool,
    grpc_status: Option<u16>,
    /// gRPC messages of the response.
    messages: u64,
}

impl Recorder {
    pub(crate) fn open(
        proxy: &Arc<Proxy>,
        plans: &Arc<Plans>,
        downstream: &Arc<Downstream>,
        service: Interned<ServiceLabels>,
        parts: &Parts,
    ) -> Recorder {
        let record = Record {
            method: Some(parts.method.clone()),
            protocol: Some(parts.version),
            ..Record::new(downstream.local, downstream.remote)
        };
        Recorder(Some(Box::new(Open {
            grpc: cairn_http::grpc::is_grpc(&parts.headers),
            service,
            proxy: Arc::clone(proxy),
            plans: Arc::clone(plans),
            downstream: Arc::clone(downstream),
            record,
            began: Instant::now(),
            progress: Arc::default(),
            destination: None,
            held: None,
            awaited: None,
            grpc_status: None,
            messages: 0,
        })))
    }

    /// The rest of the request goes on in other hands.
    pub(crate) fn take(&mut self) -> Recorder {
        Recorder(self.0.take())
    }

    /// The head is as policies, routes and the endpoint see it.
    pub(crate) fn headed(&mut self, parts: &Parts, authority: &Authority) {
        let Some(open) = &mut self.0 else { return };
        let Some(format) = &open.plans.access_log else {
            return;
        };
        open.record.captured = format.capture_request(&parts.headers);
        open.record.path = parts.uri.path_and_query().cloned();
        open.record.authority = Some(authority.clone());
    }

    /// Whether the line will have something of what filters have noted.
    pub(crate) fn tells_notes(&self) -> bool {
        let format = self.0.as_ref().and_then(|open| open.plans.access_log.as_ref());
        format.is_some_and(|format| format.tells_notes())
    }

    /// What filters have noted.
    pub(crate) fn noted(&mut self, noted: &[Note]) {
        let Some(open) = &mut self.0 else { return };
        if let Some(format) = &open.plans.access_log {
            open.record.noted = format.capture_notes(noted);
        }
    }

    pub(crate) fn is_grpc(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.grpc)
    }

    /// What is to be kept up to date about the request's body.
    pub(crate) fn progress(&self) -> Arc<Progress> {
        self.0
            .as_ref()
            .map(|open| Arc::clone(&open.progress))
            .unwrap_or_default()
    }

    /// An endpoint has begun to answer; it has ended when this is closed.
    pub(crate) fn answering(&self) {
        if let Some(open) = &self.0 {
            open.progress.answering.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn flag(&mut self, flags: Flags) {
        if let Some(open) = &mut self.0 {
            open.record.flags = open.record.flags.with(flags);
        }
    }

    /// What has gone wrong so far.
    pub(crate) fn flags(&self) -> Cow<'static, str> {
        let flags = self.0.as_ref().map(|open| open.record.flags);
        flags.unwrap_or_default().label()
    }

    /// What header values may quote, with what has been recorded of the request.
    pub(crate) fn facts<'a>(&'a self, facts: Facts<'a>) -> Facts<'a> {
        let Some(open) = &self.0 else { return facts };
        let record = &open.record;
        let lasted = open.began.elapsed();
        Facts {
            start: record.start.into(),
            lasted,
            response_began: record.upstream_service_time.map(|_| lasted),
            received: open.progress.received.load(Ordering::Relaxed),
            upstream: UpstreamFacts {
                cluster: Some(&*record.upstream_cluster).filter(|name| !name.is_empty()),
                host: record.upstream_host,
                local: match record.upstream_local {
                    Some(UpstreamLocal::Address(address)) => Some(address),
                    Some(UpstreamLocal::Tunnel) | None => None,
                },
                failure: record.transport_failure.as_deref(),
                ..facts.upstream
            },
            ..facts
        }
    }

    pub(crate) fn routed(&mut self, name: &Arc<str>) {
        if let Some(open) = &mut self.0 {
            open.record.route_name = Arc::clone(name);
        }
    }

    pub(crate) fn clustered(&mut self, cluster: &Cluster) {
        if let Some(open) = &mut self.0 {
            open.record.upstream_cluster = Arc::clone(&cluster.name);
        }
    }

    pub(crate) fn attempted(&mut self, upstream: &Upstream) {
        if let Some(open) = &mut self.0 {
            open.record.upstream_host = Some(upstream.address);
            open.record.upstream_local = None;
            open.destination = Some(upstream.labels.clone());
        }
    }

    /// An endpoint has been connected to.
    pub(crate) fn connected(&mut self, local: UpstreamLocal) {
        if let Some(open) = &mut self.0 {
            open.record.upstream_local = Some(local);
        }
    }

    pub(crate) fn upstream_failed(&mut self, reason: String) {
        if let Some(open) = &mut self.0 {
            open.record.transport_failure = Some(reason);
        }
    }

    pub(crate) fn upstream_answered(&mut self, milliseconds: u64) {
        if let Some(open) = &mut self.0 {
            open.record.upstream_service_time = Some(milliseconds);
        }
    }

    /// Counts the request against its endpoint until its end.
    ///
    /// Of one that has not said yet how much it has to do, the trailers may, where that is `awaited`.
    pub(crate) fn hold(
        &mut self,
        endpoint: Picked<Upstream>,
        under_way: UnderWay,
        awaited: Option<Arc<Utilization>>,
    ) {
        if let Some(open) = &mut self.0 {
            open.held = Some((endpoint, under_way));
            open.awaited = awaited;
        }
    }

    /// Bytes that the client sent, when they did not come as a body.
    pub(crate) fn carried(&self, bytes: u64) {
        if let Some(open) = &self.0 {
            open.progress.received.store(bytes, Ordering::Relaxed);
        }
    }

    /// The head of the response is known.
    pub(crate) fn answered(&mut self, status: StatusCode, headers: &HeaderMap, details: Cow<'static, str>) {
        let Some(open) = &mut self.0 else { return };
        open.record.code = status.as_u16();
        open.record.details = details;
        if open.grpc {
            open.grpc_status = cairn_http::grpc::status(headers);
        }
        if let Some(format) = &open.plans.access_log {
            open.record.response_captured = format.capture_response(headers);
        }
    }

    /// A filter has changed the head of the response.
    pub(crate) fn rewritten(&mut self, status: StatusCode, headers: &HeaderMap) {
        if let Some(open) = &mut self.0 {
            let details = std::mem::take(&mut open.record.details);
            self.answered(status, headers, details);
        }
    }

    /// What the response had begun has not come to its own end.
    pub(crate) fn cut(mut self, flags: Flags, details: Cow<'static, str>, sent: u64) {
        if let Some(mut open) = self.0.take() {
            open.record.flags = open.record.flags.with(flags);
            open.record.details = details;
            open.record.sent = sent;
            open.write();
        }
    }

    /// The body of the response has ended.
    pub(crate) fn close(mut self, end: &End<'_>) {
        if let Some(mut open) = self.0.take() {
            open.end(end);
            open.write();
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some(mut open) = self.0.take() {
            open.client_gone();
            open.write();
        }
    }
}

impl Open {
    fn end(&mut self, end: &End<'_>) {
        self.record.sent = end.bytes;
        self.messages = end.messages;
        if self.grpc
            && let Some(status) = end.trailers.and_then(cairn_http::grpc::status)
        {
            self.grpc_status = Some(status);
        }
        if let (Some(trailers), Some(utilization), Some((endpoint, _))) =
            (end.trailers, &self.awaited, &self.held)
        {
            load::note(endpoint, utilization, trailers);
        }
        match end.outcome {
            Outcome::Complete => {}
            Outcome::Failed(error) => {
                let cause = std::error::Error::source(error);
                let (flag, details) = if cause.is_some_and(|cause| cause.is::<TimedOut>()) {
                    (Flags::UPSTREAM_TIMEOUT, "response_timeout".into())
                } else if let Some(stopped) = cause.and_then(|cause| cause.downcast_ref::<Stopped>()) {
                    let reply = Failure::from(stopped).reply();
                    (reply.flags, reply.details)
                } else {
                    (
                        Flags::UPSTREAM_TERMINATION,
                        "upstream_reset_after_response_started{connection_termination}".into(),
                    )
                };
                self.record.flags = self.record.flags.with(flag);
                self.record.details = details;
            }
            Outcome::Dropped => self.client_gone(),
        }
    }

    fn client_gone(&mut self) {
        self.record.flags = self.record.flags.with(Flags::DOWNSTREAM_TERMINATION);
        self.record.details = "downstream_remote_disconnect".into();
    }

    fn write(&mut self) {
        let duration = self.began.elapsed();
        self.record.duration = duration;
        self.progress.answering.store(false, Ordering::Relaxed);
        self.record.received = self.progress.received.load(Ordering::Relaxed);
        if let Some(format) = &self.plans.access_log {
            self.proxy
                .access_log
                .write(|line| format.write(&self.record, line));
        }
        let destination = self.destination.take();
        let labels = HttpLabels {
            reporter: Reporter::Waypoint,
            source: self.downstream.labels.clone(),
            // Both principals are known exactly when an endpoint was chosen: the client's always is.
            connection_security_policy: match &destination {
                Some(labels) if !labels.principal.is_empty() => SecurityPolicy::MutualTls,
                _ => SecurityPolicy::Unknown,
            },
            destination: destination.unwrap_or_else(|| self.proxy.unknown.clone()),
            service: self.service.clone(),
            request_protocol: if self.grpc {
                RequestProtocol::Grpc
            } else {
                RequestProtocol::Http
            },
            response_code: self.record.code,
            grpc_response_status: self.grpc_status.map(u32::from),
            response_flags: self.record.flags.label(),
        };
        let series = self.proxy.http.series(&labels);
        series.observe(duration, self.record.received, self.record.sent);
        if self.grpc {
            let sent = self.progress.messages.load(Ordering::Relaxed);
            series.add_messages(sent, self.messages);
        }
    }
}

/// A line for a request that was refused for its form, before there was a request; with its head, where it has one that
/// can be read.
pub(crate) fn refused(proxy: &Proxy, downstream: &Downstream, refusal: &Refusal, head: Option<&Parts>) {
    let plans = proxy.plans.load();
    let Some(format) = &plans.access_log else { return };
    let record = Record {
        method: head.map(|head| head.method.clone()),
        path: head.and_then(|head| head.uri.path_and_query().cloned()),
        authority: head.and_then(|head| head.uri.authority().cloned()),
        protocol: head.map(|head| head.version),
        captured: head
            .map(|head| format.capture_request(&head.headers))
            .unwrap_or_default(),
        code: refusal.status.as_u16(),
        flags: if refusal.protocol_error {
            Flags::DOWNSTREAM_PROTOCOL_ERROR
        } else {
            Flags::default()
        },
        details: Cow::Borrowed(refusal.details),
        ..Record::new(downstream.local, downstream.remote)
    };
    proxy.access_log.write(|line| format.write(&record, line));
}
