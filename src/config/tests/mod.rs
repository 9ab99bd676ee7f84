//! Files that load and what they mean; files that are refused and what the operator reads.

mod changes;
mod examples;
mod reference;
mod refusals;
mod round_trip;
mod writer;

/// A good file to spoil.
const GOOD: &str = r#"[cores]
management = 0
workers = [1]

[[port]]
name = "outer"
device = "0000:3b:00.0"

[[port]]
name = "inner"
device = "0000:3b:00.1"

[[interface]]
name = "clients"
port = "outer"
vlan = 120
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
interval = "500ms"

[[pool]]
name = "pair-1"
members = [
  { name = "sip-a", address = "10.20.0.11" },
  { name = "sip-b", address = "10.20.0.12" },
]
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
"#;

/// [`GOOD`] with each first text replaced by the second; an empty first text adds the second at the end.
fn edited(edits: &[(&str, &str)]) -> String {
    let mut text = GOOD.to_string();
    for (from, to) in edits {
        assert!(text.contains(from), "the good file has no {from:?}");
        match from.is_empty() {
            true => text += to,
            false => text = text.replacen(from, to, 1),
        }
    }
    text
}
