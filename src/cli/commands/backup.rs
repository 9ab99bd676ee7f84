//! `fairlead backup` and `fairlead restore`

use clap::{Args, ValueHint};
use std::path::PathBuf;

/// `backup ...`
#[derive(Debug, Args)]
pub struct Backup {
    /// Write it here; it must not exist yet
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub to: PathBuf,
    /// The appliance's file [default: /etc/fairlead/fairlead.toml]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Folder of what operators have set and of the history [default: as the file says, else /var/lib/fairlead]
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
}

/// `restore ...`
#[derive(Debug, Args)]
pub struct Restore {
    /// What `backup` has written
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub from: PathBuf,
    /// Say what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write the configuration here, and what it includes beside it [default: where it was]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Folder of what operators have set and of the history [default: as the restored file says, else /var/lib/fairlead]
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
}
