//! Secrets are taken out of texts.
//!
//! Owns where they are looked for: in the values of a configuration file or of an answer, by their names, and in the lines of any text. What
//! looks like one is said by [`secret`](super::secret).

use super::secret::{BLANK, Lines, given, is_given, is_secret};
use serde_json::Value as Json;
use toml_edit::{DocumentMut, Item, TableLike, Value};

/// A text without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blanked {
    /// What is left.
    pub text: String,
    /// How many were taken out.
    pub count: usize,
}

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
    let (mut out, mut lines, mut inside) = (String::with_capacity(source.len()), Lines::default(), false);
    for line in source.split_inclusive('\n') {
        if line.contains("-----BEGIN ") {
            (inside, lines.count) = (true, lines.count + 1);
            out += BLANK;
            out += if line.ends_with('\n') { "\n" } else { "" };
        } else if !inside {
            out += &lines.line(line);
        }
        inside &= !line.contains("-----END ");
    }
    Blanked { text: out, count: lines.count }
}

/// An answer of the appliance, or what is printed as JSON; returns how many were taken out.
pub fn json(found: &mut Json) -> usize {
    let mut count = 0;
    json_value("", found, &mut count);
    count
}

fn json_value(name: &str, found: &mut Json, count: &mut usize) {
    match found {
        Json::Object(rows) => {
            // What a reload has changed: `monitor web: arguments`, before and after.
            let what = rows.get("what").and_then(Json::as_str).and_then(|what| what.rsplit_once(": "));
            let what = what.and_then(|(_, key)| is_given(key)).is_some();
            for (name, inner) in rows.iter_mut() {
                match inner {
                    Json::String(text) if what && (name == "before" || name == "after") => json_blank(text, count),
                    _ => json_value(name, inner, count),
                }
            }
        }
        Json::Array(all) => {
            let program = is_given(name);
            let mut before = name.to_owned();
            for (at, each) in all.iter_mut().enumerate() {
                match each {
                    Json::String(_) if program == Some(true) && at == 0 => {}
                    Json::String(text) if program.is_some() => *text = given(text, count),
                    _ => json_value(&before, each, count),
                }
                before = behind_option(each.as_str(), name);
            }
        }
        Json::String(content) => match is_secret(name, content) && !content.is_empty() {
            true => json_blank(content, count),
            false => {
                let inside = text(content);
                *count += inside.count;
                *content = inside.text;
            }
        },
        Json::Number(_) if is_secret(name, "") => {
            *count += 1;
            *found = BLANK.into();
        }
        Json::Number(_) | Json::Bool(_) | Json::Null => {}
    }
}

fn json_blank(text: &mut String, count: &mut usize) {
    if text != BLANK {
        *count += 1;
        *text = BLANK.into();
    }
}

/// `["--password", "x"]`: what stands behind an option is named by it.
fn behind_option(text: Option<&str>, name: &str) -> String {
    let option = text.and_then(|text| text.strip_prefix('-'));
    option.map_or(name, |option| option.trim_start_matches('-')).to_owned()
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
            let program = is_given(name);
            let mut before = name.to_owned();
            for (at, each) in all.iter_mut().enumerate() {
                match (program, each.as_str()) {
                    (Some(true), Some(_)) if at == 0 => {}
                    (Some(_), Some(content)) => {
                        let without = given(content, count);
                        replace(each, without);
                    }
                    _ => value(&before, each, count),
                }
                before = behind_option(each.as_str(), name);
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

#[cfg(test)]
mod tests {
    use super::*;

    const WITH_SECRETS: &str = r#"# password = "in a comment" of old
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
[notify]
command = ["/bin/tell", "https://hook.example/T0/B1"]
[future]
passphrase = "/slash first"
community = "public"
pin_token = 1234
proxy = "https://me:pw@proxy.example/"
enabled_secret = true
private_key = "MIIB"
psk_file = "/etc/psk"
"#;

    #[test]
    fn secrets_leave_a_configuration_and_paths_stay() {
        let Blanked { text, count } = configuration(WITH_SECRETS);
        for gone in [
            "in a comment",
            "abc",
            "12345",
            "MIIB",
            "hunter2",
            "geheim",
            "public",
            "1234",
            "pw@",
            "def",
            "5060",
            "hook",
            "slash",
        ] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
        for stays in [
            "name = \"lead-1\"",
            "key = \"/etc/fairlead/key.pem\"",
            "certificate = \"/etc/fairlead/cert.pem\"",
            "user = \"ping\"",
            "[\"--password\", \"(blanked)\", \"--port\", \"(blanked)\", \"(blanked)\", \"-v\"]",
            "proxy = \"https://(blanked)@proxy.example/\"",
            "[\"/bin/tell\", \"(blanked)\"]",
            "ping:(blanked)@sip.example",
            "psk_file = \"/etc/psk\"",
            "enabled_secret = true",
            "&x=1",
            "[future]",
        ] {
            assert!(text.contains(stays), "{stays}: {text}");
        }
        assert_eq!(count, 14, "{text}");
        assert_eq!(configuration(&text).text, text, "what is blanked stays as it is");
    }

    #[test]
    fn secrets_leave_what_the_appliance_answers() {
        let mut answer = serde_json::json!([
            {"what": "monitor web: arguments", "before": "-p x", "after": "-p y", "live": true},
            {"what": "monitor web: interval", "before": "1s", "after": "2s"},
            {"name": "a", "token": 77, "password": "", "note": "it said https://me:p@ss@host/", "arguments": ["-p", "x"]},
            {"command": ["/bin/tell", "x"], "key": "/etc/key.pem", "text": "line\nsecret = \"abc\"\n", "none": null},
        ]);
        assert_eq!(json(&mut answer), 7);
        let without = serde_json::json!([
            {"what": "monitor web: arguments", "before": BLANK, "after": BLANK, "live": true},
            {"what": "monitor web: interval", "before": "1s", "after": "2s"},
            {"name": "a", "token": BLANK, "password": "", "note": "it said https://(blanked)@host/", "arguments": ["-p", BLANK]},
            {"command": ["/bin/tell", BLANK], "key": "/etc/key.pem", "text": "line\nsecret = \"(blanked)\"\n", "none": null},
        ]);
        assert_eq!(answer, without);
        assert_eq!(json(&mut answer), 0, "what is blanked stays as it is");
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
