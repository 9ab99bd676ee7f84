//! To be built.
pub mod admin;
