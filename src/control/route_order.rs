//! Which of the kernel's routes are to be followed, and what is said of them.
//!
//! Owns both as data. What follows is decided by [`super::learning`].

use crate::netlink::{Changes, KernelRoutes, RouteFilter};

/// What is to be followed from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteOrder {
    /// Larger than those before: only the last one counts.
    pub number: u64,
    /// These routes; `None`: none.
    pub filter: Option<RouteFilter>,
}

/// What the kernel has, and what has happened to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutesRead {
    /// What it has.
    pub found: KernelRoutes,
    /// What was told since it was last read.
    pub changes: Changes,
    /// It is read for the first time, or nothing was told for a while: what is missing may be missing for whatever reason.
    pub is_first: bool,
}
