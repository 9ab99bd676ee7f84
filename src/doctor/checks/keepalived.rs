//! keepalived beside the appliance of a pair: whether its file is what it takes itself for, and fits to ours.
//!
//! Owns what is compared. `keepalived -t` finds nothing of it: it leaves out what it cannot have, with a line in its log.

use crate::doctor::facts::{Facts, PairFile};
use crate::doctor::found::{Found, Looked};
use crate::import::{Held, Instance, Vrrp};
use crate::policy::Intent;
use crate::policy::intent::{Interface, Pair};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Lines that are not read are shown so far.
const UNREAD_SHOWN: usize = 10;

/// One file beside another.
struct Compared<'f> {
    /// keepalived's, as messages call it.
    file: &'f str,
    vrrp: &'f Vrrp,
    intent: &'f Intent,
    pair: &'f Pair,
}

pub(super) fn keepalived(facts: &Facts, found: &mut Found) -> Looked {
    let Ok(intent) = facts.intent() else { return Ok(()) };
    let Some(pair) = &intent.pair else { return Ok(()) };
    let PairFile { name, text } = match &facts.keepalived {
        Some(Ok(file)) => file,
        Some(Err(left_out)) => return Err(left_out.clone()),
        None => return Ok(()),
    };
    let vrrp = match Vrrp::read(name, text) {
        Ok(vrrp) => vrrp,
        Err(error) => {
            found.error("keepalived's file cannot be read", error.to_string(), "mend its braces and quotes");
            return Ok(());
        }
    };
    vrrp.unread
        .iter()
        .take(UNREAD_SHOWN)
        .for_each(|line| found.left_out(format!("of {name} this is not read: {line}")));
    if let more @ 1.. = vrrp.unread.len().saturating_sub(UNREAD_SHOWN) {
        found.left_out(format!("of {name} {more} more such lines are not read"));
    }
    let compared = Compared { file: name, vrrp: &vrrp, intent, pair };
    compared.fifo(found);
    compared.scripts(found);
    let instances = compared.ours(found);
    for instance in &instances {
        compared.protocol(instance, found);
        compared.families(instance, found);
        compared.addresses(instance, found);
        compared.virtual_router(instance, found);
        compared.second_link(instance, found);
    }
    compared.moves_any(&instances, found);
    Ok(())
}

