//! `fairlead restore`: what `backup` has written, back in its places.
//!
//! Owns the places: the configuration where it was or is asked for, what it includes below its folder, certificates and keys where it names
//! them, and state in its folder; a name in the archive is never one of a place. Nothing is written unless the configuration is valid and
//! no appliance runs that would write over it; what is there stays beside what is written.

use super::backup::{pem_files, state_folder};
use super::commands::Restore;
use super::exit::{BAD, FAILED, fail, print};
use super::kept::{Kept, KeptFile, Listed, Part};
use super::whole::{Over, WholeFile};
use crate::config::{self, Configuration};
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, fchown};
use std::os::unix::net::UnixStream;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

/// What comes behind the name of a file whose place is taken.
const BEFORE: &str = ".before-restore";

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
    if asked.dry_run {
        return print((said + "nothing was written: --dry-run\n").as_bytes());
    }
    if UnixStream::connect(&plan.socket).is_ok() {
        let why =
            "an appliance runs here, and would write over what operators had set: `systemctl stop fairlead` first";
        return fail(FAILED, &format!("nothing was written: {why}"));
    }
    for (number, (file, place)) in plan.places.iter().enumerate() {
        if let Err(why) = put(file, place) {
            let message = format!(
                "{}: {why}; {number} of {} files were written, and those before them are beside, with {BEFORE}",
                place.display(),
                plan.places.len()
            );
            return fail(FAILED, &message);
        }
    }
    print((said + "restored: start Fairlead with `systemctl start fairlead`\n").as_bytes())
}

/// What goes where.
struct Plan<'k> {
    places: Vec<(&'k KeptFile, PathBuf)>,
    socket: PathBuf,
}

fn planned<'k>(kept: &'k Kept, asked: &Restore) -> Result<Plan<'k>, String> {
    let of = |part| kept.files.iter().filter(move |file| file.about.part == part);
    let mains: Vec<&KeptFile> = of(Part::Configuration).collect();
    let [main] = mains[..] else { return Err("the backup does not hold one configuration".into()) };
    let config = asked.config.clone().unwrap_or_else(|| main.about.path.clone());
    let folder = config.parent().unwrap_or(Path::new(".")).to_owned();
    let read = checked(kept, main)?;
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
    Ok(Plan { places, socket: read.settings.admin_socket })
}

fn elsewhere(about: &Listed) -> String {
    format!("the backup names a place outside its folders: {}", about.path.display())
}

/// A path that leads nowhere but down.
fn below(about: &Listed) -> Result<&Path, String> {
    let is_down = about.path.components().all(|part| matches!(part, Component::Normal(_)));
    if is_down && about.path.components().next().is_some() { Ok(&about.path) } else { Err(elsewhere(about)) }
}

/// The configuration as it will be, read in a folder of its own, with the certificates and keys of the backup.
fn checked(kept: &Kept, main: &KeptFile) -> Result<Configuration, String> {
    let stage = Stage::new().map_err(|why| format!("{}: {why}", std::env::temp_dir().display()))?;
    let unwritten = |why: io::Error| format!("{}: {why}", stage.0.display());
    let pems: Vec<&KeptFile> = kept.files.iter().filter(|file| file.about.part == Part::Pem).collect();
    let mut staged = Vec::new();
    for (number, pem) in pems.iter().enumerate() {
        let place = stage.0.join(format!("{number}.pem"));
        fs::write(&place, &pem.content).map_err(unwritten)?;
        staged.push((format!("\"{}\"", pem.about.path.display()), format!("\"{}\"", place.display())));
    }
    let with_pems = |content: &[u8]| match std::str::from_utf8(content) {
        Ok(text) => staged.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to)).into_bytes(),
        Err(_) => content.to_vec(),
    };
    for file in kept.files.iter().filter(|file| file.about.part == Part::Included) {
        let place = stage.0.join(below(&file.about)?);
        place.parent().map_or(Ok(()), fs::create_dir_all).map_err(unwritten)?;
        fs::write(&place, with_pems(&file.content)).map_err(unwritten)?;
    }
    let place = stage.0.join("fairlead.toml");
    fs::write(&place, with_pems(&main.content)).map_err(unwritten)?;
    let read = config::load(&place).map_err(|errors| {
        format!(
            "its configuration is not valid here:\n{}",
            errors.to_string().replace(&format!("{}/", stage.0.display()), "")
        )
    })?;
    let names: Vec<&str> = pem_files(&read).into_iter().collect();
    let is_named = |number: usize| names.contains(&&*stage.0.join(format!("{number}.pem")).to_string_lossy());
    match (0..pems.len()).find(|number| !is_named(*number)) {
        Some(number) => Err(elsewhere(&pems[number].about)),
        None => Ok(read),
    }
}

/// A folder for its owner alone, as long as it is looked at.
struct Stage(PathBuf);

impl Stage {
    fn new() -> io::Result<Stage> {
        let name = |number: u32| format!("fairlead-restore-{}-{number}", std::process::id());
        let mut number = 0;
        loop {
            let path = std::env::temp_dir().join(name(number));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Err(why) if why.kind() == io::ErrorKind::AlreadyExists && number < 100 => number += 1,
                made => return made.map(|()| Stage(path)),
            }
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

/// What is there already, and otherwise, stays beside it.
fn put(file: &KeptFile, place: &Path) -> io::Result<()> {
    if standing(file, place) == "same   " {
        return fs::set_permissions(place, Permissions::from_mode(file.about.mode & 0o777));
    }
    place.parent().map_or(Ok(()), fs::create_dir_all)?;
    let whole = WholeFile::create(place, 0o600)?;
    whole.file().write_all(&file.content)?;
    whole.file().set_permissions(Permissions::from_mode(file.about.mode & 0o777))?;
    // Whoever is not root owns what he writes.
    _ = fchown(whole.file(), Some(file.about.uid), Some(file.about.gid));
    if place.exists() {
        let mut before = place.as_os_str().to_owned();
        before.push(BEFORE);
        fs::rename(place, PathBuf::from(before))?;
    }
    whole.place(Over::Nothing)
}

#[cfg(test)]
mod tests {
    use super::super::commands::Backup;
    use super::*;

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
            super::super::backup::run(&asked)
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
        assert_eq!(fs::read_to_string(here.at("state/operator.json.before-restore")).unwrap(), "other");
        assert_eq!(fs::read_to_string(here.at("etc/pairs.d/nine.toml")).unwrap(), PAIR);
        assert!(is(here.restore("new/fairlead.toml", false), 0), "into another box");
        let there = config::load(&here.at("new/fairlead.toml")).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(there.intent.pools.iter().any(|pool| pool.name == "pair-9"));
        assert_eq!(fs::metadata(here.at("new/fairlead.toml")).unwrap().permissions().mode() & 0o777, 0o640);
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
