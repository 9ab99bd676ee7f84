//! What of another process's memory is not taken up, and why.
//!
//! Owns the reasons and their count. Decides about nothing.

use std::fmt;

macro_rules! reasons {
    ($($variant:ident = $text:literal;)*) => {
        /// Why something is left out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum LeftOut { $(#[doc = $text] $variant,)* }

        impl LeftOut {
            const ALL: &'static [(LeftOut, &'static str)] = &[$((LeftOut::$variant, $text)),*];
        }
    };
}

reasons! {
    Expired = "its time was up";
    Member = "its member is not in the pool any more";
    Address = "its virtual address, its service or the address it is translated to is there no more";
    Port = "the port it was translated to is given to nobody, or to somebody else";
    Full = "there is no room for it";
    Twice = "something with the same addresses and ports was there already";
    Unkept = "nothing of the kind is kept any more";
    Late = "there was no time for it";
    Damaged = "it says what cannot be";
}

/// How much was left out for which reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOutCounts([u64; LeftOut::ALL.len()]);

impl LeftOutCounts {
    /// One thing more.
    pub fn count(&mut self, why: LeftOut) {
        self.0[why as usize] += 1;
    }

    /// So many things more.
    pub fn add(&mut self, why: LeftOut, count: u64) {
        self.0[why as usize] += count;
    }

    /// And those that another one has counted.
    pub fn add_all(&mut self, others: &LeftOutCounts) {
        self.0.iter_mut().zip(&others.0).for_each(|(count, more)| *count += more);
    }

    /// How much for this reason.
    pub fn of(&self, why: LeftOut) -> u64 {
        self.0[why as usize]
    }

    /// How much in all.
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Such as `3 left out: 2 as its time was up, 1 as there is no room for it`; `nothing left out`.
impl fmt::Display for LeftOutCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sum() == 0 {
            return f.write_str("nothing left out");
        }
        write!(f, "{} left out", self.sum())?;
        let reasons = LeftOut::ALL.iter().filter(|(why, _)| self.of(*why) > 0);
        for ((why, text), sign) in reasons.zip(std::iter::once(':').chain(std::iter::repeat(','))) {
            write!(f, "{sign} {} as {text}", self.of(*why))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_named_that_were_met() {
        let mut counts = LeftOutCounts::default();
        assert_eq!(counts.to_string(), "nothing left out");
        counts.add(LeftOut::Full, 3);
        let mut more = LeftOutCounts::default();
        more.count(LeftOut::Expired);
        counts.add_all(&more);
        assert_eq!(counts.to_string(), "4 left out: 1 as its time was up, 3 as there is no room for it");
    }
}
