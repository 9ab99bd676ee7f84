//! The rows of `traffic`.
//!
//! Owns the JSON of that answer.

use super::words::TrafficOf;
use serde::{Deserialize, Serialize};

/// What has been forwarded for a member, or for the clients of a virtual server. In is towards the members, out is from them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficRow {
    /// Of what: `virtual-server` or `member`.
    #[serde(rename = "type")]
    pub of: TrafficOf,
    /// Its name.
    pub name: String,
    /// The name of its pool.
    pub pool: String,
    /// Packets and bytes are being counted: `[limits] traffic_counters`.
    pub counting: bool,
    /// Packets to it, those to the member's own address among them; what came in fragments counts by fragments. As all counts of traffic since the start, or since it came with a reload.
    pub packets_in: u64,
    /// Packets from it. Of a virtual server: that left as its service.
    pub packets_out: u64,
    /// Bytes of the packets to it, from the IP header on, as they came in.
    pub bytes_in: u64,
    /// Bytes of the packets from it.
    pub bytes_out: u64,
    /// What has come to these counts in the last full second.
    pub per_second: TrafficRates,
    /// Connections to services now: TCP that is not over, and where several members are active UDP peers. UDP of a service of one active member has none.
    pub connections: u64,
    /// The most there were at once, as far as was seen once a second.
    pub connections_max: u64,
    /// Connections that have begun.
    pub connections_total: u64,
}

/// How much counts have grown in the last full second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficRates {
    /// Of `packets_in`.
    pub packets_in: u64,
    /// Of `packets_out`.
    pub packets_out: u64,
    /// Of `bytes_in`.
    pub bytes_in: u64,
    /// Of `bytes_out`.
    pub bytes_out: u64,
    /// Of `connections_total`.
    pub connections: u64,
}
