//! To be built: ipv4.
