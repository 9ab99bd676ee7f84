//! Profiles of protocols, with what they inherit.
//!
//! Knows no key.

use super::objects::{Object, Objects, absolute, leaf};

/// How deep profiles inherit from each other.
const DEEPEST: usize = 16;

/// A profile with all it inherits. BIG-IP's own stand in no file.
pub struct Profile<'o> {
    /// Such as `fastl4`, `udp` or `tcp`.
    pub kind: String,
    /// What messages call it.
    pub title: String,
    /// Itself, then what it inherits from.
    line: Vec<&'o Object>,
}

impl<'o> Profile<'o> {
    /// The one that a virtual server names.
    pub fn of(name: &str, objects: &'o Objects) -> Profile<'o> {
        let mut line: Vec<&Object> = Vec::new();
        let mut root = name.to_owned();
        while let Some(profile) = objects.find_below("ltm profile", &root).filter(|_| line.len() < DEEPEST) {
            line.push(profile);
            match profile.word("defaults-from") {
                Some(next) => next.clone_into(&mut root),
                None => break,
            }
        }
        let kind = match line.first() {
            Some(profile) => profile.kind.rsplit(' ').next().unwrap_or_default().to_owned(),
            None => leaf(&root).to_lowercase(),
        };
        let title =
            line.first().map_or_else(|| format!("ltm profile {kind} {}", absolute(name)), |profile| profile.title());
        Profile { kind, title, line }
    }

    /// What stands behind `key`, its own or inherited.
    pub fn word(&self, key: &str) -> Option<&'o str> {
        self.line.iter().find_map(|profile| profile.word(key))
    }
}
