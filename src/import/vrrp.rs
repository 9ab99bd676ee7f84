//! What a `keepalived.conf` says of VRRP, for whoever compares it with a file of ours.
//!
//! Owns what keepalived (2.2.7, its manual) takes for granted where the file is silent: an advertisement each second. Judges nothing.

use super::source::Unreadable;
use super::syntax::{Dialect, Item, all_words, block, find, items, word};
use ipnet::IpNet;
use std::net::IpAddr;

/// The keys under which scripts stand that keepalived runs.
const SCRIPTS: &[&str] = &[
    "notify",
    "notify_master",
    "notify_backup",
    "notify_fault",
    "notify_stop",
    "notify_deleted",
    "notify_master_rx_lower_pri",
    "notify_fifo_script",
    "vrrp_notify_fifo_script",
];

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vrrp {
    /// Where it writes what changes: `notify_fifo` and `vrrp_notify_fifo`.
    pub fifos: Vec<String>,
    /// `enable_script_security`.
    pub script_security: bool,
    /// Something that it runs, by key and line.
    pub script: Option<(String, usize)>,
    /// Instances that have one state together, by name: `vrrp_sync_group`.
    pub groups: Vec<Vec<String>>,
    /// Its instances, in their order.
    pub instances: Vec<Instance>,
    /// What is not read, as it stands in the file: included files, lines that only some hosts heed, and whatever has a parameter (`$NAME`) in
    /// it. While there is any, what is not in the rest may still be written. Of a password nothing is said.
    pub unread: Vec<String>,
}

/// A `vrrp_instance`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// What it is called.
    pub name: String,
    /// The line that it begins on.
    pub line: usize,
    /// The device that it speaks VRRP on; empty: none is written.
    pub interface: String,
    /// `virtual_router_id`, if it is a number that one may have.
    pub router: Option<u8>,
    /// Of the protocol, 2 or 3; `None`: not written, which is 2.
    pub version: Option<u8>,
    /// `advert_int`, as it is written.
    pub interval: String,
    /// `auth_type` is written.
    pub auth: bool,
    /// It speaks to named peers.
    pub unicast: bool,
    /// `strict_mode`, or `vrrp_strict` for all.
    pub strict: bool,
    /// It has a device of its own above the interface, with the MAC of the virtual router.
    pub vmac: bool,
    /// What it moves.
    pub addresses: Vec<Held>,
}

/// An address under `virtual_ipaddress` or `virtual_ipaddress_excluded`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The address.
    pub address: IpAddr,
    /// The device beneath the one that has it.
    pub device: String,
    /// The device that has it has the MAC of the virtual router.
    pub vmac: bool,
    /// It does not stand in advertisements, whose addresses are all of one family.
    pub excluded: bool,
    /// Its line.
    pub line: usize,
}

impl Vrrp {
    /// What the file says that messages call `name`.
    ///
    /// # Errors
    /// Its braces or quotes do not match.
    pub fn read(name: &str, text: &str) -> Result<Vrrp, Unreadable> {
        let all = items(name, text, Dialect::Keepalived)?;
        let global: Vec<Item> = of(&all, "global_defs").flat_map(|item| item.block.iter().cloned()).collect();
        let fifos = ["notify_fifo", "vrrp_notify_fifo"].into_iter().filter_map(|key| word(&global, key));
        let scripts = of(&all, "vrrp_script").map(|script| (script.words.join(" "), script.line));
        let inside = all.iter().flat_map(|item| &item.block);
        let notified = inside.filter(|item| SCRIPTS.contains(&first(item))).map(|item| (first(item).into(), item.line));
        let mut unread = Vec::new();
        all.iter().for_each(|item| not_read(item, &mut unread));
        Ok(Vrrp {
            fifos: fifos.map(str::to_owned).collect(),
            script_security: find(&global, "enable_script_security").is_some(),
            script: scripts.chain(notified).min_by_key(|(_, line)| *line),
            groups: of(&all, "vrrp_sync_group").map(|item| all_words(&item.block, "group")).collect(),
            instances: of(&all, "vrrp_instance").map(|item| instance(item, &global)).collect(),
            unread,
        })
    }
}

fn of<'i>(items: &'i [Item], key: &'i str) -> impl Iterator<Item = &'i Item> {
    items.iter().filter(move |item| first(item) == key)
}

fn first(item: &Item) -> &str {
    item.words.first().map_or("", String::as_str)
}

fn not_read(item: &Item, unread: &mut Vec<String>) {
    let has_parameter = item.words.iter().any(|word| word.contains('$'));
    if first(item).starts_with("include") || first(item).starts_with(['@', '~']) || has_parameter {
        let is_password = item.words.iter().any(|word| word == "auth_pass");
        let text = if is_password { "auth_pass".to_owned() } else { item.words.join(" ") };
        unread.push(format!("line {}: {text}", item.line));
    }
    item.block.iter().for_each(|inner| not_read(inner, unread));
}

/// A flag, or a switch: a word that is not there is on.
fn is_on(items: &[Item], key: &str) -> Option<bool> {
    let item = find(items, key)?;
    Some(!matches!(item.words.get(1).map(String::as_str), Some("off" | "false" | "no")))
}

