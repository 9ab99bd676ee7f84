//! Raw bindings to the system's libdpdk: only what Fairlead uses, found by pkg-config, generated at build time.
//!
//! What is not a symbol in a library (inline functions, thread-local variables, macros) comes from `shim.c`. Nothing here
//! is safe to call without reading DPDK's documentation; `fairlead::dpdk` is the safe layer.

#![no_std]
#![allow(non_camel_case_types, non_upper_case_globals, non_snake_case, missing_docs)]
#![allow(unsafe_op_in_unsafe_fn, clippy::all, clippy::undocumented_unsafe_blocks)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