impl Compared<'_> {
    fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.file)
    }

    /// What is not in the file is nowhere. Otherwise it may be written where nobody has looked, and nothing is said about it but that.
    fn is_nowhere(&self, what: &str, found: &mut Found) -> bool {
        let is_read = self.vrrp.unread.is_empty();
        if !is_read {
            found.left_out(format!("not known, as not all of {} is read: {what}", self.file));
        }
        is_read
    }

    fn fifo(&self, found: &mut Found) {
        let written = &self.vrrp.fifos;
        match &self.pair.keepalived {
            Some(ours) if written.contains(ours) => {}
            Some(_) if !self.is_nowhere("whether keepalived writes to the FIFO that Fairlead reads", found) => {}
            Some(ours) => found.error(
                "keepalived does not write to the FIFO that Fairlead reads: who is active is not heard",
                format!("[pair] keepalived = \"{ours}\"; {}: {}", self.file, listed("vrrp_notify_fifo", written)),
                format!("write vrrp_notify_fifo {ours} under global_defs"),
            ),
            None => found.warning(
                "keepalived is not heard: the file has no [pair] keepalived, so only an operator says who is active",
                format!("{}: {}", self.file, listed("vrrp_notify_fifo", written)),
                "write keepalived = \"/run/fairlead/keepalived.fifo\" under [pair], and the same as vrrp_notify_fifo",
            ),
        }
    }

    fn scripts(&self, found: &mut Found) {
        let Some((script, line)) = self.vrrp.script.as_ref().filter(|_| !self.vrrp.script_security) else { return };
        if !self.is_nowhere("whether scripts are run with script security", found) {
            return;
        }
        found.warning(
            "keepalived runs scripts without script security: one that others may write to is run as root",
            format!("{}: {script}, and no enable_script_security", self.at(*line)),
            "write enable_script_security and script_user under global_defs",
        );
    }

    /// The instances whose word counts here.
    fn ours(&self, found: &mut Found) -> Vec<&Instance> {
        let all = &self.vrrp.instances;
        let Some(name) = &self.pair.instance else { return all.iter().collect() };
        let named: Vec<&Instance> = all.iter().filter(|instance| instance.name == *name).collect();
        if named.is_empty() && self.is_nowhere(&format!("whether there is an instance {name}"), found) {
            let names: Vec<String> = all.iter().map(|instance| instance.name.clone()).collect();
            found.error(
                format!("keepalived has no instance {name}, whose lines alone count: who is active is not heard"),
                format!("[pair] instance = \"{name}\"; {}: {}", self.file, listed("vrrp_instance", &names)),
                "write the name of the vrrp_instance into [pair] instance",
            );
        }
        let with = self.vrrp.groups.iter().filter(|group| group.contains(name)).flatten();
        let others: Vec<&String> = with.filter(|other| *other != name).collect();
        let together = all.iter().filter(|instance| others.contains(&&instance.name));
        named.into_iter().chain(together).collect()
    }

    fn protocol(&self, instance: &Instance, found: &mut Found) {
        let Instance { name, line, version, interval, .. } = instance;
        let whole = interval.parse::<f64>().is_ok_and(|seconds| seconds >= 1.0 && seconds.fract() == 0.0);
        let is_known = !interval.contains('$');
        let version_is_2 = |found: &mut Found| match version {
            Some(version) => *version == 2,
            None => self.is_nowhere(&format!("which version of VRRP instance {name} speaks"), found),
        };
        if is_known && !whole && version_is_2(found) {
            found.error(
                format!("instance {name} speaks VRRP version 2, which has no fractions of a second: it takes more than 3 s to find a silence"),
                format!("{}: advert_int {interval}", self.at(*line)),
                "write version 3 into the instance, or vrrp_version 3 under global_defs, on both appliances",
            );
        }
        if *version == Some(3) && instance.auth {
            found.warning(
                format!("instance {name} has a password, which VRRP version 3 does not: it is left out"),
                format!("{}: auth_type", self.at(*line)),
                "remove authentication; who may speak VRRP on the link is for switches to say",
            );
        }
        if instance.strict && instance.unicast {
            found.error(
                format!("instance {name} is to keep to the RFC strictly, and speaks to named peers, which the RFC does not know"),
                format!("{}: unicast_peer with vrrp_strict or strict_mode", self.at(*line)),
                "remove one of them: vrrp_strict takes unicast_peer, or all traffic to the addresses, away in silence",
            );
        }
    }

    fn families(&self, instance: &Instance, found: &mut Found) {
        let mut advertised = instance.addresses.iter().filter(|held| !held.excluded);
        let family = advertised.next().map(|held| held.address.is_ipv4());
        if let Some(other) = advertised.find(|held| Some(held.address.is_ipv4()) != family) {
            found.error(
                format!("instance {} has addresses of both families, and leaves {} out", instance.name, other.address),
                format!("{}: under virtual_ipaddress", self.at(other.line)),
                "put those of the other family under virtual_ipaddress_excluded, or into an instance of their own",
            );
        }
    }

    fn addresses(&self, instance: &Instance, found: &mut Found) {
        let floating = self.floating();
        let held = instance.addresses.iter().filter(|held| held.address.is_ipv4());
        for held in held.filter(|held| !floating.contains(&held.address)) {
            found.error(
                format!("keepalived moves {}, which does not float here: nobody answers ARP for it", held.address),
                format!("{}: instance {}", self.at(held.line), instance.name),
                format!("write it under floating of its [[interface]], or remove it from {}", self.file),
            );
        }
    }

    /// By an address that floats the kernel says who is active.
    fn moves_any(&self, instances: &[&Instance], found: &mut Found) {
        let floating = self.floating();
        let mut held = instances.iter().flat_map(|instance| &instance.addresses);
        if instances.is_empty() || floating.is_empty() || held.any(|held| floating.contains(&held.address)) {
            return;
        }
        if !self.is_nowhere("whether keepalived moves a floating address", found) {
            return;
        }
        found.warning(
            "keepalived moves no floating address: what was decided is not known after Fairlead's own restart",
            format!("{}: virtual_ipaddress", self.at(instances[0].line)),
            "write the addresses under floating of [[interface]] there",
        );
    }

    /// Virtual and SNAT addresses float by themselves.
    fn floating(&self) -> BTreeSet<IpAddr> {
        let written = self.intent.interfaces.iter().flat_map(|interface| &interface.floating).map(|net| net.addr());
        written.chain(self.intent.translated_addresses()).map(IpAddr::V4).collect()
    }

    /// The number and the MAC of the virtual router, on each device of ours that it has, or has addresses on.
    fn virtual_router(&self, instance: &Instance, found: &mut Found) {
        let Some(id) = instance.router else { return };
        let mut devices: BTreeMap<&str, Option<bool>> = [(instance.interface.as_str(), None)].into();
        for held in &instance.addresses {
            devices.insert(&held.device, Some(held.vmac));
        }
        if instance.vmac {
            devices.insert(&instance.interface, Some(true));
        }
        let ours = |device: &str| self.intent.interfaces.iter().find(|one| one.host.as_deref() == Some(device));
        for (device, vmac) in devices {
            let is_its = device == instance.interface || vmac == Some(true);
            let Some(interface) = ours(device) else { continue };
            match interface.vrid.filter(|vrid| is_its && *vrid != u16::from(id)) {
                Some(vrid) => self.other_number(instance, interface, vrid, found),
                None => self.mac(instance, interface, vmac, found),
            }
        }
    }

    fn other_number(&self, instance: &Instance, interface: &Interface, vrid: u16, found: &mut Found) {
        let Instance { name, line, router, .. } = instance;
        let id = router.unwrap_or_default();
        found.error(
            format!("instance {name} is virtual router {id}, and the interface {} has vrid {vrid}", interface.name),
            format!("{}: virtual_router_id {id}", self.at(*line)),
            format!("write vrid = {id} under the interface"),
        );
    }

    /// `vmac`: keepalived has the MAC of the virtual router for its addresses there; `None`: it has no addresses there.
    fn mac(&self, instance: &Instance, interface: &Interface, vmac: Option<bool>, found: &mut Found) {
        let (name, at, id) = (&interface.name, self.at(instance.line), instance.router.unwrap_or_default());
        match (self.intent.virtual_mac(interface), vmac) {
            (None, Some(true)) => found.error(
                format!(
                    "keepalived has 00:00:5e:00:01:{id:02x} for what floats on {name}, and Fairlead drops what is sent there"
                ),
                format!("{at}: virtual_router_id {id}, use_vmac; no [pair] virtual_mac with vrid"),
                format!("write virtual_mac = true under [pair] and vrid = {id} under the interface, or remove use_vmac"),
            ),
            (Some(mac), Some(false)) if self.is_nowhere(&format!("at which MAC keepalived announces {name}"), found) => found
                .warning(
                    format!("what floats on {name} is at {mac}, and keepalived announces it at the device's own MAC"),
                    format!("{at}: an address there without use_vmac"),
                    "write use_vmac; or, on another link than the instance's, leave the address out: Fairlead announces it by itself",
                ),
            _ => {}
        }
    }

    /// A device that an address has above another link than the instance's is made once only.
    fn second_link(&self, instance: &Instance, found: &mut Found) {
        let is_elsewhere = |held: &&Held| held.vmac && held.device != instance.interface && !held.device.contains('$');
        let Some(held) = instance.addresses.iter().find(is_elsewhere) else { return };
        if instance.interface.is_empty() || instance.interface.contains('$') {
            return;
        }
        found.warning(
            format!(
                "instance {} has {} with use_vmac on a second link: once Fairlead's devices were made anew it stays in FAULT, and a reload \
                 does not help",
                instance.name, held.address
            ),
            format!("{}: dev {} use_vmac", self.at(held.line), held.device),
            "leave it out: Fairlead announces what floats on each link by itself (dpdk-config/keepalived/keepalived-vmac.conf)",
        );
    }
}

