#![forbid(unsafe_code)]
//! The choice of an endpoint for a request.
//!
//! An [`Endpoint`] counts the requests that it is serving, a [`Balancer`] picks one among many (least request, round robin,
//! random, by [`hash()`], or by the load that it reports, with capacity weights and [`Warmup`]), and the [`Picked`] that it returns keeps the count right for
//! as long as it is held. Who the endpoints are and what they have in them is the caller's business.
//!
//! [`Tiers`] pick among endpoints that are not equally good: [`arrange`] ranks them by where they are, [`Outliers`] set
//! those aside that fail, and traffic spills from one tier to the next as health falls. What is learnt of an endpoint is in its [`Standing`],
//! which [`Standings`] hand on to the next version of the configuration. A [`LoadReport`] is what an endpoint says of its load in a
//! response, and [`Utilization`] how that becomes its weight. [`Recent`] counts the requests that a retry budget is a share of.
//!
//! Time comes from the caller, as milliseconds of a clock that only goes forward. Depends on no other crate of the house: `rand`
//! and `xxhash-rust` for choices, `base64` and `serde_json` for reports, `thiserror`.
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
//!
//! A cluster whose endpoints are set aside when they fail:
//!
//! ```
//! use std::sync::Arc;
//!
//! use cairn_balance::{Balancer, Endpoint, Hints, Outcome, OutlierSettings, Outliers, Policy, Standings, Tiers};
//!
//! let mut standings = Standings::default(); // Kept from one version of the configuration to the next.
//! let endpoints: Vec<_> = ["10.0.0.1:80", "10.0.0.2:80"]
//!     .map(|it| Arc::new(Endpoint::with_standing(it, 1, standings.of(("web", it), 0))))
//!     .into();
//! let members = endpoints.iter().map(|it| Arc::clone(it.standing()));
//! let outliers = Arc::new(Outliers::new(OutlierSettings::default(), members));
//! let cluster = Tiers::flat(endpoints, Some(Arc::clone(&outliers)), Balancer::new(Policy::RoundRobin));
//!
//! let failing = cluster.pick(&mut rand::rng(), Hints::default(), |_| false).unwrap();
//! for _ in 0..5 {
//!     outliers.observe(failing.standing(), Outcome::Status(503), 1_000);
//! }
//! for _ in 0..5 {
//!     assert_ne!(cluster.pick(&mut rand::rng(), Hints::default(), |_| false).unwrap().data, failing.data);
//! }
//! outliers.sweep(31_000);
//! assert!(!failing.standing().is_ejected());
//! ```
//!
//! Endpoints that say how busy they are:
//!
//! ```
//! use std::sync::Arc;
//!
//! use cairn_balance::{Balancer, Endpoint, Hints, LoadReport, Utilization};
//!
//! let endpoints: Vec<_> = ["10.0.0.1:80", "10.0.0.2:80"].map(|it| Arc::new(Endpoint::new(it))).into();
//! let settings = Utilization::default();
//! let balancer = Balancer::by_utilization(settings.clone(), None, &endpoints);
//!
//! for (endpoint, header) in endpoints.iter().zip(["0.25", "0.75"]) {
//!     let header = format!("TEXT rps_fractional=30, cpu_utilization={header}");
//!     let report = LoadReport::parse(header.as_bytes()).unwrap();
//!     endpoint.standing().observe_load(&report, &settings, 1_000);
//! }
//! let hints = Hints { now: 11_000, hash: None };
//! let pick = || balancer.choose(&endpoints, &mut rand::rng(), hints, |_| false).unwrap().data;
//! assert_eq!((0..40).filter(|_| pick() == "10.0.0.1:80").count(), 30);
//! ```

mod balancer;
mod consistent;
mod endpoint;
mod load;
mod locality;
mod outlier;
mod recent;
mod report;
mod standing;
mod stride;
mod tiers;
mod warmup;

pub use balancer::{Balancer, Hints, Policy};
pub use consistent::{HashTable, hash};
pub use endpoint::{Endpoint, Picked};
pub use load::Utilization;
pub use locality::{Distribution, Place, Portion, Preference, arrange};
pub use outlier::{Cause, Outcome, OutlierSettings, Outliers};
pub use recent::Recent;
pub use report::{LoadReport, ReportError};
pub use standing::{Standing, Standings};
pub use tiers::Tiers;
pub use warmup::Warmup;
