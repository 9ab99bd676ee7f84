//! Descriptors of devices that outlive the process.
//!
//! Owns what the service manager is given and gives back (`FDSTORE=1` of sd_notify(3), `FileDescriptorStoreMax=`): a TAP is there as long as
//! somebody has it open, so that neither a restart nor a crash is seen by whoever speaks over it: no carrier is lost, no address, no
//! neighbour. Where nobody keeps descriptors, a device goes with the process.

use sd_notify::NotifyState;
use std::fs::{self, File};
use std::io::{self, Read};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// More than any frame of the kernel's, in bytes.
pub(super) const LONGEST: usize = 1 << 16;
/// Before the name of the device, in the name of a descriptor.
const PREFIX: &str = "host-";
/// Frames of the time in which nobody was there, that are thrown away at most.
const MOST: usize = 10_000;

/// What the process before has left, and nobody has taken yet.
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

    /// The process before has left the device of this name, and it is there still. The error: the kernel cannot be asked about a descriptor,
    /// so that it cannot be known.
    pub(super) fn has(&self, device: &str) -> io::Result<bool> {
        self.left.iter().try_fold(false, |has, (_, fd)| Ok(has || device_of(fd.as_fd())?.as_deref() == Some(device)))
    }

    /// The device of this name, see [`Kept::has`].
    pub(super) fn take(&mut self, device: &str) -> Option<Back> {
        let is_it = |fd: &OwnedFd| matches!(device_of(fd.as_fd()), Ok(Some(found)) if found == device);
        let at = self.left.iter().position(|(_, fd)| is_it(fd))?;
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

    /// Closes what is of none of these devices, and says what it was: before any is made, which may have the name that its descriptor is
    /// kept under. The service manager keeps what stays under the name of the device that it is of now. What the kernel cannot be asked about
    /// stays as it is.
    pub(super) fn close_others<'d>(&mut self, devices: impl Iterator<Item = &'d str> + Clone) {
        let mut freed = Vec::new();
        for (name, fd) in mem::take(&mut self.left) {
            let what = match device_of(fd.as_fd()) {
                Err(_) => {
                    self.left.push((name, fd));
                    continue;
                }
                Ok(Some(device)) if devices.clone().any(|wanted| wanted == device) => {
                    if name != name_for(&device) {
                        freed.push(name);
                    }
                    self.left.push((name_for(&device), fd));
                    continue;
                }
                Ok(Some(device)) if device.is_empty() => "its device has been removed".to_owned(),
                Ok(Some(device)) => format!("no interface has host = \"{device}\""),
                Ok(None) => "it is of no TAP".to_owned(),
            };
            tracing::warn!("a descriptor that was kept for this process, `{name}`, is closed: {what}");
            freed.push(name);
        }
        if freed.is_empty() {
            return;
        }
        // Everything of a name is forgotten at once, so that what has one of these now, or shares it, is given anew.
        freed.iter().for_each(|name| forget_named(name));
        self.left.iter().for_each(|(name, fd)| keep(name, fd.as_fd()));
    }

    /// From now on this device, which has just been made, outlives this process, where the service manager keeps descriptors.
    pub(super) fn add(&mut self, device: &str, file: BorrowedFd<'_>) {
        let name = name_for(device);
        // One of a device that was removed, and has been made anew.
        self.left.retain(|(other, _)| *other != name);
        forget_named(&name);
        keep(&name, file);
    }
}

/// What the descriptor of a device is kept under.
fn name_for(device: &str) -> String {
    format!("{PREFIX}{device}")
}

fn keep(name: &str, file: BorrowedFd<'_>) {
    let outcome = sd_notify::notify_with_fds(&[NotifyState::FdStore, NotifyState::FdName(name)], &[file]);
    if let Err(error) = outcome {
        tracing::warn!(
            "the service manager cannot be given the descriptor `{name}`: a restart will be seen at its device: {error}"
        );
    }
}

/// The device is to go: nobody keeps it.
pub(super) fn forget(device: &str) {
    forget_named(&name_for(device));
}

fn forget_named(name: &str) {
    // Where nobody is there to hear it, nothing is kept.
    _ = sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
}

/// The device that a TAP is of, by what the kernel says of the descriptor; empty: it has been removed. `None`: it is no TAP.
fn device_of(fd: BorrowedFd<'_>) -> io::Result<Option<String>> {
    let about = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))?;
    let device = about.lines().find_map(|line| line.strip_prefix("iff:"));
    Ok(device.map(|device| device.trim().to_owned()))
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
