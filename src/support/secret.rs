//! What looks like a secret in a line.
//!
//! Owns the names before secrets, the options of programs, and the place of a password in an address. Rather too much is taken out than
//! too little; the path of a key stays, its contents never.

/// What stands in the place of a secret.
pub const BLANK: &str = "(blanked)";

/// Parts of names of what is secret, in small letters, `-` as `_`.
const SECRET: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "pwd",
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
/// Names of what is secret; the first unless it is a path.
const KEYS: [&str; 2] = ["key", "pass"];
/// Names of lists of what a program is given.
const GIVEN: [&str; 3] = ["arguments", "args", "command"];
/// Where files of keys are: what begins so is no key itself, though one in base64 may begin with a slash.
const FOLDERS: [&str; 9] = ["/etc/", "/usr/", "/var/", "/run/", "/opt/", "/srv/", "/home/", "/root/", "/tmp/"];

/// What has this name and says this is a secret.
pub(super) fn is_secret(name: &str, content: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    let ends = |key: &str| name == key || name.ends_with(&format!("_{key}"));
    let is_place = name.ends_with("_file") || name.ends_with("_path") || (ends(KEYS[0]) && is_path(content));
    let names_one = SECRET.iter().any(|part| name.contains(part));
    !is_place && (names_one || KEYS.iter().any(|key| ends(key)))
}

fn is_path(content: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    FOLDERS.iter().any(|folder| content.starts_with(folder)) && content.chars().all(is_part)
}

/// A list of this name is what a program is given, and may hold a secret anywhere; `Some(true)`: its first is the program.
pub(super) fn is_given(name: &str) -> Option<bool> {
    GIVEN.contains(&name).then(|| name == "command")
}

/// What a program is given, without a value: the name of an option stays.
pub(super) fn given(content: &str, count: &mut usize) -> String {
    let name = content.split_once('=').map_or(content, |(name, _)| name);
    let option = name.trim_start_matches('-');
    let is_word = option.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let is_option = name.starts_with("--") || (name.starts_with('-') && option.len() == 1);
    let kept = match is_word && is_option {
        true if name.len() == content.len() => return content.into(),
        true => format!("{name}="),
        false => String::new(),
    };
    if content[kept.len()..] != *BLANK {
        *count += 1;
    }
    kept + BLANK
}

/// Takes secrets out of one line after the other.
#[derive(Default)]
pub(super) struct Lines {
    /// How many were taken out.
    pub count: usize,
    /// A list of what a program is given goes on; `true`: the program itself is still to come.
    open: Option<bool>,
    /// The line is an object: what a text in it says ends with the text.
    is_json: bool,
}

impl Lines {
    /// The line without secrets.
    pub fn line(&mut self, line: &str) -> String {
        self.is_json = line.starts_with('{');
        let (head, rest) = self.listed(line);
        head + &userinfo(&self.pairs(rest), &mut self.count)
    }

    /// `password = "x"`, `token=x`, `--secret x`, `-p x`, `Authorization: Basic x`, `arguments = ["x"]`, wherever they stand.
    fn pairs(&mut self, line: &str) -> String {
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        while let Some((before, name, after)) = next_name(rest) {
            out += before;
            out += name;
            rest = after;
            if let Some(at) = list_at(name, after) {
                out += &after[..at];
                self.open = is_given(name);
                let (listed, behind) = self.listed(&after[at..]);
                out += &listed;
                rest = behind;
            } else if let Some((from, to)) = value_of(name, before, after, self.is_json) {
                self.count += 1;
                out += &after[..from];
                out += BLANK;
                rest = &after[to..];
            }
        }
        out + rest
    }

    /// What is quoted before the end of a list that has begun, and what stands behind the list.
    fn listed<'t>(&mut self, text: &'t str) -> (String, &'t str) {
        let (mut out, mut rest) = (String::new(), text);
        while let Some(is_program) = self.open {
            let Some(at) = rest.find(['"', '\'', ']']) else { return (out + rest, "") };
            out += &rest[..at];
            let quote = &rest[at..at + 1];
            rest = &rest[at..];
            if quote == "]" {
                self.open = None;
                break;
            }
            let length = quoted(&rest[1..], quote.starts_with('"')).unwrap_or(rest.trim_end().len() - 1);
            let content = &rest[1..1 + length];
            out += quote;
            out += &if is_program { content.to_owned() } else { given(content, &mut self.count) };
            rest = &rest[1 + length..];
            if rest.starts_with(quote) {
                out += quote;
                rest = &rest[1..];
            }
            self.open = Some(false);
        }
        (out, rest)
    }
}

