//! Metrics for Prometheus: the counters and tables of the admin socket, as text.
//!
//! Owns what is in a page of them. Knows nothing of the appliance: each scrape asks the controller the same questions as an operator
//! would. [`scrape`] asks, [`text`] writes.

mod page;
pub mod scrape;
mod sip;
pub mod text;
