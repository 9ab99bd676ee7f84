//! `fairlead doctor`

use crate::doctor::checks::NAMES;
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// `doctor ...`
#[derive(Debug, Args)]
pub struct Doctor {
    /// Look at this file, not at what is in force, or else /etc/fairlead/fairlead.toml
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Make only this check, by its name in --list; may be repeated
    #[arg(long, value_name = "CHECK", hide_possible_values = true, value_parser = PossibleValuesParser::new(NAMES))]
    pub only: Vec<String>,
    /// List the checks and make none
    #[arg(long)]
    pub list: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
