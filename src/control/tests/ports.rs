//! Ports of the SNAT address: scenario 41, and when there will be none.

use super::*;
use crate::admin::rows::{Forecast, SnatRow};
use crate::flow::ReservedPorts;

/// The service ports of the common setting.
fn services() -> ReservedPorts {
    ReservedPorts::new([5_060, 5_061])
}

/// Members' programs open `count` ports from `first` on, as workers would.
fn open(bench: &Bench, protocol: Protocol, first: u16, count: u16) {
    let table = bench.controller.checks.ports.snat_ports.table(V, protocol).unwrap();
    for port in first..=first + (count - 1) {
        table.allocate(Endpoint::new(Ipv4Addr::new(10, 20, 0, 11), port), &services()).unwrap();
    }
}

fn close(bench: &Bench, protocol: Protocol, first: u16, count: u16) {
    let table = bench.controller.checks.ports.snat_ports.table(V, protocol).unwrap();
    for port in first..=first + (count - 1) {
        assert!(table.release(port, Endpoint::new(Ipv4Addr::new(10, 20, 0, 11), port)), "{port}");
    }
}

fn row(bench: &mut Bench, protocol: &str) -> SnatRow {
    let Data::Snat(rows) = bench.ask(Request::Snat {}).unwrap().unwrap().data else { panic!() };
    rows.into_iter().find(|row| row.protocol == protocol).unwrap()
}

fn alarms(bench: &mut Bench) -> Vec<String> {
    let Data::Status(status) = bench.ask(Request::Status {}).unwrap().unwrap().data else { panic!() };
    status.alarms.into_iter().map(|alarm| alarm.message).collect()
}

/// 64,510 ports can be handed out, the service ports aside; 80 percent of them are 51,608.
#[test]
fn s41_ports_in_use_are_an_alarm_at_80_percent_of_the_range_that_fills_up_and_none_below() {
    let mut bench = Bench::settled();
    open(&bench, Protocol::Tcp, 10_000, 51_607);
    bench.run(1_000);
    assert_eq!((alarms(&mut bench), bench.logged("ports")), (vec![], 0));
    open(&bench, Protocol::Tcp, 9_000, 1);
    bench.run(1_000);
    let message = "51608 of 64510 tcp ports 1024 to 65535 of 10.20.0.100 are in use: exclude destinations that need no \
                   translation, or find out who opens so many connections";
    assert_eq!(alarms(&mut bench), [message]);
    assert_eq!(bench.logged(&format!("alarm: {message}")), 1);
    bench.run(59_000);
    assert_eq!(alarms(&mut bench), [message.replace("use:", "use, and not growing:")]);
    close(&bench, Protocol::Tcp, 9_000, 1);
    bench.run(1_000);
    assert_eq!(alarms(&mut bench), [""; 0]);
    assert_eq!(bench.logged("alarm cleared: 51607 of 64510 tcp ports 1024 to 65535 of 10.20.0.100 are in use"), 1);
    assert_eq!(bench.logged("alarm: 51608"), 1, "said once, not every second");
}

#[test]
fn s41_each_range_and_protocol_is_judged_alone() {
    let mut bench = Bench::settled();
    open(&bench, Protocol::Udp, 1, 818);
    bench.run(1_000);
    assert_eq!(alarms(&mut bench), [""; 0]);
    open(&bench, Protocol::Udp, 900, 1);
    open(&bench, Protocol::Icmp, 0, 52_430);
    bench.run(1_000);
    let heads: Vec<String> =
        alarms(&mut bench).iter().map(|message| message.split(" are in use").next().unwrap().into()).collect();
    let (low, icmp) = ("819 of 1023 udp ports 1 to 1023", "52430 of 65534 icmp ports 0 to 65535");
    assert_eq!(heads, [icmp, low].map(|head| format!("{head} of 10.20.0.100")));
    assert_eq!(row(&mut bench, "udp").used, 0, "the table speaks of the ports that programs get");
}

#[test]
fn s41_the_alarm_and_the_table_say_when_no_port_will_be_free() {
    let mut bench = Bench::new();
    let quiet = row(&mut bench, "tcp");
    assert_eq!((quiet.used, quiet.peak, quiet.free), (0, 0, 64_510));
    assert_eq!((quiet.forecast, quiet.exhausted_in_s), (Forecast::Unknown, None));
    open(&bench, Protocol::Tcp, 6_000, 51_000);
    for second in 0..200 {
        bench.run(1_000);
        open(&bench, Protocol::Tcp, 57_000 + second * 10, 10);
    }
    let grown = row(&mut bench, "tcp");
    assert_eq!((grown.used, grown.peak, grown.free, grown.forecast), (53_000, 53_000, 11_510, Forecast::Growing));
    let seconds = grown.exhausted_in_s.unwrap();
    assert!((1_145..=1_155).contains(&seconds), "{seconds}: 11,510 ports at 10 a second");
    assert!(alarms(&mut bench)[0].contains("at the rate of the last minutes none is free in 20m:"));
    bench.run(1_000);
    close(&bench, Protocol::Tcp, 6_000, 51_000);
    let idle = row(&mut bench, "udp");
    assert_eq!((idle.forecast, idle.exhausted_in_s, row(&mut bench, "tcp").peak), (Forecast::Never, None, 53_000));
}

#[test]
fn s41_when_no_port_is_free_the_table_and_the_alarm_say_so_and_a_reload_without_the_snat_forgets_it() {
    let mut bench = Bench::settled();
    open(&bench, Protocol::Tcp, 1_024, 4_036);
    open(&bench, Protocol::Tcp, 5_062, 60_474);
    let table = bench.controller.checks.ports.snat_ports.table(V, Protocol::Tcp).unwrap();
    assert_eq!(table.allocate(Endpoint::new(Ipv4Addr::new(10, 20, 0, 12), 41_000), &services()), None);
    bench.run(1_000);
    let full = row(&mut bench, "tcp");
    assert_eq!((full.used, full.free, full.exhausted), (64_510, 0, 1));
    assert_eq!((full.forecast, full.exhausted_in_s), (Forecast::Exhausted, Some(0)));
    assert!(
        alarms(&mut bench)[0].contains("64510 of 64510 tcp ports 1024 to 65535 of 10.20.0.100 are in use, none is")
    );
    let mut intent = two_arm();
    intent.snats.clear();
    reload(&mut bench, Ok(file_of(&intent))).unwrap();
    bench.run(1_000);
    assert_eq!(alarms(&mut bench), [""; 0], "the address is not ours to worry about any more");
}
