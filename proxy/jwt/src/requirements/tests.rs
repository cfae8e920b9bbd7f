#![allow(clippy::unwrap_used)]

mod attacks;
mod edits;
mod rules;
