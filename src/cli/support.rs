//! `fairlead support`: one archive of all that somebody needs who was not there.
//!
//! Owns what goes into it, where it is written, and that nothing is overwritten. Sends it nowhere.

use super::commands::Support;
use super::doctor;
use super::exit::{BAD, FAILED, fail};
use super::gather::{Sources, on_disk};
use super::parse;
use super::whole::{Over, WholeFile};
use crate::admin::Request;
use crate::admin::configurations::{HistoryRow, HistoryText};
use crate::admin::rows::{MemberRow, Wall};
use crate::config::count;
use crate::doctor::{Facts, Reading, checks};
use crate::support::archive::Archive;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Lines of the log, and bytes of them.
const LOG_LINES: &str = "20000";
const LOG_BYTES: usize = 16 << 20;
/// How long the journal may take.
const JOURNAL: Duration = Duration::from_secs(20);
/// Pools whose exclusion groups are asked for, at most.
const POOLS: usize = 64;
/// Tables that are named here although they are kept elsewhere in the archive, or hold the text of a file.
const APART: [&str; 2] = ["save-plan", "history-show"];

/// Does it.
pub fn run(asked: &Support, sources: &Sources<'_>) -> ExitCode {
    let now = SystemTime::now();
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let stamp: String = Wall(seconds * 1_000_000).to_string().chars().take(19).filter(|c| !"-:".contains(*c)).collect();
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let hostname: String = hostname.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let folder = format!("fairlead-support-{hostname}-{stamp}Z");
    let path = asked.output.clone().unwrap_or_else(|| PathBuf::from(format!("{folder}.tar.gz")));
    if !asked.force && fs::symlink_metadata(&path).is_ok() {
        return fail(FAILED, &there_already(&path));
    }
    let mut said = |what: &str| drop(writeln!(io::stderr(), "fairlead support: {what}"));
    let facts = match sources.facts(&mut said) {
        Ok(facts) => facts,
        Err(why) => return fail(BAD, &why),
    };
    let mut archive = Archive::default();
    collect(&facts, sources, &mut archive, &mut said);
    let missing = archive.missing().to_vec();
    let (files, written) = (archive.names().count(), archive.pack(&folder, &Wall::from(now).to_string(), seconds));
    if let Err(why) = written.and_then(|packed| put(&path, &packed, asked.force)) {
        return match why.kind() {
            io::ErrorKind::AlreadyExists => fail(FAILED, &there_already(&path)),
            _ => {
                fail(FAILED, &format!("cannot write {}: {why}: name another place with --output FILE", path.display()))
            }
        };
    }
    missing.iter().for_each(|row| said(&format!("missing: {}: {}", row.name, row.why)));
    said(&format!(
        "{}, {} missing; secrets are blanked; read it before you pass it on",
        count(files, "file"),
        missing.len()
    ));
    super::exit::print(format!("{}\n", path.display()).as_bytes())
}

fn there_already(path: &Path) -> String {
    format!("{} is there already: name another with --output FILE, or overwrite it with --force", path.display())
}

/// The file is there whole, for its owner alone, or not at all.
fn put(path: &Path, packed: &[u8], force: bool) -> io::Result<()> {
    let whole = WholeFile::create(path, 0o600)?;
    whole.file().write_all(packed)?;
    whole.place(if force { Over::Anything } else { Over::Nothing })
}

fn collect(facts: &Facts, sources: &Sources<'_>, archive: &mut Archive, said: &mut dyn FnMut(&str)) {
    said("making doctor's findings");
    let diagnosis = checks::run(facts, &[]);
    archive.add_text("doctor.txt", &doctor::text(&diagnosis, facts.tables.absent(), facts.elsewhere.as_ref()));
    archive.add_json("doctor.json", serde_json::to_value(&diagnosis).unwrap_or_default());
    configurations(facts, sources, archive);
    tables(facts, sources, archive);
    versions(facts, archive);
    for (place, reading) in facts.host.readings() {
        match reading {
            Reading::Text(text) => archive.add_text(&format!("host/{place}"), text),
            Reading::Link(to) => archive.add_text(&format!("host/{place}"), &format!("-> {to}\n")),
            Reading::Folder(names) => archive.add_text(&format!("host/{place}.list"), &(names.join("\n") + "\n")),
            Reading::Unread(why) => archive.miss(&format!("host/{place}"), why.clone()),
            Reading::Absent => {}
        }
    }
    let offloads: Vec<String> = facts.offloads.iter().map(|(name, joined)| format!("{name}: {joined:?}\n")).collect();
    archive.add_text("host/offloads.txt", &offloads.concat());
    said("reading the journal");
    match journal() {
        Ok(text) if text.trim().is_empty() => archive.miss("log.txt", "the journal of unit fairlead is empty"),
        Ok(text) => archive.add_text("log.txt", &text),
        Err(why) => archive.miss("log.txt", why),
    }
}

fn configurations(facts: &Facts, sources: &Sources<'_>, archive: &mut Archive) {
    let (path, text) = on_disk(facts, sources.config);
    match text {
        Ok(text) => archive.add_configuration("configuration/file.toml", &text),
        Err(why) => archive.miss("configuration/file.toml", format!("{}: {why}", path.display())),
    }
    match facts.file.as_ref().filter(|file| file.in_force) {
        Some(file) => archive.add_configuration("configuration/in-force.toml", &file.text),
        None => match facts.tables.get::<HistoryText>("history-show") {
            Ok(row) => archive.add_configuration("configuration/in-force.toml", &row.text),
            Err(why) => archive.miss("configuration/in-force.toml", why.0),
        },
    }
    let history: Vec<HistoryRow> = facts.tables.get("history").unwrap_or_default();
    for row in history.iter().filter(|row| !row.in_force) {
        let name = format!("configuration/history-{}.toml", row.number);
        match sources.ask(&Request::HistoryShow { number: row.number }) {
            Ok(answer) => match answer["text"].as_str() {
                Some(text) => archive.add_configuration(&name, text),
                None => archive.miss(&name, "the answer holds no text"),
            },
            Err(why) => archive.miss(&name, why.to_string()),
        }
    }
}

