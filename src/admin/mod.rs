//! The admin socket: what an operator may ask, and what is answered.
//!
//! Owns the protocol (one JSON object a line each way over a Unix stream) and nothing of the appliance: requests are
//! parsed here and handed to the controller, which alone knows the answer. Never blocks on a client. Read [`request`],
//! [`rows`], [`answer`] first; then [`server`].

pub mod answer;
mod arguments;
pub mod capture;
mod clients;
pub mod configurations;
pub mod drain;
pub mod drill;
pub mod events;
pub mod explain;
mod latency;
pub mod line;
pub mod metrics;
pub mod named;
pub mod overview;
pub mod pair;
pub mod recorder;
pub mod request;
pub mod request_line;
pub mod rows;
pub mod save;
pub mod server;
mod sip;
pub mod socket;
mod streaming;
mod traffic;
mod wall;
pub mod web;
mod words;

pub use answer::{AdminError, Answer, Answered, Code, Data};
pub use request::{Asked, Request};
pub use server::{Access, Limits, serve};
pub use socket::{AdminSocket, SocketError, bind, bind_second};
