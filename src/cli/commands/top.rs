//! `fairlead top`

use super::arguments::top_interval;
use clap::Args;
use std::time::Duration;

/// `top ...`
#[derive(Debug, Args)]
#[command(after_help = "Example: fairlead top --interval 2s; for a script: fairlead top --once")]
pub struct Top {
    /// Between two looks: 500ms to 1m
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = top_interval)]
    pub interval: Duration,
    /// Print one frame as text, after one interval; no terminal is needed
    #[arg(long)]
    pub once: bool,
    /// Refused: it is the tables that have it.
    #[arg(long, hide = true)]
    pub json: bool,
}
