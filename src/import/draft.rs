//! The Fairlead file as it grows: entries with the objects they come from.
//!
//! Owns the order of its sections and its text. Knows no key by name and checks nothing: the text is read by [`crate::config`]
//! like any other file.

use crate::config::is_obeyed;
use std::fmt::Write;
use std::net::Ipv4Addr;
use toml::Value;

/// Sections in the order they are written, and whether each is an array of tables.
const SECTIONS: &[(&str, bool)] = &[
    ("appliance", false),
    ("port", true),
    ("interface", true),
    ("route", true),
    ("monitor", true),
    ("pool", true),
    ("virtual_server", true),
    ("snat", true),
    ("direct_access", false),
    ("timeouts", false),
    ("pair", false),
];

/// Longest name in a Fairlead file.
const LONGEST: usize = 32;

/// One entry, such as a `[[pool]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    section: &'static str,
    /// The objects it comes from, by title.
    pub origins: Vec<String>,
    /// Objects of which something is in it, without a line of its comment.
    parts: Vec<String>,
    keys: Vec<(&'static str, Value, String)>,
}

impl Entry {
    /// An entry of `section` without keys.
    pub fn new(section: &'static str, origin: impl Into<String>) -> Entry {
        Entry { section, origins: vec![origin.into()], parts: Vec::new(), keys: Vec::new() }
    }

    /// Sets a key.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) -> &mut Entry {
        self.set_because(key, value, "")
    }

    /// Sets a key; the remark stands beside it in the file.
    pub fn set_because(&mut self, key: &'static str, value: impl Into<Value>, remark: &str) -> &mut Entry {
        let entry = (key, value.into(), remark.to_owned());
        match self.keys.iter_mut().find(|(known, ..)| *known == key) {
            Some(place) => *place = entry,
            None => self.keys.push(entry),
        }
        self
    }

    /// Something else that it comes from.
    pub fn also_from(&mut self, origin: impl Into<String>) {
        let origin = origin.into();
        if !self.origins.contains(&origin) {
            self.origins.push(origin);
        }
    }

    /// Something else of which it has a part; its comment does not name it.
    pub fn has_part_of(&mut self, origin: impl Into<String>) {
        let origin = origin.into();
        if !self.parts.contains(&origin) {
            self.parts.push(origin);
        }
    }

    /// It says the same as `other`, whatever the two are called.
    pub fn says_what(&self, other: &Entry) -> bool {
        let is_all = |one: &Entry, of: &Entry| {
            one.keys.iter().all(|(key, value, _)| *key == "name" || of.get(key) == Some(value))
        };
        self.section == other.section && is_all(self, other) && is_all(other, self)
    }

    /// A key's value.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.keys.iter().find(|(known, ..)| *known == key).map(|(_, value, _)| value)
    }

    /// It stands in the file like this.
    pub fn text(&self) -> String {
        let is_many = SECTIONS.iter().any(|(name, many)| *name == self.section && *many);
        let mut text = String::new();
        for origin in &self.origins {
            let _ = writeln!(text, "# {}", one_line(origin));
        }
        let _ = match is_many {
            true => writeln!(text, "[[{}]]", self.section),
            false => writeln!(text, "[{}]", self.section),
        };
        for (key, value, remark) in &self.keys {
            let remark = if remark.is_empty() { String::new() } else { format!(" # {}", one_line(remark)) };
            let _ = writeln!(text, "{key} = {}{remark}", value_text(value));
        }
        text
    }
}

/// All entries.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    entries: Vec<Entry>,
}

impl Draft {
    /// Adds an entry.
    pub fn add(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// The entries of a section, in the order they were added.
    pub fn of<'d>(&'d self, section: &'d str) -> impl Iterator<Item = &'d Entry> {
        self.entries.iter().filter(move |entry| entry.section == section)
    }

    /// The entries that come from an object with this title, or have a part of it.
    pub fn from<'d>(&'d self, origin: &'d str) -> impl Iterator<Item = &'d Entry> {
        self.entries.iter().filter(move |entry| entry.origins.iter().chain(&entry.parts).any(|known| known == origin))
    }

    /// A name that no entry of the section has: the last part of `wished`, with a number if that is taken. A pool is not called as a
    /// member is, for rules name both.
    pub fn free_name(&self, section: &str, wished: &str) -> String {
        let is_taken = |name: &str| {
            self.of(section).any(|entry| entry.get("name").and_then(Value::as_str) == Some(name))
                || (section == "pool" && self.members().any(|(_, known, _)| known == name))
        };
        free(&label(wished), is_taken)
    }

    /// A name that no pool has and no member of any, nor any of `others`.
    pub fn free_member(&self, wished: &str, others: &[String]) -> String {
        let is_taken = |name: &str| {
            others.iter().any(|other| other == name)
                || self.members().any(|(pool, known, _)| pool == name || known == name)
        };
        free(&label(wished), is_taken)
    }

    /// All members: the pool's name, their own, and where they are.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str, Ipv4Addr)> {
        self.of("pool").flat_map(|pool| {
            let members = pool.get("members").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            members.iter().filter_map(move |member| {
                let text = |key: &str| member.get(key).and_then(Value::as_str);
                Some((pool.get("name")?.as_str()?, text("name")?, text("address")?.parse().ok()?))
            })
        })
    }

