//! The file in which one process leaves the next one what it remembers: written at the end, found at the start.
//!
//! Owns the file: that it is private, takes its place whole (`rename`), is removed before anything of it is taken up, so that nothing is
//! taken up twice, and is moved aside where it does not count. Both ways on a thread of its own, as a disk may be slow; on a tmpfs it
//! is not, and nothing is lost with the host, whose next start takes nothing up. Knows nothing of what stands in it.

use super::clock::{Clock, host_uptime};
use crate::control::{HandoverOrder, HandoverStream, Written};
use crate::handover::{Contents, Here, LARGEST_FILE, Remembered};
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

/// How long the file may take to be read.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the writer sleeps when nothing has come.
const PAUSE: Duration = Duration::from_micros(200);
/// What the kernel calls this start of the host.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// A file that is being written.
pub struct Writing {
    remembered: Sender<Remembered>,
    outcome: Receiver<Result<Written, String>>,
}

impl Writing {
    /// Begins to write what workers give.
    pub fn begin(order: HandoverOrder, clock: Clock) -> Writing {
        let ((remembered, rest), (outcome, written)) = (mpsc::channel(), mpsc::channel());
        let failed = outcome.clone();
        let write = move || {
            _ = outcome.send(write(order, &rest, clock).map_err(|error| error.to_string()));
        };
        if let Err(error) = std::thread::Builder::new().name("handover".into()).spawn(write) {
            _ = failed.send(Err(format!("no thread to write it: {error}")));
        }
        Writing { remembered, outcome: written }
    }

    /// The rest of it.
    pub fn remember(&self, remembered: Remembered) {
        // Where nobody wants it any more, why is known already.
        _ = self.remembered.send(remembered);
    }

    /// How it has ended, once.
    pub fn ended(&self) -> Option<Result<Written, String>> {
        self.outcome.try_recv().ok()
    }
}

fn write(order: HandoverOrder, rest: &Receiver<Remembered>, clock: Clock) -> io::Result<Written> {
    let (place, new) = (order.place.clone(), beside(&order.place, "new"));
    let written = write_new(&new, order, rest, clock).and_then(|written| fs::rename(&new, &place).map(|()| written));
    if written.is_err() {
        _ = fs::remove_file(&new);
    }
    written
}

fn write_new(new: &Path, order: HandoverOrder, rest: &Receiver<Remembered>, clock: Clock) -> io::Result<Written> {
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    let here = here(&order.name)?;
    let mut stream = HandoverStream::begin(file, order, here, clock.now())?;
    while !stream.has_all() {
        if !stream.pump()? {
            give_up(stream.is_given_up())?;
            std::thread::sleep(PAUSE);
        }
    }
    let remembered = loop {
        match rest.recv_timeout(PAUSE) {
            Ok(remembered) => break remembered,
            Err(RecvTimeoutError::Timeout) => give_up(stream.is_given_up())?,
            Err(RecvTimeoutError::Disconnected) => give_up(true)?,
        }
    };
    give_up(stream.is_given_up())?;
    let (file, counts) = stream.end(&remembered)?;
    Ok(Written { counts, bytes: file.metadata()?.len() })
}

fn give_up(given_up: bool) -> io::Result<()> {
    if given_up { Err(io::Error::other("it was given up")) } else { Ok(()) }
}

/// What was found.
pub enum Found {
    /// No file.
    Nothing,
    /// One that does not count, and why.
    Refused(String),
    /// One that counts, verified, and how long ago it was written. It is removed.
    Contents(Box<Contents>, Duration),
}

/// What the process before has left at `place`, for an appliance of this name.
pub fn find(place: &Path, name: &str) -> Found {
    _ = fs::remove_file(beside(place, "new"));
    let found = here(name).map_err(|error| error.to_string()).and_then(|here| read_in_time(place, here));
    let why = match found {
        Ok(None) => return Found::Nothing,
        Ok(Some((contents, age))) => match fs::remove_file(place) {
            Ok(()) => return Found::Contents(contents, age),
            Err(error) => format!("it could be taken up again, as it cannot be removed: {error}"),
        },
        Err(why) => why,
    };
    let aside = beside(place, "refused");
    match fs::rename(place, &aside) {
        Ok(()) => Found::Refused(format!("{why}. It is moved aside: {}", aside.display())),
        Err(error) => Found::Refused(format!("{why}. It cannot be moved aside: {error}")),
    }
}

/// A whole file, and how long ago it was written.
type Whole = (Box<Contents>, Duration);

