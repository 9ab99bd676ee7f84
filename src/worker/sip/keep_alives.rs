//! How often remote endpoints send what only keeps their way open.
//!
//! Owns [`KeepAlives`]: when those were heard of that are looked at, one of so many by a hash of the endpoint, in a table of a fixed size.
//! A place is an endpoint's until it was silent for long.

use crate::time::{Duration, Instant};
use crate::wire::Endpoint;
use crate::wire::sip::Branch;
use std::net::Ipv4Addr;

/// Endpoints at once, at most; a power of two.
const PLACES: usize = 4_096;
/// Who was silent for so long does not keep anything open any more.
const LONGEST: Duration = Duration::from_secs(3_600);
/// A request is repeated for so long at most (64·T1, RFC 3261 17.1.2.2).
const REPEATED: Duration = Duration::from_secs(32);

/// What keeps a way open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// That of a request, which tells its repetitions.
    pub branch: Option<Branch>,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    remote: Endpoint,
    service: Endpoint,
    at: Instant,
    /// Of the last request.
    branch: Option<Branch>,
}

/// When endpoints were heard of.
#[derive(Debug)]
pub struct KeepAlives(Box<[Option<Heard>]>);

impl Default for KeepAlives {
    fn default() -> KeepAlives {
        // Each page is touched now, so that none is first touched between two packets.
        let nobody = Endpoint::new(Ipv4Addr::UNSPECIFIED, 0);
        let mut places = vec![Some(Heard { remote: nobody, service: nobody, at: Instant::ZERO, branch: None }); PLACES];
        places.fill(None);
        KeepAlives(places.into())
    }
}

impl KeepAlives {
    /// `remote`, one of `sample` that are looked at, keeps its way to `service` open. Returns how long it has been since it last did; a
    /// request that is sent again says nothing of that.
    pub fn note(
        &mut self,
        KeepAlive { branch }: KeepAlive,
        (remote, service): (Endpoint, Endpoint),
        sample: u32,
        now: Instant,
    ) -> Option<Duration> {
        let mixed = mixed(remote);
        if ((mixed >> 32) * u64::from(sample)) >> 32 != 0 {
            return None;
        }
        let place = &mut self.0[mixed as usize % PLACES];
        let heard = Heard { remote, service, at: now, branch };
        match place {
            Some(before) if now.since(before.at) > LONGEST => {
                *before = heard;
                None
            }
            Some(before) if (before.remote, before.service) == (remote, service) => before.again(branch, now),
            // It is somebody else's.
            Some(_) => None,
            None => {
                *place = Some(heard);
                None
            }
        }
    }
}

impl Heard {
    fn again(&mut self, branch: Option<Branch>, now: Instant) -> Option<Duration> {
        let after = now.since(self.at);
        if branch.is_some() && branch == self.branch && after < REPEATED {
            return None;
        }
        (self.at, self.branch) = (now, branch.or(self.branch));
        Some(after)
    }
}

fn mixed(remote: Endpoint) -> u64 {
    let number = u64::from(remote.addr.to_bits()) << 16 | u64::from(remote.port);
    let number = (number ^ number >> 23).wrapping_mul(0xd6e8_feb8_6659_fd93);
    number ^ number >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: Endpoint = Endpoint::new(Ipv4Addr::new(10, 20, 0, 100), 5060);

    const BARE: KeepAlive = KeepAlive { branch: None };

    fn remote(number: u32) -> Endpoint {
        Endpoint::new(Ipv4Addr::from(0xac10_0000 + number / 3), 40_000 + (number % 3) as u16)
    }

    #[test]
    fn the_time_since_the_last_one_is_said_and_a_long_silence_begins_anew() {
        let mut heard = KeepAlives::default();
        let times = [0, 30, 55, 55 + 3_600, 55 + 2 * 3_600 + 1, 55 + 2 * 3_600 + 26];
        let found = times.map(|at| heard.note(BARE, (remote(1), SERVICE), 1, Instant::from_millis(at * 1_000)));
        let seconds = |count| Some(Duration::from_secs(count));
        assert_eq!(found, [None, seconds(30), seconds(25), seconds(3_600), None, seconds(25)]);
        let other = Endpoint { port: 5070, ..SERVICE };
        assert_eq!(
            heard.note(BARE, (remote(1), other), 1, Instant::from_millis(8_000_000)),
            None,
            "its place is taken"
        );
    }

    /// Each row: when, the branch of an OPTIONS or nothing, and how long it has been since the last.
    #[test]
    fn a_request_that_is_sent_again_keeps_nothing_open() {
        let mut heard = KeepAlives::default();
        let rows = [
            (0, "a", None),
            (500, "a", None),
            (1_500, "a", None),
            (3_500, "", Some(3_500)),
            (7_500, "a", None),
            (30_000, "b", Some(26_500)),
            (30_500, "b", None),
            (60_000, "c", Some(30_000)),
            (92_000, "c", Some(32_000)),
        ];
        for (at, branch, after) in rows {
            let what = KeepAlive { branch: Branch::of(branch.as_bytes()) };
            let found = heard.note(what, (remote(1), SERVICE), 1, Instant::from_millis(at));
            assert_eq!(found, after.map(Duration::from_millis), "{at} {branch}");
        }
    }

    #[test]
    fn one_in_so_many_endpoints_is_looked_at_and_always_the_same() {
        for sample in [1, 10, 100] {
            let mut heard = KeepAlives::default();
            let seen = |heard: &mut KeepAlives, at| {
                let now = Instant::from_millis(at);
                (0..2_000).filter(|number| heard.note(BARE, (remote(*number), SERVICE), sample, now).is_some()).count()
                    as u32
            };
            assert_eq!(seen(&mut heard, 1_000), 0);
            let (first, second) = (seen(&mut heard, 31_000), seen(&mut heard, 61_000));
            let meant = 2_000 / sample;
            assert!(first == second && (meant / 2..=meant * 3 / 2).contains(&first), "{first} of {meant}");
        }
    }
}
