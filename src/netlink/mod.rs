//! Floor 1: links and addresses of the kernel, asked and changed by rtnetlink.
//!
//! Owns a socket of one network namespace, and what is said on it. Decides nothing, remembers nothing, and touches no packet. Read
//! first: [`Netlink`]; then [`Holder`], what it is first used for.

mod error;
mod exchange;
mod holder;
mod kernel;
mod link;

pub use error::NetlinkError;
pub use holder::Holder;
pub use kernel::Netlink;
pub use link::{Kind, Link};
