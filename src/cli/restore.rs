//! `fairlead restore`: what `backup` has written, back in its places.
//!
//! Owns the places: the configuration where it was or is asked for, what it includes below its folder, certificates and keys where it names
//! them, and state in its folder; a name in the archive is never one of a place. Nothing is written unless the configuration is valid and
//! no appliance runs that would write over it; what is there stays beside what is written.

use super::backup::{pem_files, state_files, state_folder};
use super::commands::Restore;
use super::exit::{BAD, FAILED, fail, print};
use super::kept::{Kept, KeptFile, Listed, Part};
use super::owners::Owners;
use super::whole::{Over, WholeFile};
use crate::config::{self, Configuration};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown, fchown};
use std::os::unix::net::UnixStream;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

/// What comes behind the hidden name of a file whose place is taken: no pattern of `include` fits it.
const BEFORE: &str = ".before-restore";
/// Those that may be beside one file, at most.
const BESIDE: u32 = 1_000;

/// Does it.
pub fn run(asked: &Restore) -> ExitCode {
    let kept = File::open(&asked.from).map_err(|why| why.to_string()).and_then(Kept::unpack);
    let kept = match kept {
        Ok(kept) => kept,
        Err(why) => return fail(BAD, &format!("cannot restore {}: {why}", asked.from.display())),
    };
    let plan = match planned(&kept, asked) {
        Ok(plan) => plan,
        Err(why) => return fail(FAILED, &format!("nothing was written: {why}")),
    };
    let mut said = format!("backup of {} of {}, made by {}\n", kept.host, kept.made_at, kept.made_by);
    for (file, place) in &plan.places {
        said += &format!("  {} {:04o} {}\n", standing(file, place), file.about.mode, place.display());
    }
    for path in &plan.beside {
        said += &format!("  aside   {}: the backup does not have it\n", path.display());
    }
    if asked.dry_run {
        return print((said + "nothing was written: --dry-run\n").as_bytes());
    }
    // Held until all is written: no appliance begins in between.
    let _lock = match alone(&plan) {
        Ok(lock) => lock,
        Err(why) => return fail(FAILED, &format!("nothing was written: {why}")),
    };
    for path in &plan.beside {
        if let Err(why) = keep_beside(path) {
            return fail(FAILED, &format!("nothing was written: {}: {why}", path.display()));
        }
    }
    let owners = Owners::here();
    for (number, (file, place)) in plan.places.iter().enumerate() {
        let put = put(file, place, owners.of(&file.about));
        if let Err(why) = put {
            let message = format!(
                "{}: {why}; {number} of {} files were written, and those before them are beside, as .NAME{BEFORE}",
                place.display(),
                plan.places.len()
            );
            return fail(FAILED, &message);
        }
        said += &put.unwrap_or_default();
    }
    print((said + "restored: start Fairlead with `systemctl start fairlead`\n").as_bytes())
}

/// What goes where.
pub(super) struct Plan<'k> {
    places: Vec<(&'k KeptFile, PathBuf)>,
    socket: PathBuf,
    /// Where operators' settings are kept.
    state: PathBuf,
    /// What is kept there now and was not when the backup was made: it would be another box.
    beside: Vec<PathBuf>,
}

/// No appliance runs here, as far as sockets and the state folder's lock say; the lock, where there is one.
fn alone(plan: &Plan) -> Result<Option<File>, String> {
    let runs =
        || "an appliance runs here, and would write over what operators had set: `systemctl stop fairlead` first";
    // The one that runs goes by the file that is there now.
    let now = plan.places.first().and_then(|(_, main)| config::load(main).ok()).map(|now| now.settings.admin_socket);
    let unasked = |path: &Path, why: &io::Error| {
        format!("whether an appliance runs here cannot be seen: {}: {why}: run it as root (sudo)", path.display())
    };
    for socket in now.iter().chain([&plan.socket]) {
        match UnixStream::connect(socket) {
            Ok(_) => return Err(runs().into()),
            Err(why) if matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
            Err(why) => return Err(unasked(socket, &why)),
        }
    }
    // It is not made here: the appliance could not open root's.
    let lock = plan.state.join("lock");
    let lock = match File::open(&lock) {
        Ok(lock) => lock,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(unasked(&lock, &why)),
    };
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => Err(runs().into()),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(lock)),
    }
}

