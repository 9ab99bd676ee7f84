//! `fairlead replay`: files opened, the replay run, progress on a terminal.
//!
//! Owns which files are read and written, and how it ends. Asks no appliance.

use super::commands::{Replay, replayed};
use super::exit::{BAD, FAILED, fail, write};
use super::readable::exact;
use super::whole::{Over, WholeFile};
use crate::config::{self, Configuration};
use crate::replay::{self, Progress, ReplayError, ReplaySummary, Source, Target};
use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How often progress is said.
const EACH: Duration = Duration::from_millis(200);

/// Does it: 0, 1 at a difference or where it cannot be written, 2 for files and names that cannot be used.
pub fn run(asked: &Replay) -> ExitCode {
    let configuration = match config::load(&asked.config) {
        Ok(configuration) => configuration,
        Err(errors) => {
            let _ = writeln!(io::stderr(), "{}", errors.to_string().trim_end());
            return ExitCode::from(BAD);
        }
    };
    match replayed_by(asked, &configuration) {
        Ok(summary) => report(&summary, asked.json),
        Err(Ended::Unusable(why)) => fail(BAD, &why),
        Err(Ended::Failed(why)) => fail(FAILED, &why),
    }
}

/// Why it ended early.
enum Ended {
    /// A file or a name.
    Unusable(String),
    /// The output.
    Failed(String),
}

impl From<ReplayError> for Ended {
    fn from(why: ReplayError) -> Ended {
        match why {
            ReplayError::Write { .. } => Ended::Failed(why.to_string()),
            _ => Ended::Unusable(why.to_string()),
        }
    }
}

fn replayed_by(asked: &Replay, configuration: &Configuration) -> Result<ReplaySummary, Ended> {
    let length = regular(&asked.capture)?;
    let inputs = [Some(&asked.capture), Some(&asked.config), asked.expect.as_ref()];
    let inputs: Vec<&Path> = inputs.into_iter().flatten().map(|path| path.as_path()).collect();
    let settings = asked.settings();
    let open = || opened(&asked.capture);
    let expected = asked.expect.as_deref();
    let open_expected = || expected.map_or_else(|| Err(io::ErrorKind::NotFound.into()), opened);
    let whole = RefCell::new(None);
    let output = asked.output.as_deref().map(|path| target(path, &inputs, &whole)).transpose()?;
    let replay = replay::Replay {
        intent: &configuration.intent,
        settings: &settings,
        capture: Source { name: asked.capture.display().to_string(), open: &open },
        expect: expected.map(|path| Source { name: path.display().to_string(), open: &open_expected }),
        output,
        comment: format!("replay of {} by {}", asked.capture.display(), asked.config.display()),
    };
    let mut line = ProgressLine::new(length);
    let summary = replay.run(&mut |progress| line.show(progress));
    line.clear();
    let summary = summary?;
    if let Some(whole) = whole.take() {
        let unwritten =
            |why: io::Error| Ended::Failed(format!("cannot write {}: {why}", shown(asked.output.as_deref())));
        WholeFile::place(whole, Over::Anything).map_err(unwritten)?;
    }
    Ok(summary)
}

fn shown(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| path.display().to_string())
}

fn opened(path: &Path) -> io::Result<Box<dyn Read>> {
    File::open(path).map(|file| Box::new(file) as Box<dyn Read>)
}

/// The length of a file that can be read twice.
fn regular(path: &Path) -> Result<u64, Ended> {
    let unusable = |why: String| Ended::Unusable(format!("cannot read {}: {why}", path.display()));
    let found = fs::metadata(path).map_err(|why| unusable(why.to_string()))?;
    if !found.is_file() {
        return Err(unusable("it is read twice, which only a file can be: save it as one first".into()));
    }
    Ok(found.len())
}

/// The output, which is none of the files that are read. What is written is in `whole` until it is complete.
fn target<'a>(path: &'a Path, inputs: &[&Path], whole: &'a RefCell<Option<WholeFile>>) -> Result<Target<'a>, Ended> {
    let key = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    if let Some(input) = inputs.iter().find(|input| key(path).is_some() && key(path) == key(input)) {
        let (out, input) = (path.display(), input.display());
        return Err(Ended::Unusable(format!("{out} would be written over {input}, which is read: name another OUT")));
    }
    let create = move || {
        let there = fs::metadata(path).ok();
        // A pipe or a device is written as it comes.
        if there.as_ref().is_some_and(|there| !there.is_file()) {
            return File::create(path).map(|file| Box::new(file) as Box<dyn Write>);
        }
        // Where it is a link, what it leads to is replaced.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let begun = WholeFile::create(&target, 0o666)?;
        let begun = there.iter().try_fold(begun, WholeFile::with_mode_of)?;
        let file = begun.file().try_clone()?;
        whole.replace(Some(begun));
        Ok(Box::new(file) as Box<dyn Write>)
    };
    Ok(Target { name: path.display().to_string(), create: Box::new(create) })
}

fn report(summary: &ReplaySummary, json: bool) -> ExitCode {
    let text = match json {
        true => serde_json::to_string_pretty(summary).map(|text| text + "\n"),
        false => Ok(replayed(summary)),
    };
    let written = match text {
        Ok(text) => write(text.as_bytes()),
        Err(why) => return fail(FAILED, &format!("what came of it cannot be shown: {why}")),
    };
    match (written, &summary.difference) {
        (Err(code), _) => code,
        (Ok(()), Some(_)) => ExitCode::from(FAILED),
        (Ok(()), None) => ExitCode::SUCCESS,
    }
}

/// A line on a terminal that says how far it has come.
struct ProgressLine {
    is_shown: bool,
    length: u64,
    latest: Instant,
    written: bool,
}

impl ProgressLine {
    fn new(length: u64) -> ProgressLine {
        ProgressLine { is_shown: io::stderr().is_terminal(), length, latest: Instant::now(), written: false }
    }

    fn show(&mut self, Progress { replays, packets, bytes }: Progress) {
        if !self.is_shown || self.latest.elapsed() < EACH {
            return;
        }
        (self.latest, self.written) = (Instant::now(), true);
        let percent = (bytes * 100).checked_div(self.length).unwrap_or(100).min(100);
        let what = if replays { "replayed" } else { "looked through" };
        let _ = write!(io::stderr(), "\r\x1b[K{what} {percent} %, {} frames", exact(packets));
        let _ = io::stderr().flush();
    }

    fn clear(&mut self) {
        if self.written {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
