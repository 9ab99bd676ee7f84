//! `fairlead import`

use crate::import::Origin;
use crate::policy::words::Word;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// `import ...`
#[derive(Debug, Args)]
pub struct Import {
    /// bigip.conf and bigip_base.conf, or both in one; keepalived.conf; what `ipvsadm -Sn` prints
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Whose they are: bigip, keepalived or ipvs [default: whose the first one looks like]
    #[arg(long, value_name = "ORIGIN", hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(Origin::WORDS).try_map(|word| word.parse::<Origin>().map_err(|_| word)))]
    pub from: Option<Origin>,
    /// Write the new file here, not to the standard output; it must not exist yet
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Show what one object becomes and why, and write no file
    #[arg(long, value_name = "OBJECT", conflicts_with = "output")]
    pub explain: Option<String>,
    /// Print what is reported as JSON, the new file in it unless --output names one
    #[arg(long)]
    pub json: bool,
}
