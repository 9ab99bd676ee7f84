//! Files that are open for us: not for programs that we run, and some before we were.
//!
//! Owns one system call, and the descriptors that this process was started with. DPDK opens devices, and the memory that packets are in, so
//! that a program which is run inherits them.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// They have an owner.
static ARE_TAKEN: AtomicBool = AtomicBool::new(false);

/// No program that is run from now on inherits a file that is open now, but for the standard streams.
///
/// # Errors
/// The kernel does not know how (close_range(2) with `CLOSE_RANGE_CLOEXEC`, Linux 5.11).
pub fn keep_files_from_programs() -> io::Result<()> {
    // SAFETY: it closes nothing and touches no memory; what is open is only marked.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The descriptors that the service manager has started this process with, such as those that the process before had left with it, each by
/// the name that it was left under (sd_listen_fds(3)). Whoever asks first has them: to the next there are none. No program inherits them.
///
/// # Errors
/// What the service manager says of them makes no sense.
pub fn files_given() -> io::Result<Vec<(String, OwnedFd)>> {
    if ARE_TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let given = sd_notify::listen_fds_with_names()?;
    // SAFETY: by its process id the environment says that these are open and this process's own, from its first instruction on; nobody else
    // knows their numbers, and by the flag above they are handed out once.
    Ok(given.map(|(fd, name)| (name, unsafe { OwnedFd::from_raw_fd(fd) })).collect())
}
