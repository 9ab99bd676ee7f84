//! Secrets are taken out of texts.
//!
//! Owns what looks like one: by the name before it, by its place in an address, or because it is a PEM block. The path of a key stays, its
//! contents never. Rather too much is taken out than too little.

use toml_edit::{DocumentMut, Item, TableLike, Value};

/// What stands in the place of a secret.
pub const BLANK: &str = "(blanked)";

/// A text without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blanked {
    /// What is left.
    pub text: String,
    /// How many were taken out.
    pub count: usize,
}

/// Parts of names of what is secret, in small letters, `-` as `_`.
const SECRET: [&str; 16] = [
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "secret",
    "token",
    "credential",
    "authorization",
    "api_key",
    "apikey",
    "private_key",
    "community",
    "cookie",
    "bearer",
    "psk",
    "access_key",
];
/// Names of what is secret unless it is a path.
const KEYS: [&str; 2] = ["key", "pass"];

/// A configuration file: its values by their keys, then its comments as any text. One that is no TOML is a text.
pub fn configuration(source: &str) -> Blanked {
    let mut count = 0;
    let whole = match source.parse::<DocumentMut>() {
        Ok(mut document) => {
            table(document.as_table_mut(), &mut count);
            document.to_string()
        }
        Err(_) => source.to_owned(),
    };
    let rest = text(&whole);
    Blanked { text: rest.text, count: count + rest.count }
}

/// Any text, line by line.
pub fn text(source: &str) -> Blanked {
    let (mut out, mut count, mut inside) = (String::with_capacity(source.len()), 0, false);
    for line in source.split_inclusive('\n') {
        if line.contains("-----BEGIN ") {
            (inside, count) = (true, count + 1);
            out += BLANK;
            out += if line.ends_with('\n') { "\n" } else { "" };
        } else if !inside {
            out += &userinfo(&pairs(line, &mut count), &mut count);
        }
        inside &= !line.contains("-----END ");
    }
    Blanked { text: out, count }
}

fn table(table: &mut dyn TableLike, count: &mut usize) {
    for (key, item) in table.iter_mut() {
        let name = key.get().to_owned();
        match item {
            Item::Value(found) => value(&name, found, count),
            Item::Table(inner) => self::table(inner, count),
            Item::ArrayOfTables(all) => all.iter_mut().for_each(|inner| self::table(inner, count)),
            Item::None => {}
        }
    }
}

fn value(name: &str, found: &mut Value, count: &mut usize) {
    match found {
        Value::InlineTable(inner) => table(inner, count),
        Value::Array(all) => {
            // `["--password", "x"]`: what stands behind an option is named by it.
            let mut before = name.to_owned();
            for each in all.iter_mut() {
                value(&before, each, count);
                let option = each.as_str().and_then(|text| text.strip_prefix('-'));
                before = option.map_or(name, |option| option.trim_start_matches('-')).to_owned();
            }
        }
        Value::Boolean(_) => {}
        Value::String(_) => {
            let content = found.as_str().unwrap_or_default().to_owned();
            let inside = match is_secret(name, &content) {
                true if content != BLANK => Blanked { text: BLANK.into(), count: 1 },
                _ => text(&content),
            };
            if inside.count > 0 {
                *count += inside.count;
                replace(found, inside.text);
            }
        }
        _ if is_secret(name, "") => {
            *count += 1;
            replace(found, BLANK.into());
        }
        _ => {}
    }
}

/// What stands around it stays.
fn replace(found: &mut Value, with: String) {
    let decor = found.decor().clone();
    *found = Value::from(with);
    *found.decor_mut() = decor;
}

fn is_secret(name: &str, content: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    let is_place = name.ends_with("_file") || name.ends_with("_path");
    let is_key = KEYS.iter().any(|key| name == *key || name.ends_with(&format!("_{key}")));
    let names_one = SECRET.iter().any(|part| name.contains(part));
    !(is_place || content.starts_with('/')) && (is_key || names_one)
}

/// `password = "x"`, `token=x`, `--secret x`, `Authorization: Basic x`, wherever they stand in a line.
fn pairs(line: &str, count: &mut usize) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, name, after)) = next_name(rest) {
        out += before;
        out += name;
        rest = after;
        let Some((between, held, behind)) = value_of(name, before, after) else { continue };
        if ![BLANK, "", "true", "false"].contains(&held) && is_secret(name, held) {
            *count += 1;
            out += between;
            out += BLANK;
            rest = behind;
        }
    }
    out + rest
}

/// What stands before the next name, the name, and what stands behind it.
fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let begin = text.find(|c: char| c.is_ascii_alphabetic())?;
    let length = text[begin..].find(|c| !is_part(c)).unwrap_or(text.len() - begin);
    Some((&text[..begin], &text[begin..begin + length], &text[begin + length..]))
}