/// Whether it can be restored so, for who makes it.
pub(super) fn can_restore(kept: &Kept, asked: &Restore) -> Result<(), String> {
    planned(kept, asked).map(drop)
}

/// Where everything of `kept` belongs. `backup` asks too, so that it writes nothing that is refused here.
///
/// # Errors
/// Why it cannot be restored, in words for an operator.
fn planned<'k>(kept: &'k Kept, asked: &Restore) -> Result<Plan<'k>, String> {
    let of = |part| kept.files.iter().filter(move |file| file.about.part == part);
    let mains: Vec<&KeptFile> = of(Part::Configuration).collect();
    let [main] = mains[..] else { return Err("the backup does not hold one configuration".into()) };
    let config = asked.config.clone().unwrap_or_else(|| main.about.path.clone());
    let folder = config::folder_of(&config).to_owned();
    let from_the_root = config::names_from_the_root(&String::from_utf8_lossy(&main.content));
    if !from_the_root.is_empty() {
        return Err(format!(
            "its configuration names files by paths from the root on, which a backup cannot move: write them relative to the file, such \
             as pairs.d/*.toml: {}",
            from_the_root.join(", ")
        ));
    }
    let name = config.file_name().ok_or_else(|| format!("{} names no file", config.display()))?;
    let read = checked(kept, main, name)?;
    let state = state_folder(asked.state.as_deref(), &read);
    let named = of(Part::Pem).map(|file| file.about.path.to_string_lossy());
    let mut places = vec![(main, config)];
    for file in of(Part::Included) {
        places.push((file, folder.join(below(&file.about)?)));
    }
    for (file, path) in of(Part::Pem).zip(named) {
        places.push((file, PathBuf::from(path.as_ref())));
    }
    for file in of(Part::State) {
        let is_name = file.about.path.components().count() == 1;
        places.push((file, state.join(if is_name { below(&file.about)? } else { return Err(elsewhere(&file.about)) })));
    }
    no_others(&String::from_utf8_lossy(&main.content), &folder, &places)?;
    let is_new = |path: &PathBuf| places.iter().all(|(_, place)| place != path);
    let beside = state_files(&state)?.into_iter().filter(is_new).collect();
    Ok(Plan { places, socket: read.settings.admin_socket, state, beside })
}

/// What lies there and would be included as well was not there when the backup was made: with it, it is another configuration.
fn no_others(text: &str, folder: &Path, places: &[(&KeptFile, PathBuf)]) -> Result<(), String> {
    let is_other = |path: &PathBuf| places.iter().all(|(_, place)| place != path);
    let found = config::files_matched(text, folder)?;
    let others: Vec<String> =
        found.iter().filter(|path| is_other(path)).map(|path| path.display().to_string()).collect();
    match others.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "these would be included too, and are not in the backup; move them away first: {}",
            others.join(", ")
        )),
    }
}

fn elsewhere(about: &Listed) -> String {
    format!("the backup names a place outside its folders: {}", about.path.display())
}

/// A path that leads nowhere but down.
fn below(about: &Listed) -> Result<&Path, String> {
    let is_down = about.path.components().all(|part| matches!(part, Component::Normal(_)));
    if is_down && about.path.components().next().is_some() { Ok(&about.path) } else { Err(elsewhere(about)) }
}

