//! How to talk to one port of a host or subset: what all levels of a DestinationRule say about it, merged.

use std::time::Duration;

use cairn_api::istio::{
    PortTrafficPolicy as PortForm, ProxyProtocolVersion, RetryBudget as RetryBudgetForm,
    TrafficPolicy as Form, TunnelSettings,
};

use super::connection_pool::ConnectionPool;
use super::field::Field;
use super::load_balancer::LoadBalancer;
use super::outlier_detection::OutlierDetection;
use super::tls::ClientTls;

/// How to talk to the endpoints of one port of a host or subset.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrafficPolicy {
    /// How an endpoint is chosen.
    pub load_balancer: LoadBalancer,
    /// Limits and timeouts of connections.
    pub connection_pool: ConnectionPool,
    /// When an endpoint is set aside. `None`: never.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS towards the endpoints. `None`: as the mesh does.
    pub tls: Option<ClientTls>,
    /// The PROXY protocol towards the endpoints. `None`: it is not spoken.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// A tunnel that TCP goes through.
    pub tunnel: Option<Tunnel>,
    /// How many requests may be retries. `None`: what [`ConnectionPool::max_retries`] says.
    pub retry_budget: Option<RetryBudget>,
}

/// A version of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyProtocol {
    /// Text.
    V1,
    /// Binary.
    V2,
}

/// A tunnel through a forward proxy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tunnel {
    /// Whether it is asked for by `POST` instead of `CONNECT`.
    pub by_post: bool,
    /// The host that it leads to.
    pub host: String,
    /// The port that it leads to.
    pub port: u16,
}

/// How many requests may be retries.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryBudget {
    /// Percent of the active requests.
    pub percent: f64,
    /// Retries that are always allowed.
    pub minimum: u32,
    /// The time over which requests count as active; `None`: while they are under way.
    pub interval: Option<Duration>,
}

/// The policies of a host or a subset: for all its ports, and for single ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Level {
    all: Settings,
    ports: Vec<(u16, Settings)>,
}

/// What one level says, in the pieces that are merged.
#[derive(Debug, Clone, Default, PartialEq)]
struct Settings {
    load_balancer: Option<LoadBalancer>,
    connection_pool: Option<ConnectionPool>,
    outlier_detection: Option<OutlierDetection>,
    tls: Option<ClientTls>,
    proxy_protocol: Option<ProxyProtocol>,
    tunnel: Option<Tunnel>,
    retry_budget: Option<RetryBudget>,
}

impl TrafficPolicy {
    /// What applies to `port`, as Istio merges it: piece by piece, what the subset says goes before what the host says. A port
    /// that a level lists has nothing of that level, and what a subset leaves out for it is the default, not what the host
    /// says.
    pub(super) fn merged(host: Option<&Level>, subset: Option<&Level>, port: u16) -> TrafficPolicy {
        let mut settings = host.map_or_else(Settings::default, |host| host.of(port).0.clone());
        if let Some((own, listed)) = subset.map(|subset| subset.of(port)) {
            override_by(&mut settings.load_balancer, own.load_balancer.as_ref(), listed);
            override_by(
                &mut settings.connection_pool,
                own.connection_pool.as_ref(),
                listed,
            );
            override_by(
                &mut settings.outlier_detection,
                own.outlier_detection.as_ref(),
                listed,
            );
            override_by(&mut settings.tls, own.tls.as_ref(), listed);
            // These are not among the settings of a port.
            override_by(&mut settings.proxy_protocol, own.proxy_protocol.as_ref(), false);
            override_by(&mut settings.tunnel, own.tunnel.as_ref(), false);
            override_by(&mut settings.retry_budget, own.retry_budget.as_ref(), false);
        }
        TrafficPolicy {
            load_balancer: settings.load_balancer.unwrap_or_default(),
            connection_pool: settings.connection_pool.unwrap_or_default(),
            outlier_detection: settings.outlier_detection,
            tls: settings.tls,
            proxy_protocol: settings.proxy_protocol,
            tunnel: settings.tunnel,
            retry_budget: settings.retry_budget,
        }
    }
}

fn override_by<T: Clone>(inherited: &mut Option<T>, own: Option<&T>, listed: bool) {
    if own.is_some() || listed {
        *inherited = own.cloned();
    }
}

