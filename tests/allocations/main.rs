//! No packet makes the packet path ask for memory: everything is taken before the first one.

mod counting;
mod flow;
mod latency;
mod turn;
