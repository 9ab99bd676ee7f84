//! How what leaves is marked for the networks on its way.
//!
//! Owns the names and values of the code points that have one (the IANA registry of differentiated services field codepoints).

use super::super::words::words;

words! {
    /// A code point of differentiated services that has a name (RFC 2474, 2597, 3246, 5865, 8622).
    Dscp {
        /// 0, best effort.
        Cs0 = "cs0",
        /// 1, lower effort.
        Le = "le",
        /// 8.
        Cs1 = "cs1",
        /// 10.
        Af11 = "af11",
        /// 12.
        Af12 = "af12",
        /// 14.
        Af13 = "af13",
        /// 16.
        Cs2 = "cs2",
        /// 18.
        Af21 = "af21",
        /// 20.
        Af22 = "af22",
        /// 22.
        Af23 = "af23",
        /// 24: signalling.
        Cs3 = "cs3",
        /// 26.
        Af31 = "af31",
        /// 28.
        Af32 = "af32",
        /// 30.
        Af33 = "af33",
        /// 32.
        Cs4 = "cs4",
        /// 34.
        Af41 = "af41",
        /// 36.
        Af42 = "af42",
        /// 38.
        Af43 = "af43",
        /// 40: signalling by RFC 4594.
        Cs5 = "cs5",
        /// 44.
        VoiceAdmit = "voice-admit",
        /// 46.
        Ef = "ef",
        /// 48.
        Cs6 = "cs6",
        /// 56.
        Cs7 = "cs7",
    }
}

impl Dscp {
    /// Its six bits.
    pub const fn value(self) -> u8 {
        match self {
            Dscp::Cs0 => 0,
            Dscp::Le => 1,
            Dscp::Cs1 => 8,
            Dscp::Af11 => 10,
            Dscp::Af12 => 12,
            Dscp::Af13 => 14,
            Dscp::Cs2 => 16,
            Dscp::Af21 => 18,
            Dscp::Af22 => 20,
            Dscp::Af23 => 22,
            Dscp::Cs3 => 24,
            Dscp::Af31 => 26,
            Dscp::Af32 => 28,
            Dscp::Af33 => 30,
            Dscp::Cs4 => 32,
            Dscp::Af41 => 34,
            Dscp::Af42 => 36,
            Dscp::Af43 => 38,
            Dscp::Cs5 => 40,
            Dscp::VoiceAdmit => 44,
            Dscp::Ef => 46,
            Dscp::Cs6 => 48,
            Dscp::Cs7 => 56,
        }
    }
}
