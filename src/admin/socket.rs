//! The socket's file: made, guarded, and taken away.
//!
//! Owns the file at `[appliance] admin_socket`: its directory, its mode, and the question whether another Fairlead
//! already listens there. Speaks no protocol.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// Owner and group may connect, no others.
const MODE: u32 = 0o660;
/// Bytes of a path that fit a socket address, without the closing zero (unix(7): `sun_path` has 108).
const PATH_MAX: usize = 107;

/// Why there is no admin socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody answers there.
    #[error(
        "another Fairlead already listens at {0}: stop it first, or give this one its own file with \
         `admin_socket` under [appliance]"
    )]
    AnotherRuns(PathBuf),
    /// The file is not a socket, and is left alone.
    #[error("{0} exists and is not a socket: move it away, or name another file with `admin_socket` under [appliance]")]
    NotASocket(PathBuf),
    /// A path beyond what a socket address holds.
    #[error(
        "the path {path} has {length} bytes, and a socket's may have at most {PATH_MAX}: choose a shorter \
         `admin_socket` under [appliance]"
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its bytes.
        length: usize,
    },
    /// The kernel refused.
    #[error("cannot {what} {path}: {why}; {}", remedy(why))]
    Refused {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel said.
        why: io::Error,
    },
}

fn remedy(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::PermissionDenied => "run it as root (sudo), or systemctl start fairlead",
        _ => "the directory must exist or be creatable, and be writable for this user",
    }
}

/// A listening socket. Its file goes away with it.
#[derive(Debug)]
pub struct AdminSocket {
    pub(super) listener: UnixListener,
    _file: SocketFile,
}

/// Listens at `path`, mode 0660, open to `group`, if one is given that can be had; else that is logged, and it is open to the
/// process's own. Makes the directory; takes away a file that a dead Fairlead left behind. Within a
/// tokio runtime.
///
/// # Errors
/// See [`SocketError`]; each names the path and what to do.
pub fn bind(path: &Path, group: Option<&str>) -> Result<AdminSocket, SocketError> {
    bind_as(path, group, open_folder)
}

/// The same for a socket beside that one. Where both are in one folder, that is opened to everybody's passing through, as it has
/// one group only: the sockets keep their own modes.
///
/// # Errors
/// As [`bind`].
pub fn bind_second(path: &Path, group: Option<&str>) -> Result<AdminSocket, SocketError> {
    bind_as(path, group, pass_folder)
}

type OpenFolder = fn(&Path, &fs::Metadata, u32) -> io::Result<()>;

fn bind_as(path: &Path, group: Option<&str>, open: OpenFolder) -> Result<AdminSocket, SocketError> {
    let length = path.as_os_str().len();
    if length > PATH_MAX {
        return Err(SocketError::PathTooLong { path: path.into(), length });
    }
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::create_dir_all(directory).map_err(|why| refused("create the directory", directory, why))?;
    }
    clear_the_way(path)?;
    let listener = UnixListener::bind(path).map_err(|why| match why.kind() {
        io::ErrorKind::AddrInUse => SocketError::AnotherRuns(path.into()),
        _ => refused("listen at", path, why),
    })?;
    let file = SocketFile::of(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE)).map_err(|why| refused("set the mode of", path, why))?;
    if let Some(group) = group
        && let Err(why) = open_to(path, group, open)
    {
        let path = path.display();
        tracing::warn!(
            "the admin socket {path} is not open to group \"{group}\" of the file: {why}; only root may use it"
        );
    }
    Ok(AdminSocket { listener, _file: file })
}

/// Gives the socket to a group, and the folder, if that is ours alone and closed to others.
fn open_to(path: &Path, group: &str, open: OpenFolder) -> Result<(), String> {
    let number = group_number(group).ok_or("there is no such group on this machine")?;
    let give = |path: &Path| chown(path, None, Some(number)).map_err(|why| format!("{}: {why}", path.display()));
    give(path)?;
    let Some(folder) = path.parent() else { return Ok(()) };
    let (ours, about) = match (fs::metadata(path), fs::metadata(folder)) {
        (Ok(ours), Ok(about)) => (ours, about),
        (Err(why), _) | (_, Err(why)) => return Err(why.to_string()),
    };
    let closed = about.mode() & 0o001 == 0;
    if closed && about.uid() == ours.uid() && (about.gid() != number || about.mode() & 0o010 == 0) {
        open(folder, &about, number).map_err(|why| format!("{}: {why}", folder.display()))?;
    }
    Ok(())
}

fn open_folder(folder: &Path, about: &fs::Metadata, group: u32) -> io::Result<()> {
    chown(folder, None, Some(group))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(about.mode() & 0o7777 | 0o050))
}

fn pass_folder(folder: &Path, about: &fs::Metadata, _: u32) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(about.mode() & 0o7777 | 0o001))
}

/// A group's number, by its name in /etc/group or by itself.
fn group_number(group: &str) -> Option<u32> {
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let named = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() == Some(group) { fields.nth(1)?.parse().ok() } else { None }
    });
    named.or_else(|| group.parse().ok())
}

fn clear_the_way(path: &Path) -> Result<(), SocketError> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(why) => return Err(refused("look at", path, why)),
    };
    if !kind.is_socket() {
        return Err(SocketError::NotASocket(path.into()));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(SocketError::AnotherRuns(path.into())),
        Err(why) if why.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|why| refused("remove the stale socket", path, why))
        }
        Err(why) => Err(refused("check who listens at", path, why)),
    }
}

fn refused(what: &'static str, path: &Path, why: io::Error) -> SocketError {
    SocketError::Refused { what, path: path.into(), why }
}

/// The file as it was made: a later file at that path may be another program's.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> Result<SocketFile, SocketError> {
        let metadata = fs::symlink_metadata(path).map_err(|why| refused("look at", path, why))?;
        Ok(SocketFile { path: path.into(), device: metadata.dev(), inode: metadata.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| metadata.dev() == self.device && metadata.ino() == self.inode);
        if ours && let Err(why) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %why, "the admin socket's file could not be removed");
        }
    }
}
