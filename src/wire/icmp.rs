//! To be built: icmp.
