//! The usual iRule of an exclusion group: "to these destinations as they are, to all others translated".
//!
//! Owns as much of Tcl as that takes: commands, braces, one chain of `if`, conditions about the destination. What it does
//! not understand whole it does not understand at all.

use super::names::network;
use ipnet::Ipv4Net;

/// What a rule does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclusion {
    /// Destinations that are not translated.
    pub prefixes: Vec<Ipv4Net>,
    /// Data groups of such destinations.
    pub groups: Vec<String>,
    /// What all others are translated to.
    pub source: Option<Translation>,
}

/// What sources are translated to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Translation {
    /// The self-IP of the way out.
    Automap,
    /// An address.
    Address(String),
    /// An address of a pool.
    Pool(String),
}

/// Destinations, or all but these.
struct Condition {
    prefixes: Vec<Ipv4Net>,
    groups: Vec<String>,
    negated: bool,
}

/// Events at which the destination is known and the source not translated yet.
const EVENTS: &[&str] = &["CLIENT_ACCEPTED", "LB_SELECTED", "SERVER_INIT"];
/// Commands that change no packet.
const HARMLESS: &[&str] = &["log", "return", "event", "unset"];

/// What the rule does, if it is one of an exclusion group.
pub fn exclusion(text: &str) -> Option<Exclusion> {
    let mut found = None;
    for command in commands(text) {
        match command.as_slice() {
            ["when", event, .., body] if EVENTS.contains(event) && found.is_none() => {
                found = Some(body_of(inner(body)?)?)
            }
            // Static variables for logging and the like.
            ["when", "RULE_INIT", .., _] | ["timing", ..] | ["priority", ..] => {}
            _ => return None,
        }
    }
    found
}

fn body_of(body: &str) -> Option<Exclusion> {
    let mut exclusion = Exclusion::default();
    let mut has_if = false;
    for command in commands(body) {
        match command.as_slice() {
            [first, ..] if HARMLESS.contains(first) => {}
            ["if", rest @ ..] if !has_if => {
                has_if = true;
                chain(rest, &mut exclusion)?;
            }
            // What holds for all that the chain has not ended.
            _ => exclusion.source = Some(action(&command)?.flatten_source(exclusion.source)?),
        }
    }
    has_if.then_some(exclusion)
}

/// What a branch does to a packet.
enum Action {
    Untranslated,
    Translated(Translation),
    Nothing,
}

impl Action {
    /// A translation for all, where there was none yet.
    fn flatten_source(self, before: Option<Translation>) -> Option<Translation> {
        match (self, before) {
            (Action::Translated(source), None) => Some(source),
            _ => None,
        }
    }
}

fn chain(mut rest: &[&str], exclusion: &mut Exclusion) -> Option<()> {
    loop {
        let [condition, body, left @ ..] = rest else { return None };
        let (body, left) =
            if *body == "then" { left.split_first().map(|(body, left)| (*body, left))? } else { (*body, left) };
        let condition = self::condition(inner(condition)?)?;
        let action = branch(inner(body)?)?;
        let other = match left {
            [] => None,
            ["else", body] => Some(branch(inner(body)?)?),
            ["elseif", ..] => None,
            _ => return None,
        };
        match (condition.negated, action, other) {
            (false, Action::Untranslated, other) => {
                exclusion.prefixes.extend(condition.prefixes);
                exclusion.groups.extend(condition.groups);
                match other {
                    Some(Action::Translated(source)) => exclusion.source = Some(source),
                    Some(Action::Untranslated) => return None,
                    Some(Action::Nothing) | None => {}
                }
            }
            (true, Action::Translated(source), None | Some(Action::Untranslated | Action::Nothing))
                if !matches!(left, ["elseif", ..]) =>
            {
                exclusion.prefixes.extend(condition.prefixes);
                exclusion.groups.extend(condition.groups);
                exclusion.source = Some(source);
            }
            _ => return None,
        }
        match left {
            ["elseif", next @ ..] => rest = next,
            _ => return Some(()),
        }
    }
}

fn branch(body: &str) -> Option<Action> {
    let mut found = Action::Nothing;
    for command in commands(body) {
        match (action(&command), &found) {
            (Some(Action::Nothing), _) => {}
            (Some(action), Action::Nothing) => found = action,
            _ => return None,
        }
    }
    Some(found)
}

