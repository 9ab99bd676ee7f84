//! The kernel's devices of interfaces, as an operator has to know of them.
//!
//! Owns the alarm about each device that is not as it is to be, and the rows of `fairlead interfaces`. Makes and mends none: whoever
//! serves them does, once a second.

use super::facts::HostDevice;
use super::outbox::Outbox;
use crate::admin::events::Subject;
use crate::admin::rows::{HostRow, InterfaceRow};
use crate::events::AlarmCode;
use crate::policy::Intent;
use crate::policy::intent::{Interface, InterfaceId};
use crate::time::Instant;
use crate::wire::VlanId;
use std::collections::BTreeSet;

/// Which have an alarm, by their names in the kernel.
#[derive(Default)]
pub(super) struct HostDevices {
    alarmed: BTreeSet<String>,
}

impl HostDevices {
    /// Raises what has come, and clears what is over, a device that is not wanted any more included.
    pub(super) fn poll(&mut self, devices: &[HostDevice], intent: &Intent, out: &mut Outbox, now: Instant) {
        let mut alarmed = BTreeSet::new();
        for device in devices {
            let Some(trouble) = &device.trouble else { continue };
            let interface = intent.interfaces.get(device.interface).map_or("", |interface| interface.name.as_str());
            let message = format!("interface {interface}: host device {trouble}");
            out.raise(&key(&device.name), (AlarmCode::HostDevice, Subject::interface(interface)), message, now);
            alarmed.insert(device.name.clone());
        }
        for name in self.alarmed.difference(&alarmed) {
            out.clear(&key(name), || format!("host device {name} is as it is to be, or is not wanted any more"));
        }
        self.alarmed = alarmed;
    }
}

/// The interfaces, each with its device.
pub(super) fn rows(intent: &Intent, devices: &[HostDevice]) -> Vec<InterfaceRow> {
    let row = |(id, meant): (InterfaceId, &Interface)| InterfaceRow {
        name: meant.name.clone(),
        port: intent.ports[meant.port.index()].name.clone(),
        vlan: meant.vlan.map(VlanId::get),
        mtu: meant.mtu,
        addresses: meant.addresses.clone(),
        host: devices.iter().find(|device| device.interface == id).map(host_row),
    };
    intent.interfaces.entries().map(row).collect()
}

fn host_row(device: &HostDevice) -> HostRow {
    let counts = &device.counts;
    HostRow {
        name: device.name.clone(),
        carrier: device.carrier,
        trouble: device.trouble.clone(),
        to_kernel_frames: counts.to_kernel,
        to_kernel_bytes: counts.to_kernel_bytes,
        from_kernel_frames: counts.from_kernel,
        from_kernel_bytes: counts.from_kernel_bytes,
        refused_frames: counts.refused,
        lost_frames: counts.lost,
    }
}

fn key(name: &str) -> String {
    format!("host {name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::harness::two_arm;
    use crate::host::HostCounts;

    fn device(name: &str, interface: u16, trouble: Option<&str>) -> HostDevice {
        HostDevice {
            interface: InterfaceId(interface),
            name: name.into(),
            trouble: trouble.map(Into::into),
            carrier: true,
            counts: HostCounts { to_kernel: 7, from_kernel: 5, refused: 3, lost: 1, ..HostCounts::default() },
        }
    }

    fn standing(out: &Outbox) -> Vec<String> {
        out.alarms.iter().map(|(_, message)| message.to_owned()).collect()
    }

    #[test]
    fn a_device_has_an_alarm_as_long_as_something_is_wrong_with_it() {
        let (intent, now) = (two_arm(), Instant::from_millis(5_000));
        let (mut hosts, mut out) = (HostDevices::default(), Outbox::default());
        let wrong = [device("fl-a", 0, Some("fl-a cannot be made")), device("fl-b", 1, None)];
        for _ in 0..3 {
            hosts.poll(&wrong, &intent, &mut out, now);
            assert_eq!(standing(&out), ["interface clients: host device fl-a cannot be made"]);
        }
        let other = [device("fl-a", 0, None), device("fl-b", 1, Some("fl-b is gone"))];
        hosts.poll(&other, &intent, &mut out, now);
        assert_eq!(standing(&out), ["interface servers: host device fl-b is gone"]);
        hosts.poll(&other[..1], &intent, &mut out, now);
        assert_eq!(standing(&out), [""; 0], "it is not wanted any more");
    }

    #[test]
    fn each_interface_is_shown_with_its_own_device() {
        let rows = rows(&two_arm(), &[device("fl-b", 1, Some("fl-b is gone"))]);
        let shown: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.port.as_str(), row.host.is_some())).collect();
        assert_eq!(shown, [("clients", "outer", false), ("servers", "inner", true)]);
        let host = rows[1].host.as_ref().unwrap();
        assert_eq!((host.to_kernel_frames, host.from_kernel_frames), (7, 5));
        assert_eq!((host.refused_frames, host.lost_frames, host.trouble.as_deref()), (3, 1, Some("fl-b is gone")));
    }
}
