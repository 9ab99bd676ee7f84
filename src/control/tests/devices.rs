use super::*;

#[test]
fn a_device_that_was_reset_or_removed_is_an_alarm_with_its_remedy_and_hastens_the_probes_behind_it() {
    let reset = "port inner: net_null_inner was reset by its driver or by the host that lends it, and receives and \
                 sends nothing: restart Fairlead (systemctl restart fairlead)";
    let removed = "port inner: net_null_inner was removed: put it back, and restart Fairlead";
    let mut bench = Bench::settled();
    for (event, alarm) in [(DeviceEvent::Reset, reset), (DeviceEvent::Removed, removed)] {
        bench.run_between_probes();
        let asked = bench.options.len();
        bench.give(Input::Device { port: PortId(1), event });
        assert_eq!(bench.options.len(), asked + 2, "both members are asked at once");
        bench.give(Input::Device { port: PortId(1), event });
        let line = (LogLevel::Error, format!("alarm: {alarm}"));
        assert_eq!(bench.logs.iter().filter(|logged| **logged == line).count(), 1, "{:?}", bench.logs);
    }
    let Data::Status(status) = bench.ask(Request::Status {}).unwrap().unwrap().data else { panic!() };
    let standing: Vec<_> = status.alarms.iter().map(|alarm| alarm.message.as_str()).collect();
    assert_eq!(standing, [reset, removed]);
}