/// What stands before the next name, the name, and what stands behind it.
fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let begin = text.find(|c: char| c.is_ascii_alphabetic())?;
    let length = text[begin..].find(|c| !is_part(c)).unwrap_or(text.len() - begin);
    Some((&text[..begin], &text[begin..begin + length], &text[begin + length..]))
}

/// Where the list of what a program is given begins, behind its bracket.
fn list_at(name: &str, after: &str) -> Option<usize> {
    is_given(name)?;
    let rest = after.trim_start_matches(['"', '\'']).trim_start_matches([' ', '\t']);
    let rest = rest.strip_prefix(['=', ':'])?.trim_start_matches([' ', '\t']).strip_prefix('[')?;
    Some(after.len() - rest.len())
}

/// Where the secret behind a name is, if there is one.
fn value_of(name: &str, before: &str, after: &str, is_json: bool) -> Option<(usize, usize)> {
    // `monitor web: arguments -p x → -p y`: what a reload changes. An argument may hold quotes, and what looks like a field of the log.
    if name == "arguments" && before.ends_with(": ") && after.starts_with(' ') {
        let text = &after[1..];
        let end = if is_json { quoted(text, true) } else { text.rfind(" event=").or_else(|| text.find('\n')) };
        let end = end.unwrap_or(text.len());
        return (end > 0 && text[..end] != *BLANK).then_some((1, 1 + end));
    }
    let (value, to_the_end) = behind(name, before, after)?;
    let value = value.trim_start_matches([' ', '\t']);
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let value = if quote.is_some() { &value[1..] } else { value };
    let length = match quote {
        Some(quote) => quoted(value, quote == '"'),
        // A quote ends it only where the name is quoted with it, as in `-H 'Authorization: Basic x'`.
        None if to_the_end => {
            let around = before.chars().last().filter(|c| matches!(c, '"' | '\''));
            value.find(|c| c == '\n' || Some(c) == around)
        }
        None => unquoted(value),
    };
    let held = &value[..length.unwrap_or(value.trim_end_matches('\n').len())];
    let is_one = match name {
        "p" | "P" if is_short(before) => !held.starts_with('-'),
        "w" | "W" if is_short(before) => !held.contains('=') && !held.starts_with('-'),
        "u" | "U" if is_short(before) => held.contains(':'),
        _ => is_secret(name, held),
    };
    let is_blank = held.starts_with(BLANK) || ["", "true", "false"].contains(&held);
    let from = after.len() - value.len();
    (is_one && !is_blank).then_some((from, from + held.len()))
}

/// What stands behind a name and the sign between; whether it goes on to the end of the line.
fn behind<'t>(name: &str, before: &str, after: &'t str) -> Option<(&'t str, bool)> {
    let trimmed = after.trim_start_matches(['"', '\'']);
    let spaced = trimmed.trim_start_matches([' ', '\t']);
    let is_key = KEYS.contains(&name.to_lowercase().as_str());
    match spaced.chars().next()? {
        '=' => Some((&spaced[1..], false)),
        // A sentence may have a colon behind the word `key`.
        ':' if !is_key => Some((&spaced[1..], true)),
        // `--token x`, and `"--token", "x"`.
        _ if before.ends_with('-') => {
            let rest = trimmed.strip_prefix(',').filter(|_| trimmed.len() < after.len()).unwrap_or(trimmed);
            rest.starts_with([' ', '\t']).then_some((rest, false))
        }
        _ => None,
    }
}

/// An option of one letter begins here.
fn is_short(before: &str) -> bool {
    let rest = before.strip_suffix('-');
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(|c: char| c.is_whitespace() || "\"'[(".contains(c)))
}

