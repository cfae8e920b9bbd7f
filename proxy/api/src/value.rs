//! Scalars with a wire format of their own.

mod any;
mod duration;
mod hidden;
mod int_or_string;

pub(crate) use any::skip_any;
pub use duration::{Duration, DurationError};
pub use hidden::Hidden;
pub use int_or_string::IntOrString;

#[cfg(test)]
mod tests;
