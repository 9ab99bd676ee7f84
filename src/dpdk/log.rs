//! DPDK's own words, kept off the operator's terminal.
//!
//! Owns the stream DPDK's log goes to: every line becomes a `tracing` event at debug, and the last few are kept so that
//! an error can quote the decisive one. Also catches what DPDK prints past its log (usage, fatal errors) while it starts.

use super::error::Said;
use std::collections::VecDeque;
use std::ffi::c_char;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

/// How many lines are kept for an error to quote.
const KEPT: usize = 64;

/// How many of them an error quotes: the reason is in the last ones.
const QUOTED: usize = 3;

static LINES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Sends DPDK's log here from now on; `false` when there is no memory for that.
pub(super) fn attach() -> bool {
    // SAFETY: `line` has the signature the shim calls, never unwinds, and lives as long as the program.
    let rc = unsafe { dpdk_sys::shim_log_to(Some(line)) };
    rc == 0
}

/// Forgets what DPDK said so far: what is said from now on belongs to what is tried now.
pub(super) fn forget() {
    lock().clear();
}

/// What DPDK said since [`forget`], its last and most telling lines.
pub(super) fn said() -> Said {
    let lines = lock();
    let telling: Vec<&String> = lines.iter().filter(|line| !is_chatter(line)).collect();
    let skip = telling.len().saturating_sub(QUOTED);
    Said(telling.into_iter().skip(skip).map(|line| without_function(line).to_owned()).collect())
}

/// A driver's line without the C function's name before it.
fn without_function(line: &str) -> &str {
    match line.split_once("(): ") {
        Some((name, rest)) if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => rest,
        _ => line,
    }
}

/// Lines that say how DPDK goes about its work, or that something went wrong, not what.
fn is_chatter(line: &str) -> bool {
    const CHATTER: &[&str] = &[
        "Detected CPU lcores",
        "Detected NUMA nodes",
        "Static memory layout",
        "Detected shared linkage",
        "Detected static linkage",
        "Selected IOVA mode",
        "Multi-process socket",
        "VFIO support initialized",
        "No legacy callbacks",
        "Usage:",
        "Driver cannot attach the device",
        "Failed to attach device on primary process",
        "Invalid 'command line' arguments",
    ];
    line.is_empty() || CHATTER.iter().any(|start| line.contains(start))
}

fn lock() -> std::sync::MutexGuard<'static, VecDeque<String>> {
    LINES.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn keep(text: &str) {
    for text in text.lines().map(str::trim).filter(|text| !text.is_empty()) {
        tracing::debug!(target: "dpdk", "{text}");
        let mut lines = lock();
        if lines.back().is_some_and(|last| last == text) {
            continue;
        }
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(text.to_owned());
    }
}

/// What the shim calls with a piece of DPDK's log, on any thread.
extern "C" fn line(bytes: *const c_char, length: usize) {
    if bytes.is_null() {
        return;
    }
    // SAFETY: the C library's stream passes `length` readable bytes that stay until this function returns.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) };
    let text = String::from_utf8_lossy(bytes);
    // A subscriber that panics must not unwind through DPDK; the line is lost then, which nobody misses.
    let _ = std::panic::catch_unwind(|| keep(&text));
}

/// While this lives, what the process writes to standard output and standard error goes to memory; then to [`keep`].
///
/// DPDK prints its usage and some fatal errors past its log. Used only around its start, before the appliance speaks.
pub(super) struct Hush {
    caught: File,
    saved: [(RawFd, OwnedFd); 2],
}

impl Hush {
    /// `None`, and nothing is caught, when the system has no descriptor left for it.
    pub(super) fn new() -> Option<Hush> {
        // SAFETY: the name is a C string; a non-negative result is a descriptor nobody else owns.
        let caught = unsafe {
            let fd = libc::memfd_create(c"dpdk".as_ptr(), libc::MFD_CLOEXEC);
            if fd < 0 {
                return None;
            }
            File::from_raw_fd(fd)
        };
        let saved = [redirect(libc::STDOUT_FILENO, &caught)?, redirect(libc::STDERR_FILENO, &caught)?];
        Some(Hush { caught, saved })
    }
}

/// Lets descriptor `from` name what `to` names; returns what it named before.
fn redirect(from: RawFd, to: &File) -> Option<(RawFd, OwnedFd)> {
    // SAFETY: both descriptors are open; the duplicate is owned by the returned value alone.
    unsafe {
        let saved = libc::fcntl(from, libc::F_DUPFD_CLOEXEC, 3);
        if saved < 0 {
            return None;
        }
        let saved = OwnedFd::from_raw_fd(saved);
        (libc::dup2(to.as_raw_fd(), from) >= 0).then_some((from, saved))
    }
}

impl Drop for Hush {
    fn drop(&mut self) {
        for (fd, saved) in &self.saved {
            // SAFETY: flushing every stream of the C library and restoring descriptors this value saved.
            unsafe {
                libc::fflush(std::ptr::null_mut());
                libc::dup2(saved.as_raw_fd(), *fd);
            }
        }
        let mut text = Vec::new();
        if self.caught.rewind().is_ok() && self.caught.read_to_end(&mut text).is_ok() {
            keep(&without_usage(&String::from_utf8_lossy(&text)));
        }
    }
}

/// What was printed beside the list of options, which DPDK shows whenever it takes offence at one.
fn without_usage(text: &str) -> String {
    let (before, list) = text.split_once("Usage:").unwrap_or((text, ""));
    let fatal = list.lines().filter(|line| line.starts_with("EAL: "));
    before.lines().chain(fatal).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_telling_lines_are_quoted() {
        forget();
        keep("EAL: Detected CPU lcores: 2\nEAL: a\n\nEAL: b\nEAL: b\nprobe_it(): c\nEAL: d");
        assert_eq!(said().0, ["EAL: b", "c", "EAL: d"]);
        forget();
        assert_eq!(said(), Said::default());
    }

    #[test]
    fn a_list_of_options_is_not_a_reason() {
        let text =
            "fairlead: unrecognized option '--nosuch'\n\nUsage: fairlead [options]\n\nEAL common options:\n  -c x\n";
        assert_eq!(without_usage(text).trim(), "fairlead: unrecognized option '--nosuch'");
    }
}
