//! Any bytes at all, as a frame, a file, a command, an answer, a script for the engine: never a panic. Run briefly by
//! `cargo test`; `tests/fuzz/search` searches for longer, guided by coverage.

mod admin;
mod captures;
mod config;
mod engine;
mod script;
mod sip;
mod wire;
