#![forbid(unsafe_code)]
//! The choice of an endpoint for a request: least request, round robin or random, with capacity weights.
//!
//! An [`Endpoint`] counts the requests that it is serving, a [`Balancer`] picks one among many, and the [`Picked`] that it
//! returns keeps the count right for as long as it is held. Who the endpoints are, whether they are healthy and what they
//! have in them is the caller's business. Depends on `rand` only.
//!
//! ```
//! use std::sync::Arc;
//!
//! use cairn_balance::{Balancer, Endpoint, Policy};
//!
//! let endpoints: Vec<_> = ["10.0.0.1:80", "10.0.0.2:80"].map(|it| Arc::new(Endpoint::new(it))).into();
//! let balancer = Balancer::new(Policy::default());
//! let first = balancer.pick(&endpoints, &mut rand::rng(), |_| false).unwrap();
//! let second = balancer.pick(&endpoints, &mut rand::rng(), |it| it.data == first.data).unwrap();
//! assert_ne!(first.data, second.data);
//! assert_eq!((first.active(), second.active()), (1, 1));
//! ```

mod balancer;
mod endpoint;

pub use balancer::{Balancer, Policy};
pub use endpoint::{Endpoint, Picked};
