//! What has to be the same on both appliances of a pair, and what is each one's own.
//!
//! Owns the list of keys that differ by their nature, the digests by which the rest is compared, and what is made of a file that one
//! sends to the other: what is its own stays as it was there, in the text. Reads and writes no file.

use super::difference::{Compared, Key, Things, each, monitors, pools, ports};
use super::settings::Configuration;
use openssl::sha::sha256;
use std::collections::BTreeMap;
use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

/// Sections that are an appliance's own as a whole.
const OWN_SECTIONS: [&str; 4] = ["appliance", "notify", "cores", "dpdk"];
/// Keys of other sections that are.
const OWN_KEYS: [(&str, &[&str]); 3] = [
    ("routes", &["device"]),
    ("limits", &["flows_per_worker", "fragments_per_worker"]),
    (
        "pair",
        &[
            "keepalived",
            "keepalived_config",
            "instance",
            "role",
            "priority",
            "peer",
            "listen",
            "certificate",
            "key",
            "peer_certificate",
        ],
    ),
];
/// The same of sections that stand there for each name.
const OWN_OF_NAMED: [(&str, &[&str]); 3] = [
    ("port", &["device", "queues"]),
    ("interface", &["addresses", "host"]),
    ("monitor", &["source", "certificate", "key"]),
];

/// Of each key that has to be the same on both appliances of a pair, a digest of what it says. Things that are on one alone are a key each.
pub fn digests(configuration: &Configuration) -> BTreeMap<String, u64> {
    let (intent, mut all) = (&configuration.intent, BTreeMap::new());
    let named: [(&str, &str, Things); 9] = [
        ("port", "port", ports(intent)),
        ("interface", "interface", each(intent, intent.interfaces.iter(), |one| one.name.clone())),
        ("route", "", each(intent, &intent.routes, |one| one.to.to_string())),
        ("neighbour", "", each(intent, &intent.neighbours, |one| one.address.to_string())),
        ("monitor", "monitor", monitors(intent)),
        ("pool", "", pools(intent)),
        ("member", "", each(intent, intent.members.iter(), |one| one.name.clone())),
        ("virtual server", "", each(intent, intent.virtual_servers.iter(), |one| one.name.clone())),
        ("snat of pool", "", each(intent, &intent.snats, |one| intent.pools[one.pool].name.clone())),
    ];
    for (noun, section, things) in named {
        for (name, keys) in things {
            add(&mut all, &format!("{noun} {name}"), section, keys);
        }
    }
    add(&mut all, "routes", "routes", configuration.settings.routes.keys(intent));
    add(&mut all, "direct_access", "", intent.direct_access.keys(intent));
    add(&mut all, "timeouts", "", intent.timeouts.keys(intent));
    add(&mut all, "limits", "limits", intent.limits.keys(intent));
    add(&mut all, "sip", "", intent.sip.keys(intent));
    if let Some(pair) = &intent.pair {
        add(&mut all, "pair", "pair", pair.keys(intent));
    }
    all
}

fn add(all: &mut BTreeMap<String, u64>, what: &str, section: &str, keys: Vec<Key>) {
    let own = OWN_KEYS.iter().chain(&OWN_OF_NAMED).find(|(name, _)| *name == section).map_or(&[][..], |(_, keys)| keys);
    for key in keys.iter().filter(|key| !own.contains(&key.name)) {
        let digest = sha256(key.value.to_string().as_bytes());
        all.insert(format!("{what}: {}", key.name), digest.first_chunk().map_or(0, |first| u64::from_le_bytes(*first)));
    }
}

/// The text of a file of the other appliance's as this one may use it: with what is its own as `own`, the text of its own file, has it.
///
/// # Errors
/// Why there is no such text, in words for an operator.
pub fn for_this_one(text: &str, own: &str) -> Result<String, String> {
    let parse = |text: &str| text.replace("\r\n", "\n").parse::<DocumentMut>();
    let mut sent = parse(text).map_err(|why| format!("what was sent is no TOML: {}", why.message()))?;
    let mut own = parse(own).map_err(|why| format!("the configuration here is no TOML: {}", why.message()))?;
    for name in OWN_SECTIONS {
        section(&mut sent, &own, name, None);
    }
    for (name, keys) in OWN_KEYS {
        section(&mut sent, &own, name, Some(keys));
    }
    for (name, keys) in OWN_OF_NAMED {
        let mut mine = tables(&mut own, name);
        for theirs in tables(&mut sent, name) {
            let title = title(theirs);
            match mine.iter_mut().find(|one| self::title(&***one) == title) {
                Some(mine) => copy(theirs, &**mine, keys),
                None if name == "interface" => {
                    let title = title.unwrap_or_default();
                    return Err(format!(
                        "interface {title} is not there yet, and its addresses are each appliance's own: add it to that file first"
                    ));
                }
                None => {}
            }
        }
    }
    Ok(sent.to_string())
}