/// The length of what is quoted; in double quotes, a backslash keeps the character behind it.
fn quoted(text: &str, is_double: bool) -> Option<usize> {
    let quote = if is_double { '"' } else { '\'' };
    let mut is_kept = false;
    for (at, c) in text.char_indices() {
        match c {
            '\n' => return Some(at),
            _ if is_kept => is_kept = false,
            '\\' if is_double => is_kept = true,
            c if c == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// The length of a value without quotes: an `&` ends it only where another value follows.
fn unquoted(text: &str) -> Option<usize> {
    let ends = |(at, c): (usize, char)| {
        let follows = || {
            let next = &text[at + 1..];
            next.find(['=', '&', '"', ' ', '\n']).is_some_and(|end| next[end..].starts_with('='))
        };
        c.is_whitespace() || c == '"' || c == '\'' || (c == '&' && follows())
    };
    text.char_indices().find(|each| ends(*each)).map(|(at, _)| at)
}

/// `https://user:password@host`, `sip:user:password@host`.
fn userinfo(line: &str, count: &mut usize) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((_, begin, is_url)) = next_scheme(rest) {
        let word = &rest[begin..];
        let end = word.find(|c: char| c.is_whitespace() || "\"'<>".contains(c)).unwrap_or(word.len());
        let word = &word[..end];
        let word = next_scheme(word).map_or(word, |(at, ..)| &word[..at]);
        out += &rest[..begin];
        rest = &rest[begin + word.len()..];
        match password_in(word, is_url) {
            Some((from, to)) => {
                *count += 1;
                out += &word[..from];
                out += BLANK;
                out += &word[to..];
            }
            None => out += word,
        }
    }
    out + rest
}

/// Where the next scheme begins and ends, and whether it is that of a URL.
fn next_scheme(text: &str) -> Option<(usize, usize, bool)> {
    let lower = text.to_ascii_lowercase();
    let begins = |at: &usize| !lower[..*at].ends_with(|c: char| c.is_ascii_alphanumeric());
    let sip = ["sip:", "sips:"].into_iter().flat_map(|scheme| {
        lower.match_indices(scheme).map(|(at, _)| at).find(begins).map(|at| (at, at + scheme.len(), false))
    });
    let url = lower.find("://").map(|at| {
        let name = |c: char| c.is_ascii_alphanumeric() || "+.-".contains(c);
        (lower[..at].trim_end_matches(name).len(), at + 3, true)
    });
    sip.chain(url).min()
}

/// Where the secret in an address is: all before the last `@` of a URL, the password of a SIP address.
fn password_in(word: &str, is_url: bool) -> Option<(usize, usize)> {
    let (first, last) = (word.find('@')?, word.rfind('@')?);
    let head = &word[..first];
    let colon = head.find(':');
    let digits = |colon: usize| head[colon + 1..].trim_start_matches(|c: char| c.is_ascii_digit());
    // The port of a host, whose path or parameters have an `@`.
    let is_port =
        colon.is_some_and(|at| digits(at).len() < head.len() - at - 1 && digits(at).starts_with(['/', ';', '?']));
    let from = match (is_url, colon) {
        _ if is_port => return None,
        (true, None) if head.contains('/') => return None,
        (true, _) => 0,
        (false, colon) => colon? + 1,
    };
    (word[from..last] != *BLANK).then_some((from, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::proptest;
    use proptest::sample::select;

    fn blanked(line: &str) -> String {
        Lines::default().line(line)
    }

    #[test]
    fn what_begins_with_a_slash_is_a_secret_as_well_unless_it_is_the_path_of_a_key() {
        for (line, without) in [
            ("password = \"/hunter2\"", "password = \"(blanked)\""),
            ("token=/etc/token", "token=(blanked)"),
            ("key = \"/9j/4AAQSkZJRg==\"", "key = \"(blanked)\""),
            ("key = \"/etc/fairlead/key.pem\"", "key = \"/etc/fairlead/key.pem\""),
        ] {
            assert_eq!(blanked(line), without);
        }
    }

    #[test]
    fn a_secret_goes_to_its_end() {
        for (line, without) in [
            ("password=a,b;c&d}", "password=(blanked)"),
            ("/health?api_key=12&x=1", "/health?api_key=(blanked)&x=1"),
            (r#"password = "a\"b" more"#, "password = \"(blanked)\" more"),
            ("said --token abc def", "said --token (blanked) def"),
            ("Cookie: session=\"abcdef\"; x=\"y\"", "Cookie: (blanked)"),
            ("Authorization: Digest username=\"a\", response=\"66\"", "Authorization: (blanked)"),
            ("curl -H 'Authorization: Basic abc' http://h/", "curl -H 'Authorization: (blanked)' http://h/"),
            (r#"["--token", "abc", "x"]"#, r#"["--token", "(blanked)", "x"]"#),
        ] {
            assert_eq!(blanked(line), without);
        }
    }

    #[test]
    fn short_options_have_secrets_and_commands_that_are_named_have_none() {
        for (line, without) in [
            ("ran ldapsearch -w geheim -x", "ran ldapsearch -w (blanked) -x"),
            ("mysql -p geheim", "mysql -p (blanked)"),
            ("curl -u me:geheim http://host/", "curl -u (blanked) http://host/"),
            (r#""-p", "geheim""#, r#""-p", "(blanked)""#),
        ] {
            assert_eq!(blanked(line), without);
        }
        for line in
            ["journalctl -u fairlead | grep x", "sysctl -w vm.swappiness=0", "ethtool -K outer0 gro off", "a-p b"]
        {
            assert_eq!(blanked(line), line);
        }
    }

    #[test]
    fn addresses_lose_what_stands_before_their_last_at() {
        for (line, without) in [
            ("https://me:p@ss@host/x", "https://(blanked)@host/x"),
            ("https://me:p=a,s;s/w@host", "https://(blanked)@host"),
            ("url=https://ghp_abc@host/x", "url=https://(blanked)@host/x"),
            ("http://a:b@h1,http://c:d@h2", "http://(blanked)@h1,http://(blanked)@h2"),
            ("<sip:ping:ge@heim@host>;tag=1", "<sip:ping:(blanked)@host>;tag=1"),
        ] {
            assert_eq!(blanked(line), without);
            assert_eq!(blanked(without), without);
        }
        for line in
            ["http://host:8080/a@b", "http://host/a@b", "sip:100@10.0.0.1:5060", "sip:10.0.0.1:5060;a=b@c", "a@b"]
        {
            assert_eq!(blanked(line), line);
        }
    }

    #[test]
    fn what_programs_are_given_is_taken_out_and_their_options_stay() {
        for (line, without) in [
            (
                r#"arguments = ["-p", "geheim", "--port=5060", "--name", "-v", 'x']"#,
                r#"arguments = ["-p", "(blanked)", "--port=(blanked)", "--name", "-v", '(blanked)']"#,
            ),
            (r#"command = ["/bin/tell", "geheim"] # it"#, r#"command = ["/bin/tell", "(blanked)"] # it"#),
            (
                "reload: monitor web: arguments -p x → -p y event=reload.change",
                "reload: monitor web: arguments (blanked) event=reload.change",
            ),
            (
                "monitor web: arguments say \"x\" event=y z → say \"w\" event=reload.change",
                "monitor web: arguments (blanked) event=reload.change",
            ),
            (
                r#"{"message":"monitor web: arguments say \"x\" → y","event":"reload.change"}"#,
                r#"{"message":"monitor web: arguments (blanked)","event":"reload.change"}"#,
            ),
        ] {
            assert_eq!(blanked(line), without);
            assert_eq!(blanked(without), without);
        }
        let mut lines = Lines::default();
        let all: String = ["command = [\n", "  \"/bin/tell\",\n", "  \"geheim\",\n", "]\n", "name = \"x\"\n"]
            .map(|line| lines.line(line))
            .concat();
        assert_eq!(all, "command = [\n  \"/bin/tell\",\n  \"(blanked)\",\n]\nname = \"x\"\n");
        assert_eq!(lines.count, 1);
    }

    proptest! {
        /// It reads what others have written.
        #[test]
        fn no_text_is_too_odd(words in vec(select(ODD), 0..12)) {
            let mut lines = Lines::default();
            words.concat().split_inclusive('\n').for_each(|line| drop(lines.line(line)));
        }
    }

    const ODD: &[&str] = &[
        " ",
        "\n",
        "\"",
        "'",
        "\\",
        ",",
        "=",
        ":",
        ": ",
        "[",
        "]",
        "@",
        "-",
        "--",
        "&",
        "/",
        "ä",
        "→",
        "arguments",
        "command",
        "token",
        "key",
        "p",
        "u",
        "x",
        "7",
        "event=",
        "sip:",
        "https://",
        BLANK,
        "true",
    ];
}
