//! What stands before a process, or an appliance, gives way to another one, and the frames by which it is seen to go on.

use super::*;
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;

pub(super) const REMOTES: [&str; 6] =
    ["172.16.9.1", "172.16.9.2", "172.16.9.3", "172.16.9.4", "172.16.9.5", "172.16.9.6"];

/// Of these datagrams as well: of a fourth the port would be open to nearly all.
pub(super) const UDP: [&str; 3] = [REMOTES[0], REMOTES[1], REMOTES[2]];

/// What stands before: of each kind of flow something, with several remotes, so that each worker has some.
pub(super) struct Standing {
    /// The ports that B's TCP and UDP, from 41,000, are translated to.
    tcp: u16,
    udp: u16,
    /// Those of B's calls to its own virtual address.
    hairpin: u16,
    echo: u16,
}

fn syn(src: &str, port: u16, to: Endpoint) -> Build {
    Build::tcp(at(src, port), to, SYN, 10, 0)
}

pub(super) fn datagram(src: &str, port: u16, to: Endpoint) -> Build {
    Build::udp(at(src, port), to).payload(b"get")
}

impl Standing {
    pub(super) fn begin<S: Setting>(lab: &mut LabOn<S>) -> Standing {
        let mut standing = Standing { tcp: 0, udp: 0, hairpin: 0, echo: 0 };
        for remote in REMOTES {
            lab.connect(at(remote, 40_001), 5060, HOST_A);
            lab.connect_out(HOST_A, 41_000, at(remote, 5060));
            let to = at(remote, 5060);
            standing.tcp = lab.forwards_as(HOST_B, syn(B, 41_000, to), ROUTER, |port| syn(V, port, to));
        }
        for remote in UDP {
            let dns = at(remote, 53);
            lab.forwards(HOST_A, datagram(A, 41_000, dns), ROUTER, datagram(V, 41_000, dns));
            standing.udp = lab.forwards_as(HOST_B, datagram(B, 41_000, dns), ROUTER, |port| datagram(V, port, dns));
        }
        let call = |src, port, dst| Build::tcp(at(src, port), at(dst, 5060), SYN, 1, 0);
        standing.hairpin = lab.forwards_as(HOST_B, call(B, 42_000, V), HOST_A, |port| call(V, port, A));
        let ping = |src: &str, id| Build::echo_request(src, PEER, id, 1);
        standing.echo = lab.forwards_as(HOST_A, ping(A, 77), ROUTER, |id| ping(V, id));
        standing
    }

    /// The same frames go the same way, each compared whole.
    #[track_caller]
    pub(super) fn exchange<S: Setting>(&self, lab: &mut LabOn<S>) {
        for remote in REMOTES {
            let (client, sip) = (at(remote, 40_001), at(remote, 5060));
            let there = |dst| Build::tcp(client, at(dst, 5060), DATA, 1001, 9001).payload(b"INVITE");
            lab.forwards(ROUTER, there(V), HOST_A, there(A));
            let back = |src| Build::tcp(at(src, 5060), client, DATA, 9001, 1007).payload(b"200");
            lab.forwards(HOST_A, back(A), ROUTER, back(V));
            let out = |src| Build::tcp(at(src, 41_000), sip, DATA, 501, 701).payload(b"REGISTER");
            lab.forwards(HOST_A, out(A), ROUTER, out(V));
            let answer = |dst, port| Build::tcp(sip, at(dst, port), SYN_ACK, 70, 11);
            lab.forwards(ROUTER, answer(V, self.tcp), HOST_B, answer(B, 41_000));
        }
        for remote in UDP {
            let reply = |dst, port| Build::udp(at(remote, 53), at(dst, port)).payload(b"got");
            lab.forwards(ROUTER, reply(V, 41_000), HOST_A, reply(A, 41_000));
            lab.forwards(ROUTER, reply(V, self.udp), HOST_B, reply(B, 41_000));
        }
        let back = |src, dst, port| Build::tcp(at(src, 5060), at(dst, port), SYN_ACK, 9, 2);
        lab.forwards(HOST_A, back(A, V, self.hairpin), HOST_B, back(V, B, 42_000));
        let pong = |dst: &str, id| Build::echo_reply(PEER, dst, id, 1);
        lab.forwards(ROUTER, pong(V, self.echo), HOST_A, pong(A, 77));
    }

    /// Whoever talks to somebody new has the port that it had (RFC 4787 REQ-1).
    #[track_caller]
    pub(super) fn has_its_ports<S: Setting>(&self, lab: &mut LabOn<S>) {
        let (to, dns) = (at("172.16.9.99", 5060), at("172.16.9.99", 53));
        lab.forwards(HOST_A, syn(A, 41_000, to), ROUTER, syn(V, 41_000, to));
        lab.forwards(HOST_B, syn(B, 41_000, to), ROUTER, syn(V, self.tcp, to));
        lab.forwards(HOST_B, datagram(B, 41_000, dns), ROUTER, datagram(V, self.udp, dns));
    }
}