    /// The name of a monitor that asks by SIP OPTIONS as Fairlead does by default; written once.
    pub fn sip_options(&mut self, origin: &str) -> String {
        let is_it = |entry: &Entry| entry.keys.len() == 2 && entry.get("kind").and_then(Value::as_str) == Some("sip");
        let known = self.of("monitor").find(|entry| is_it(entry)).and_then(|entry| entry.get("name")?.as_str());
        if let Some(known) = known {
            return known.to_owned();
        }
        let name = self.free_name("monitor", "sip-options");
        let mut entry = Entry::new("monitor", origin);
        entry.set("name", name.as_str()).set("kind", "sip");
        self.add(entry);
        name
    }

    /// The whole file.
    pub fn text(&self) -> String {
        let sections = SECTIONS.iter().flat_map(|(section, _)| self.of(section));
        sections.map(Entry::text).collect::<Vec<_>>().join("\n")
    }
}

/// A member of a pool, as it stands in the file.
pub fn member(name: &str, address: Ipv4Addr) -> Value {
    let keys = [("name", name.to_owned()), ("address", address.to_string())];
    Value::Table(keys.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect())
}

/// The same with its weight and priority, as far as they are not the default.
pub fn member_with(name: &str, address: Ipv4Addr, (weight, priority): (u32, u32)) -> Value {
    let mut member = member(name, address);
    if let Value::Table(keys) = &mut member {
        let others = [("weight", weight, 1), ("priority", priority, 0)];
        let written = others.into_iter().filter(|(_, value, default)| value != default);
        keys.extend(written.map(|(key, value, _)| (key.to_owned(), Value::from(i64::from(value)))));
    }
    member
}

/// A name that a Fairlead file may hold, made of the last part of `name`.
pub fn label(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let leaf = name.rsplit('/').next().unwrap_or(name);
    let label: String = leaf.chars().map(|c| if fits(c) { c } else { '-' }).take(LONGEST).collect();
    if label.is_empty() { "unnamed".into() } else { label }
}

/// `label`, or the same with a number if `is_taken`.
fn free(label: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let numbered = |number: usize| {
        let end = format!("-{number}");
        label.chars().take(LONGEST - end.len()).collect::<String>() + &end
    };
    let mut names = std::iter::once(label.to_owned()).chain((2..).map(numbered));
    names.find(|name| !is_taken(name)).unwrap_or_default()
}

/// What comes from a file of somebody else's stays in its comment.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) { ' ' } else { c }).collect()
}

/// A list of tables is written a line each: a pool's members are read one below the other.
fn value_text(value: &Value) -> String {
    match value {
        Value::Array(items) if items.iter().any(Value::is_table) => {
            let rows: String = items.iter().map(|item| format!("  {},\n", value_text(item))).collect();
            format!("[\n{rows}]")
        }
        // The name comes first.
        Value::Table(table) => {
            let (names, others): (Vec<_>, Vec<_>) = table.iter().partition(|(key, _)| *key == "name");
            let keys = names.into_iter().chain(others).map(|(key, value)| format!("{key} = {value}"));
            format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_file_and_are_free() {
        assert_eq!(label("/Common/app.app/p sip"), "p-sip");
        assert_eq!(label("/Common/"), "unnamed");
        assert_eq!(label(&"x".repeat(40)).len(), 32);
        let taken = ["a".to_owned(), "a-2".to_owned()];
        assert_eq!(free("a", |name| taken.iter().any(|known| known == name)), "a-3");
        assert_eq!(free(&"x".repeat(32), |name| name.ends_with('x')), "x".repeat(30) + "-2");
        let mut draft = Draft::default();
        let mut pool = Entry::new("pool", "p");
        pool.set("name", "p").set("members", vec![member("a", Ipv4Addr::LOCALHOST)]);
        draft.add(pool);
        assert_eq!((draft.free_name("pool", "/x/p").as_str(), draft.free_name("port", "p").as_str()), ("p-2", "p"));
        assert_eq!(draft.free_member("a", &["a-2".to_owned()]), "a-3");
    }

    #[test]
    fn sections_stand_in_order_with_origins_and_remarks() {
        let mut draft = Draft::default();
        let mut pool = Entry::new("pool", "ltm pool /Common/p");
        pool.set("name", "p").set_because("gap", "4s", "as before\nand after");
        pool.also_from("ltm pool /Common/p_tls");
        let table = |name: &str| Value::Table(toml::Table::from_iter([("name".to_owned(), Value::from(name))]));
        pool.set("members", vec![table("a"), table("b")]);
        draft.add(pool);
        let mut port = Entry::new("port", "net interface 1.1");
        port.set("name", "nic \"1.1\"");
        draft.add(port);
        let expected = "# net interface 1.1\n[[port]]\nname = 'nic \"1.1\"'\n\n# ltm pool /Common/p\n# ltm pool \
                        /Common/p_tls\n[[pool]]\nname = \"p\"\ngap = \"4s\" # as before and after\nmembers = [\n  \
                        { name = \"a\" },\n  { name = \"b\" },\n]\n";
        assert_eq!(draft.text(), expected);
        assert_eq!(draft.from("ltm pool /Common/p_tls").count(), 1);
    }
}
