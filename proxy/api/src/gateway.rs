//! The Gateway API.

mod backend_tls_policy;
mod connection_route;
mod filter;
mod gateways;
mod grant;
mod grpc_route;
mod http_route;
mod reference;

pub use backend_tls_policy::{
    BackendTlsPolicy, BackendTlsPolicySpec, BackendTlsValidation, PolicyTarget, SubjectAltName,
    SubjectAltNameType,
};
pub use connection_route::{BackendRef, ConnectionRouteRule, TcpRoute, TcpRouteSpec, TlsRoute, TlsRouteSpec};
pub use filter::{
    CorsFilter, Fraction, GrpcRouteFilter, GrpcRouteFilterType, HeaderModifier, HttpHeader, HttpRouteFilter,
    HttpRouteFilterType, PathModifier, PathModifierType, RedirectScheme, RequestMirror, RequestRedirect,
    UrlRewrite,
};
pub use gateways::{
    AllowedListeners, AllowedRoutes, FromNamespaces, FrontendTls, FrontendTlsPort, FrontendTlsSettings,
    FrontendValidation, FrontendValidationMode, Gateway, GatewayAddress, GatewayBackendTls, GatewayClass,
    GatewayClassSpec, GatewayInfrastructure, GatewaySpec, GatewayStatus, GatewayTls, Listener,
    ListenerStatus, ListenerTls, ListenerTlsMode, RouteGroupKind, RouteNamespaces,
};
pub use grant::{ReferenceGrant, ReferenceGrantFrom, ReferenceGrantSpec, ReferenceGrantTo};
pub use grpc_route::{
    GrpcBackendRef, GrpcMethodMatch, GrpcRoute, GrpcRouteMatch, GrpcRouteRule, GrpcRouteSpec,
};
pub use http_route::{
    CookieLifetime, HttpBackendRef, HttpMethod, HttpPathMatch, HttpRoute, HttpRouteMatch, HttpRouteRetry,
    HttpRouteRule, HttpRouteSpec, HttpRouteTimeouts, HttpValueMatch, PathMatchType, SessionCookie,
    SessionPersistence, SessionPersistenceType, ValueMatchType,
};
pub use reference::{
    BackendObjectReference, LocalObjectReference, ParametersReference, ParentReference, SecretObjectReference,
};
