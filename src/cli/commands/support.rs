//! `fairlead support`

use clap::{Args, ValueHint};
use std::path::PathBuf;

/// `support ...`
#[derive(Debug, Args)]
pub struct Support {
    /// Take this file as the appliance's, not the one it names, or else /etc/fairlead/fairlead.toml
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Write it here [default: fairlead-support-HOST-TIME.tar.gz]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Overwrite a file that is there
    #[arg(long)]
    pub force: bool,
}
