//! What of an answer is shown, as text and as JSON alike.
//!
//! Owns which rows are chosen, and what has moved between two answers. Asks nothing.

use super::talkers;
use serde_json::Value;

/// Which rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Narrow {
    /// Counters of dropped frames.
    Drops,
    /// Flows with a port, at most so many.
    Port {
        /// At any end.
        port: u16,
        /// So many rows.
        most: usize,
    },
    /// Who has opened most flows, instead of these.
    Talkers {
        /// Flows with this port only.
        port: Option<u16>,
        /// So many rows.
        most: usize,
    },
    /// Switchovers.
    Switchovers {
        /// Of this pool only.
        pool: Option<String>,
        /// The last so many of them only.
        last: Option<u64>,
    },
    /// Traffic of what has these names; of either kind where neither is said.
    Traffic {
        /// This virtual server.
        server: Option<String>,
        /// This member.
        member: Option<String>,
        /// Of this pool only.
        pool: Option<String>,
    },
}

impl Narrow {
    /// What it leaves of `data`, or makes of it.
    pub fn of(&self, data: Value) -> Value {
        match self {
            Narrow::Port { port, most } => talkers::with_port(data, *port, *most),
            Narrow::Talkers { port: Some(port), most } => {
                talkers::most_of(&talkers::with_port(data, *port, usize::MAX), *most)
            }
            Narrow::Talkers { port: None, most } => talkers::most_of(&data, *most),
            Narrow::Drops | Narrow::Switchovers { .. } | Narrow::Traffic { .. } => self.rows(data),
        }
    }

    /// What it leaves of a list of rows.
    fn rows(&self, mut data: Value) -> Value {
        let Some(rows) = data.as_array_mut() else { return data };
        match self {
            Narrow::Port { .. } | Narrow::Talkers { .. } => {}
            Narrow::Drops => rows.retain(|row| row["name"].as_str().is_some_and(|name| name.starts_with("drop_"))),
            Narrow::Traffic { server, member, pool } => {
                let all = server.is_none() && member.is_none();
                let is = |name: &Option<String>, kind: &str, row: &Value| {
                    row["type"] == kind && name.as_ref().is_some_and(|name| row["name"] == name.as_str())
                };
                rows.retain(|row| {
                    let named = all || is(server, "virtual-server", row) || is(member, "member", row);
                    named && pool.as_ref().is_none_or(|pool| row["pool"] == pool.as_str())
                });
            }
            Narrow::Switchovers { pool, last } => {
                rows.retain(|row| pool.as_ref().is_none_or(|pool| row["pool"] == pool.as_str()));
                let most = last.map_or(rows.len(), |last| usize::try_from(last).unwrap_or(rows.len()));
                rows.drain(..rows.len().saturating_sub(most));
            }
        }
        data
    }
}

