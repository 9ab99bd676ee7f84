//! The configuration file of a bench, and how a scenario departs from it.

use crate::TWO_ARM;

/// What the acceptance scenarios change in [`TWO_ARM`]: ports that are not there, no tag, few flows; and what scenarios
/// replace stands there although it is the default.
const COMMON: [(&str, &str); 5] = [
    ("0000:3b:00.0", "net_null0"),
    ("0000:3b:00.1", "net_null1"),
    ("vlan = 120\n", ""),
    ("interval = \"500ms\"\n", "transport = \"udp\"\ninterval = \"500ms\"\ntimeout = \"400ms\"\nrise = 2\nfall = 3\n"),
    (
        "exclude = [\"172.16.1.20/32\", \"172.16.2.0/24\"]\n",
        "exclude = [\"172.16.1.20/32\", \"172.16.2.0/24\"]\n\n[limits]\nflows_per_worker = 10000\nrejects_per_second = 1000\n",
    ),
];

/// The text of a file.
#[derive(Clone)]
pub struct File(pub String);

impl File {
    /// The common setting of the acceptance scenarios: two arms, one pair, SIP probes twice a second.
    pub fn two_arm() -> File {
        COMMON.iter().fold(File(TWO_ARM.to_owned()), |file, (old, new)| file.with(old, new))
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
