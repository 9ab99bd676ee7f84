//! The matching of prefixes.
