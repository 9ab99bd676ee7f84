//! To be built: compose.
