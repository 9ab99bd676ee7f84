//! The objects of one or more files, found by kind and name.
//!
//! Owns partitions: a name without one is in `/Common`. Knows what no object means.

use crate::import::syntax::{self, Item};
use std::collections::BTreeMap;

/// An object.
#[derive(Clone, Debug)]
pub struct Object {
    /// Such as `ltm pool`.
    pub kind: String,
    /// With its partition, such as `/Common/p`; empty where there is only one of its kind.
    pub name: String,
    /// What is set.
    pub items: Vec<Item>,
    /// Of an iRule: its text.
    pub text: String,
    /// Its file and line.
    pub place: String,
}

impl Object {
    /// What messages call it.
    pub fn title(&self) -> String {
        format!("{} {}", self.kind, self.name).trim_end().to_owned()
    }

    /// The words behind `key`; none if it is not set.
    pub fn words(&self, key: &str) -> &[String] {
        syntax::words(&self.items, key)
    }

    /// The word behind `key`.
    pub fn word(&self, key: &str) -> Option<&str> {
        syntax::word(&self.items, key)
    }

    /// What stands in the block of `key`.
    pub fn block(&self, key: &str) -> &[Item] {
        syntax::block(&self.items, key)
    }

    /// `key` is there, whatever stands behind it.
    pub fn has(&self, key: &str) -> bool {
        syntax::find(&self.items, key).is_some()
    }
}

/// All objects.
#[derive(Default)]
pub struct Objects {
    all: Vec<Object>,
    places: BTreeMap<(String, String), usize>,
}

impl Objects {
    /// Adds those of a file. One that is there already is replaced, as when BIG-IP loads both.
    pub fn add(&mut self, file: &str, items: Vec<Item>) {
        for item in items {
            let (kind, name) = kind_and_name(&item.words);
            let place = format!("{file}:{}", item.line);
            let object = Object { kind, name, items: item.block, text: item.text, place };
            let key = (object.kind.clone(), object.name.clone());
            match self.places.get(&key) {
                Some(at) => self.all[*at] = object,
                None => {
                    self.places.insert(key, self.all.len());
                    self.all.push(object);
                }
            }
        }
    }

    /// All, in the order of the files.
    pub fn all(&self) -> &[Object] {
        &self.all
    }

    /// Those of a kind, in the order of the files.
    pub fn of<'o>(&'o self, kind: &'o str) -> impl Iterator<Item = &'o Object> {
        self.all.iter().filter(move |object| object.kind == kind)
    }

    /// The object of this kind that a reference means.
    pub fn find(&self, kind: &str, name: &str) -> Option<&Object> {
        self.places.get(&(kind.to_owned(), absolute(name))).map(|at| &self.all[*at])
    }

    /// The same for a kind of which only the beginning is known, such as `ltm monitor`.
    pub fn find_below(&self, kind: &str, name: &str) -> Option<&Object> {
        let name = absolute(name);
        let is_below = |object: &&Object| object.kind.strip_prefix(kind).is_some_and(|rest| rest.starts_with(' '));
        self.all.iter().filter(is_below).find(|object| object.name == name)
    }
}

/// A name with its partition.
pub fn absolute(name: &str) -> String {
    if name.starts_with('/') || name.is_empty() { name.to_owned() } else { format!("/Common/{name}") }
}

/// A name without partition and folders.
pub fn leaf(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Two words are a kind of which there is one; of more the last one is the name. A network has a slash in its name, and what is
/// of the hardware is in no partition.
fn kind_and_name(words: &[String]) -> (String, String) {
    match words {
        [net, interface, name] if net == "net" && interface == "interface" => ("net interface".into(), name.clone()),
        [kind @ .., name] if kind.len() > 1 => (kind.join(" "), absolute(name)),
        _ => (words.join(" "), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::syntax::{Dialect, items};

    #[test]
    fn objects_are_found_with_and_without_their_partition() {
        let mut objects = Objects::default();
        let text = "ltm pool p {\n monitor none\n}\nltm monitor sip /Tenant/s { interval 2 }\nsys global-settings { hostname \
                    a.example }\n";
        objects.add("one", items("one", text, Dialect::Tmsh).unwrap());
        let two = "ltm pool /Common/p { monitor /Common/x and /Common/y\n flag }\n";
        objects.add("two", items("two", two, Dialect::Tmsh).unwrap());
        let pool = objects.find("ltm pool", "p").unwrap();
        assert_eq!(
            (pool.title().as_str(), pool.place.as_str()),
            ("ltm pool /Common/p", "two:1"),
            "the later one counts"
        );
        assert_eq!(pool.words("monitor"), ["/Common/x", "and", "/Common/y"]);
        assert!(pool.has("flag") && pool.word("nothing").is_none());
        let monitor = objects.find_below("ltm monitor", "/Tenant/s").unwrap();
        assert_eq!((monitor.kind.as_str(), monitor.word("interval")), ("ltm monitor sip", Some("2")));
        assert!(objects.find("ltm monitor sip", "s").is_none(), "it is in another partition");
        assert_eq!(objects.of("sys global-settings").next().unwrap().word("hostname"), Some("a.example"));
    }
}
