//! A file that is there whole or not at all.
//!
//! Owns the file beside it that is written first, and how that takes its place. What was there stays until then, whatever happens.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// One that is being written, beside its place. Dropped, it is gone.
pub(super) struct WholeFile {
    file: File,
    new: PathBuf,
    path: PathBuf,
    placed: bool,
}

/// What may be in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Nothing.
    Nothing,
    /// Anything: of a link, the link itself.
    Anything,
}

impl WholeFile {
    /// Begins one that will be at `path`.
    ///
    /// # Errors
    /// That its folder cannot be written.
    pub fn create(path: &Path, mode: u32) -> io::Result<WholeFile> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}.new", std::process::id()));
        let new = path.with_file_name(beside);
        // What is left of one that was killed, and had this number. Without the number two at once would take each other's.
        match fs::remove_file(&new) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new);
        // Somebody else puts files of this name there: not that the place itself is taken.
        let file = opened.map_err(|why| match why.kind() {
            io::ErrorKind::AlreadyExists => io::Error::other(format!("{} is there again", new.display())),
            _ => why,
        })?;
        Ok(WholeFile { file, new, path: path.to_owned(), placed: false })
    }

    /// Where to write.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// It is whole: it takes its place, and is there after a power failure as well, where folders can be flushed.
    ///
    /// # Errors
    /// What keeps it from being written, or its place from being taken, `AlreadyExists` if something is there that may not be.
    pub fn place(mut self, over: Over) -> io::Result<()> {
        self.file.sync_all()?;
        match over {
            Over::Anything => fs::rename(&self.new, &self.path)?,
            Over::Nothing => self.place_once()?,
        }
        self.placed = true;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // It is there. Not every folder can be read or flushed, and then a power failure may find what was there before.
        _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// A link is made only where nothing is; where there are no links, an empty file claims the place first.
    fn place_once(&self) -> io::Result<()> {
        match fs::hard_link(&self.new, &self.path) {
            Ok(()) => fs::remove_file(&self.new),
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Err(why),
            Err(_) => {
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path)?;
                fs::rename(&self.new, &self.path)
            }
        }
    }

    /// As what is in its place already may be read and written.
    ///
    /// # Errors
    /// That this cannot be set.
    pub fn with_mode_of(self, there: &fs::Metadata) -> io::Result<WholeFile> {
        self.file.set_permissions(fs::Permissions::from_mode(there.permissions().mode() & 0o777))?;
        Ok(self)
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if !self.placed {
            _ = fs::remove_file(&self.new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn write(path: &Path, text: &str, over: Over) -> io::Result<()> {
        let whole = WholeFile::create(path, 0o600)?;
        whole.file().write_all(text.as_bytes())?;
        whole.place(over)
    }

    #[test]
    fn what_is_there_stays_until_all_is_written_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it");
        let begun = WholeFile::create(&path, 0o600).unwrap();
        begun.file().write_all(b"half").unwrap();
        assert!(!path.exists(), "half of it is not there");
        drop(begun);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        write(&path, "one", Over::Nothing).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(write(&path, "two", Over::Nothing).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write(&path, "two", Over::Anything).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(write(Path::new("/nowhere/it"), "", Over::Nothing).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