fn tables(facts: &Facts, sources: &Sources<'_>, archive: &mut Archive) {
    if let Some(why) = &facts.tables.nobody {
        archive.miss("tables", why.clone());
    }
    for (name, answer) in facts.tables.answers.iter().filter(|(name, _)| !APART.contains(&name.as_str())) {
        let name = format!("tables/{}.json", name.replace(' ', "-"));
        match answer {
            Ok(answer) => archive.add_json(&name, answer.clone()),
            Err(why) => archive.miss(&name, why.clone()),
        }
    }
    let members: Vec<MemberRow> = facts.tables.get("members").unwrap_or_default();
    let pools: BTreeSet<String> = members.into_iter().map(|row| row.pool).collect();
    for pool in pools.into_iter().take(POOLS) {
        let name = format!("tables/exclude-{pool}.json");
        match sources.ask(&Request::ExcludeList { pool }) {
            Ok(answer) => archive.add_json(&name, answer),
            Err(why) => archive.miss(&name, why.to_string()),
        }
    }
}

fn versions(facts: &Facts, archive: &mut Archive) {
    let of = |place: &str| facts.host.text(place).unwrap_or("not known").to_owned();
    let distribution = of("etc/os-release");
    let distribution = distribution.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("not known");
    let status = facts.tables.get::<crate::admin::rows::Status>("status").ok();
    let running = status.map_or("none answers".into(), |status| format!("{} up {} s", status.version, status.uptime_s));
    let text = format!(
        "command:      fairlead {}\nappliance:    {running}\nkernel:       {}\ndistribution: {}\nhost:         {}\n",
        parse::version().replace('\n', ", "),
        of("proc/version"),
        distribution.trim_matches('"'),
        of("proc/sys/kernel/hostname"),
    );
    archive.add_text("versions.txt", &text);
}

/// The last of what the appliance has logged, if it runs under systemd and the journal may be read.
fn journal() -> Result<String, String> {
    let because = |why: String| format!("journalctl: {why}: if the appliance logs elsewhere, add that log by hand");
    let mut command = Command::new("journalctl");
    command.args([
        "--unit",
        "fairlead",
        "--lines",
        LOG_LINES,
        "--no-pager",
        "--quiet",
        "--output",
        "short-iso-precise",
    ]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|why| because(why.to_string()))?;
    let read = output(&mut child);
    _ = child.kill();
    let ended = child.wait();
    let bytes = read.map_err(because)?;
    match ended {
        Ok(status) if !status.success() && bytes.is_empty() => Err(because(format!("it ended with {status}"))),
        _ => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

fn output(child: &mut Child) -> Result<Vec<u8>, String> {
    let stdout = child.stdout.take().ok_or("it has no output")?;
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::spawn(move || drop(sender.send(newest(stdout, LOG_BYTES))));
    match receiver.recv_timeout(JOURNAL) {
        Ok(read) => read.map_err(|why| why.to_string()),
        Err(_) => Err(format!("nothing came in {} s", JOURNAL.as_secs())),
    }
}

/// The last whole lines of what is read, in at most so many bytes, below a line that says what was cut.
fn newest(mut from: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let (mut kept, mut part, mut cut) = (Vec::new(), vec![0; 64 << 10], 0);
    loop {
        let length = match from.read(&mut part) {
            Ok(0) => break,
            Ok(length) => length,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) => return Err(why),
        };
        kept.extend_from_slice(&part[..length]);
        // Not each time: what is kept is moved.
        if kept.len() > 2 * most {
            cut += kept.len() - most;
            kept.drain(..kept.len() - most);
        }
    }
    cut += kept.len().saturating_sub(most);
    kept.drain(..kept.len().saturating_sub(most));
    if cut > 0 {
        let broken = kept.iter().position(|byte| *byte == b'\n').map_or(kept.len(), |end| end + 1);
        let head = format!("(older lines are cut: {} bytes)\n", cut + broken);
        kept.splice(..broken, head.into_bytes());
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn of_a_log_that_is_too_long_the_newest_lines_are_kept() {
        let log: String = (0..100_000).map(|number| format!("line {number:05}\n")).collect();
        let kept = String::from_utf8(newest(log.as_bytes(), 100).unwrap()).unwrap();
        assert_eq!(kept.lines().next(), Some("(older lines are cut: 1099901 bytes)"));
        assert_eq!(kept.lines().count(), 1 + 9);
        assert_eq!((kept.lines().nth(1), kept.lines().last()), (Some("line 99991"), Some("line 99999")));
        assert_eq!(newest(&b"a\nb\n"[..], 100).unwrap(), b"a\nb\n");
    }

    #[test]
    fn nothing_is_overwritten_unless_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it.tar.gz");
        put(&path, b"one", false).unwrap();
        assert_eq!(put(&path, b"two", false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        put(&path, b"two", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let target = folder.path().join("other");
        fs::write(&target, "stays").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(put(&link, b"x", false).is_err());
        put(&link, b"x", true).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"stays", "what a link leads to is not written");
    }
}
