//! Source ports of probes: each used once, and not again for as long as the range allows.
//!
//! Owns the dynamic range of RFC 6335 6 (49152 to 65535) and which of it is taken. The next number is always the one
//! after the last, so a late answer to an old probe does not meet a new one (scenario 34).

const FIRST: u16 = 49_152;
const COUNT: usize = (u16::MAX - FIRST) as usize + 1;

#[derive(Debug)]
pub struct Ports {
    next: u16,
    /// From the first port on.
    taken: Box<[bool]>,
    free: usize,
}

impl Ports {
    /// All ports are free; the first one given is named by `seed`.
    pub fn new(seed: u64) -> Ports {
        Ports {
            next: FIRST + (seed % u64::from(u16::MAX - FIRST)) as u16,
            taken: vec![false; COUNT].into(),
            free: COUNT,
        }
    }

    /// A port nobody has; `None` when all are taken.
    pub fn take(&mut self) -> Option<u16> {
        if self.free == 0 {
            return None;
        }
        loop {
            let port = self.next;
            self.next = if port == u16::MAX { FIRST } else { port + 1 };
            if !std::mem::replace(&mut self.taken[place(port)], true) {
                self.free -= 1;
                return Some(port);
            }
        }
    }

    /// Gives a port back.
    pub fn release(&mut self, port: u16) {
        self.free += usize::from(std::mem::take(&mut self.taken[place(port)]));
    }

    /// How many are taken.
    #[cfg(test)]
    pub fn taken(&self) -> usize {
        COUNT - self.free
    }
}

/// Where one that was given stands.
fn place(port: u16) -> usize {
    usize::from(port - FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_port_comes_again_only_after_all_others() {
        let mut ports = Ports::new(99);
        let size = usize::from(u16::MAX - FIRST) + 1;
        let mut seen = Vec::new();
        for _ in 0..size {
            let port = ports.take().unwrap();
            assert!(port >= FIRST);
            ports.release(port);
            seen.push(port);
        }
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), size);
        assert_eq!(ports.take(), seen.first().copied());
    }

    #[test]
    fn a_taken_port_is_passed_over_and_exhaustion_is_said() {
        let mut ports = Ports::new(0);
        let size = usize::from(u16::MAX - FIRST) + 1;
        let all: HashSet<u16> = (0..size).filter_map(|_| ports.take()).collect();
        assert_eq!((all.len(), ports.take()), (size, None));
        ports.release(50_000);
        assert_eq!((ports.take(), ports.taken()), (Some(50_000), size));
    }
}
