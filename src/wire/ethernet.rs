//! To be built: ethernet.
