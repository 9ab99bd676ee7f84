//! What is read from frames and written into them: against frames of another program, by properties, and malformed.

mod foreign;
mod malformed;
mod properties;
