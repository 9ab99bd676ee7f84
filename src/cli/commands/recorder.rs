//! `fairlead recorder ...`

use super::arguments::{Once, View};
use super::kit::*;
use super::question::Question;
use crate::admin::Request;
use crate::admin::recorder::RecordingRow;
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// What stands below the options.
const MORE: &str = "\
In the memory that `[appliance] recorder_mib` of the file gives it each worker keeps the first 128 bytes of every frame as it came and as it
left, with verdict and reason, and overwrites the oldest. At a switchover, when an alarm begins (not within a minute of another recording), and by
`recorder freeze` what is there is frozen, half a second later so that what follows is on it; four recordings are kept, those of
switchovers longest, and none over a restart. A worker records 200,000 frames a second at most, so that it loses no speed by it: of what
is more it leaves out whole bursts, and PASSED OVER counts their frames.

  fairlead recorder list
  fairlead recorder save 3 switchover.pcapng
  fairlead recorder save 3 - | tshark -r - -Y 'frame.comment contains \"verdict=drop\"'";

/// `recorder ...`
#[derive(Debug, Args)]
#[command(after_help = MORE)]
pub struct Recorder {
    /// What is done.
    #[command(subcommand)]
    pub what: What,
}

/// What is done with recordings.
#[derive(Debug, Subcommand)]
pub enum What {
    /// List the recordings: when and why each was frozen, how many frames of what time it has
    List(View),
    /// Freeze what is there now, and list it
    Freeze(Once),
    /// Write a recording into a pcapng file, as `capture -w` does
    Save {
        /// Its number, as `recorder list` has it
        #[arg(value_parser = super::arguments::number::<u64>(0..=u64::MAX))]
        id: u64,
        /// The file; `-`: the standard output
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
}

impl What {
    /// What is asked, if the answer is a table.
    pub fn question(self) -> Result<Question, (u64, PathBuf)> {
        match self {
            What::List(view) => Ok(view.of(Request::RecorderList {}, show)),
            What::Freeze(once) => Ok(once.of(Request::RecorderFreeze {}, show)),
            What::Save { id, file } => Err((id, file)),
        }
    }
}

pub(super) fn show(data: Value, _: Wall) -> Shown {
    let none = "no recording: none was frozen since the start, or the recorder is off (`[appliance] recorder_mib`)";
    table(data, none, |row: &RecordingRow| {
        [
            right("ID", row.id),
            left("FROZEN AT (UTC)", moment(row.frozen)),
            left("CAUSE", row.cause),
            right("FRAMES", exact(row.frames)),
            right("PASSED OVER", exact(row.passed_over)),
            right("SPAN", format!("{}.{:03} s", row.span_ms / 1_000, row.span_ms % 1_000)),
            prose("REASON", &row.reason),
        ]
    })
}
