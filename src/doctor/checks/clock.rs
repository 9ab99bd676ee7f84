//! The clocks of the box.

use crate::doctor::facts::Facts;
use crate::doctor::found::{Found, LeftOut, Looked};
use crate::doctor::host::{PROCESSES, Reading};

const SOURCE: &str = "sys/devices/system/clocksource/clocksource0/current_clocksource";
const SYNCHRONIZED: &str = "run/systemd/timesync/synchronized";
/// As the kernel shortens them: 15 bytes.
const KEEPERS: [&str; 7] = ["chronyd", "ntpd", "ntpsec", "ptp4l", "openntpd", "systemd-timesyn", "phc2sys"];
const TIMESYNCD: &str = "systemd-timesyn";
/// A thread of the kernel's, which only who sees all processes of the box sees.
const KERNEL_THREAD: &str = "kthreadd";

pub(super) fn source(facts: &Facts, found: &mut Found) -> Looked {
    let source = facts.host.text(SOURCE)?;
    let available = facts.host.text("sys/devices/system/clocksource/clocksource0/available_clocksource").unwrap_or("?");
    let evidence = format!("/{SOURCE}: {source}; available: {available}");
    match source {
        "tsc" | "arch_sys_counter" => {}
        "kvm-clock" | "hyperv_clocksource_tsc_page" | "xen" => {
            found.info(format!("the clock is the host's ({source}): latencies are as exact as it is"), evidence, "");
        }
        _ => {
            let what = format!(
                "the clock source is {source}: each look at the clock asks the kernel, and costs the data path microseconds"
            );
            found.warning(
                what,
                evidence,
                "boot with clocksource=tsc tsc=reliable; a kernel that avoids the TSC says why: dmesg | grep -i tsc",
            );
        }
    }
    Ok(())
}

pub(super) fn synchronized(facts: &Facts, found: &mut Found) -> Looked {
    let processes = facts.host.folder(PROCESSES);
    let keepers = processes.iter().filter(|name| KEEPERS.contains(&name.as_str()));
    let keepers: Vec<&str> = keepers.map(String::as_str).collect();
    let marked = !matches!(facts.host.reading(SYNCHRONIZED), Reading::Absent);
    match (keepers.as_slice(), marked) {
        ([], _) if !processes.iter().any(|name| name == KERNEL_THREAD) => {
            return Err(LeftOut::because(
                "not all processes of this box can be seen here: in a container the clock is its host's, ask there; else ask as root \
                 (sudo)",
            ));
        }
        ([], _) => found.warning(
            "no program keeps the calendar: times in logs, of switchovers and of certificates drift",
            format!("/proc: none of {} runs", KEEPERS.join(", ")),
            "apt install chrony, or systemctl enable --now systemd-timesyncd",
        ),
        ([TIMESYNCD], false) => found.warning(
            "the calendar has not been set by a time server yet",
            format!("there is no /{SYNCHRONIZED}"),
            "see timedatectl timesync-status: the server must be reachable",
        ),
        _ => {}
    }
    Ok(())
}
