//! What traffic management costs: the machinery of retries and outlier detection while nothing fails, many rules, and rules that
//! change while requests go on.

pub mod changes;
pub mod resilience;