/// The configuration as it will be, read in a folder of its own, with the certificates and keys of the backup. The main file has the `name` that it will have: a pattern of its own may fit it.
fn checked(kept: &Kept, main: &KeptFile, name: &OsStr) -> Result<Configuration, String> {
    let stage = Stage::new().map_err(|why| format!("{}: {why}", std::env::temp_dir().display()))?;
    let unwritten = |why: io::Error| format!("{}: {why}", stage.0.display());
    let pems: Vec<&KeptFile> = kept.files.iter().filter(|file| file.about.part == Part::Pem).collect();
    let mut staged = Vec::new();
    // Where nothing that is included lies.
    let place_of = |number: usize| stage.0.join(".pem").join(format!("{number}.pem"));
    fs::create_dir(stage.0.join(".pem")).map_err(unwritten)?;
    for (number, pem) in pems.iter().enumerate() {
        let place = place_of(number);
        fs::write(&place, &pem.content).map_err(unwritten)?;
        for quote in ['"', '\''] {
            let quoted = |path: &Path| format!("{quote}{}{quote}", path.display());
            staged.push((quoted(&pem.about.path), quoted(&place)));
        }
    }
    for file in kept.files.iter().filter(|file| file.about.part == Part::Included) {
        let place = stage.0.join(below(&file.about)?);
        place.parent().map_or(Ok(()), fs::create_dir_all).map_err(unwritten)?;
        fs::write(&place, &file.content).map_err(unwritten)?;
    }
    let place = stage.0.join(name);
    fs::write(&place, &main.content).map_err(unwritten)?;
    // The paths are looked for in the text of all files together, where templates are filled in.
    let with_pems = |content: Vec<u8>| match String::from_utf8(content) {
        Ok(text) => staged.iter().fold(text, |text, (from, to)| text.replace(from, to)).into_bytes(),
        Err(error) => error.into_bytes(),
    };
    let read = config::bytes_of(&place).and_then(|text| {
        let name = place.display().to_string();
        config::parse_bytes(&name, &with_pems(text))
    });
    let read = read.map_err(|errors| {
        format!(
            "its configuration is not valid here:\n{}",
            errors.to_string().replace(&format!("{}/", stage.0.display()), "")
        )
    })?;
    let names: Vec<&str> = pem_files(&read).into_iter().collect();
    let is_named = |number: usize| names.contains(&&*place_of(number).to_string_lossy());
    match (0..pems.len()).find(|number| !is_named(*number)) {
        Some(number) => Err(format!(
            "no key of its configuration names {} in so many words: write that path whole, between quotes and without escapes",
            pems[number].about.path.display()
        )),
        None => Ok(read),
    }
}

/// A folder for its owner alone, as long as it is looked at.
struct Stage(PathBuf);

/// What its name begins with; the process and a number come behind it.
const STAGE: &str = "fairlead-restore-";

impl Stage {
    /// Keys are in it: on a file system in memory, where there is one for root.
    fn new() -> io::Result<Stage> {
        Stage::in_folder(Path::new("/run")).or_else(|_| Stage::in_folder(&std::env::temp_dir()))
    }

