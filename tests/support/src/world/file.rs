//! The configuration file of a world, and how a story departs from it.

/// The common setting of the acceptance scenarios: two arms, one pair, SIP probes twice a second.
const TWO_ARM: &str = r#"
[cores]
management = 0
workers = [1]
[[port]]
name = "outer"
device = "net_null0"
[[port]]
name = "inner"
device = "net_null1"
[[interface]]
name = "clients"
port = "outer"
addresses = ["192.0.2.2/24"]
[[interface]]
name = "servers"
port = "inner"
addresses = ["10.20.0.1/24"]
[[route]]
to = "default"
via = "192.0.2.1"
[[monitor]]
name = "sip-options"
kind = "sip"
transport = "udp"
interval = "500ms"
timeout = "400ms"
rise = 2
fall = 3
[[pool]]
name = "pair-1"
mode = "active-standby"
members = [{ name = "sip-a", address = "10.20.0.11" }, { name = "sip-b", address = "10.20.0.12" }]
monitors = ["sip-options"]
[[virtual_server]]
name = "sip-1"
address = "10.20.0.100"
pool = "pair-1"
listen = ["udp/5060", "tcp/5060", "tcp/5061"]
[[snat]]
pool = "pair-1"
address = "10.20.0.100"
exclude = ["172.16.1.20/32", "172.16.2.0/24"]
[limits]
flows_per_worker = 10000
rejects_per_second = 1000
"#;

/// The text of a file.
#[derive(Clone)]
pub struct File(pub String);

impl File {
    pub fn two_arm() -> File {
        File(TWO_ARM.to_owned())
    }

    /// With `new` where `old` stood.
    pub fn with(self, old: &str, new: &str) -> File {
        assert!(self.0.contains(old), "the file does not say `{old}`");
        File(self.0.replace(old, new))
    }

    /// With more of it at the end.
    pub fn and(self, more: &str) -> File {
        File(self.0 + more)
    }

    /// Probes as often as the file may ask for, within reason.
    pub fn probing(self, interval_ms: u64, fall: u32) -> File {
        self.with("interval = \"500ms\"", &format!("interval = \"{interval_ms}ms\""))
            .with("timeout = \"400ms\"", &format!("timeout = \"{}ms\"", interval_ms * 4 / 5))
            .with("fall = 3", &format!("fall = {fall}"))
    }
}
