//! Lists whose entries keep their number.
//!
//! Owns [`Slots`]: entries in the order of the file, each found by an id that stays its own wherever it is in the file, and
//! [`Life`], by which a reference to an entry that has gone is distinguished from one to whoever has its id now. Never gives ids:
//! [`super::ids`] does.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::net::Ipv4Addr;
use std::ops::{Index, IndexMut};

/// Counts the files taken over. A thing carries the count of the file it came with; a reference, that of the file it was
/// made under: if the thing is younger than the reference, it is not the one that was meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life(pub u32);

/// Since when things have been there that are their own ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lives {
    /// The present file's.
    pub now: Life,
    /// By virtual or SNAT address; one that is missing has been there from the first.
    pub addresses: BTreeMap<Ipv4Addr, Life>,
}

impl Lives {
    /// Since when a virtual or SNAT address has been there.
    pub fn of(&self, address: Ipv4Addr) -> Life {
        self.addresses.get(&address).copied().unwrap_or_default()
    }
}

/// A kind of id: what an entry of a list is found by.
pub trait Id: Copy + Ord + Into<usize> {
    /// The id with this number. There are never more than 2^16.
    fn of(number: usize) -> Self;
}

/// Entries by id, in the order of the file. One that was made from a list, and carried over from nothing, has the
/// places in that list as ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Slots<K, T> {
    slots: Vec<Slot<T>>,
    /// Ids, in the order of the file.
    order: Vec<u16>,
    key: PhantomData<K>,
}

#[derive(Clone, Debug, PartialEq)]
struct Slot<T> {
    since: Life,
    value: Option<T>,
}

impl<K: Id, T> Slots<K, T> {
    /// `entries` in the order of the file, each with its id, which no other has, and the life it came with.
    pub fn numbered(entries: impl IntoIterator<Item = (K, Life, T)>) -> Slots<K, T> {
        let mut made = Slots::default();
        for (id, since, value) in entries {
            let place = id.into();
            made.order.push(place as u16);
            while made.slots.len() <= place {
                made.slots.push(Slot { since: Life::default(), value: None });
            }
            made.slots[place] = Slot { since, value: Some(value) };
        }
        made
    }

    /// The same entries made into others.
    pub fn map<U>(&self, mut into: impl FnMut(K, &T) -> U) -> Slots<K, U> {
        Slots::numbered(self.entries().map(|(id, value)| (id, self.slots[id.into()].since, into(id, value))))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// All ids are below this number.
    pub fn bound(&self) -> usize {
        self.slots.len()
    }

    /// The ids, in the order of the file.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = K> + '_ {
        self.order.iter().map(|id| K::of(usize::from(*id)))
    }

    /// Ids and entries, in the order of the file.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (K, &T)> + '_ {
        self.ids().map(|id| (id, &self[id]))
    }

    /// The entries, in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> + '_ {
        self.order.iter().map(|id| &self[usize::from(*id)])
    }

    /// The entries, in no particular order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> + '_ {
        self.slots.iter_mut().filter_map(|slot| slot.value.as_mut())
    }

    /// The id of the first entry that is as wanted.
    pub fn find_id(&self, wanted: impl Fn(&T) -> bool) -> Option<K> {
        self.entries().find(|(_, value)| wanted(value)).map(|(id, _)| id)
    }

    /// There is an entry with this id.
    pub fn contains(&self, id: K) -> bool {
        self.get(id).is_some()
    }

    /// The entry with this id.
    #[inline]
    pub fn get(&self, id: impl Into<usize>) -> Option<&T> {
        self.slots.get(id.into())?.value.as_ref()
    }

    /// The entry that a reference made in `life` names: none if it has gone since, though its id may be another's now.
    #[inline]
    pub fn find(&self, id: impl Into<usize>, life: Life) -> Option<&T> {
        self.slots.get(id.into()).filter(|slot| slot.since <= life)?.value.as_ref()
    }

    /// The life that the entry with this id came with.
    pub fn since(&self, id: K) -> Life {
        self.slots.get(id.into()).map_or(Life::default(), |slot| slot.since)
    }

    /// The list is changed as a file is before it is read: places are ids afterwards.
    fn edit<R>(&mut self, change: impl FnOnce(&mut Vec<T>) -> R) -> R {
        let order = std::mem::take(&mut self.order);
        let mut entries: Vec<T> = order.iter().filter_map(|id| self.slots[usize::from(*id)].value.take()).collect();
        let result = change(&mut entries);
        *self = entries.into();
        result
    }

    /// Puts an entry at the end. Like all that follows, for a list that ids were not given to yet.
    pub fn push(&mut self, value: T) {
        self.edit(|list| list.push(value));
    }

    /// Takes the last entry out.
    pub fn pop(&mut self) -> Option<T> {
        self.edit(Vec::pop)
    }

    /// Puts an entry in at a place.
    pub fn insert(&mut self, place: usize, value: T) {
        self.edit(|list| list.insert(place, value));
    }

    /// Takes the entry at a place out.
    pub fn remove(&mut self, place: usize) -> T {
        self.edit(|list| list.remove(place))
    }

    /// Turns the order round.
    pub fn reverse(&mut self) {
        self.edit(|list| list.reverse());
    }
}