    fn in_folder(folder: &Path) -> io::Result<Stage> {
        forget_left(folder);
        let mut number = 0;
        loop {
            let path = folder.join(format!("{STAGE}{}-{number}", std::process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Err(why) if why.kind() == io::ErrorKind::AlreadyExists && number < 100 => number += 1,
                made => return made.map(|()| Stage(path)),
            }
        }
    }
}

/// Removes what processes that are no more have left there: they were interrupted.
fn forget_left(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(STAGE)?.split('-').next()?.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists()) {
            _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// How it is beside what stands in its place.
fn standing(file: &KeptFile, place: &Path) -> &'static str {
    match fs::read(place) {
        Ok(there) if there == file.content => "same   ",
        Ok(_) => "replace",
        Err(_) => "new    ",
    }
}

/// What is there already, and otherwise, stays beside it. What there is to say of its owner, as a line.
fn put(file: &KeptFile, place: &Path, owner: Option<(u32, u32)>) -> io::Result<String> {
    if standing(file, place) == "same   " {
        // What stands there already is somebody's here.
        return owner.map_or(Ok(String::new()), |_| own(&File::open(place)?, file, place, owner));
    }
    place.parent().map_or(Ok(()), |folder| make_folders(folder, owner))?;
    let whole = WholeFile::create(place, 0o600)?;
    whole.file().write_all(&file.content)?;
    let said = own(whole.file(), file, place, owner)?;
    match fs::symlink_metadata(place) {
        Ok(_) => keep_beside(place)?,
        Err(why) if why.kind() == io::ErrorKind::NotFound => {}
        Err(why) => return Err(why),
    }
    whole.place(Over::Nothing)?;
    Ok(said)
}

/// Makes the folders that are not there. They are whose the file is for which they are made: the appliance writes where its state is.
fn make_folders(folder: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    let missing = folder.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
    let missing: Vec<&Path> = missing.collect();
    for path in missing.into_iter().rev() {
        fs::create_dir(path)?;
        if let Some((uid, gid)) = owner {
            chown(path, Some(uid), Some(gid))?;
        }
    }
    Ok(())
}

/// Gives it the owner and the mode that it had; where the owner is unknown or cannot be set, it is for nobody else than the writer.
fn own(at: &File, file: &KeptFile, place: &Path, owner: Option<(u32, u32)>) -> io::Result<String> {
    let Listed { user, group, mode, .. } = &file.about;
    let set = match owner {
        Some((uid, gid)) => fchown(at, Some(uid), Some(gid)).map_err(|why| why.to_string()),
        None => Err("no such user and group here".into()),
    };
    at.set_permissions(Permissions::from_mode(if set.is_ok() { mode & 0o777 } else { 0o600 }))?;
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "?".into());
    Ok(match set {
        Ok(()) => String::new(),
        Err(why) => format!(
            "  {} is yours alone, mode 0600: it was of {}:{}, mode {mode:04o}, and {why}\n",
            place.display(),
            name(user),
            name(group)
        ),
    })
}

/// Moves what is there beside: over nothing, so that it is also kept when a restore is repeated.
fn keep_beside(place: &Path) -> io::Result<()> {
    let name = place.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    for number in 1..=BESIDE {
        let mut beside = OsString::from(".");
        beside.push(name);
        beside.push(BEFORE);
        if number > 1 {
            beside.push(format!("-{number}"));
        }
        let beside = place.with_file_name(beside);
        if fs::symlink_metadata(&beside).is_err() {
            return fs::rename(place, beside);
        }
    }
    Err(io::Error::other(format!("{BESIDE} files from earlier restores are beside it: remove some")))
}

#[cfg(test)]
mod tests {
    use super::super::commands::Backup;
    use super::*;
    use std::os::unix::fs::MetadataExt;

    const CONFIG: &str = testbench::TWO_ARM;
    const PAIR: &str = "[[pool]]\nname = \"pair-9\"\nmembers = [{ name = \"s9\", address = \"10.20.0.99\" }]\nmonitors = [\"sip-options\"]\n";

    struct Home {
        folder: tempfile::TempDir,
    }

    impl Home {
        fn new() -> Home {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            fs::create_dir_all(at("etc/pairs.d")).unwrap();
            fs::create_dir_all(at("state")).unwrap();
            fs::write(at("etc/pairs.d/nine.toml"), PAIR).unwrap();
            let socket = at("admin.sock");
            let head = "include = [\"pairs.d/*.toml\"]\n[appliance]";
            let text = format!("{head}\nadmin_socket = \"{}\"\n{CONFIG}", socket.display());
            fs::write(at("etc/fairlead.toml"), text).unwrap();
            fs::set_permissions(at("etc/fairlead.toml"), Permissions::from_mode(0o640)).unwrap();
            fs::write(at("state/operator.json"), "{\"set\": 1}").unwrap();
            Home { folder }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn backup(&self) -> ExitCode {
            let asked = Backup {
                to: self.at("box"),
                config: Some(self.at("etc/fairlead.toml")),
                state: Some(self.at("state")),
            };
            super::super::backup::run(&asked, can_restore)
        }

        fn restore(&self, config: &str, dry_run: bool) -> ExitCode {
            let config = Some(self.at(config));
            run(&Restore { from: self.at("box"), dry_run, config, state: Some(self.at("state")) })
        }
    }