/// By how much the counters of `after` are above those of `before`, where they are.
pub fn growth(before: &Value, after: Value) -> Value {
    let Value::Array(mut rows) = after else { return after };
    let earlier = before.as_array().map(Vec::as_slice).unwrap_or_default();
    rows.retain_mut(|row| {
        let old = earlier.iter().find(|old| old["name"] == row["name"] && old["worker"] == row["worker"]);
        let old = old.and_then(|old| old["value"].as_u64()).unwrap_or_default();
        let grown = row["value"].as_u64().unwrap_or_default().saturating_sub(old);
        row["value"] = grown.into();
        grown > 0
    });
    Value::Array(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_are_chosen_by_pool_and_number_and_counters_by_what_they_count() {
        let rows = json!([{"pool": "a", "at": 1}, {"pool": "b", "at": 2}, {"pool": "a", "at": 3}]);
        let chosen = |pool: Option<&str>, last| {
            let left = Narrow::Switchovers { pool: pool.map(str::to_owned), last }.of(rows.clone());
            left.as_array().unwrap().iter().map(|row| row["at"].as_u64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(chosen(None, None), [1, 2, 3]);
        assert_eq!(
            (chosen(Some("a"), None), chosen(Some("a"), Some(1)), chosen(None, Some(9))),
            (vec![1, 3], vec![3], vec![1, 2, 3])
        );
        let counters = json!([{"name": "received"}, {"name": "drop_no_route"}]);
        assert_eq!(Narrow::Drops.of(counters), json!([{"name": "drop_no_route"}]));
    }

    #[test]
    fn traffic_is_chosen_by_kind_and_name_and_pool() {
        let row = |of: &str, name: &str, pool: &str| json!({"type": of, "name": name, "pool": pool});
        let rows = json!([row("virtual-server", "x", "a"), row("virtual-server", "y", "b"), row("member", "x", "b")]);
        let chosen = |server: Option<&str>, member: Option<&str>, pool: Option<&str>| {
            let [server, member, pool] = [server, member, pool].map(|name| name.map(str::to_owned));
            Narrow::Traffic { server, member, pool }.of(rows.clone())
        };
        assert_eq!(chosen(None, None, None), rows);
        assert_eq!(chosen(Some("x"), None, None), json!([rows[0]]));
        assert_eq!(chosen(None, Some("x"), None), json!([rows[2]]));
        assert_eq!(chosen(Some("y"), Some("x"), None), json!([rows[1], rows[2]]));
        assert_eq!(chosen(None, None, Some("b")), json!([rows[1], rows[2]]));
        assert_eq!(chosen(Some("x"), None, Some("b")), json!([]));
    }

    #[test]
    fn flows_are_chosen_by_port_and_counted_by_who_opened_them() {
        let flow = |src: &str, dst: &str, idle: u64| {
            json!({"worker": 0, "flow": "0-5.1", "path": "service", "protocol": "tcp", "original": {"src": src, "dst": dst},
                   "translated": {"src": src, "dst": "10.20.0.11:5061"}, "member": "sip-a", "state": "established",
                   "idle_ms": idle, "expires_in_ms": 1})
        };
        let rows = [
            flow("172.16.5.5:40000", "10.20.0.100:5060", 5),
            flow("172.16.5.6:40001", "10.20.0.100:5061", 7),
            flow("172.16.5.6:40002", "10.20.0.100:5061", 3),
        ];
        let data = json!({"rows": rows, "total": 3, "exact": true});
        let left = Narrow::Port { port: 5060, most: 9 }.of(data.clone());
        assert_eq!((&left["rows"], &left["total"], &left["exact"]), (&json!([rows[0]]), &json!(1), &json!(true)));
        let left = Narrow::Port { port: 5061, most: 1 }.of(json!({"rows": rows, "total": 9, "exact": true}));
        assert_eq!(
            (left["rows"].as_array().unwrap().len(), &left["total"], &left["exact"]),
            (1, &json!(3), &json!(false))
        );
        let talker = |source: &str, flows: u64, idle: u64| json!({"source": source, "member": "sip-a", "path": "service", "flows": flows, "idle_ms": idle});
        let most = |port, most| Narrow::Talkers { port, most }.of(data.clone());
        assert_eq!(most(None, 9)["rows"], json!([talker("172.16.5.6", 2, 3), talker("172.16.5.5", 1, 5)]));
        assert_eq!(
            (&most(None, 1)["rows"], &most(Some(40000), 9)["rows"]),
            (&json!([talker("172.16.5.6", 2, 3)]), &json!([talker("172.16.5.5", 1, 5)]))
        );
        // Of more than are listed, who has opened most is not known.
        assert_eq!((&most(None, 9)["counted"], &most(None, 9)["exact"]), (&json!(3), &json!(true)));
        let some = json!({"rows": rows, "total": 9, "exact": true});
        let left = Narrow::Talkers { port: None, most: 9 }.of(some.clone());
        assert_eq!((&left["counted"], &left["total"], &left["exact"]), (&json!(3), &json!(9), &json!(false)));
        assert_eq!(Narrow::Port { port: 5061, most: 9 }.of(some)["searched"], json!(3));
        assert_eq!(Narrow::Talkers { port: None, most: 9 }.of(json!({"rows": 7})), json!({"rows": 7}), "as it came");
    }

    #[test]
    fn what_has_moved_between_two_answers_is_what_one_is_above_the_other() {
        let row = |name: &str, worker: Option<u32>, value: u64| json!({"name": name, "worker": worker, "value": value});
        let before = json!([row("a", None, 5), row("a", Some(0), 5), row("b", None, 7)]);
        let after = json!([row("a", None, 9), row("a", Some(0), 6), row("b", None, 7), row("c", None, 1)]);
        assert_eq!(growth(&before, after), json!([row("a", None, 4), row("a", Some(0), 1), row("c", None, 1)]));
    }
}
