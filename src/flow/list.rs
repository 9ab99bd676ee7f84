//! Doubly linked lists through the slots of a slab: a place in line without memory of its own.
//!
//! Owns the linking and nothing else. A slot is in at most one list at a time; the caller remembers which.

/// No slot.
pub(super) const NIL: u32 = u32::MAX;

/// A slot's neighbours in its list.
#[derive(Clone, Copy)]
pub(super) struct Links {
    /// The slot before, or [`NIL`].
    pub prev: u32,
    /// The slot behind, or [`NIL`].
    pub next: u32,
}

impl Links {
    /// In no list.
    pub const NONE: Links = Links { prev: NIL, next: NIL };
}

/// Brings the cache line near in which `at` begins: nothing waits for it now, and less will when it is read.
#[inline]
pub(super) fn prefetch<T>(at: &T) {
    prefetch_index::prefetch_index(std::slice::from_ref(at), 0);
}

/// A slot that can be in a list.
pub(super) trait Linked {
    fn links(&mut self) -> &mut Links;
}

/// One list: oldest in front.
#[derive(Clone, Copy)]
pub(super) struct List {
    head: u32,
    tail: u32,
}

impl List {
    /// A list with nobody in it.
    pub const EMPTY: List = List { head: NIL, tail: NIL };

    /// The slot in front.
    pub fn front(&self) -> Option<u32> {
        (self.head != NIL).then_some(self.head)
    }

    /// Puts a slot that is in no list at the end.
    pub fn push_back<S: Linked>(&mut self, slots: &mut [S], at: u32) {
        *slots[at as usize].links() = Links { prev: self.tail, next: NIL };
        match self.tail {
            NIL => self.head = at,
            tail => slots[tail as usize].links().next = at,
        }
        self.tail = at;
    }

    /// Takes a slot out of this list, which must be the one it is in.
    pub fn unlink<S: Linked>(&mut self, slots: &mut [S], at: u32) {
        let Links { prev, next } = std::mem::replace(slots[at as usize].links(), Links::NONE);
        match prev {
            NIL => self.head = next,
            prev => slots[prev as usize].links().next = next,
        }
        match next {
            NIL => self.tail = prev,
            next => slots[next as usize].links().prev = prev,
        }
    }

    /// The slot at `from` is about to move to `to`, which is in no list: its neighbours must find it there.
    pub fn renumber<S: Linked>(&mut self, slots: &mut [S], from: u32, to: u32) {
        let Links { prev, next } = *slots[from as usize].links();
        match prev {
            NIL => self.head = to,
            prev => slots[prev as usize].links().next = to,
        }
        match next {
            NIL => self.tail = to,
            next => slots[next as usize].links().prev = to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Linked for Links {
        fn links(&mut self) -> &mut Links {
            self
        }
    }

    #[test]
    fn front_middle_and_back_can_leave() {
        let mut slots = [Links::NONE; 5];
        let mut list = List::EMPTY;
        for at in 0..5 {
            list.push_back(&mut slots, at);
        }
        for gone in [2, 0, 4] {
            list.unlink(&mut slots, gone);
        }
        list.push_back(&mut slots, 0);
        let mut order = Vec::new();
        while let Some(front) = list.front() {
            order.push(front);
            list.unlink(&mut slots, front);
        }
        assert_eq!(order, [1, 3, 0]);
        assert_eq!(list.tail, NIL);
    }
}
