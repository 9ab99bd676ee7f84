//! Descriptors of devices that outlive the process.
//!
//! Owns what the service manager is given and gives back (`FDSTORE=1` of sd_notify(3), `FileDescriptorStoreMax=`): a TAP is there as long as
//! somebody has it open, so that neither a restart nor a crash is seen by whoever speaks over it: no carrier is lost, no address, no
//! neighbour. Where nobody keeps descriptors, a device goes with the process.

use sd_notify::NotifyState;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// More than any frame of the kernel's, in bytes.
pub(super) const LONGEST: usize = 1 << 16;
/// Before the name of the device, in the name of a descriptor.
const PREFIX: &str = "host-";
/// Frames of the time in which nobody was there, that are thrown away at most.
const MOST: usize = 10_000;

/// What the process before has left.
#[derive(Default)]
pub(super) struct Kept {
    left: Vec<(String, OwnedFd)>,
}

/// A device of the process before.
pub(super) struct Back {
    /// Its descriptor.
    pub(super) file: File,
    /// Frames that the kernel had sent meanwhile: they are of another time, and gone.
    pub(super) late: usize,
}

impl Kept {
    pub(super) fn new(left: Vec<(String, OwnedFd)>) -> Kept {
        Kept { left }
    }

    /// The device of this name, if the process before has left it and it is there still.
    pub(super) fn take(&mut self, device: &str) -> Option<Back> {
        let at = self.left.iter().position(|(_, fd)| device_of(fd.as_fd()).as_deref() == Some(device))?;
        let (name, fd) = self.left.swap_remove(at);
        let mut file = File::from(fd);
        match set_nonblocking(&file).and_then(|()| drained(&mut file)) {
            Ok(late) => Some(Back { file, late }),
            Err(error) => {
                tracing::warn!(
                    "the descriptor `{name}` that was kept for {device} is closed, as it cannot be read: {error}"
                );
                forget_named(&name);
                None
            }
        }
    }

    /// Closes what nobody has taken, and says what it was.
    pub(super) fn close_rest(&mut self) {
        for (name, fd) in self.left.drain(..) {
            let what = match device_of(fd.as_fd()) {
                Some(device) if device.is_empty() => "its device has been removed".to_owned(),
                Some(device) => format!("no interface has host = \"{device}\""),
                None => "it is of no TAP".to_owned(),
            };
            tracing::warn!("a descriptor that was kept for this process, `{name}`, is closed: {what}");
            forget_named(&name);
        }
    }
}

/// From now on the device outlives this process, where the service manager keeps descriptors.
pub(super) fn keep(device: &str, file: BorrowedFd<'_>) {
    let name = format!("{PREFIX}{device}");
    // One of a device that was removed, and has been made anew.
    forget_named(&name);
    let told = sd_notify::notify_with_fds(&[NotifyState::FdStore, NotifyState::FdName(&name)], &[file]);
    if let Err(error) = told {
        tracing::warn!(
            "the service manager cannot be given the descriptor of {device}: a restart will be seen there: {error}"
        );
    }
}

/// The device is to go: nobody keeps it.
pub(super) fn forget(device: &str) {
    forget_named(&format!("{PREFIX}{device}"));
}

fn forget_named(name: &str) {
    // Where nobody is there to hear it, nothing is kept.
    _ = sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
}

/// The device that a TAP is of, by what the kernel says of the descriptor; empty: it has been removed. `None`: it is no TAP.
fn device_of(fd: BorrowedFd<'_>) -> Option<String> {
    let about = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).ok()?;
    let device = about.lines().find_map(|line| line.strip_prefix("iff:"))?;
    Some(device.trim().to_owned())
}

fn set_nonblocking(file: &File) -> io::Result<()> {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    Ok(fcntl_setfl(file, fcntl_getfl(file)? | OFlags::NONBLOCK)?)
}

/// Reads what waits, and forgets it: an advertisement of who was active then, a segment that is sent again.
fn drained(file: &mut File) -> io::Result<usize> {
    let mut frame = vec![0; LONGEST];
    for count in 0..MOST {
        match file.read(&mut frame) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(MOST)
}
