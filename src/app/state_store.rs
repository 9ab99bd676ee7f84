//! Keeps what the operator has set, the configurations that were in force, and the events, in files that outlive a crash.
//!
//! Owns the files and their folder: reading them at the start, however they were found, and writing them on a thread of their own, so that
//! a slow disk holds up nobody. A new text takes the place of the old one whole (`rename`), and is on the disk before it is said
//! to be saved. Knows nothing of what stands in it.

use crate::control::{Configurations, EventsFound, OperatorState, SavedEvents, SavedState};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc as threads;
use std::time::Duration;
use tokio::sync::mpsc;

/// Where it is kept when neither the file nor the service manager says.
const FOLDER: &str = "/var/lib/fairlead";
/// The files' names, by [`Kept`].
const NAMES: [&str; 3] = [NAME, CONFIGURATIONS, EVENTS];
const NAME: &str = "operator.json";
const CONFIGURATIONS: &str = "configurations.json";
/// What a start must know of that, where it is not made with what the file said: short, and a file of its own, so that no damage takes
/// both.
const SPARE: &str = "configurations.start.json";
const EVENTS: &str = "events.json";
/// A larger file is not read.
const LARGEST: u64 = 256 << 20;
/// Likewise of events, which are short and of which a bounded number is kept.
const LARGEST_EVENTS: u64 = 16 << 20;
/// How long the disk may take to give it out at the start.
const PATIENCE: Duration = Duration::from_secs(2);
/// Events are less: nobody waits as long for them, once what the operator has set is there.
const PATIENCE_EVENTS: Duration = Duration::from_secs(1);

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// What the operator has set.
    Operator,
    /// The configurations that were in force.
    Configurations,
    /// What has happened.
    Events,
}

/// A save that has ended: of what, which change, and why not.
pub type Saved = (Kept, u64, Result<(), String>);

/// What is to be saved.
enum Save {
    Operator(u64, Box<OperatorState>),
    Configurations(u64, Box<Configurations>),
    Events(u64, Box<SavedEvents>),
}

impl Save {
    fn about(&self) -> (Kept, u64) {
        match self {
            Save::Operator(change, _) => (Kept::Operator, *change),
            Save::Configurations(change, _) => (Kept::Configurations, *change),
            Save::Events(change, _) => (Kept::Events, *change),
        }
    }

    /// Made by the thread: it may be long.
    fn text(&self) -> String {
        match self {
            Save::Operator(_, state) => state.text(),
            Save::Configurations(_, all) => all.text(),
            Save::Events(_, events) => events.text(),
        }
    }
}

/// The store.
pub struct StateStore {
    saves: threads::Sender<Save>,
    saved: mpsc::UnboundedReceiver<Saved>,
}

/// The folder that `named` in the file, the service manager, or the habit gives.
pub fn folder(named: Option<&Path>) -> PathBuf {
    // systemd gives one folder, or several with colons between them.
    let given = std::env::var("STATE_DIRECTORY").ok();
    let given = given.as_deref().and_then(|all| all.split(':').next()).filter(|one| one.starts_with('/'));
    named.or(given.map(Path::new)).unwrap_or(Path::new(FOLDER)).to_owned()
}

/// The configurations that were kept in `folder`, and the file they are in. They are asked for before anything is started, even the
/// store: what it is started with depends on them.
pub fn configurations(folder: &Path) -> (String, Result<Option<Configurations>, String>) {
    let path = folder.join(CONFIGURATIONS);
    (path.display().to_string(), read_configurations(path))
}

/// Where the spare of `folder` is, and how it is read: see [`Configurations::for_a_start`].
pub fn spare(folder: &Path) -> (String, impl FnOnce() -> Result<Option<Configurations>, String>) {
    let path = folder.join(SPARE);
    (path.display().to_string(), move || read_configurations(path))
}