/// What is own of a section: all of it, or these keys.
fn section(sent: &mut DocumentMut, own: &DocumentMut, name: &str, keys: Option<&[&str]>) {
    let mine = own.get(name).and_then(Item::as_table_like);
    let empty = Table::new();
    let mine: &dyn TableLike = mine.unwrap_or(&empty);
    let all: Vec<&str> = mine.iter().map(|(key, _)| key).collect();
    let is_any = keys.map_or(!all.is_empty(), |keys| keys.iter().any(|key| mine.contains_key(key)));
    if !sent.contains_key(name) {
        if !is_any {
            return;
        }
        sent.insert(name, Item::Table(Table::new()));
    }
    let Some(theirs) = sent.get_mut(name).and_then(Item::as_table_like_mut) else { return };
    match keys {
        Some(keys) => copy(theirs, mine, keys),
        None => {
            theirs.clear();
            copy(theirs, mine, &all);
        }
    }
}

/// These keys are in `to` as they are in `from`, or are in neither.
fn copy(to: &mut dyn TableLike, from: &dyn TableLike, keys: &[&str]) {
    for key in keys {
        match from.get(key) {
            Some(value) => _ = to.insert(key, value.clone()),
            None => _ = to.remove(key),
        }
    }
}

/// The sections of this name, however they are written.
fn tables<'d>(document: &'d mut DocumentMut, name: &str) -> Vec<&'d mut dyn TableLike> {
    match document.get_mut(name) {
        Some(Item::ArrayOfTables(tables)) => tables.iter_mut().map(|table| table as &mut dyn TableLike).collect(),
        Some(Item::Value(Value::Array(tables))) => {
            let tables = tables.iter_mut().filter_map(Value::as_inline_table_mut);
            tables.map(|table| table as &mut dyn TableLike).collect()
        }
        _ => Vec::new(),
    }
}

fn title(table: &dyn TableLike) -> Option<String> {
    table.get("name").and_then(Item::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::tests::GOOD;
    use super::*;
    use crate::config::{difference, parse_for};

    /// The file of the other appliance: each of these texts is its own.
    fn other(file: &str) -> String {
        let rows = [
            ("name = \"lead-1\"", "name = \"lead-2\""),
            ("addresses = [\"192.0.2.2/24\"]", "addresses = [\"192.0.2.3/24\"]"),
            ("addresses = [\"10.20.0.2/24\"]", "addresses = [\"10.20.0.3/24\"]"),
            ("priority = 90", "priority = 110\nrole = \"active\" # its own"),
        ];
        rows.iter().fold(file.to_owned(), |text, (before, after)| {
            assert!(text.contains(before), "{before}");
            text.replacen(before, after, 1)
        })
    }

    fn pair() -> String {
        let floats = "addresses = [\"10.20.0.2/24\"]\nfloating = [\"10.20.0.1/24\"]";
        let text = GOOD.replacen("addresses = [\"10.20.0.1/24\"]", floats, 1);
        let text = format!("{text}\n[pair]\npriority = 90\nsettle = \"2s\"\n");
        if text.contains("[appliance]") { text } else { format!("[appliance]\nname = \"lead-1\"\n{text}") }
    }

    fn read(text: &str) -> Configuration {
        parse_for(64, "fairlead.toml", text).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
    }

    #[test]
    fn s147_what_is_each_appliances_own_is_no_difference() {
        let (one, two) = (pair(), other(&pair()));
        assert_eq!(digests(&read(&one)), digests(&read(&two)));
        let more = two.replacen("settle = \"2s\"", "settle = \"4s\"", 1);
        let (one, two) = (digests(&read(&one)), digests(&read(&more)));
        let differ: Vec<&String> = one.keys().filter(|key| one.get(*key) != two.get(*key)).collect();
        assert_eq!((differ, one.len()), (vec![&"pair: settle".to_owned()], two.len()));
    }

    /// What comes of a file that was sent is what was sent, but for what is each one's own; and that is as it was.
    #[test]
    fn s147_a_file_that_was_sent_keeps_what_is_the_receivers_own() {
        let (one, two) = (pair(), other(&pair()));
        let sent = one.replacen("settle = \"2s\"", "settle = \"4s\" # longer", 1);
        for ends in ["\n", "\r\n"] {
            let merged = for_this_one(&sent.replace('\n', ends), &two).unwrap();
            assert!(merged.contains("# longer") && merged.contains("# its own"), "{merged}");
            assert_eq!(digests(&read(&merged)), digests(&read(&sent)));
            let changes = difference(&read(&two), &read(&merged));
            let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
            assert_eq!(changes, ["section [pair]: settle 2s \u{2192} 4s"]);
        }
        assert_eq!(read(&for_this_one(&one, &two).unwrap()), read(&two));
        let without = one.replace("priority = 90\n", "");
        assert_eq!(read(&for_this_one(&without, &two).unwrap()), read(&two), "what is left out is not taken away");
        let named = one.replace("name = \"clients\"", "name = \"others\"");
        let why = for_this_one(&named, &two).unwrap_err();
        assert!(why.starts_with("interface others is not there yet"), "{why}");
        assert!(for_this_one("[", &two).unwrap_err().starts_with("what was sent is no TOML"));
    }
}