    fn is(code: ExitCode, expected: u8) -> bool {
        format!("{code:?}") == format!("{:?}", ExitCode::from(expected))
    }

    #[test]
    fn what_was_backed_up_is_restored_with_its_modes_and_what_was_there_stays_beside() {
        let here = Home::new();
        assert!(is(here.backup(), 0) && is(here.backup(), FAILED), "a backup is never overwritten");
        assert_eq!(fs::metadata(here.at("box")).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(here.at("state/operator.json"), "other").unwrap();
        fs::remove_file(here.at("etc/pairs.d/nine.toml")).unwrap();
        assert!(is(here.restore("etc/fairlead.toml", true), 0));
        assert_eq!(fs::read_to_string(here.at("state/operator.json")).unwrap(), "other", "--dry-run");
        assert!(is(here.restore("etc/fairlead.toml", false), 0));
        assert_eq!(fs::read_to_string(here.at("state/operator.json")).unwrap(), "{\"set\": 1}");
        assert_eq!(fs::read_to_string(here.at("state/.operator.json.before-restore")).unwrap(), "other");
        assert_eq!(fs::read_to_string(here.at("etc/pairs.d/nine.toml")).unwrap(), PAIR);
        assert!(is(here.restore("new/fairlead.toml", false), 0), "into another box");
        let there = config::load(&here.at("new/fairlead.toml")).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(there.intent.pools.iter().any(|pool| pool.name == "pair-9"));
        assert_eq!(fs::metadata(here.at("new/fairlead.toml")).unwrap().permissions().mode() & 0o777, 0o640);
    }

    /// What a template makes of them are paths as others are.
    #[test]
    fn certificates_that_a_template_names_are_kept_and_restored() {
        let here = Home::new();
        let pem = |name: &str| here.at("etc").join(name);
        let files = here.at("etc");
        let template = format!(
            "[[monitor]]\nname = \"probe-${{name}}\"\nkind = \"sip\"\ntransport = \"tls\"\nverify = true\nserver_name = \"sip.example\"\n\
             ca = \"{}/${{name}}.pem\"\n{}",
            files.display(),
            PAIR.replace('9', "${number}").replace("sip-options", "probe-${name}"),
        );
        fs::write(here.at("etc/pair.template"), template).unwrap();
        fs::write(here.at("etc/pairs.csv"), "name, number\neast, 7\nwest, 8\n").unwrap();
        let text = fs::read_to_string(here.at("etc/fairlead.toml")).unwrap();
        let with = "template = [{ file = \"pair.template\", with = \"pairs.csv\" }]\n";
        fs::write(here.at("etc/fairlead.toml"), format!("{with}{text}")).unwrap();
        for name in ["east.pem", "west.pem"] {
            fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/tests/pem/probe.pem"), pem(name)).unwrap();
        }
        assert!(is(here.backup(), 0));
        let ca = fs::read(pem("east.pem")).unwrap();
        ["east.pem", "west.pem"].iter().for_each(|name| fs::remove_file(pem(name)).unwrap());
        assert!(is(here.restore("etc/fairlead.toml", false), 0));
        assert_eq!(fs::read(pem("west.pem")).unwrap(), ca);
        let read = config::load(&here.at("etc/fairlead.toml")).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(pem_files(&read).len(), 2);
    }

    /// What the main file is called is not to be guessed: a pattern of its own may fit it, or what it includes have the usual name.
    #[test]
    fn the_main_file_is_tried_under_its_own_name() {
        let here = Home::new();
        let text = fs::read_to_string(here.at("etc/fairlead.toml")).unwrap();
        fs::rename(here.at("etc/pairs.d/nine.toml"), here.at("etc/nine.toml")).unwrap();
        fs::rename(here.at("etc/nine.toml"), here.at("etc/fairlead.toml")).unwrap();
        fs::write(here.at("etc/main.conf"), text.replace("pairs.d/*.toml", "*.toml")).unwrap();
        let asked =
            Backup { to: here.at("box"), config: Some(here.at("etc/main.conf")), state: Some(here.at("state")) };
        assert!(is(super::super::backup::run(&asked, can_restore), 0));
        assert!(is(here.restore("etc/main.conf", false), 0));
        assert_eq!(fs::read_to_string(here.at("etc/fairlead.toml")).unwrap(), PAIR);
    }

    /// It would be read from where it lies, not from the backup.
    #[test]
    fn what_is_named_from_the_root_on_is_refused() {
        let here = Home::new();
        let text = fs::read_to_string(here.at("etc/fairlead.toml")).unwrap();
        let from_the_root = format!("{}/*.toml", here.at("etc/pairs.d").display());
        fs::write(here.at("etc/fairlead.toml"), text.replace("pairs.d/*.toml", &from_the_root)).unwrap();
        assert!(is(here.backup(), FAILED) && !here.at("box").exists());
    }

    /// What was set since is not of the box that is restored.
    #[test]
    fn state_that_the_backup_does_not_have_is_put_aside() {
        let here = Home::new();
        fs::remove_file(here.at("state/operator.json")).unwrap();
        assert!(is(here.backup(), 0));
        fs::write(here.at("state/operator.json"), "set since").unwrap();
        assert!(is(here.restore("etc/fairlead.toml", true), 0) && here.at("state/operator.json").exists());
        assert!(is(here.restore("etc/fairlead.toml", false), 0));
        assert!(!here.at("state/operator.json").exists());
        assert_eq!(fs::read_to_string(here.at("state/.operator.json.before-restore")).unwrap(), "set since");
    }

    #[test]
    fn what_an_interrupted_restore_has_left_is_removed_and_what_another_one_uses_is_not() {
        let folder = tempfile::tempdir().unwrap();
        // No process has a number as large as that (proc(5), pid_max).
        let [left, used] =
            [5_000_000, std::process::id()].map(|process| folder.path().join(format!("{STAGE}{process}-0")));
        [&left, &used].into_iter().for_each(|path| fs::create_dir(path).unwrap());
        let stage = Stage::in_folder(folder.path()).unwrap();
        assert!(!left.exists() && used.exists() && stage.0 != used);
    }

    #[test]
    fn a_folder_that_is_made_belongs_to_whom_the_file_does() {
        let folder = tempfile::tempdir().unwrap();
        let own = fs::metadata(folder.path()).unwrap();
        let owner = if own.uid() == 0 { (4_711, 4_712) } else { (own.uid(), own.gid()) };
        let place = folder.path().join("state/of/lead/operator.json");
        let file = KeptFile::new(Part::State, "operator.json".into(), (0o600, 0, 0), b"{}".to_vec());
        put(&file, &place, Some(owner)).unwrap();
        let of = |path: &Path| fs::metadata(path).map(|about| (about.uid(), about.gid())).unwrap();
        for made in place.ancestors().take(4) {
            assert_eq!(of(made), owner, "{}", made.display());
        }
        assert_eq!(of(folder.path()), (own.uid(), own.gid()), "what was there stays whose it is");
    }

    /// A file that was put there later would be included after the restore, which is not what was checked.
    #[test]
    fn what_would_be_included_besides_is_named_and_nothing_is_written() {
        let here = Home::new();
        assert!(is(here.backup(), 0));
        let main = fs::read(here.at("etc/fairlead.toml")).unwrap();
        fs::write(here.at("etc/pairs.d/ten.toml"), PAIR.replace('9', "8")).unwrap();
        fs::write(here.at("etc/pairs.d/nine.toml"), "# other\n").unwrap();
        assert!(is(here.restore("etc/fairlead.toml", false), FAILED));
        assert_eq!(fs::read_to_string(here.at("etc/pairs.d/nine.toml")).unwrap(), "# other\n");
        let kept = Kept::unpack(File::open(here.at("box")).unwrap()).unwrap();
        let asked = Restore {
            from: here.at("box"),
            dry_run: true,
            config: Some(here.at("etc/fairlead.toml")),
            state: Some(here.at("state")),
        };
        let why = planned(&kept, &asked).err().unwrap();
        assert!(why.contains("move them away first") && why.ends_with("pairs.d/ten.toml"), "{why}");
        fs::remove_file(here.at("etc/pairs.d/ten.toml")).unwrap();
        for (number, beside) in [".nine.toml.before-restore", ".nine.toml.before-restore-2"].iter().enumerate() {
            fs::write(here.at("etc/pairs.d/nine.toml"), format!("# {number}\n")).unwrap();
            assert!(is(here.restore("etc/fairlead.toml", false), 0), "{beside}");
            assert_eq!(fs::read_to_string(here.at("etc/pairs.d").join(beside)).unwrap(), format!("# {number}\n"));
        }
        assert_eq!(fs::read(here.at("etc/fairlead.toml")).unwrap(), main);
    }

    #[test]
    fn what_nobody_here_owns_is_for_the_writer_alone_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("x.pem");
        let mut file = KeptFile::new(Part::Pem, place.clone(), (0o644, 0, 990), b"x".to_vec());
        file.about.user = Some("gone".into());
        let mode = || fs::metadata(&place).unwrap().permissions().mode() & 0o777;
        let said = put(&file, &place, None).unwrap();
        assert!(said.contains("mode 0600: it was of gone:?, mode 0644, and no such user"), "{said}");
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&place, Permissions::from_mode(0o640)).unwrap();
        assert_eq!((put(&file, &place, None).unwrap(), mode()), (String::new(), 0o640), "the same stays as it is");
    }