/// Whoever runs this may not read the file there, or may not look into its folder.
pub fn is_forbidden(place: &str) -> bool {
    let (place, (said, first)) = (place.to_owned(), threads::sync_channel(1));
    let look = move || {
        let why = File::open(place).err().map(|why| why.kind());
        _ = said.send(Ok::<_, String>(why == Some(io::ErrorKind::PermissionDenied)));
    };
    let started = std::thread::Builder::new().name("state-reader".into()).spawn(look);
    started.is_ok() && received(&first, PATIENCE).unwrap_or(false)
}

fn read_configurations(path: PathBuf) -> Result<Option<Configurations>, String> {
    let (found, first) = threads::sync_channel(1);
    let read = move || {
        // Where there is no folder, none was ever kept.
        let is_nowhere = fs::metadata(&path).is_err_and(|why| why.kind() == io::ErrorKind::NotADirectory);
        let there = if is_nowhere { Ok(None) } else { bytes(&path, LARGEST) };
        let all = there.and_then(|bytes| bytes.map(|bytes| Configurations::parse(&bytes)).transpose());
        _ = found.send(all);
    };
    match std::thread::Builder::new().name("state-reader".into()).spawn(read) {
        Ok(_) => received(&first, PATIENCE),
        Err(error) => Err(format!("no thread to read it: {error}")),
    }
}

/// What the thread has read, if it comes in time.
fn received<T>(from: &threads::Receiver<Result<T, String>>, patience: Duration) -> Result<T, String> {
    from.recv_timeout(patience).unwrap_or_else(|_| Err(format!("it could not be read within {patience:?}")))
}

fn bytes(path: &Path, largest: u64) -> Result<Option<Vec<u8>>, String> {
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !about.is_file() {
        return Err("it is no file".into());
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(largest + 1).read_to_end(&mut bytes));
    match read {
        Ok(length) if length as u64 > largest => Err(format!("it is larger than {} MiB", largest >> 20)),
        Ok(_) => Ok(Some(bytes)),
        Err(error) => Err(error.to_string()),
    }
}

impl StateStore {
    /// Reads what the operator had set from `folder`, and keeps things there from now on. Never fails: trouble is part of what is
    /// found. `is_known`: what [`configurations`] has found there could be used, or there was nothing.
    pub fn start(folder: &Path, is_known: bool) -> (StateStore, SavedState, EventsFound) {
        let [file, events] = [NAME, EVENTS].map(|name| folder.join(name).display().to_string());
        let (results, saved) = mpsc::unbounded_channel();
        let (saves, orders) = threads::channel::<Save>();
        // Without a place in between: what has been sent has been received. Each has its own: what is slow or large in the one must
        // not take the other with it.
        let (operator, operator_found) = threads::sync_channel(0);
        let (past, past_found) = threads::sync_channel(0);
        let mut disk = Disk::new(folder, is_known);
        let work = move || {
            disk.hand_over(&operator, Kept::Operator, OperatorState::parse);
            disk.hand_over(&past, Kept::Events, SavedEvents::parse);
            for save in orders {
                let (kept, change) = save.about();
                let outcome = disk.save(&save).map_err(|error| error.to_string());
                _ = results.send((kept, change, outcome));
            }
        };
        let (found, past) = match std::thread::Builder::new().name("state-store".into()).spawn(work) {
            Ok(_) => (received(&operator_found, PATIENCE), received(&past_found, PATIENCE_EVENTS)),
            Err(error) => {
                let why = format!("no thread to read it: {error}");
                (Err(why.clone()), Err(why))
            }
        };
        (StateStore { saves, saved }, SavedState { place: file, found }, EventsFound { place: events, found: past })
    }

    /// Saves this as `change`.
    pub fn save(&self, change: u64, state: Box<OperatorState>) {
        // Without a thread, which was said at the start, nothing is saved and nobody is told twice.
        _ = self.saves.send(Save::Operator(change, state));
    }

    /// Likewise.
    pub fn save_configurations(&self, change: u64, all: Box<Configurations>) {
        _ = self.saves.send(Save::Configurations(change, all));
    }

