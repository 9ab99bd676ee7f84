//! Files that load and what they mean; files that are refused and what the operator reads.

mod examples;
