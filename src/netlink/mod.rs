//! Floor 1: links, addresses and routes of the kernel, asked and changed by rtnetlink.
//!
//! Owns sockets of one network namespace, and what is said on them. Decides nothing, remembers nothing, and touches no packet. Read
//! first: [`Netlink`]; then [`Holder`], what it is first used for, and [`Monitor`], which tells that routes or links have
//! changed.

mod error;
mod exchange;
mod holder;
mod kernel;
mod link;
mod monitor;
mod protocol;
mod routes;

pub use error::NetlinkError;
pub use holder::Holder;
pub use kernel::Netlink;
pub use link::{Kind, Link};
pub use monitor::{Changes, Monitor};
pub use protocol::{RouteProtocol, UnknownProtocol};
pub use routes::{KernelHop, KernelRoute, KernelRoutes, MOST_HOPS, RouteFilter, SkippedRoutes};
