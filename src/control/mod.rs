//! Floor 4: everything that is not the packet path.
//!
//! Owns the file ([`config`]), the sans-I/O [`controller`] with the neighbours, announcements and probes it looks after
//! ([`neighbours`], [`announce`], [`addresses`], [`host`], [`forecast`]), and the doors of operators ([`admin`]) and of Prometheus
//! ([`metrics`]). Never touches a packet that is forwarded; reaches the workers only by the mailbox.

pub mod addresses;
pub mod announce;
pub mod controller;
pub mod forecast;
pub mod neighbours;