/// What stands between a name and its value, the value, and what stands behind.
fn value_of<'t>(name: &str, before: &str, after: &'t str) -> Option<(&'t str, &'t str, &'t str)> {
    let is_option = before.ends_with("--") || before.ends_with('-');
    let trimmed = after.trim_start_matches(['"', '\'']);
    let trimmed = trimmed.trim_start_matches([' ', '\t']);
    let is_key = KEYS.contains(&name.to_lowercase().as_str());
    let (value, to_the_end) = match trimmed.chars().next()? {
        '=' => (&trimmed[1..], false),
        // A sentence may have a colon behind the word `key`.
        ':' if !is_key => (&trimmed[1..], true),
        _ if is_option && after.starts_with(' ') => (trimmed, false),
        _ => return None,
    };
    let value = value.trim_start_matches([' ', '\t']);
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let value = quote.map_or(value, |_| &value[1..]);
    let ends = |c: char| match quote {
        Some(quote) => c == quote || c == '\n',
        None if to_the_end => matches!(c, '"' | '\'' | '\n'),
        None => c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';' | '&' | ']' | '}'),
    };
    let length = value.find(ends).unwrap_or(value.len());
    let between = &after[..after.len() - value.len()];
    Some((between, &value[..length], &value[length..]))
}

/// `https://user:password@host`, `sip:user:password@host`.
fn userinfo(line: &str, count: &mut usize) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('@') {
        let head = &rest[..at];
        let begin = head.rfind(|c: char| c.is_whitespace() || "\"'<>(,;=".contains(c)).map_or(0, |place| place + 1);
        let word = &head[begin..];
        let scheme = word.find("://").map(|place| place + 3);
        let scheme = scheme.or_else(|| ["sips:", "sip:"].iter().find(|it| word.starts_with(**it)).map(|it| it.len()));
        let colon = scheme.and_then(|from| word[from..].find(':').map(|place| from + place + 1));
        match colon.filter(|colon| *colon < word.len() && word[*colon..] != *BLANK && !word[*colon..].contains('/')) {
            Some(colon) => {
                *count += 1;
                out += &head[..begin + colon];
                out += BLANK;
            }
            None => out += head,
        }
        out.push('@');
        rest = &rest[at + 1..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_leave_a_configuration_and_paths_stay() {
        let source = r#"# password = "in a comment" of old
[appliance]
name = "lead-1" # token: abc def
[[monitor]]
name = "web"
key = "/etc/fairlead/key.pem"
certificate = "/etc/fairlead/cert.pem"
path = "/health?api_key=12345&x=1"
user = "ping"
send = """
-----BEGIN PRIVATE KEY-----
MIIB
-----END PRIVATE KEY-----
"""
arguments = ["--password", "hunter2", "--port", "5060", "secret=abc", "-v"]
from = "sip:ping:geheim@sip.example"
[future]
community = "public"
pin_token = 1234
proxy = "https://me:pw@proxy.example/"
enabled_secret = true
private_key = "MIIB"
psk_file = "/etc/psk"
"#;
        let Blanked { text, count } = configuration(source);
        for gone in ["in a comment", "abc", "12345", "MIIB", "hunter2", "geheim", "public", "1234", "pw@", "def"] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
        for stays in [
            "name = \"lead-1\"",
            "key = \"/etc/fairlead/key.pem\"",
            "certificate = \"/etc/fairlead/cert.pem\"",
            "user = \"ping\"",
            "\"--port\", \"5060\"",
            "ping:(blanked)@sip.example",
            "psk_file = \"/etc/psk\"",
            "enabled_secret = true",
            "&x=1",
            "[future]",
        ] {
            assert!(text.contains(stays), "{stays}: {text}");
        }
        assert_eq!(count, 11, "{text}");
        assert_eq!(configuration(&text).text, text, "what is blanked stays as it is");
    }

    #[test]
    fn what_holds_no_secret_is_left_as_it_is() {
        for source in [
            include_str!("../../dpdk-config/examples/intel-e810.toml"),
            include_str!("../../dpdk-config/examples/managers.toml"),
            "2026-11-29T01:20:03Z INFO ready\n = key: pool.monitors\nphone@172.16.5.5 called sip:100@10.20.0.100:5060\n",
        ] {
            assert_eq!(configuration(source), Blanked { text: source.into(), count: 0 });
        }
    }

    #[test]
    fn a_file_that_is_no_toml_is_blanked_by_its_lines() {
        let Blanked { text, count } =
            configuration("[[monitor\nsecret = \"abc\"\nAuthorization: Basic dXNlcjpwYXNz\n--token abc def\n");
        assert_eq!(text, "[[monitor\nsecret = \"(blanked)\"\nAuthorization: (blanked)\n--token (blanked) def\n");
        assert_eq!(count, 3);
    }
}