    /// It may not listen yet, or not where the backup says.
    #[test]
    fn an_appliance_is_found_by_its_lock_and_by_the_file_that_is_there() {
        let here = Home::new();
        assert!(is(here.backup(), 0));
        let lock = File::create(here.at("state/lock")).unwrap();
        lock.lock().unwrap();
        assert!(is(here.restore("new/fairlead.toml", false), FAILED));
        lock.unlock().unwrap();
        let text = fs::read_to_string(here.at("etc/fairlead.toml")).unwrap();
        fs::write(here.at("etc/fairlead.toml"), text.replace("admin.sock", "other.sock")).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(here.at("other.sock")).unwrap();
        assert!(is(here.restore("etc/fairlead.toml", false), FAILED));
        drop(socket);
        assert!(is(here.restore("etc/fairlead.toml", false), 0));
    }

    #[test]
    fn a_running_appliance_and_what_is_not_valid_are_refused() {
        let here = Home::new();
        assert!(is(here.backup(), 0));
        let socket = std::os::unix::net::UnixListener::bind(here.at("admin.sock")).unwrap();
        assert!(is(here.restore("new/fairlead.toml", false), FAILED));
        assert!(!here.at("new").exists(), "nothing was written");
        drop(socket);
        let mut kept = Kept::unpack(File::open(here.at("box")).unwrap()).unwrap();
        let bad = |kept: &Kept| {
            fs::write(here.at("box"), kept.pack().unwrap()).unwrap();
            is(here.restore("new/fairlead.toml", false), FAILED) && !here.at("new").exists()
        };
        let main = kept.files[0].content.clone();
        let of = |about: &Listed, path: &str, content: Vec<u8>| {
            KeptFile::new(about.part, path.into(), (about.mode, about.uid, about.gid), content)
        };
        let about = kept.files[0].about.clone();
        kept.files[0] = of(&about, "/x", b"[appliance]\nnmae = 1\n".to_vec());
        assert!(bad(&kept), "not valid");
        kept.files[0] = of(&about, "/x", main);
        let included = kept.files.iter().position(|file| file.about.part == Part::Included).unwrap();
        for path in ["../../evil.toml", "/etc/evil.toml", ""] {
            let (about, content) = (kept.files[included].about.clone(), kept.files[included].content.clone());
            kept.files[included] = of(&about, path, content);
            assert!(bad(&kept), "{path}");
        }
        kept.files.remove(included);
        kept.files.push(KeptFile::new(Part::Pem, "/etc/shadow".into(), (0o600, 0, 0), b"x".to_vec()));
        assert!(bad(&kept), "no key of the configuration names it");
    }
}
