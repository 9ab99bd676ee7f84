//! A frame of a capture as it comes in at a port.
//!
//! Owns what is done to it before: what the capture cut off is zeros, a tag is added where its interface has one, and it is addressed to
//! the MAC that the appliance has.

use super::port::LONGEST;
use super::settings::Place;
use crate::capture_file::Captured;
use crate::wire::facts::Link;
use crate::wire::{Mac, VlanId};

/// The bytes, in memory that is used again.
#[derive(Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    /// The capture has cut it.
    pub is_padded: bool,
    /// It was given a tag.
    pub is_tagged: bool,
    /// It was addressed to another MAC of ours.
    pub is_readdressed: bool,
}

impl Incoming {
    /// Takes a frame; `false` if it is longer than any frame. `renamed` holds MACs of ours that the capture has, and what they are here.
    pub fn take(&mut self, captured: &Captured<'_>, place: Place, renamed: &[(Mac, Mac)]) -> bool {
        let length = captured.original_length as usize;
        if length.max(captured.bytes.len()) > LONGEST - 4 {
            return false;
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(captured.bytes);
        self.is_padded = captured.is_cut();
        self.bytes.resize(length.max(captured.bytes.len()), 0);
        let link = Link::of(captured.bytes);
        let renamed = renamed.iter().find(|(before, _)| *before == link.dst).filter(|_| captured.bytes.len() >= 14);
        if let Some((_, after)) = renamed {
            self.bytes[..6].copy_from_slice(&after.0);
        }
        self.is_readdressed = renamed.is_some();
        self.is_tagged = match place.vlan {
            Some(vlan) if captured.bytes.len() >= 14 && !has_tag(captured.bytes) => self.tag(vlan),
            _ => false,
        };
        true
    }

    /// The frame that was taken.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// 802.1Q, behind both MACs.
    fn tag(&mut self, vlan: VlanId) -> bool {
        let [high, low] = vlan.get().to_be_bytes();
        self.bytes.splice(12..12, [0x81, 0x00, high, low]);
        true
    }
}

fn has_tag(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x81, 0x00])
}
