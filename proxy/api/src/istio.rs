//! Istio's resources and its mesh configuration.

mod authorization_policy;
mod destination_rule;
mod extension_provider;
mod load_balancer;
mod mesh_config;
mod peer_authentication;
mod proxy_config;
mod request_authentication;
mod selector;
mod service_entry;
mod telemetry;
mod traffic_extension;
mod traffic_policy;
mod virtual_service;
mod virtual_service_match;
mod wasm_plugin;

pub use authorization_policy::{
    Action, AuthorizationPolicy, AuthorizationPolicySpec, Condition, ExtensionProvider, From, Operation,
    Rule, Source, To,
};
pub use destination_rule::{DestinationRule, DestinationRuleSpec, Subset};
pub use extension_provider::{
    ExtAuthzGrpc, ExtAuthzHttp, ExtAuthzRequestBody, FileAccessLogProvider, GrpcAccessLogProvider, LogFormat,
    MeshExtensionProvider, OpenTelemetryLogProvider, OpenTelemetryProvider, PrometheusProvider, ProviderGrpc,
    ProviderHeader, ProviderHttp, ResourceDetector, ResourceDetectors, TraceContextOption, ZipkinProvider,
};
pub use load_balancer::{
    BackendUtilization, ConsistentHashLb, CookieAttribute, Failover, HttpCookie, LoadBalancerSettings,
    LocalityDistribute, LocalityLoadBalancerSetting, Maglev, RingHash, SimpleLb, Warmup,
    ZoneAwareLoadBalancerSetting,
};
pub use mesh_config::{
    AccessLogEncoding, CertificateData, DefaultProviders, MeshConfig, OutboundTrafficMode,
    OutboundTrafficPolicy, PathNormalization, ProxyPathNormalization, ServiceScope, ServiceScopeConfig,
    TlsConfig, TlsProtocol,
};
pub use peer_authentication::{MtlsMode, MutualTls, PeerAuthentication, PeerAuthenticationSpec};
pub use proxy_config::{
    ClientCertDetails, ForwardClientCertDetails, HeaderOptIn, HeaderSwitch, MetadataExchangeHeaders,
    MetadataExchangeMode, ProxyConfig, ProxyHeaders, ProxyTracing, ServerHeader, Topology,
    TopologyProxyProtocol, TracingServiceName, ZipkinAddress,
};
pub use request_authentication::{
    ClaimToHeader, JwtHeader, JwtPresence, JwtRule, RequestAuthentication, RequestAuthenticationSpec,
};
pub use selector::{PolicyTargetReference, PortSelector, WorkloadMode, WorkloadSelector};
pub use service_entry::{
    EndpointSelector, Location, Resolution, ServiceEntry, ServiceEntryAddress, ServiceEntryCondition,
    ServiceEntrySpec, ServiceEntryStatus, ServicePort, ValidationLevel, ValidationMessage,
    ValidationMessageType, WorkloadEntry, WorkloadEntrySpec,
};
pub use telemetry::{
    AccessLogFilter, AccessLogging, CustomTag, EnvironmentTag, FormatterTag, HeaderTag, IstioMetric,
    LiteralTag, LogSelector, MetricSelector, Metrics, MetricsOverrides, ProviderRef, TagOperation,
    TagOverride, Telemetry, TelemetryMode, TelemetrySpec, Tracing, TracingSelector,
};
pub use traffic_extension::{ExecutionPhase, LuaConfig, TrafficExtension, TrafficExtensionSpec, WasmConfig};
pub use traffic_policy::{
    ClientTlsSettings, ConnectionKeepalive, ConnectionPoolSettings, H2UpgradePolicy, HttpSettings,
    OutlierDetection, PortTrafficPolicy, ProxyProtocol, ProxyProtocolVersion, RetryBudget, TcpKeepalive,
    TcpSettings, TlsMode, TrafficPolicy, TunnelSettings,
};
pub use virtual_service::{
    Abort, CorsPolicy, Delay, Delegate, Destination, DirectResponse, HeaderOperations, Headers, HttpBody,
    HttpFaultInjection, HttpMirrorPolicy, HttpRedirect, HttpRetry, HttpRewrite, HttpRoute,
    HttpRouteDestination, Percent, RedirectPort, RegexRewrite, RouteDestination, TcpRoute, TlsRoute,
    UnmatchedPreflights, VirtualService, VirtualServiceSpec,
};
pub use virtual_service_match::{HttpMatchRequest, L4MatchAttributes, StringMatch, TlsMatchAttributes};
pub use wasm_plugin::{
    EnvValueSource, EnvVar, FailStrategy, PluginPhase, PluginType, PullPolicy, TrafficSelector, VmConfig,
    WasmPlugin, WasmPluginSpec,
};

#[cfg(test)]
mod tests;
