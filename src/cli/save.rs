//! `fairlead save`: what an operator has set, written into the appliance's file.
//!
//! Owns the file while it is replaced: whole or not at all, with the owner and mode it had, and only if it is the one in force. It is written
//! here and not by the appliance, which may not write there; the appliance says what is to be written, checks the new text, and reloads.

use super::client::{self, Failure};
use super::commands::reload;
use super::exit::{self, BAD, FAILED, fail, print};
use super::grid::paragraph;
use crate::admin::Request;
use crate::admin::configurations::Preview;
use crate::admin::request::{FILE_MAX, FileText, NAME_MAX};
use crate::admin::rows::Wall;
use crate::admin::save::{SavePlan, SavedExclusionsRow, SavedMemberRow};
use crate::config::{ExclusionEdit, MemberEdit, bytes_of, count, is_of_several, visible, with_edits};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// What comes behind the file's name while the new one is written.
const NEW: &str = ".fairlead-new";
/// How long the appliance may take for each step.
const PATIENCE: u64 = 15;

/// Asks what is to be written, writes it, and has it read.
///
/// # Errors
/// When the appliance cannot be asked, or refuses.
pub fn run(socket: &Path, timeout: Option<u64>, json: bool) -> Result<ExitCode, Failure> {
    let patience = Duration::from_secs(timeout.unwrap_or(PATIENCE));
    let ask = |request| client::ask(socket, &request, patience);
    let plan: SavePlan = read(ask(Request::SavePlan {})?)?;
    let path = PathBuf::from(&plan.file);
    if is_of_several(&plan.text) && !is_empty(&plan) {
        let why = format!(
            "nothing was written: {} includes other files, and which of them is to be written is yours to say: write what `fairlead \
             state lines` prints into the right one, and reload",
            plan.file
        );
        return Ok(fail(FAILED, &why));
    }
    if let Err(why) = is_in_force(&path, &plan.text) {
        return Ok(fail(FAILED, &why));
    }
    if !is_empty(&plan) {
        let (exclusions, members) = edits(&plan);
        let text = match with_edits(&plan.text, &exclusions, &members) {
            Ok(text) => text,
            Err(why) => return Ok(fail(BAD, &format!("{} cannot be changed: {why}", plan.file))),
        };
        if text.len() > FILE_MAX {
            let why = format!(
                "{} is larger than {} MiB, too much to be sent for a check: write the lines of `fairlead state lines` into it by hand, and reload",
                plan.file,
                FILE_MAX >> 20
            );
            return Ok(fail(BAD, &why));
        }
        let name = if plan.file.len() > NAME_MAX { None } else { Some(plan.file.clone()) };
        let preview: Preview = read(ask(Request::Diff { name, text: Some(FileText(text.clone())) })?)?;
        if let Some(why) = preview.refused {
            return Ok(fail(FAILED, &format!("nothing was written: a reload would be refused: {why}")));
        }
        if let Err(why) = is_in_force(&path, &plan.text).and_then(|()| replace(&path, &text)) {
            return Ok(fail(FAILED, &why));
        }
    }
    let reloaded = ask(Request::reload())?;
    let shown = match json {
        true => exit::json(&reloaded),
        false => reload::show(reloaded, Wall::from(SystemTime::now())).map(|text| said(&plan) + &text),
    };
    shown.map(|text| print(text.as_bytes())).map_err(|why| unreadable(&why))
}

fn read<T: DeserializeOwned>(data: Value) -> Result<T, Failure> {
    serde_json::from_value(data).map_err(|why| unreadable(&why))
}

fn unreadable(why: &serde_json::Error) -> Failure {
    Failure::Unreadable(format!("the appliance's answer cannot be read: {why}"))
}

/// The file says it all by now, as far as it has keys for it.
fn is_empty(plan: &SavePlan) -> bool {
    plan.exclusions.is_empty() && plan.members.is_empty()
}

fn edits(plan: &SavePlan) -> (Vec<ExclusionEdit>, Vec<MemberEdit>) {
    let exclusions = |row: &SavedExclusionsRow| ExclusionEdit {
        pool: row.pool.clone(),
        add: row.added.clone(),
        remove: row.removed.clone(),
    };
    let member = |row: &SavedMemberRow| MemberEdit { member: row.member.clone(), admin: row.admin };
    (plan.exclusions.iter().map(exclusions).collect(), plan.members.iter().map(member).collect())
}