fn action(command: &[&str]) -> Option<Action> {
    Some(match command {
        [first, ..] if HARMLESS.contains(first) => Action::Nothing,
        ["snat", "none"] | ["forward"] => Action::Untranslated,
        ["snat", "automap"] => Action::Translated(Translation::Automap),
        ["snat", address] if !address.contains(['$', '[']) => {
            Action::Translated(Translation::Address((*address).to_owned()))
        }
        ["snatpool", pool] if !pool.contains(['$', '[']) => Action::Translated(Translation::Pool((*pool).to_owned())),
        _ => return None,
    })
}

/// `[class match [IP::local_addr] equals G]` and the like, several of them with "or", all of them negated or none.
fn condition(text: &str) -> Option<Condition> {
    let (text, negated) = stripped(text.trim());
    let mut condition = Condition { prefixes: Vec::new(), groups: Vec::new(), negated };
    for part in text.split("||").flat_map(|part| part.split(" or ")) {
        let (test, inner_negated) = stripped(part.trim());
        if inner_negated {
            return None;
        }
        let words: Vec<&str> = test
            .trim_start_matches('[')
            .split(|c: char| c.is_whitespace() || "[]()\"".contains(c))
            .filter(|word| !word.is_empty())
            .collect();
        match words.as_slice() {
            ["class", "match", at, "equals" | "eq", group]
            | ["matchclass", at, "equals", group]
            | ["class", "match", "--", at, "equals", group]
                if is_destination(at) =>
            {
                condition.groups.push(group.trim_start_matches("$::").to_owned());
            }
            ["IP::addr", at, "equals" | "eq", net] | ["IP::addr", net, "equals" | "eq", at] if is_destination(at) => {
                condition.prefixes.push(prefix(net)?);
            }
            [at, "equals" | "eq" | "==", net] if is_destination(at) => condition.prefixes.push(prefix(net)?),
            _ => return None,
        }
    }
    Some(condition)
}

/// Without a negation in front of it, and braces or parentheses around it.
fn stripped(text: &str) -> (&str, bool) {
    let (text, negated) = match text.strip_prefix('!').or_else(|| text.strip_prefix("not ")) {
        Some(rest) => (rest.trim(), true),
        None => (text, false),
    };
    let bare =
        text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).filter(|inside| !inside.contains(['(', ')']));
    match bare {
        Some(inside) => {
            let (inside, again) = stripped(inside.trim());
            (inside, negated != again)
        }
        None => (text, negated),
    }
}

/// On the client's side the local address is where the packet goes.
fn is_destination(word: &str) -> bool {
    matches!(word, "IP::local_addr" | "IP::server_addr" | "LB::server")
}

/// A mask may be spelled out: `10.0.0.0/255.0.0.0`; `10.0.0.0 mask` forms are not known.
fn prefix(text: &str) -> Option<Ipv4Net> {
    match text.split_once('/') {
        Some((base, mask)) if mask.contains('.') => Ipv4Net::with_netmask(base.parse().ok()?, mask.parse().ok()?).ok(),
        _ => network(text).ok(),
    }
}

/// What stands between the braces around a word.
fn inner(word: &str) -> Option<&str> {
    word.strip_prefix('{')?.strip_suffix('}')
}

/// The commands of a script, each as its words; a word in braces, brackets or quotes keeps them, but quotes.
fn commands(script: &str) -> Vec<Vec<&str>> {
    let mut commands = Vec::new();
    let mut words: Vec<&str> = Vec::new();
    let mut rest = script;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r']);
        let Some(first) = rest.chars().next() else { break };
        match first {
            '#' if words.is_empty() => rest = rest.find('\n').map_or("", |at| &rest[at..]),
            '\n' | ';' => {
                commands.extend(Some(std::mem::take(&mut words)).filter(|words| !words.is_empty()));
                rest = &rest[1..];
            }
            '\\' if rest[1..].trim_start_matches('\r').starts_with('\n') => {
                rest = rest.split_once('\n').map_or("", |(_, behind)| behind)
            }
            _ => {
                let length = word_length(rest);
                let (word, behind) = rest.split_at(length);
                words.push(word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap_or(word));
                rest = behind;
            }
        }
    }
    commands.extend(Some(words).filter(|words| !words.is_empty()));
    commands
}

