//! Metrics for Prometheus: the counters and tables of the admin socket, as text over HTTP.
//!
//! Owns the endpoint at `[appliance] metrics`, on the kernel's TCP. Knows nothing of the appliance: each scrape asks
//! the controller the same questions as an operator would. [`scrape`] asks, [`text`] writes, [`http`] serves.

pub mod http;
mod page;
pub mod scrape;
mod sip;
pub mod text;

pub use http::{MetricsError, bind, serve};
