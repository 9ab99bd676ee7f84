//! How old what the kernel sends may be.
//!
//! Owns after which moment everything was sent that a device holds and nobody has read yet: the last one at which it was seen to be empty. Reads no
//! clock. A TAP says nothing of the kind itself, and holds what comes while nobody reads.

use crate::time::Instant;

/// More frames than a TAP holds that nobody reads: 500, unless somebody has raised its `txqueuelen`.
const HELD: usize = 1_024;

/// Of one device.
#[derive(Debug)]
pub(super) struct Age {
    after: Instant,
    /// When the look began at which the first of `read` frames was read, and the latest one.
    first: Instant,
    latest: Instant,
    /// Frames since it was empty.
    read: usize,
}

impl Age {
    /// Of a device that is empty.
    pub(super) fn new(now: Instant) -> Age {
        Age { after: now, first: now, latest: now, read: 0 }
    }

    /// Somebody begins to read. What is read was sent after the moment that this returns.
    pub(super) fn look(&mut self, now: Instant) -> Instant {
        if self.read == 0 {
            self.first = now;
        }
        self.latest = now;
        self.after
    }

    /// A frame was read. After many of them nothing is left of what was held when the first of these looks began, however fast the kernel sends.
    pub(super) fn add_read(&mut self) {
        self.read += 1;
        if self.read == HELD {
            (self.after, self.first, self.read) = (self.first, self.latest, 0);
        }
    }

    /// Nothing is left of what was held when the latest look began.
    pub(super) fn emptied(&mut self) {
        (self.after, self.read) = (self.latest, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn what_a_device_holds_was_sent_since_it_was_empty() {
        let mut age = Age::new(at(10));
        assert_eq!(age.look(at(20)), at(10));
        age.emptied();
        assert_eq!(age.look(at(5_000)), at(20), "nobody has looked for long");
        age.add_read();
        assert_eq!(age.look(at(5_001)), at(20), "more of the same is left");
        age.emptied();
        assert_eq!(
            age.look(at(5_002)),
            at(5_001),
            "what comes after a hang is not of the time before, whatever was left then"
        );
    }

    #[test]
    fn a_device_that_is_never_empty_holds_nothing_old_for_ever() {
        let mut age = Age::new(at(0));
        for look in 0..HELD as u64 {
            assert_eq!(age.look(at(1_000 + look)), at(0));
            age.add_read();
        }
        assert_eq!(age.look(at(9_000)), at(1_000));
    }
}
