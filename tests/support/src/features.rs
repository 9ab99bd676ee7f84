//! What the operator may write of a pool and its members beside who they are: what stays together, what happens to what a lost member
//! had, how many connections there may be.

use fairlead::policy::intent::{Dscp, Member, OnDownTcp, OnDownUdp, Persistence, Pool, VirtualServer};

/// Connections at a time and new ones in a second, at most; 0: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    pub most: u32,
    pub per_second: u32,
}

/// Those keys of a file, by pair or by member; by default what a file says that does not hold them.
#[derive(Clone, Debug)]
pub struct Features {
    pub persistence: [Persistence; 2],
    pub on_down_udp: [OnDownUdp; 2],
    pub on_down_tcp: [OnDownTcp; 2],
    pub servers: [Limit; 2],
    pub members: [Limit; 6],
    /// Of what leaves from service ports, and from other ones.
    pub dscp: [[Option<Dscp>; 2]; 2],
}

impl Default for Features {
    fn default() -> Features {
        Features {
            persistence: [Persistence::Endpoint; 2],
            on_down_udp: [OnDownUdp::Reselect; 2],
            on_down_tcp: [OnDownTcp::Reset; 2],
            servers: [Limit::default(); 2],
            members: [Limit::default(); 6],
            dscp: [[None; 2]; 2],
        }
    }
}

impl Features {
    pub fn write_pool(&self, pair: usize, pool: &mut Pool) {
        pool.persistence = self.persistence[pair];
        (pool.on_down_udp, pool.on_down_tcp) = (self.on_down_udp[pair], self.on_down_tcp[pair]);
    }

    pub fn write_member(&self, who: usize, member: &mut Member) {
        let Limit { most, per_second } = self.members[who];
        (member.connection_limit, member.connection_rate_limit) = (most, per_second);
    }

    pub fn write_server(&self, pair: usize, server: &mut VirtualServer) {
        let Limit { most, per_second } = self.servers[pair];
        (server.connection_limit, server.connection_rate_limit) = (most, per_second);
        server.dscp = self.dscp[pair][0];
    }
}
