//! `fairlead backup`: the configuration with what it includes and names, what operators have set, and the history, as one file.
//!
//! Owns which files those are. The keys of certificates are among them: the file is for its owner alone.

use super::commands::{Backup, Restore};
use super::exit::{BAD, FAILED, fail, print};
use super::gather::USUAL_FILE;
use super::kept::{Kept, KeptFile, Part};
use super::owners::Owners;
use super::whole::{Over, WholeFile};
use crate::admin::rows::Wall;
use crate::config::{self, Configuration};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

/// Where operators' settings are kept unless the file says otherwise.
pub(super) const USUAL_STATE: &str = "/var/lib/fairlead";

/// Does it, if `tried` says that what it has collected can be restored.
pub fn run(asked: &Backup, tried: impl Fn(&Kept, &Restore) -> Result<(), String>) -> ExitCode {
    let config = asked.config.clone().unwrap_or_else(|| USUAL_FILE.into());
    let read = match config::load(&config) {
        Ok(read) => read,
        Err(errors) => {
            return fail(BAD, &format!("{errors}\nnothing was written: what is not valid cannot be restored"));
        }
    };
    let state = state_folder(asked.state.as_deref(), &read);
    let kept = match collected(&config, &read, &state) {
        Ok(kept) => kept,
        Err(why) => return fail(FAILED, &format!("nothing was written: {why}")),
    };
    let trial = Restore { from: asked.to.clone(), dry_run: true, config: Some(config), state: Some(state) };
    if let Err(why) = tried(&kept, &trial) {
        return fail(FAILED, &format!("nothing was written: it could not be restored: {why}"));
    }
    let written = kept.pack().and_then(|packed| {
        let whole = WholeFile::create(&asked.to, 0o600)?;
        whole.file().write_all(&packed)?;
        whole.place(Over::Nothing)
    });
    match written {
        Ok(()) => print(said(&kept, &asked.to, trial.state.as_deref()).as_bytes()),
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
            fail(FAILED, &format!("{} is there already: name another file", asked.to.display()))
        }
        Err(why) => fail(FAILED, &format!("cannot write {}: {why}", asked.to.display())),
    }
}

fn said(kept: &Kept, to: &Path, state: Option<&Path>) -> String {
    let keys = kept.files.iter().filter(|file| file.about.part == Part::Pem).count();
    let mut said = format!("{}: {}, mode 0600\n", to.display(), config::count(kept.files.len(), "file"));
    for file in &kept.files {
        said += &format!("  {:04o} {:>9}  {}\n", file.about.mode, file.about.bytes, file.about.path.display());
    }
    if let Some(state) = state.filter(|_| kept.files.iter().all(|file| file.about.part != Part::State)) {
        said += &format!(
            "nothing is kept in {}: what operators have set, and the history, are not in it (--state names another folder)\n",
            state.display()
        );
    }
    if keys > 0 {
        said += "private keys may be among them: keep it as you keep those\n";
    }
    said
}

pub(super) fn state_folder(named: Option<&Path>, read: &Configuration) -> PathBuf {
    named.map(Path::to_owned).or_else(|| read.settings.state.clone()).unwrap_or_else(|| USUAL_STATE.into())
}

/// The certificates and keys that a configuration names, each once.
pub(super) fn pem_files(read: &Configuration) -> BTreeSet<&str> {
    let pair = read.intent.pair.iter().flat_map(|pair| [&pair.certificate, &pair.key, &pair.peer_certificate]);
    let probes = read.intent.monitors.iter().filter_map(|monitor| monitor.kind.tls());
    let probes = probes.flat_map(|tls| [&tls.certificate, &tls.key, &tls.ca]);
    pair.chain(probes).flatten().map(|pem| pem.path.as_str()).collect()
}

fn collected(config: &Path, read: &Configuration, state: &Path) -> Result<Kept, String> {
    let folder = config::folder_of(config);
    let mut files = vec![file(Part::Configuration, config, absolute(config))?];
    for path in config::files_included(config).map_err(|errors| errors.to_string())? {
        files.push(file(Part::Included, &path, below(folder, &path)?)?);
    }
    for path in pem_files(read) {
        files.push(file(Part::Pem, Path::new(path), path.into())?);
    }
    for path in state_files(state)? {
        let name = path.file_name().unwrap_or_default().into();
        files.push(file(Part::State, &path, name)?);
    }
    let owners = Owners::here();
    for KeptFile { about, .. } in &mut files {
        (about.user, about.group) = owners.names(about.uid, about.gid);
    }
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Ok(Kept {
        made_by: format!("fairlead {}", env!("CARGO_PKG_VERSION")),
        made_at: Wall::from(SystemTime::now()).to_string(),
        host: host.trim().to_owned(),
        files,
    })
}

/// Where a file lies below the folder: restored, it may lead nowhere else.
fn below(folder: &Path, path: &Path) -> Result<PathBuf, String> {
    let name = path.strip_prefix(folder).ok().map(|name| name.components().collect::<PathBuf>());
    name.filter(|name| name.components().all(|part| matches!(part, Component::Normal(_)))).ok_or_else(|| {
        let (path, folder) = (path.display(), folder.display());
        format!(
            "{path} is not below {folder}, where it would be restored: move it there, and include it without \"..\""
        )
    })
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What the appliance keeps there; nothing, where it has kept nothing.
pub(super) fn state_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(unread(folder, &why)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|why| unread(folder, &why))?.path();
        if path.extension().is_some_and(|it| it == "json") && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn unread(path: &Path, why: &io::Error) -> String {
    format!("{}: {why}: ask as root (sudo)", path.display())
}

fn file(part: Part, path: &Path, name: PathBuf) -> Result<KeptFile, String> {
    let about = fs::metadata(path).map_err(|why| unread(path, &why))?;
    let content = fs::read(path).map_err(|why| unread(path, &why))?;
    Ok(KeptFile::new(part, name, (about.mode() & 0o7777, about.uid(), about.gid()), content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_the_folder_is_refused_before_anything_is_written() {
        let of = |path: &str| below(Path::new("/etc/fairlead"), Path::new(path));
        assert_eq!(of("/etc/fairlead/./pairs.d/a.toml").unwrap(), Path::new("pairs.d/a.toml"));
        for path in ["/etc/fairlead/../common.toml", "/etc/fairlead/x/../../common.toml", "/srv/common.toml"] {
            assert!(of(path).unwrap_err().contains(&format!("{path} is not below /etc/fairlead")), "{path}");
        }
        assert_eq!(below(Path::new("."), Path::new("./a.toml")).unwrap(), Path::new("a.toml"));
    }

    /// A folder that cannot be read is no empty one: the backup would be without what operators have set.
    #[test]
    fn a_state_folder_is_empty_only_where_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(state_files(&folder.path().join("none")).unwrap().is_empty());
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(state_files(&file).unwrap_err().contains(&*file.to_string_lossy()));
    }
}
