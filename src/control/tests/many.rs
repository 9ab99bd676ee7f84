//! As many pools and members as a file may hold: what it says is meant, published, and answered.

use super::*;
use crate::admin::line;
use crate::config;
use crate::policy::intent::PoolId;
use crate::wire::{RxKey, VlanId};
use std::fmt::Write;

const POOLS: usize = 4_096;
const EACH: usize = 4;

/// `pools` pools of four members, each with a virtual server and a SNAT.
pub(super) fn file(pools: usize) -> String {
    let mut text = String::from(
        "[cores]\nmanagement = 0\nworkers = [1, 2]\n[[port]]\nname = \"outer\"\ndevice = \"net_null0\"\n[[port]]\nname = \"inner\"\n\
         device = \"net_null1\"\n[[interface]]\nname = \"clients\"\nport = \"outer\"\naddresses = [\"192.0.2.2/24\"]\n[[interface]]\n\
         name = \"servers\"\nport = \"inner\"\naddresses = [\"10.255.255.1/8\"]\n[[route]]\nvia = \"192.0.2.1\"\n[[monitor]]\n\
         name = \"sip\"\nkind = \"sip\"\ninterval = \"10s\"\n",
    );
    for pool in 0..pools {
        let virtual_ip = format!("10.200.{}.{}", pool / 128, 1 + pool % 128);
        let members: Vec<String> = (0..EACH).map(|at| member(pool * EACH + at)).collect();
        let members = members.join(", ");
        _ = write!(
            text,
            "[[pool]]\nname = \"pair-{pool}\"\nmembers = [{members}]\nmonitors = [\"sip\"]\n[[virtual_server]]\nname = \"sip-{pool}\"\n\
             address = \"{virtual_ip}\"\npool = \"pair-{pool}\"\nlisten = [\"udp/5060\", \"tcp/5060\", \"tcp/5061\"]\n[[snat]]\n\
             pool = \"pair-{pool}\"\naddress = \"{virtual_ip}\"\nexclude = [\"172.16.1.0/24\"]\n"
        );
    }
    text
}

fn member(number: usize) -> String {
    let address = format!("10.{}.{}.{}", 1 + number / 16_384, number / 128 % 128, 1 + number % 128);
    format!("{{ name = \"m-{number}\", address = \"{address}\" }}")
}

#[test]
fn a_file_with_4096_pools_of_four_members_is_read_published_and_answered() {
    let file = config::parse_for(8, "many", &file(POOLS)).unwrap_or_else(|errors| panic!("{errors}"));
    let mut bench = Bench::of(&file.intent);
    let snapshot = bench.snapshot();
    assert_eq!((snapshot.pools.len(), snapshot.members.len()), (POOLS, POOLS * EACH));
    assert!(snapshot.pools[POOLS - 1].exclude.holds([172, 16, 1, 9].into()));
    let answer = bench.ask(Request::Members {}).expect("at once");
    let Ok(Answered { data: Data::Members(rows), .. }) = &answer else { panic!("{answer:?}") };
    assert_eq!((rows.len(), rows[16_383].name.as_str(), rows[16_383].pool.as_str()), (16_384, "m-16383", "pair-4095"));
    let lines: Vec<usize> = line::lines(1, &answer).map(|line| line.len()).collect();
    assert!(lines.len() > 1 && lines.iter().all(|length| *length < 1 << 20), "{lines:?}");
    // A change of the last of them comes to the workers as any does.
    let set = member_set("m-16383", AdminState::Draining);
    let Some(Ok(Answered { data: Data::Members(rows), .. })) = bench.ask(set) else { panic!("no answer") };
    assert_eq!((rows.len(), rows[3].admin), (EACH, AdminState::Draining));
    assert_eq!(bench.snapshot().members[MemberId(16_383)].state, State::Drained);
    // And so does another file.
    let mut other = super::super::harness::file_of(&file.intent);
    other.intent.pools[PoolId(4_095)].name = "last".into();
    let Ok(Answered { data: Data::Reloaded(reloaded), .. }) = reload(&mut bench, Ok(other)) else { panic!("refused") };
    let changed: Vec<String> = reloaded.changes.iter().map(ToString::to_string).collect();
    assert!(changed.contains(&"pool last added".to_owned()), "{changed:?}");
}

#[test]
fn more_than_may_be_counted_is_refused() {
    let refused = |text: &str| config::parse_for(8, "many", text).expect_err("too many").to_string();
    assert!(refused(&file(POOLS + 1)).contains("4096"), "pools");
    let text = file(POOLS).replace("\"udp/5060\"", "\"udp/5060\", \"udp/5062\", \"udp/5064\", \"udp/5066\"");
    let errors = refused(&text).replace("\n  ", " ");
    assert!(errors.contains("more than 65535 UDP service ports in all"), "{errors}");
}

#[test]
fn among_many_interfaces_each_frame_finds_its_own() {
    for count in [3, 9, 1_000_u16] {
        let mut intent = two_arm();
        for vlan in 1..=count {
            let mut one = intent.interfaces[InterfaceId(1)].clone();
            (one.name, one.vlan) = (format!("vlan-{vlan}"), VlanId::new(vlan));
            one.addresses = vec![format!("10.{}.{}.1/24", 100 + vlan / 256, vlan % 256).parse().unwrap()];
            intent.interfaces.push(one);
        }
        let snapshot = Bench::of(&intent).snapshot().clone();
        for (id, interface) in snapshot.addresses.interfaces().entries() {
            let (port, rx) = (interface.port, RxKey::of(interface.mac, interface.vlan));
            assert_eq!(snapshot.ingress_interface(port, rx), Some(id));
            assert_eq!(snapshot.interface_of(port, interface.vlan), Some(id));
            assert!(snapshot.is_ingress(id, port, rx) && snapshot.addresses.is_our_mac(interface.mac));
            assert!(snapshot.addresses.answers(id, interface.addresses[0].addr()));
        }
        let (mac, other) = (MACS[1], VlanId::new(4_094));
        assert_eq!(snapshot.ingress_interface(PortId(1), RxKey::of(mac, other)), None);
        assert_eq!(snapshot.ingress_interface(PortId(0), RxKey::of(mac, VlanId::new(1))), None, "on another port");
        assert_eq!(
            (snapshot.interface_of(PortId(1), other), snapshot.addresses.is_our_mac(Mac([2; 6]))),
            (None, false)
        );
    }
}
