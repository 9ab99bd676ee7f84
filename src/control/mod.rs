//! To be built.
pub mod admin;
pub mod host;
