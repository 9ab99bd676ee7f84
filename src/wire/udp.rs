//! To be built: udp.