fn read_in_time(place: &Path, here: Here) -> Result<Option<Whole>, String> {
    let (place, (found, first)) = (place.to_owned(), mpsc::sync_channel(1));
    let read = move || _ = found.send(read(&place, &here));
    let thread = std::thread::Builder::new().name("handover".into()).spawn(read);
    thread.map_err(|error| format!("no thread to read it: {error}"))?;
    first.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(format!("it could not be read within {PATIENCE:?}")))
}

fn read(place: &Path, here: &Here) -> Result<Option<Whole>, String> {
    let said = |error: io::Error| error.to_string();
    let about = match fs::symlink_metadata(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        about => about.map_err(said)?,
    };
    if !about.is_file() {
        return Err("it is no file".into());
    }
    if about.uid() != rustix::process::geteuid().as_raw() {
        return Err("it is another user's".into());
    }
    let mut bytes = Vec::with_capacity(about.len().min(LARGEST_FILE) as usize + 1);
    let file = fs::File::open(place).map_err(said)?;
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(said)?;
    let contents = Contents::read(bytes).map_err(|refusal| refusal.to_string())?;
    let age = contents.age(here).map_err(|refusal| refusal.to_string())?;
    Ok(Some((Box::new(contents), age)))
}

/// The present place and time.
fn here(name: &str) -> io::Result<Here> {
    let text = fs::read_to_string(BOOT)?;
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    let mut boot = [0; 16];
    boot.iter_mut().zip(digits.chunks(2)).for_each(|(byte, pair)| *byte = pair.iter().fold(0, |all, it| all << 4 | it));
    Ok(Here { boot, uptime: host_uptime(), name: name.to_owned() })
}

fn beside(place: &Path, what: &str) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handover::{Header, Writer};
    use crate::time::Instant;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    fn file(name: &str) -> Vec<u8> {
        let header = Header { here: here(name).unwrap(), now: Instant::ZERO, epoch: 1, workers: 1 };
        Writer::begin(Vec::new(), &header).unwrap().end(&Remembered::default()).unwrap().0
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_taken_once_and_is_gone_then() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("state");
        assert!(matches!(find(&place, "lead-1"), Found::Nothing));
        fs::write(&place, file("lead-1")).unwrap();
        fs::write(folder.path().join("state.new"), "half").unwrap();
        assert!(matches!(find(&place, "lead-1"), Found::Contents(_, age) if age < Duration::from_secs(30)));
        assert_eq!(names(folder.path()), [""; 0]);
        assert!(matches!(find(&place, "lead-1"), Found::Nothing));
    }

    #[test]
    fn what_does_not_count_is_named_and_left_aside() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("state");
        for (bytes, why) in [(file("lead-2"), "`lead-2` has written it"), (vec![1], "no file that Fairlead has left")] {
            fs::write(&place, &bytes).unwrap();
            let Found::Refused(said) = find(&place, "lead-1") else { panic!() };
            assert!(said.contains(why) && said.ends_with("state.refused"), "{said}");
            assert_eq!(names(folder.path()), ["state.refused"]);
            assert_eq!(fs::read(folder.path().join("state.refused")).unwrap(), bytes);
        }
        fs::create_dir(&place).unwrap();
        let Found::Refused(said) = find(&place, "lead-1") else { panic!() };
        assert!(said.contains("it is no file"), "{said}");
    }

    fn order(place: PathBuf) -> HandoverOrder {
        let (name, given_up) = ("lead-1".into(), Arc::default());
        HandoverOrder { place, name, epoch: 1, receivers: Vec::new(), given_up }
    }

    #[test]
    fn what_is_written_is_private_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("state");
        let writing = Writing::begin(order(place.clone()), Clock::start());
        let remembered = Remembered { snat_seed: 77, ..Remembered::default() };
        writing.remember(remembered.clone());
        let ended = std::iter::repeat_with(|| writing.ended()).find_map(|ended| {
            std::thread::yield_now();
            ended
        });
        let written = ended.unwrap().unwrap();
        let about = fs::metadata(&place).unwrap();
        assert_eq!((about.len(), about.permissions().mode() & 0o777), (written.bytes, 0o600));
        let Found::Contents(contents, _) = find(&place, "lead-1") else { panic!() };
        assert_eq!(contents.remembered(), &remembered);
    }

    #[test]
    fn nothing_is_left_of_what_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let (_, rest) = mpsc::channel();
        assert!(write(order(folder.path().join("none/state")), &rest, Clock::start()).is_err());
        let why = write(order(folder.path().join("state")), &rest, Clock::start()).unwrap_err();
        assert_eq!((why.to_string(), names(folder.path())), ("it was given up".into(), Vec::new()));
    }
}
