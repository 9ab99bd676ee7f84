//! Floor 4: everything that is not a packet's way through.
//!
//! Owns what an operator writes ([`config`]) and asks ([`admin`]), what the appliance decides outside the packet path
//! ([`controller`]), the link around it ([`neighbours`], [`announce`], [`addresses`]), and the carriers of probes
//! ([`host`]). Sans-I/O except for the admin socket and the metrics page. Read first: [`controller`].

pub mod addresses;
pub mod admin;
pub mod announce;
pub mod config;
pub mod controller;
pub mod host;
pub mod metrics;
pub mod neighbours;
