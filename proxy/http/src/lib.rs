#![forbid(unsafe_code)]
//! HTTP glue between byte streams and the request pipeline: serving and sending HTTP/1 and HTTP/2 on anything that reads
//! and writes bytes, bodies, upgrades, strictness about what comes in, one spelling of paths, and gRPC's conventions.
//!
//! It knows nothing of the mesh, of routes or of policies. It depends on hyper and h2, and shares the rules of copying with
//! `cairn-net`.
//!
//! A proxy in a few lines: what [`serve`] receives, [`pool`] sends on.
//!
//! ```
//! use std::sync::Arc;
//!
//! use cairn_http::body::Body;
//! use cairn_http::pool::{self, Upstream, Version};
//! use cairn_http::{headers, serve};
//! use http::{Request, Response, StatusCode};
//! use tokio::net::TcpStream;
//!
//! async fn proxy(client: TcpStream) {
//!     let connect = || TcpStream::connect("127.0.0.1:8080");
//!     let upstream = Arc::new(Upstream::new(connect, Version::Http1, pool::Settings::default()));
//!     let service = move |mut request: Request<Body>| {
//!         let upstream = Arc::clone(&upstream);
//!         async move {
//!             headers::strip_hop_by_hop(request.headers_mut());
//!             Ok::<_, std::convert::Infallible>(match upstream.send(request).await {
//!                 Ok(response) => response,
//!                 Err(_) => {
//!                     let mut response = Response::new(Body::from("no healthy upstream"));
//!                     *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
//!                     response
//!                 }
//!             })
//!         }
//!     };
//!     serve::serve_http1(client, service, &serve::Settings::default(), std::future::pending()).await;
//! }
//! ```

pub mod body;
pub mod grpc;
pub mod guard;
pub mod headers;
pub mod interim;
pub mod path;
pub mod pool;
pub mod serve;
pub mod silence;
pub mod sniff;
pub mod target;
pub mod upgrade;