fn listed(key: &str, words: &[String]) -> String {
    match words {
        [] => format!("no {key}"),
        words => format!("{key} {}", words.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::doctor::FindingSeverity::{Error, Ok as Well, Warning};
    use crate::doctor::checks::run;
    use crate::doctor::{Diagnosis, File, FindingSeverity, LeftOut};

    const SHIPPED: &str = include_str!("../../../dpdk-config/keepalived/keepalived.conf");
    const SHIPPED_VMAC: &str = include_str!("../../../dpdk-config/keepalived/keepalived-vmac.conf");

    fn edited(text: &str, edits: &[(&str, &str)]) -> String {
        edits.iter().fold(text.to_owned(), |text, (was, becomes)| {
            assert!(text.contains(was), "{was}");
            text.replacen(was, becomes, 1)
        })
    }

    /// Our file beside the shipped one.
    fn ours(edits: &[(&str, &str)]) -> File {
        let text = edited(
            include_str!("../../../tests/support/two-arm.toml"),
            &[
                (
                    "addresses = [\"192.0.2.2/24\"]",
                    "addresses = [\"192.0.2.2/24\"]\nfloating = [\"192.0.2.4/24\"]\nhost = \"fl-clients\"",
                ),
                (
                    "addresses = [\"10.20.0.1/24\"]",
                    "addresses = [\"10.20.0.2/24\"]\nfloating = [\"10.20.0.1/24\"]\nhost = \"fl-servers\"",
                ),
                ("[cores]", "[pair]\nkeepalived = \"/run/fairlead/keepalived.fifo\"\ninstance = \"fairlead\"\n[cores]"),
            ],
        );
        let text = edited(&text, edits);
        let read = config::parse_for(64, "lead.toml", &text).map(Box::new).map_err(|errors| errors.to_string());
        File { name: "lead.toml".into(), text, in_force: true, read }
    }

    fn look(theirs: &[(&str, &str)], ours: File) -> Diagnosis {
        look_at(edited(SHIPPED, theirs), ours)
    }

    fn look_at(text: String, ours: File) -> Diagnosis {
        assert!(ours.read.is_ok(), "{:?}", ours.read);
        let keepalived = Some(Ok(PairFile { name: "/etc/keepalived/keepalived.conf".into(), text }));
        let facts = Facts { file: Some(ours), keepalived, ..Facts::default() };
        run(&facts, &["keepalived".to_owned()])
    }

    /// What is found where keepalived's file and ours differ so from the two that fit.
    #[track_caller]
    fn finds(theirs: &[(&str, &str)], own: &[(&str, &str)], expected: &[(FindingSeverity, &str, &str)]) {
        let Diagnosis { findings, left_out, .. } = look(theirs, ours(own));
        assert!(left_out.is_empty(), "{left_out:?}");
        let found = findings.iter().filter(|row| row.severity != Well);
        let found: Vec<_> = found.map(|row| (row.severity, row.what.as_str(), row.remedy.as_str())).collect();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for ((severity, what, remedy), (is, said, mends)) in found.iter().zip(expected) {
            assert!(severity == is && what.contains(said) && remedy.contains(mends), "{found:#?}");
        }
    }

    #[test]
    fn s157_the_shipped_file_fits_to_the_file_that_its_readme_shows() {
        let Diagnosis { findings, left_out, .. } = look(&[], ours(&[]));
        assert!(
            findings.len() == 1 && findings[0].severity == Well && left_out.is_empty(),
            "{findings:?} {left_out:?}"
        );
    }

    #[test]
    fn s157_what_keepalived_would_leave_out_in_silence_is_found() {
        let fraction = "has no fractions of a second";
        finds(&[("\tversion 3\n", "\tversion 2\n")], &[], &[(Error, fraction, "version 3")]);
        finds(&[("\tversion 3\n", "")], &[], &[(Error, fraction, "vrrp_version 3")]);
        finds(&[("\tversion 3\n", ""), ("advert_int 0.2", "advert_int 1")], &[], &[]);
        finds(&[("\tversion 3\n", ""), ("router_id fairlead\n", "router_id fairlead\n\tvrrp_version 3\n")], &[], &[]);
        let password = "\tauthentication {\n\t\tauth_type PASS\n\t\tauth_pass x\n\t}\n\tversion 3\n";
        finds(&[("\tversion 3\n", password)], &[], &[(Warning, "has a password", "remove authentication")]);
        let six = "\t\t10.20.0.1/24 dev fl-servers\n\t\t2001:db8::1/64\n";
        let both = "leaves 2001:db8::1 out";
        finds(&[("\t\t10.20.0.1/24 dev fl-servers\n", six)], &[], &[(Error, both, "virtual_ipaddress_excluded")]);
        let named = "\tunicast_peer {\n\t\t10.20.0.3\n\t}\n\tversion 3\n";
        finds(&[("\tversion 3\n", named)], &[], &[]);
        let strict = ("\trouter_id fairlead\n", "\trouter_id fairlead\n\tvrrp_strict\n");
        finds(&[("\tversion 3\n", named), strict], &[], &[(Error, "does not know", "remove one of them")]);
        finds(
            &[("\tenable_script_security\n", "")],
            &[],
            &[(Warning, "without script security", "enable_script_security")],
        );
    }

    #[test]
    fn s157_what_does_not_fit_to_the_appliance_s_file_is_found() {
        let fifo = ("vrrp_notify_fifo /run/fairlead/keepalived.fifo", "vrrp_notify_fifo /run/other.fifo");
        finds(&[fifo], &[], &[(Error, "does not write to the FIFO", "vrrp_notify_fifo /run/fairlead/keepalived.fifo")]);
        finds(&[], &[("keepalived = \"/run/fairlead/keepalived.fifo\"\n", "")], &[(Warning, "is not heard", "[pair]")]);
        finds(
            &[("vrrp_instance fairlead", "vrrp_instance other")],
            &[],
            &[(Error, "no instance fairlead", "[pair] instance")],
        );
        let stray = ("192.0.2.4/24 dev", "192.0.2.5/24 dev");
        finds(&[stray], &[], &[(Error, "192.0.2.5, which does not float", "floating")]);
        // Virtual addresses float by themselves; what is moved says who is active only where it floats.
        finds(&[("10.20.0.1/24 dev", "10.20.0.100/24 dev"), ("\t\t192.0.2.4/24 dev fl-clients\n", "")], &[], &[]);
        let none = [("\t\t10.20.0.1/24 dev fl-servers\n", ""), ("\t\t192.0.2.4/24 dev fl-clients\n", "")];
        finds(&none, &[], &[(Warning, "keepalived moves no floating address", "floating")]);
    }

    #[test]
    fn s157_the_virtual_router_and_its_mac_are_the_same_in_both_files() {
        let numbers = |servers: &str, clients: &str| {
            ours(&[
                ("host = \"fl-servers\"", &format!("host = \"fl-servers\"\nvrid = {servers}")),
                ("host = \"fl-clients\"", &format!("host = \"fl-clients\"\nvrid = {clients}")),
                ("instance = \"fairlead\"\n", "instance = \"fairlead\"\nvirtual_mac = true\n"),
            ])
        };
        let texts = |diagnosis: Diagnosis| -> Vec<(FindingSeverity, String)> {
            diagnosis.findings.into_iter().map(|row| (row.severity, row.what)).collect()
        };
        let same = texts(look_at(SHIPPED_VMAC.into(), numbers("20", "77")));
        assert!(same.len() == 1 && same[0].0 == Well, "{same:?}");
        let other = texts(look_at(SHIPPED_VMAC.into(), numbers("21", "20")));
        let what = "instance fairlead is virtual router 20, and the interface servers has vrid 21";
        assert_eq!(other, [(Error, what.to_owned())]);
        let without = texts(look_at(SHIPPED_VMAC.into(), ours(&[])));
        let what = "keepalived has 00:00:5e:00:01:14 for what floats on servers, and Fairlead drops what is sent there";
        assert_eq!(without, [(Error, what.to_owned())]);
        let on_both = [
            ("\tversion 3\n", "\tuse_vmac\n\tversion 3\n"),
            ("192.0.2.4/24 dev fl-clients", "192.0.2.4/24 dev fl-clients use_vmac"),
        ];
        let [(Warning, what)] = &texts(look(&on_both, numbers("20", "20")))[..] else { panic!() };
        assert!(what.contains("192.0.2.4 with use_vmac on a second link"), "{what}");
        let plain = texts(look(&[], numbers("20", "77")));
        let announced = |link: &str, mac: &str| {
            let what =
                format!("what floats on {link} is at {mac}, and keepalived announces it at the device's own MAC");
            (Warning, what)
        };
        let clients = announced("clients", "00:00:5e:00:01:4d");
        assert_eq!(plain, [clients, announced("servers", "00:00:5e:00:01:14")]);
    }

    #[test]
    fn s157_what_may_stand_where_nobody_has_read_is_no_fault() {
        let include = ("vrrp_script healthy", "include more.conf\nvrrp_script healthy");
        let vmac = [
            ("host = \"fl-servers\"", "host = \"fl-servers\"\nvrid = 20"),
            ("host = \"fl-clients\"", "host = \"fl-clients\"\nvrid = 77"),
            ("instance = \"fairlead\"\n", "instance = \"fairlead\"\nvirtual_mac = true\n"),
        ];
        let none = [("\t\t10.20.0.1/24 dev fl-servers\n", ""), ("\t\t192.0.2.4/24 dev fl-clients\n", "")];
        let own: &[(&str, &str)] = &[];
        for (theirs, ours_too, what) in [
            (&[("vrrp_instance fairlead", "vrrp_instance other"), include][..], own, "instance fairlead"),
            (&[("vrrp_notify_fifo /run/fairlead/keepalived.fifo", ""), include], own, "writes to the FIFO"),
            (&[("\tenable_script_security\n", ""), include], own, "script security"),
            (&[("\tversion 3\n", ""), include], own, "which version of VRRP"),
            (&[("\tversion 3\n", "\t@one version 3\n")], own, "which version of VRRP"),
            (&[none[0], none[1], include], own, "moves a floating address"),
            (&[include], &vmac, "at which MAC"),
        ] {
            let Diagnosis { findings, left_out, .. } = look(theirs, ours(ours_too));
            assert!(findings.iter().all(|row| row.severity == Well), "{findings:?}");
            let why: Vec<&str> = left_out.iter().map(|row| row.why.as_str()).collect();
            assert!(why.iter().any(|why| why.starts_with("not known") && why.contains(what)), "{why:?}");
        }
        // What is written is judged all the same.
        let fraction = look(&[("\tversion 3\n", "\tversion 2\n"), include], ours(&[])).findings;
        assert!(fraction.len() == 1 && fraction[0].severity == Error, "{fraction:?}");
    }

    #[test]
    fn s157_what_a_parameter_stands_for_is_not_guessed() {
        let interval = [("advert_int 0.2", "advert_int $ADV"), ("\tversion 3\n", "\tversion 2\n")];
        let router = [("virtual_router_id 20", "virtual_router_id $ID")];
        let link = [("\tinterface fl-servers\n", "\tinterface $LINK\n")];
        for (theirs, line) in
            [(&interval[..], "advert_int $ADV"), (&router, "virtual_router_id $ID"), (&link, "interface $LINK")]
        {
            let Diagnosis { findings, left_out, .. } = look(theirs, ours(&[]));
            assert!(findings.iter().all(|row| row.severity == Well), "{findings:?}");
            assert!(left_out.len() == 1 && left_out[0].why.contains(line), "{left_out:?}");
        }
        // Which link is the second one is not known either.
        let both = ours(&[
            ("host = \"fl-servers\"", "host = \"fl-servers\"\nvrid = 20"),
            ("host = \"fl-clients\"", "host = \"fl-clients\"\nvrid = 77"),
            ("instance = \"fairlead\"\n", "instance = \"fairlead\"\nvirtual_mac = true\n"),
        ]);
        let Diagnosis { findings, .. } = look(&[link[0], ("dev fl-servers", "dev fl-servers use_vmac")], both);
        assert!(findings.iter().all(|row| row.severity == Well), "{findings:?}");
    }

    #[test]
    fn s157_what_is_not_read_is_said() {
        let more = ("vrrp_script healthy", "include more.conf\nvrrp_script healthy");
        let said = look(&[more], ours(&[])).left_out;
        assert!(said.len() == 1 && said[0].why.contains("include more.conf"), "{said:?}");
        let many = format!("{}vrrp_script healthy", "include more.conf\n".repeat(UNREAD_SHOWN + 7));
        let said = look(&[("vrrp_script healthy", &many)], ours(&[])).left_out;
        assert!(said.len() == UNREAD_SHOWN + 1 && said[UNREAD_SHOWN].why.contains("7 more"), "{said:?}");
        let broken = look(&[("vrrp_instance fairlead {", "vrrp_instance fairlead")], ours(&[])).findings;
        assert!(broken.len() == 1 && broken[0].severity == Error && broken[0].evidence.contains("conf:"), "{broken:?}");
        let facts = |keepalived, file| Facts { file: Some(file), keepalived, ..Facts::default() };
        let only = ["keepalived".to_owned()];
        let unread = run(&facts(Some(Err(LeftOut::because("it may not be read"))), ours(&[])), &only);
        assert_eq!((unread.findings.len(), unread.left_out.len()), (0, 1));
        assert_eq!(run(&facts(None, ours(&[])), &only).findings[0].severity, Well);
    }
}