    /// Likewise.
    pub fn save_events(&self, change: u64, events: Box<SavedEvents>) {
        _ = self.saves.send(Save::Events(change, events));
    }

    /// The next save that has ended.
    pub async fn saved(&mut self) -> Saved {
        match self.saved.recv().await {
            Some(saved) => saved,
            // There is no thread.
            None => std::future::pending().await,
        }
    }

    /// A save that has ended by now, if there is one.
    pub fn take_saved(&mut self) -> Option<Saved> {
        self.saved.try_recv().ok()
    }
}

/// The folder, as the thread knows it.
struct Disk {
    folder: PathBuf,
    /// Held as long as the appliance runs: no other one may write there.
    lock: Option<File>,
    /// Nobody knows what is there, such as what could not be used or was read too late: it is not overwritten but moved aside. By
    /// [`Kept`].
    is_unread: [bool; 3],
}

impl Disk {
    fn new(folder: &Path, is_known: bool) -> Disk {
        Disk { folder: folder.to_owned(), lock: None, is_unread: [true, !is_known, true] }
    }

    /// Reads what is kept as `kept`, for whoever may not wait for it any more.
    fn hand_over<T>(
        &mut self,
        to: &threads::SyncSender<Result<Option<T>, String>>,
        kept: Kept,
        parse: fn(&[u8]) -> Result<T, String>,
    ) {
        let found = self.read(kept, parse);
        let is_good = found.is_ok();
        self.is_unread[kept as usize] = to.send(found).is_err() || !is_good;
    }

    fn read<T>(&mut self, kept: Kept, parse: fn(&[u8]) -> Result<T, String>) -> Result<Option<T>, String> {
        self.own()?;
        let largest = if kept == Kept::Events { LARGEST_EVENTS } else { LARGEST };
        bytes(&self.folder.join(NAMES[kept as usize]), largest)?.map(|bytes| parse(&bytes)).transpose()
    }

