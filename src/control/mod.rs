//! To be built.
pub mod admin;
pub mod config;
pub mod host;
pub mod metrics;
