//! What is chosen among.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::Standing;

/// One endpoint, with the number of requests that it is serving.
#[derive(Debug)]
pub struct Endpoint<T> {
    /// What the caller knows of it.
    pub data: T,
    standing: Arc<Standing>,
    weight: u32,
}

impl<T> Endpoint<T> {
    /// An endpoint of weight 1.
    pub fn new(data: T) -> Self {
        Self::with_weight(data, 1)
    }

    /// An endpoint that should get `weight` times the requests of one of weight 1. A weight of 0 counts as 1, as in
    /// Istio: to keep requests away from an endpoint, leave it out.
    pub fn with_weight(data: T, weight: u32) -> Self {
        Self::with_standing(data, weight, Arc::new(Standing::new(0)))
    }

    /// An endpoint of which something is known already.
    pub fn with_standing(data: T, weight: u32, standing: Arc<Standing>) -> Self {
        Self {
            data,
            standing,
            weight: weight.max(1),
        }
    }

    /// Requests under way.
    pub fn active(&self) -> u32 {
        self.standing.active.load(Ordering::Relaxed)
    }

    /// The weight, at least 1.
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// What is known of it.
    pub fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }
}

/// An endpoint that serves a request until this is dropped.
#[derive(Debug)]
#[must_use = "the request counts as served when this is dropped"]
pub struct Picked<T> {
    endpoint: Arc<Endpoint<T>>,
}

impl<T> Picked<T> {
    /// Counts a request against `endpoint`, however it was chosen.
    pub fn new(endpoint: Arc<Endpoint<T>>) -> Self {
        endpoint.standing.active.fetch_add(1, Ordering::Relaxed);
        Self { endpoint }
    }

    /// The endpoint itself.
    pub fn endpoint(&self) -> &Arc<Endpoint<T>> {
        &self.endpoint
    }
}

impl<T> Deref for Picked<T> {
    type Target = Endpoint<T>;

    fn deref(&self) -> &Endpoint<T> {
        &self.endpoint
    }
}

impl<T> Drop for Picked<T> {
    fn drop(&mut self) {
        self.endpoint.standing.active.fetch_sub(1, Ordering::Relaxed);
    }
}
