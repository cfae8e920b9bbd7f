//! What all connections of one waypoint share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use cairn_telemetry::AccessLog;
use cairn_telemetry::traffic::{HttpMetrics, Interned, ServiceLabels, TcpMetrics, WorkloadLabels};
use tokio::sync::{Semaphore, watch};

use crate::plan::Plans;
use crate::plugin::Slots;
use crate::tokens::Tokens;
use crate::upstream::Dialer;

pub(crate) struct Proxy {
    /// The compiled configuration. A request loads it once.
    pub(crate) plans: ArcSwap<Plans>,
    /// The version of `plans`, once it is in force.
    pub(crate) version: watch::Sender<u64>,
    pub(crate) dialer: Arc<Dialer>,
    /// The filters, one place for each plugin.
    pub(crate) slots: Arc<Slots>,
    /// Keys for tokens, and the tokens that have been verified by them.
    pub(crate) tokens: Arc<Tokens>,
    /// Room for copies of requests that are under way to mirrors.
    pub(crate) mirrored: Arc<Semaphore>,
    pub(crate) access_log: AccessLog,
    pub(crate) http: HttpMetrics,
    pub(crate) tcp: TcpMetrics,
    /// The labels of an endpoint that was never chosen.
    pub(crate) unknown: Interned<WorkloadLabels>,
    /// The labels of traffic that is addressed to a workload.
    pub(crate) no_service: Interned<ServiceLabels>,
}