/// What is written, and what is not, and why.
fn said(plan: &SavePlan) -> String {
    let file = visible(&plan.file);
    let mut said = match is_empty(plan) {
        true => format!("nothing to save: {file} has all that it has keys for\n"),
        false => format!("saved in {file}\n"),
    };
    if !plan.settings.is_empty() {
        let kept = match &plan.kept_in {
            Some(place) => format!("they stay in force, and {place} keeps them over restarts"),
            None => "they stay in force until the appliance ends".into(),
        };
        said += &paragraph(&format!(
            "not written: {} below, because the file has no key for forced choices and drains for a time: {kept}",
            count(plan.settings.len(), "setting")
        ));
    }
    if let Some(level) = plan.log_level {
        said += &paragraph(&format!(
            "not written: log level {level}, because it was set for this run alone: `log` in the file says what is logged \
             after a restart"
        ));
    }
    said
}

/// The file says what the appliance goes by.
fn is_in_force(path: &Path, text: &str) -> Result<(), String> {
    let found =
        bytes_of(path).map_err(|why| format!("{} cannot be read: {why}: ask as root (sudo)", path.display()))?;
    match String::from_utf8_lossy(&found) == text {
        true => Ok(()),
        false => Err(format!(
            "nothing was written: {} is not what is in force; it was written since: `fairlead diff` shows what is different, and \
             `fairlead reload` applies it; then save again",
            path.display()
        )),
    }
}

/// The file says `text` from now on, or what it said.
fn replace(path: &Path, text: &str) -> Result<(), String> {
    // Where it is a link, what it leads to is replaced.
    let target = fs::canonicalize(path).map_err(|why| unwritten(path, &why))?;
    let (new, folder) = (with_suffix(&target), target.parent().unwrap_or(Path::new("/")).to_owned());
    write_new(&target, &new, text).and_then(|()| fs::rename(&new, &target)).map_err(|why| {
        _ = fs::remove_file(&new);
        unwritten(path, &why)
    })?;
    // It is there. That it is also there after a power failure cannot be promised then.
    File::open(&folder).and_then(|folder| folder.sync_all()).map_err(|why| {
        format!(
            "{} is written, but its folder could not be flushed to the disk: {why}; `fairlead reload` applies it",
            path.display()
        )
    })
}

fn write_new(target: &Path, new: &Path, text: &str) -> io::Result<()> {
    let about = fs::metadata(target)?;
    // What is left of one that was interrupted.
    match fs::remove_file(new) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    fchown(&file, Some(about.uid()), Some(about.gid()))?;
    file.set_permissions(fs::Permissions::from_mode(about.mode() & 0o7777))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn with_suffix(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(NEW);
    name.into()
}

fn unwritten(path: &Path, why: &io::Error) -> String {
    format!(
        "nothing was written: {}: {why}: ask as root (sudo), or write what `fairlead state lines` prints, and reload",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_replaced_whole_with_its_mode_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fairlead.toml");
        fs::write(&path, "old\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("link.toml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for (at, text) in [(&path, "new\n"), (&link, "newer\n")] {
            // Of one that died in the middle.
            fs::write(with_suffix(&path), "half").unwrap();
            replace(at, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            let about = fs::metadata(&path).unwrap();
            assert_eq!((about.mode() & 0o7777, about.uid(), about.gid()), {
                let ours = fs::metadata(folder.path()).unwrap();
                (0o640, ours.uid(), ours.gid())
            });
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        }
    }

    /// Whoever dies while he writes leaves the file as it was: it is the old one until the new one is whole.
    #[test]
    fn a_death_at_any_moment_leaves_the_old_file_or_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fairlead.toml");
        fs::write(&path, "old\n").unwrap();
        let new = with_suffix(&path);
        for length in 0..=4 {
            fs::write(&new, &"new\n"[..length]).unwrap();
            assert!(is_in_force(&path, "old\n").is_ok(), "at {length}");
        }
        write_new(&path, &new, "new\n").unwrap();
        assert!(is_in_force(&path, "old\n").is_ok());
        fs::rename(&new, &path).unwrap();
        assert!(is_in_force(&path, "new\n").is_ok());
        assert!(is_in_force(&path, "old\n").unwrap_err().contains("`fairlead diff`"));
    }

    #[test]
    fn what_cannot_be_written_is_said_and_nothing_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fairlead.toml");
        assert!(replace(&path, "new\n").unwrap_err().contains("nothing was written"));
        fs::write(&path, "old\n").unwrap();
        // Where this user may write whatever the mode says, the new file's place is taken by a folder.
        fs::create_dir(with_suffix(&path)).unwrap();
        let why = replace(&path, "new\n").unwrap_err();
        assert!(why.contains("nothing was written") && why.contains("`fairlead state lines`"), "{why}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old\n");
    }
}
