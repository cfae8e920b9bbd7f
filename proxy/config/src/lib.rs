#![forbid(unsafe_code)]
//! The configuration of a mesh: its objects, where they are written, and what is wrong with them.
//!
//! A source delivers versions of a [`State`]: the typed [`Objects`] that are in force, and a [`Report`] that names, for everything that is not
//! as it should be, the file and line, the object, the field and what to write instead. Nothing here compiles or judges meaning; later steps
//! add their own [`Problem`]s and have [`State::locate`] find the lines. A broken document never takes others with it: what it
//! defined stays in force as it was last read, except security policies, of which everything that they select is denied
//! ([`Objects::broken_policies`]). The crate depends on `cairn-api` alone among ours.
//!
//! ```
//! use std::path::Path;
//!
//! let text = "\
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: reviews}
//! spec:
//!   hosts: [reviews]
//!   http:
//!   - timeout: 3
//!     route: [{destination: {host: reviews}}]
//! ";
//! let state = cairn_config::from_str(text, Path::new("reviews.yaml"));
//! assert!(state.objects.virtual_services.is_empty());
//! assert_eq!(
//!     state.report.to_string(),
//!     "reviews.yaml:7: error: VirtualService default/reviews: spec.http[0].timeout: \
//!      must be a duration like 1.5s, 250ms or 1h30m, not the number 3; write a unit: 3s"
//! );
//! ```

mod assembly;
mod decode;
mod derive;
mod directory;
mod document;
mod embedded;
mod error;
mod files;
mod foreign;
mod lines;
mod objects;
mod path;
mod problem;
mod state;
mod store;
pub mod support;
mod watch;
mod wording;
mod yaml;

pub use derive::derive;
pub use embedded::embedded;
pub use error::Error;
pub use objects::{BrokenPolicy, Objects, Table, UNREADABLE};
pub use problem::{Location, Problem, Report, Severity};
pub use state::State;
pub use store::{from_str, load};
pub use watch::{Watcher, watch};
