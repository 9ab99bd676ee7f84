//! The law by which endpoints outside belong to workers.
//!
//! Owns [`Law`]: chosen once, before the first packet, and the same for all workers; flows would be lost if it changed.
//! Where no NIC spreads as asked it is a hash of our own, which costs least; where one does it is that NIC's, so that
//! packets arrive where they are decided about and nothing is handed on.

use super::steer::mix;
use crate::wire::Endpoint;
use crate::wire::toeplitz::{self, Places};

/// Whose an endpoint is.
#[derive(Clone, Debug)]
pub struct Law {
    workers: usize,
    /// As the NICs see it; `None`: no NIC is asked.
    places: Option<Box<Places>>,
}

impl Law {
    /// Our own hash, for so many workers.
    pub const fn ours(workers: usize) -> Law {
        Law { workers, places: None }
    }

    /// That of NICs with this secret.
    pub fn of_nics(workers: usize, places: Places) -> Law {
        Law { workers, places: Some(Box::new(places)) }
    }

    /// How many workers there are.
    #[inline]
    pub const fn workers(&self) -> usize {
        self.workers
    }

    /// The worker that a number of 32 bits names.
    #[inline]
    pub(super) const fn worker(&self, number: u32) -> usize {
        toeplitz::worker(number, self.workers)
    }

    /// The number of an endpoint.
    #[inline]
    pub(super) fn number(&self, endpoint: Endpoint) -> u32 {
        match &self.places {
            None => mix(u64::from(u32::from(endpoint.addr)) << 16 | u64::from(endpoint.port)),
            Some(places) => toeplitz::spread_out(places.of(endpoint)),
        }
    }
}
