//! What is served over HTTP: metrics, the status page, and whether the appliance answers.
//!
//! Owns the endpoint at `[appliance] metrics`, on the kernel's TCP. Knows nothing of the appliance: it asks the controller as an operator
//! would, and only what changes nothing. [`serve`] owns the connections, `request` reads, `site` says what is where, `host` by which
//! name, `shared` how often the controller is asked, `status` and `page` are the status page's data and text, `response` writes.

mod host;
mod page;
mod request;
mod response;
pub mod serve;
mod shared;
mod site;
mod status;

pub use serve::{MetricsError, bind, serve};
