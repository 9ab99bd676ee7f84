//! Who owns a file, by name: numbers mean somebody else on another box.
//!
//! Owns the look into the lists of users and groups. Those that come from elsewhere, such as a directory of the network, are not known here.

use super::kept::Listed;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Users and groups of this box: the text of `/etc/passwd` and of `/etc/group`.
pub(super) struct Owners {
    users: String,
    groups: String,
    /// Whose process this is.
    own: Option<(u32, u32)>,
}

impl Owners {
    /// Those of this box. What cannot be read has none.
    pub fn here() -> Owners {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let own = fs::metadata("/proc/self").ok().map(|about| (about.uid(), about.gid()));
        Owners { users: text("/etc/passwd"), groups: text("/etc/group"), own }
    }

    /// The names of a user and of a group.
    pub fn names(&self, uid: u32, gid: u32) -> (Option<String>, Option<String>) {
        (name_of(&self.users, uid), name_of(&self.groups, gid))
    }

    /// Whose a file is to be on this box; `None` if that is somebody whom it does not know.
    pub fn of(&self, about: &Listed) -> Option<(u32, u32)> {
        let numbers = (about.uid, about.gid);
        let (Some(user), Some(group)) = (&about.user, &about.group) else {
            // Whoever restores what he owns needs no name.
            return self.own.filter(|own| *own == numbers);
        };
        Some((number_of(&self.users, user)?, number_of(&self.groups, group)?))
    }
}

/// The lines as name and number.
fn rows(list: &str) -> impl Iterator<Item = (&str, u32)> {
    list.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        Some((name, fields.nth(1)?.parse().ok()?))
    })
}

fn name_of(list: &str, number: u32) -> Option<String> {
    rows(list).find(|row| row.1 == number).map(|row| row.0.to_owned())
}

fn number_of(list: &str, name: &str) -> Option<u32> {
    rows(list).find(|row| row.0 == name).map(|row| row.1)
}

#[cfg(test)]
mod tests {
    use super::super::kept::{KeptFile, Part};
    use super::*;

    fn owners(number: u32) -> Owners {
        let list = |tail: &str| format!("root:x:0:{tail}\n# no row\nfairlead:x:{number}:{tail}\n");
        Owners { users: list("0:root:/root:/bin/sh"), groups: list(""), own: Some((1000, 1000)) }
    }

    #[test]
    fn a_file_belongs_to_whoever_has_the_name_here() {
        let (there, here) = (owners(990), owners(985));
        let mut about = KeptFile::new(Part::State, "x".into(), (0o640, 0, 990), Vec::new()).about;
        (about.user, about.group) = there.names(0, 990);
        assert_eq!((about.user.as_deref(), about.group.as_deref()), (Some("root"), Some("fairlead")));
        assert_eq!(here.of(&about), Some((0, 985)));
        about.group = Some("gone".into());
        assert_eq!(here.of(&about), None, "no such group here");
        assert_eq!(there.names(77, 78), (None, None));
        (about.user, about.group) = (None, None);
        assert_eq!(here.of(&about), None, "a number alone may be anybody's");
        (about.uid, about.gid) = (1000, 1000);
        assert_eq!(here.of(&about), Some((1000, 1000)), "his own");
    }
}
