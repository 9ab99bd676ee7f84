//! To be built: checksum.
