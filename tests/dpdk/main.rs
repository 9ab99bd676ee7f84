//! What needs DPDK: its ports, its errors, a kernel on the other side, and the packet rows through its buffers.
#![cfg(feature = "dpdk")]
#![allow(clippy::duplicate_mod)]

mod errors;
mod kernel;
mod mbufs;
mod ports;
mod rows;
mod support;
