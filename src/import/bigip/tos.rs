//! The type of service that profiles set: code points for the networks on the way.
//!
//! Owns what is said of them. Whose packets the client's are depends on who opens: clients do at a service, members where a virtual
//! server forwards outward.

use super::objects::{Object, Objects};
use super::profiles::Profile;
use crate::import::findings::Findings;
use crate::import::findings::Severity::{Check, Note};
use crate::import::syntax::word;

/// Code points that have names (IANA, differentiated services field codepoints).
const NAMES: &[(u8, &str)] = &[
    (0, "cs0"),
    (1, "le"),
    (8, "cs1"),
    (10, "af11"),
    (12, "af12"),
    (14, "af13"),
    (16, "cs2"),
    (18, "af21"),
    (20, "af22"),
    (22, "af23"),
    (24, "cs3"),
    (26, "af31"),
    (28, "af32"),
    (30, "af33"),
    (32, "cs4"),
    (34, "af41"),
    (36, "af42"),
    (38, "af43"),
    (40, "cs5"),
    (44, "voice-admit"),
    (46, "ef"),
    (48, "cs6"),
    (56, "cs7"),
];
/// The profiles that set it.
const KINDS: &[&str] = &["fastl4", "tcp", "udp"];

/// Who opens what passes a virtual server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Opener {
    /// Clients, towards a service.
    Client,
    /// Members, towards whoever is outside.
    Member,
}

/// Says which code points the profiles of a virtual server set, and what says the same here.
pub fn report(server: &Object, opener: Opener, objects: &Objects, findings: &mut Findings) {
    for item in server.block("profiles") {
        let Some(name) = item.words.first() else { continue };
        let profile = Profile::of(name, objects);
        if !KINDS.contains(&profile.kind.as_str()) {
            continue;
        }
        for (key, side, of) in
            [("ip-tos-to-client", "serverside", Opener::Client), ("ip-tos-to-server", "clientside", Opener::Member)]
        {
            // The other side has a profile of its own.
            let Some(text) = profile.word(key).filter(|_| word(&item.block, "context") != Some(side)) else { continue };
            said(server, (&profile.title, key, text), (opener, of == opener), findings);
        }
    }
}

fn said(
    server: &Object,
    (profile, key, text): (&str, &str, &str),
    (opener, is_outward): (Opener, bool),
    findings: &mut Findings,
) {
    let section = if opener == Opener::Client { "[[virtual_server]]" } else { "[[snat]] of the pools behind it" };
    let value = match text.parse::<u16>() {
        Ok(value) if value < 256 => value >> 2,
        Err(_) if text == "mimic" => {
            let message = format!("{profile}: `{key} mimic` is not carried over: what is sent passes as it is");
            return findings.add(Note, server.title(), message, "");
        }
        // As what is sent here does.
        _ => return,
    };
    let name = NAMES.iter().find(|(known, _)| u16::from(*known) == value).map(|(_, name)| *name);
    let what = match name {
        Some(name) => format!("`{key} {text}`, DSCP {value} ({name})"),
        None => format!("`{key} {text}`, DSCP {value}, which has no name"),
    };
    let (whose, remedy) = match (is_outward, name) {
        (true, Some(name)) => ("what leaves outward", format!("write dscp = \"{name}\" into the {section}")),
        (true, None) => {
            ("what leaves outward", format!("write the nearest that has a name as dscp into the {section}"))
        }
        (false, _) => (
            "what goes to members",
            "nothing, unless the servers read it: then mark it on the router before Fairlead".into(),
        ),
    };
    let message = format!("{profile} sets {what}, which is not carried over: {whose} keeps what it was sent with");
    findings.add(Check, server.title(), message, remedy);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_registry() {
        // Class selectors are 8 times their number (RFC 2474 4.2.2.2), AFxy is 8x + 2y (RFC 2597 6).
        for (value, name) in NAMES {
            let digits: Vec<u8> = name.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
            let expected = match (&name[..2], &digits[..]) {
                ("cs", [class]) => 8 * class,
                ("af", [class, drop]) => 8 * class + 2 * drop,
                // RFC 8622, RFC 5865, RFC 3246.
                ("le", _) => 1,
                ("vo", _) => 44,
                ("ef", _) => 46,
                _ => panic!("{name}"),
            };
            assert_eq!(*value, expected, "{name}");
        }
    }
}
