//! How often remote endpoints send what only keeps their way open.
//!
//! Owns [`KeepAlives`]: when those were heard of that are looked at, one of so many by a hash of the endpoint, in a table of a fixed size.
//! A place is an endpoint's until it was silent for long.

use crate::time::{Duration, Instant};
use crate::wire::Endpoint;
use std::net::Ipv4Addr;

/// Endpoints at once, at most; a power of two.
const PLACES: usize = 4_096;
/// Who was silent for so long does not keep anything open any more.
const LONGEST: Duration = Duration::from_secs(3_600);

#[derive(Clone, Copy, Debug)]
struct Heard {
    remote: Endpoint,
    service: Endpoint,
    at: Instant,
}

/// When endpoints were heard of.
#[derive(Debug)]
pub struct KeepAlives(Box<[Option<Heard>]>);

impl Default for KeepAlives {
    fn default() -> KeepAlives {
        // Each page is touched now, so that none is first touched between two packets.
        let nobody = Endpoint::new(Ipv4Addr::UNSPECIFIED, 0);
        let mut places = vec![Some(Heard { remote: nobody, service: nobody, at: Instant::ZERO }); PLACES];
        places.fill(None);
        KeepAlives(places.into())
    }
}

impl KeepAlives {
    /// `remote`, one of `sample` that are looked at, keeps its way to `service` open. Returns how long it has been since it last did.
    pub fn note(&mut self, remote: Endpoint, service: Endpoint, sample: u32, now: Instant) -> Option<Duration> {
        let mixed = mixed(remote);
        if ((mixed >> 32) * u64::from(sample)) >> 32 != 0 {
            return None;
        }
        let place = &mut self.0[mixed as usize % PLACES];
        let heard = Heard { remote, service, at: now };
        match place {
            Some(before) if now.since(before.at) > LONGEST => {
                *before = heard;
                None
            }
            Some(before) if (before.remote, before.service) == (remote, service) => {
                Some(now.since(std::mem::replace(&mut before.at, now)))
            }
            // It is somebody else's.
            Some(_) => None,
            None => {
                *place = Some(heard);
                None
            }
        }
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

    fn remote(number: u32) -> Endpoint {
        Endpoint::new(Ipv4Addr::from(0xac10_0000 + number / 3), 40_000 + (number % 3) as u16)
    }

    #[test]
    fn the_time_since_the_last_one_is_said_and_a_long_silence_begins_anew() {
        let mut heard = KeepAlives::default();
        let times = [0, 30, 55, 55 + 3_600, 55 + 2 * 3_600 + 1, 55 + 2 * 3_600 + 26];
        let found = times.map(|at| heard.note(remote(1), SERVICE, 1, Instant::from_millis(at * 1_000)));
        let seconds = |count| Some(Duration::from_secs(count));
        assert_eq!(found, [None, seconds(30), seconds(25), seconds(3_600), None, seconds(25)]);
        let other = Endpoint { port: 5070, ..SERVICE };
        assert_eq!(heard.note(remote(1), other, 1, Instant::from_millis(8_000_000)), None, "its place is taken");
    }

    #[test]
    fn one_in_so_many_endpoints_is_looked_at_and_always_the_same() {
        for sample in [1, 10, 100] {
            let mut heard = KeepAlives::default();
            let seen = |heard: &mut KeepAlives, at| {
                let now = Instant::from_millis(at);
                (0..2_000).filter(|number| heard.note(remote(*number), SERVICE, sample, now).is_some()).count() as u32
            };
            assert_eq!(seen(&mut heard, 1_000), 0);
            let (first, second) = (seen(&mut heard, 31_000), seen(&mut heard, 61_000));
            let meant = 2_000 / sample;
            assert!(first == second && (meant / 2..=meant * 3 / 2).contains(&first), "{first} of {meant}");
        }
    }
}