impl<K, T> Default for Slots<K, T> {
    fn default() -> Slots<K, T> {
        Slots { slots: Vec::new(), order: Vec::new(), key: PhantomData }
    }
}

impl<K: Id, T> From<Vec<T>> for Slots<K, T> {
    fn from(list: Vec<T>) -> Slots<K, T> {
        list.into_iter().collect()
    }
}

impl<K: Id, T> FromIterator<T> for Slots<K, T> {
    fn from_iter<I: IntoIterator<Item = T>>(list: I) -> Slots<K, T> {
        Slots::numbered(list.into_iter().enumerate().map(|(place, value)| (K::of(place), Life::default(), value)))
    }
}

impl<K: Id, T> Extend<T> for Slots<K, T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, more: I) {
        self.edit(|list| list.extend(more));
    }
}

impl<K, T> Index<usize> for Slots<K, T> {
    type Output = T;

    #[inline]
    fn index(&self, id: usize) -> &T {
        self.slots[id].value.as_ref().expect("an id is used only while its entry is there")
    }
}

impl<K, T> IndexMut<usize> for Slots<K, T> {
    fn index_mut(&mut self, id: usize) -> &mut T {
        self.slots[id].value.as_mut().expect("an id is used only while its entry is there")
    }
}

impl<K: Id, T> Index<K> for Slots<K, T> {
    type Output = T;

    #[inline]
    fn index(&self, id: K) -> &T {
        &self[id.into()]
    }
}

impl<K: Id, T> IndexMut<K> for Slots<K, T> {
    fn index_mut(&mut self, id: K) -> &mut T {
        &mut self[id.into()]
    }
}

impl<K: Id, T> IntoIterator for Slots<K, T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(mut self) -> Self::IntoIter {
        self.edit(std::mem::take).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::intent::MemberId;

    #[test]
    fn entries_stand_in_the_order_of_the_file_and_are_found_by_id_and_life() {
        let [old, new] = [Life(1), Life(2)];
        let slots: Slots<MemberId, &str> =
            Slots::numbered([(MemberId(3), old, "c"), (MemberId(0), new, "a"), (MemberId(1), old, "b")]);
        assert_eq!(slots.iter().copied().collect::<Vec<_>>(), ["c", "a", "b"]);
        assert_eq!((slots.len(), slots.bound(), slots[MemberId(3)]), (3, 4, "c"));
        assert_eq!(slots.find_id(|value| *value == "b"), Some(MemberId(1)));
        assert_eq!((slots.get(MemberId(2)), slots.contains(MemberId(9))), (None, false));
        assert_eq!([old, new].map(|life| slots.find(MemberId(0), life)), [None, Some(&"a")], "it is another one");
        assert_eq!(slots.find(MemberId(1), new), Some(&"b"));
        let lengths = slots.map(|id, value| (id, value.len()));
        assert_eq!((lengths.since(MemberId(0)), lengths[MemberId(1)]), (new, (MemberId(1), 1)));
    }

    #[test]
    fn a_list_that_is_edited_has_its_places_as_ids() {
        let mut slots: Slots<MemberId, u8> = vec![1, 2].into();
        slots.insert(0, 9);
        slots.push(3);
        assert_eq!((slots.remove(1), slots.pop()), (1, Some(3)));
        assert_eq!(slots, vec![9, 2].into());
        assert_eq!((slots[MemberId(1)], slots.ids().last()), (2, Some(MemberId(1))));
    }
}