    /// Of two appliances, the first has the folder. Where no lock can be had, there is none.
    fn own(&mut self) -> Result<(), String> {
        if self.lock.is_some() {
            return Ok(());
        }
        _ = DirBuilder::new().recursive(true).mode(0o750).create(&self.folder);
        let path = self.folder.join("lock");
        let Ok(lock) = OpenOptions::new().write(true).create(true).truncate(false).mode(0o640).open(path) else {
            return Ok(());
        };
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => {
                Err("another Fairlead keeps its own there; name another folder with `state` under [appliance]".into())
            }
            Ok(()) | Err(TryLockError::Error(_)) => {
                self.lock = Some(lock);
                Ok(())
            }
        }
    }

    /// What is saved is there when this returns. The spare is there before what it is for, and goes after it is not needed.
    fn save(&mut self, save: &Save) -> io::Result<()> {
        self.own().map_err(io::Error::other)?;
        let spare = match save {
            Save::Operator(..) => return self.write(Kept::Operator, save.text().as_bytes()),
            Save::Events(..) => return self.write(Kept::Events, save.text().as_bytes()),
            Save::Configurations(_, all) => all.for_a_start(),
        };
        if let Some(spare) = &spare {
            let new = self.write_new(SPARE, spare.text().as_bytes())?;
            fs::rename(&new, self.folder.join(SPARE))?;
        }
        self.write(Kept::Configurations, save.text().as_bytes())?;
        if spare.is_none() {
            match fs::remove_file(self.folder.join(SPARE)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                removed => removed?,
            }
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(())
    }

    /// The text is on the disk, beside what it will replace.
    fn write_new(&self, name: &str, text: &[u8]) -> io::Result<PathBuf> {
        let new = self.folder.join(format!("{name}.new"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&new)?;
        file.write_all(text)?;
        file.sync_all()?;
        Ok(new)
    }

    fn write(&mut self, kept: Kept, text: &[u8]) -> io::Result<()> {
        self.own().map_err(io::Error::other)?;
        let name = NAMES[kept as usize];
        let (path, new) = (self.folder.join(name), self.write_new(name, text)?);
        let is_unread = &mut self.is_unread[kept as usize];
        if *is_unread {
            match set_aside(&path, &self.folder.join(format!("{name}.unread"))) {
                // There was none, or somebody has removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                moved => moved?,
            }
            *is_unread = false;
        }
        fs::rename(&new, &path)?;
        File::open(&self.folder)?.sync_all()
    }
}

/// What is at `path` has another name as well. It keeps its own until something takes its place: whoever starts in between must not
/// find nothing there.
fn set_aside(path: &Path, aside: &Path) -> io::Result<()> {
    match fs::remove_file(aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match fs::hard_link(path, aside) {
        // Not every file system has links.
        Err(error) if error.kind() != io::ErrorKind::NotFound => fs::rename(path, aside),
        linked => linked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("made/on/the/way");
        (root, folder)
    }

    fn kept(folder: &Path) -> Result<Option<OperatorState>, String> {
        StateStore::start(folder, true).1.found
    }

    async fn save(store: &mut StateStore, change: u64) -> Result<(), String> {
        store.save(change, Box::default());
        let (kept, saved, outcome) = store.saved().await;
        assert_eq!((kept, saved), (Kept::Operator, change));
        outcome
    }

    async fn save_all(store: &mut StateStore, change: u64, all: &Configurations) {
        store.save_configurations(change, Box::new(all.clone()));
        assert_eq!(store.saved().await, (Kept::Configurations, change, Ok(())));
    }

    /// The thread of a store that is gone gives the folder up a moment later.
    async fn is_free(folder: &Path) {
        let lock = File::open(folder.join("lock")).unwrap();
        while lock.try_lock().is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_was_saved_is_found_again_and_nothing_else_is_left() {
        let (_root, folder) = folder();
        let (mut store, found, _) = StateStore::start(&folder, true);
        assert_eq!(found.found, Ok(None));
        assert_eq!(found.place, folder.join(NAME).display().to_string());
        assert_eq!(save(&mut store, 7).await, Ok(()));
        assert_eq!(save(&mut store, 8).await, Ok(()));
        drop(store);
        is_free(&folder).await;
        assert_eq!(kept(&folder), Ok(Some(OperatorState::default())));
        let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["lock", NAME]);
    }

    /// As at the end, when nobody waits for several things at once any more.
    #[test]
    fn the_end_of_a_save_can_be_looked_for() {
        let (_root, folder) = folder();
        let (mut store, ..) = StateStore::start(&folder, true);
        assert_eq!(store.take_saved(), None);
        store.save(7, Box::default());
        let saved = std::iter::repeat_with(|| store.take_saved()).find_map(|saved| {
            std::thread::yield_now();
            saved
        });
        assert_eq!((saved, folder.join(NAME).exists()), (Some((Kept::Operator, 7, Ok(()))), true));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_is_named_and_moved_aside_by_the_first_save() {
        let larger = r#"{"fairlead_operator_state": 9}"#;
        for (text, why) in [("{", "damaged"), ("{}", "not a state of Fairlead's"), (larger, "of format 9")] {
            let (_root, folder) = folder();
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(NAME), text).unwrap();
            let (mut store, found, _) = StateStore::start(&folder, true);
            let found = found.found.unwrap_err();
            assert!(found.contains(why), "{found}");
            assert_eq!(save(&mut store, 1).await, Ok(()));
            assert_eq!(fs::read_to_string(folder.join("operator.json.unread")).unwrap(), text);
            drop(store);
            is_free(&folder).await;
            assert_eq!(kept(&folder), Ok(Some(OperatorState::default())));
        }
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_may_be_removed_before_the_first_save() {
        let (_root, folder) = folder();
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(NAME), "{").unwrap();
        let (mut store, found, _) = StateStore::start(&folder, true);
        assert!(found.found.is_err());
        fs::remove_file(folder.join(NAME)).unwrap();
        assert_eq!(save(&mut store, 1).await, Ok(()));
        assert!(folder.join(NAME).exists() && !folder.join("operator.json.unread").exists());
    }

    /// The disk gave it out after the patience of whoever starts.
    #[test]
    fn what_was_read_too_late_for_anybody_is_moved_aside_by_the_first_save() {
        let (_root, folder) = folder();
        fs::create_dir_all(&folder).unwrap();
        let before = OperatorState::default().text() + "\n";
        fs::write(folder.join(NAME), &before).unwrap();
        let (found, first) = threads::sync_channel(0);
        drop(first);
        let mut disk = Disk::new(&folder, true);
        disk.hand_over(&found, Kept::Operator, OperatorState::parse);
        for text in ["one", "two"] {
            disk.write(Kept::Operator, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(folder.join(NAME)).unwrap(), text);
            assert_eq!(fs::read_to_string(folder.join("operator.json.unread")).unwrap(), before);
        }
    }

    #[tokio::test]
    async fn what_stands_in_the_way_is_said_when_it_is_met() {
        let (_root, folder) = folder();
        fs::create_dir_all(folder.join(NAME)).unwrap();
        let (mut store, found, _) = StateStore::start(&folder, true);
        assert_eq!(found.found, Err("it is no file".into()), "a folder by its name");
        assert_eq!(save(&mut store, 1).await, Ok(()), "moved aside as any other");
        let (_root, other) = self::folder();
        fs::create_dir_all(other.parent().unwrap()).unwrap();
        fs::write(&other, "").unwrap();
        let (mut store, found, _) = StateStore::start(&other, true);
        assert!(found.found.unwrap_err().contains("Not a directory"));
        assert!(save(&mut store, 1).await.unwrap_err().contains("Not a directory"));
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_is_read_all_the_same() {
        let (_root, folder) = folder();
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(NAME), OperatorState::default().text()).unwrap();
        // Where this user may write whatever the mode says, the new file's place is taken by a folder.
        fs::create_dir(folder.join("operator.json.new")).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o555)).unwrap();
        let (mut store, found, _) = StateStore::start(&folder, true);
        assert_eq!(found.found, Ok(Some(OperatorState::default())));
        assert!(save(&mut store, 1).await.is_err());
        assert_eq!(fs::read_to_string(folder.join(NAME)).unwrap(), OperatorState::default().text());
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    }

    #[tokio::test]
    async fn a_second_appliance_does_not_write_over_the_first_one_s() {
        let (_root, folder) = folder();
        let (mut first, ..) = StateStore::start(&folder, true);
        let (mut second, found, _) = StateStore::start(&folder, true);
        assert!(found.found.unwrap_err().contains("another Fairlead"));
        assert!(save(&mut second, 1).await.unwrap_err().contains("another Fairlead"));
        assert_eq!(save(&mut first, 1).await, Ok(()));
        drop(first);
        is_free(&folder).await;
        assert_eq!(save(&mut second, 2).await, Ok(()), "it is the only one now");
        assert!(folder.join("operator.json.unread").exists(), "what the first one kept was never read");
    }

    /// No damage to the one file takes what a start must know.
    #[tokio::test]
    async fn what_a_start_must_know_is_kept_beside_as_long_as_the_file_is_not_what_was_confirmed() {
        let (_root, folder) = folder();
        let (mut store, _, _) = StateStore::start(&folder, true);
        let mut all = Configurations::begin("[appliance]\n".into(), Default::default());
        let file: std::sync::Arc<str> = "# not confirmed\n".into();
        let read = || spare(&folder).1();
        save_all(&mut store, 1, &all).await;
        assert_eq!(read(), Ok(None));
        let confirmed: std::sync::Arc<str> = "[appliance]\n".into();
        all.started(&confirmed, &file, Default::default());
        save_all(&mut store, 2, &all).await;
        assert_eq!(read(), Ok(all.for_a_start()));
        fs::write(folder.join(CONFIGURATIONS), "{").unwrap();
        assert_eq!(read().unwrap().unwrap().instead_of(&file).map(|entry| entry.number), Some(1));
        fs::write(folder.join(SPARE), "{").unwrap();
        assert!(read().unwrap_err().contains("damaged"));
        all.started(&confirmed, &confirmed, Default::default());
        save_all(&mut store, 3, &all).await;
        assert_eq!(read(), Ok(None));
        assert!(spare(&folder.join(CONFIGURATIONS)).1().is_ok_and(|none| none.is_none()), "no folder at all");
    }

    #[test]
    fn the_file_s_folder_comes_first() {
        assert_eq!(super::folder(Some(Path::new("/srv/lead"))), Path::new("/srv/lead"));
    }

    #[tokio::test]
    async fn configurations_are_found_again_by_whoever_has_not_started_yet() {
        let (_root, folder) = folder();
        let (place, found) = configurations(&folder);
        assert_eq!((place, found), (folder.join(CONFIGURATIONS).display().to_string(), Ok(None)));
        let (mut store, ..) = StateStore::start(&folder, true);
        let all = Configurations::begin("[appliance]\n".into(), Default::default());
        store.save_configurations(3, Box::new(all.clone()));
        assert_eq!(store.saved().await, (Kept::Configurations, 3, Ok(())));
        assert_eq!(configurations(&folder).1, Ok(Some(all.clone())));
        assert!(!folder.join(NAME).exists(), "a file of its own");
        fs::write(folder.join(CONFIGURATIONS), "{").unwrap();
        assert!(configurations(&folder).1.unwrap_err().contains("damaged"));
        drop(store);
        is_free(&folder).await;
        let (mut store, ..) = StateStore::start(&folder, false);
        store.save_configurations(4, Box::new(all.clone()));
        assert_eq!(store.saved().await, (Kept::Configurations, 4, Ok(())));
        assert_eq!(fs::read_to_string(folder.join("configurations.json.unread")).unwrap(), "{");
        assert_eq!(configurations(&folder).1, Ok(Some(all)));
    }

    #[tokio::test]
    async fn events_are_found_again_and_a_broken_file_of_them_concerns_nothing_else() {
        let (_root, folder) = folder();
        let (mut store, _, found) = StateStore::start(&folder, true);
        assert_eq!((found.place, found.found), (folder.join(EVENTS).display().to_string(), Ok(None)));
        let events = SavedEvents { last: 7, ..SavedEvents::default() };
        store.save_events(3, Box::new(events.clone()));
        assert_eq!(store.saved().await, (Kept::Events, 3, Ok(())));
        drop(store);
        is_free(&folder).await;
        assert_eq!(StateStore::start(&folder, true).2.found, Ok(Some(events.clone())));
        is_free(&folder).await;
        fs::write(folder.join(EVENTS), "{").unwrap();
        let (mut store, operator, found) = StateStore::start(&folder, true);
        assert!(operator.found == Ok(None) && found.found.unwrap_err().contains("damaged"));
        store.save_events(4, Box::new(events));
        assert_eq!(store.saved().await, (Kept::Events, 4, Ok(())));
        assert_eq!(fs::read_to_string(folder.join("events.json.unread")).unwrap(), "{");
    }

    /// A thousand events are short: what is larger is somebody else's, and what the operator has set does not wait for it.
    #[tokio::test]
    async fn a_file_of_events_that_is_far_too_large_is_not_read_and_takes_nothing_with_it() {
        let (_root, folder) = folder();
        let (mut store, ..) = StateStore::start(&folder, true);
        assert_eq!(save(&mut store, 1).await, Ok(()));
        drop(store);
        is_free(&folder).await;
        File::create(folder.join(EVENTS)).unwrap().set_len(LARGEST_EVENTS + 1).unwrap();
        let (_store, operator, events) = StateStore::start(&folder, true);
        assert_eq!(operator.found, Ok(Some(OperatorState::default())));
        assert_eq!(events.found, Err("it is larger than 16 MiB".into()));
    }
}