impl Level {
    pub(super) fn new(form: &Form, field: &mut Field<'_>) -> Level {
        let mut ports: Vec<(u16, Settings)> = Vec::new();
        for (place, port) in form.port_level_settings.iter().enumerate() {
            let mut list = field.at("portLevelSettings");
            let mut item = list.item(place);
            let number = port.port.as_ref().and_then(|port| port.number);
            let Some(number) = number
                .and_then(|number| u16::try_from(number).ok())
                .filter(|it| *it > 0)
            else {
                item.at("port.number").error(
                    "there is no such port, so these settings apply to nothing",
                    "write the number of a port of the service, from 1 to 65535",
                );
                continue;
            };
            let settings = Settings::of_port(port, &mut item);
            if ports.iter().any(|(known, _)| *known == number) {
                item.at("port.number").warning(
                    format!("port {number} is listed already; these settings are ignored"),
                    "list each port once",
                );
                continue;
            }
            ports.push((number, settings));
        }
        Level {
            all: Settings::of_all(form, field),
            ports,
        }
    }

    /// What is said of a port, and whether it is listed.
    fn of(&self, port: u16) -> (&Settings, bool) {
        let listed = self.ports.iter().find(|(number, _)| *number == port);
        listed.map_or((&self.all, false), |(_, settings)| (settings, true))
    }
}

impl Settings {
    fn of_all(form: &Form, field: &mut Field<'_>) -> Settings {
        let load_balancer = form.load_balancer.as_ref();
        let connection_pool = form.connection_pool.as_ref();
        let outlier_detection = form.outlier_detection.as_ref();
        let tunnel = form.tunnel.as_ref();
        let budget = form.retry_budget.as_ref();
        Settings {
            load_balancer: load_balancer.map(|it| LoadBalancer::new(it, &mut field.at("loadBalancer"))),
            connection_pool: connection_pool
                .map(|it| ConnectionPool::new(it, &mut field.at("connectionPool"))),
            outlier_detection: outlier_detection
                .map(|it| OutlierDetection::new(it, &mut field.at("outlierDetection"))),
            tls: form
                .tls
                .as_ref()
                .map(|it| ClientTls::new(it, &mut field.at("tls"))),
            proxy_protocol: form.proxy_protocol.as_ref().map(|it| match it.version {
                Some(ProxyProtocolVersion::V2) => ProxyProtocol::V2,
                Some(ProxyProtocolVersion::V1) | None => ProxyProtocol::V1,
            }),
            tunnel: tunnel.and_then(|it| Tunnel::new(it, &mut field.at("tunnel"))),
            retry_budget: budget.map(|it| RetryBudget::new(it, &mut field.at("retryBudget"))),
        }
    }

    fn of_port(form: &PortForm, field: &mut Field<'_>) -> Settings {
        let whole = Form {
            load_balancer: form.load_balancer.clone(),
            connection_pool: form.connection_pool.clone(),
            outlier_detection: form.outlier_detection.clone(),
            tls: form.tls.clone(),
            ..Form::default()
        };
        Settings::of_all(&whole, field)
    }
}

impl Tunnel {
    fn new(form: &TunnelSettings, field: &mut Field<'_>) -> Option<Tunnel> {
        let by_post = match form.protocol.as_str() {
            "" | "CONNECT" => Some(false),
            "POST" => Some(true),
            other => {
                field.at("protocol").error(
                    format!("`{other}` is no way to ask for a tunnel; there is none"),
                    "write CONNECT or POST",
                );
                None
            }
        };
        if form.target_host.is_empty() {
            field.at("targetHost").error(
                "the tunnel leads to no host; there is none",
                "name a host or an address, `targetHost: example.com`",
            );
        }
        let port = form.target_port.and_then(|port| u16::try_from(port).ok());
        let port = port.filter(|port| *port > 0);
        if port.is_none() {
            field.at("targetPort").error(
                "the tunnel leads to no port; there is none",
                "write a number from 1 to 65535",
            );
        }
        (!form.target_host.is_empty()).then_some(Tunnel {
            by_post: by_post?,
            host: form.target_host.clone(),
            port: port?,
        })
    }
}

impl RetryBudget {
    fn new(form: &RetryBudgetForm, field: &mut Field<'_>) -> RetryBudget {
        RetryBudget {
            percent: field.share("percent", form.percent, 20.0),
            minimum: form.min_retry_concurrency.unwrap_or(3),
            interval: field
                .span_or_zero("budgetInterval", form.budget_interval)
                .filter(|interval| !interval.is_zero()),
        }
    }
}

#[cfg(test)]
mod tests;