/// Up to the space, line or semicolon that ends it, or the brace, bracket or quote that closes it. Comments inside braces are passed
/// over: authors do not balance those.
fn word_length(text: &str) -> usize {
    let (mut depth, mut quoted, mut is_line_start) = (0usize, false, false);
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => _ = chars.next(),
            '#' if is_line_start && depth > 0 => {
                while chars.peek().is_some_and(|(_, next)| *next != '\n') {
                    chars.next();
                }
            }
            '"' => {
                quoted = !quoted;
                if !quoted && depth == 0 && text.starts_with('"') {
                    return at + 1;
                }
            }
            '{' | '[' if !quoted || depth > 0 => depth += 1,
            '}' | ']' if depth > 0 => {
                depth -= 1;
                if depth == 0 && text.starts_with('{') {
                    return at + 1;
                }
            }
            ' ' | '\t' | '\r' | '\n' | ';' if depth == 0 && !quoted => return at,
            _ => {}
        }
        is_line_start = c == '\n' || (is_line_start && c.is_whitespace());
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual(source: Translation) -> Option<Exclusion> {
        Some(Exclusion { prefixes: vec![], groups: vec!["no_snat".into()], source: Some(source) })
    }

    #[test]
    fn the_usual_rule_in_its_variants() {
        let vip = || Translation::Address("10.20.0.100".into());
        for (text, expected) in [
            (
                "when CLIENT_ACCEPTED {\n  if { [class match [IP::local_addr] equals no_snat] } {\n    snat none\n  } else {\n    snat 10.20.0.100\n  }\n}",
                usual(vip()),
            ),
            (
                "# a comment with an open {\nwhen CLIENT_ACCEPTED priority 100 {\n# and { another\nif {[class match [IP::local_addr] equals \"no_snat\"]} { snat none; return } \nsnat automap\n}",
                usual(Translation::Automap),
            ),
            (
                "when LB_SELECTED { if { ![class match [IP::local_addr] eq no_snat] } { log local0. \"to [IP::local_addr]\"\nsnatpool vip_pool } }",
                usual(Translation::Pool("vip_pool".into())),
            ),
            (
                "when CLIENT_ACCEPTED { if { not ([matchclass [IP::local_addr] equals $::no_snat]) } then { snat 10.20.0.100 } else { forward } }",
                usual(vip()),
            ),
        ] {
            assert_eq!(exclusion(text), expected, "{text}");
        }
        let text = "when CLIENT_ACCEPTED {\n if { [IP::addr [IP::local_addr] equals 10.1.0.0/255.255.0.0] or [IP::addr \
                    [IP::local_addr] equals 10.2.3.4] } {\n snat none\n } elseif { [class match [IP::local_addr] equals \
                    no_snat] } {\n snat none\n } else {\n snat 10.20.0.100\n }\n}";
        let prefixes = vec!["10.1.0.0/16".parse().unwrap(), "10.2.3.4/32".parse().unwrap()];
        assert_eq!(exclusion(text), Some(Exclusion { prefixes, ..usual(vip()).unwrap() }));
    }

    #[test]
    fn what_is_not_understood_whole_is_not_understood() {
        for text in [
            "",
            "when HTTP_REQUEST { if { [class match [IP::local_addr] equals g] } { snat none } }",
            "when CLIENT_ACCEPTED { if { [class match [IP::client_addr] equals g] } { snat none } else { snat automap } }",
            "when CLIENT_ACCEPTED { if { [class match [IP::local_addr] equals g] } { pool p } else { snat automap } }",
            "when CLIENT_ACCEPTED { if { [class match [IP::local_addr] equals g] } { snat $address } }",
            "when CLIENT_ACCEPTED { if { [class match [IP::local_addr] equals g] && [active_members p] > 1 } { snat none } }",
            "when CLIENT_ACCEPTED { snat automap }",
            "when CLIENT_ACCEPTED { if { [class match [IP::local_addr] equals g] } { snat none } else { snat none } }",
            "when CLIENT_ACCEPTED { if { ![class match [IP::local_addr] equals g] } { snat automap } elseif { [IP::addr [IP::local_addr] equals 10.0.0.1] } { snat none } }",
        ] {
            assert_eq!(exclusion(text), None, "{text}");
        }
    }

    #[test]
    fn any_text_is_understood_or_not() {
        bolero::check!().for_each(|bytes: &[u8]| _ = exclusion(&String::from_utf8_lossy(bytes)));
    }
}