fn instance(item: &Item, global: &[Item]) -> Instance {
    let here = &item.block;
    let own = word(here, "interface").unwrap_or_default();
    let vmac = find(here, "use_vmac").is_some();
    let mut addresses = held(here, (own, vmac), false);
    addresses.extend(held(here, (own, vmac), true));
    let is_of_ipv6 = addresses.first().is_some_and(|held| held.address.is_ipv6());
    let version = word(here, "version").or(word(global, "vrrp_version")).and_then(|text| text.parse().ok());
    Instance {
        name: item.words.get(1).cloned().unwrap_or_default(),
        line: item.line,
        interface: own.into(),
        router: word(here, "virtual_router_id").and_then(|text| text.parse().ok()).filter(|id| *id != 0),
        version: if is_of_ipv6 { Some(3) } else { version },
        interval: word(here, "advert_int").unwrap_or("1").into(),
        auth: find(block(here, "authentication"), "auth_type").is_some(),
        unicast: find(here, "unicast_peer").is_some(),
        strict: is_on(here, "strict_mode").or(is_on(global, "vrrp_strict")).unwrap_or(false),
        vmac,
        addresses,
    }
}

fn held(here: &[Item], (own, vmac): (&str, bool), excluded: bool) -> Vec<Held> {
    let key = if excluded { "virtual_ipaddress_excluded" } else { "virtual_ipaddress" };
    let everywhere = find(here, "use_vmac_addr").is_some();
    let entry = |item: &Item| {
        let text = item.words.first()?;
        let net = text.parse::<IpNet>().map(|net| net.addr()).or_else(|_| text.parse());
        let device = item.words.iter().position(|word| word == "dev").and_then(|at| item.words.get(at + 1));
        let is_own = device.is_none_or(|device| device == own);
        let of_its_own = everywhere || item.words.iter().any(|word| word == "use_vmac");
        let vmac = if is_own { vmac } else { of_its_own };
        let device = device.map_or(own, String::as_str).to_owned();
        Some(Held { address: net.ok()?, device, vmac, excluded, line: item.line })
    };
    block(here, key).iter().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_read_with_what_keepalived_takes_for_granted() {
        let text = "global_defs {\n vrrp_notify_fifo /run/f.fifo\n vrrp_strict\n}\ninclude more.conf\nvrrp_script up {\n script \"/bin/up\"\n}\n\
                    vrrp_instance a {\n interface fl-a\n virtual_router_id 20\n authentication {\n auth_type PASS\n auth_pass x\n }\n \
                    unicast_peer {\n 10.0.0.2\n }\n @one priority 7\n virtual_ipaddress {\n 10.0.0.1/24\n 192.0.2.4/24 dev fl-b use_vmac\n }\n \
                    virtual_ipaddress_excluded {\n 2001:db8::1/64\n }\n}\nvrrp_instance b {\n version 3\n use_vmac\n strict_mode off\n advert_int \
                    0.2\n virtual_router_id 0\n}\n";
        let read = Vrrp::read("k.conf", text).unwrap();
        assert_eq!((&read.fifos[..], read.script_security), (&["/run/f.fifo".to_owned()][..], false));
        assert_eq!(read.script, Some(("vrrp_script up".into(), 6)));
        assert_eq!(read.unread, ["line 5: include more.conf", "line 19: @one priority 7"]);
        let held = |address: &str, device: &str, vmac, excluded, line| Held {
            address: address.parse().unwrap(),
            device: device.into(),
            vmac,
            excluded,
            line,
        };
        let first = Instance {
            name: "a".into(),
            line: 9,
            interface: "fl-a".into(),
            router: Some(20),
            version: None,
            interval: "1".into(),
            auth: true,
            unicast: true,
            strict: true,
            vmac: false,
            addresses: vec![
                held("10.0.0.1", "fl-a", false, false, 21),
                held("192.0.2.4", "fl-b", true, false, 22),
                held("2001:db8::1", "fl-a", false, true, 25),
            ],
        };
        let second = Instance {
            name: "b".into(),
            line: 28,
            version: Some(3),
            interval: "0.2".into(),
            vmac: true,
            ..Instance::default()
        };
        assert_eq!(read.instances, [first, second]);
        assert!(Vrrp::read("k.conf", "vrrp_instance a {\n").is_err());
    }

    #[test]
    fn what_has_a_parameter_is_not_read_and_no_password_is_shown() {
        let text = "$ID=20\nincluder a.conf\nvrrp_instance a {\n interface fl-a\n virtual_router_id $ID\n advert_int ${ADV}\n authentication {\n \
                    auth_pass a$b\n }\n @one auth_pass secret\n virtual_ipaddress {\n 10.0.0.1/24 dev $LINK\n }\n}\n";
        let lines = ["1: $ID=20", "2: includer a.conf", "5: virtual_router_id $ID", "6: advert_int $", "8: auth_pass"];
        let lines = lines.into_iter().chain(["10: auth_pass", "12: 10.0.0.1/24 dev $LINK"]);
        let expected: Vec<String> = lines.map(|line| format!("line {line}")).collect();
        assert_eq!(Vrrp::read("k.conf", text).unwrap().unread, expected);
    }

    #[test]
    fn instances_of_a_group_are_read_as_one() {
        let text = "vrrp_sync_group both {\n group {\n  a\n  b\n }\n}\nvrrp_sync_group c { group { d } }\n";
        assert_eq!(Vrrp::read("k.conf", text).unwrap().groups, [&["a", "b"][..], &["d"]]);
    }

    #[test]
    fn the_shipped_file_is_read_whole() {
        let read = Vrrp::read("k.conf", include_str!("../../dpdk-config/keepalived/keepalived.conf")).unwrap();
        let [instance] = &read.instances[..] else { panic!("{read:?}") };
        assert_eq!((instance.version, instance.interval.as_str(), instance.router), (Some(3), "0.2", Some(20)));
        assert_eq!((instance.addresses.len(), read.unread.len(), read.script_security), (2, 0, true));
    }
}
