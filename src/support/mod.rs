//! One archive of all that somebody needs who was not there.
//!
//! Owns what is packed how, and that no secret is: [`archive`], [`blank`] and `secret`. Gathers nothing itself.

pub mod archive;
pub mod blank;
mod secret;
