//! Files of words and braces: items, each some words and perhaps a block of further items.
//!
//! Owns quotes, comments, continued lines, nested braces, and where an iRule ends, whose own braces need not balance. Knows no
//! object and no keyword.

use super::source::Unreadable;

/// Deeper blocks than this are refused.
const DEEPEST: usize = 64;
/// The modules whose objects stand at the top of a file.
const MODULES: &[&str] = &[
    "analytics",
    "apm",
    "api-protection",
    "asm",
    "auth",
    "cli",
    "cm",
    "gtm",
    "ilx",
    "ltm",
    "net",
    "pem",
    "security",
    "sys",
    "vcmp",
    "wom",
];

/// Whose files differ in how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// What tmsh saves, with iRules in it.
    Tmsh,
    /// keepalived.conf: `!` begins a comment as well, and a brace may stand on the line after its words.
    Keepalived,
}

/// Words, and a block if one follows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Its words.
    pub words: Vec<String>,
    /// What stands between the braces behind them.
    pub block: Vec<Item>,
    /// Of an iRule: its text.
    pub text: String,
    /// The line it begins on, from 1.
    pub line: usize,
}

/// The items of the file that messages call `name`.
///
/// # Errors
/// A brace or a quote that is not closed, a brace that closes nothing, or blocks that are too deep.
pub fn items(name: &str, text: &str, dialect: Dialect) -> Result<Vec<Item>, Unreadable> {
    let (open, item, items) = (Vec::new(), Item::default(), Vec::new());
    let mut parser = Parser { dialect, rest: text, line: 1, open, item, items };
    parser.read().map_err(|(line, why)| Unreadable { file: name.to_owned(), line, why: why.to_owned() })?;
    Ok(parser.items)
}

/// The words behind `key` among `items`; none if it is not there.
pub fn words<'i>(items: &'i [Item], key: &str) -> &'i [String] {
    find(items, key).map_or(&[], |item| &item.words[1..])
}

/// The word behind `key` among `items`; `none` is none.
pub fn word<'i>(items: &'i [Item], key: &str) -> Option<&'i str> {
    words(items, key).first().map(String::as_str).filter(|word| *word != "none")
}

/// The block of `key` among `items`.
pub fn block<'i>(items: &'i [Item], key: &str) -> &'i [Item] {
    find(items, key).map_or(&[], |item| &item.block)
}

/// The first of `items` that begins with `key`.
pub fn find<'i>(items: &'i [Item], key: &str) -> Option<&'i Item> {
    items.iter().find(|item| item.words.first().is_some_and(|first| first == key))
}

/// The words behind `key`, and those in its block.
pub fn all_words(items: &[Item], key: &str) -> Vec<String> {
    let inside = names(block(items, key)).map(str::to_owned);
    words(items, key).iter().cloned().chain(inside).collect()
}

/// The names listed in a block, with or without blocks of their own.
pub fn names(items: &[Item]) -> impl Iterator<Item = &str> {
    items.iter().flat_map(|item| &item.words).map(String::as_str)
}

type Fault = (usize, &'static str);

struct Parser<'t> {
    dialect: Dialect,
    rest: &'t str,
    line: usize,
    /// Items whose blocks are open, the outermost first.
    open: Vec<Item>,
    /// The one whose words are being read.
    item: Item,
    items: Vec<Item>,
}

impl<'t> Parser<'t> {
    fn read(&mut self) -> Result<(), Fault> {
        while let Some(first) = self.rest.chars().next() {
            let is_new = self.item.words.is_empty();
            let is_tmsh = self.dialect == Dialect::Tmsh;
            if is_tmsh && is_new && self.open.is_empty() && self.rest.starts_with("ltm rule ") {
                self.rule();
                continue;
            }
            match first {
                '\n' => {
                    self.end_of_item();
                    self.take(1);
                }
                '!' if is_new && !is_tmsh => _ = self.take(self.rest.find('\n').unwrap_or(self.rest.len())),
                '#' if is_new || !is_tmsh => _ = self.take(self.rest.find('\n').unwrap_or(self.rest.len())),
                '\\' if self.rest[1..].trim_start_matches('\r').starts_with('\n') => {
                    _ = self.take(self.rest.find('\n').map_or(1, |at| at + 1));
                }
                '{' => self.open_block()?,
                '}' => self.close_block()?,
                '"' => self.quoted()?,
                space if space.is_whitespace() => _ = self.take(space.len_utf8()),
                _ => self.word(),
            }
        }
        self.end_of_item();
        match self.open.last() {
            Some(item) => Err((item.line, "the block that begins here is never closed")),
            None => Ok(()),
        }
    }

    /// The next `length` bytes.
    fn take(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn push_word(&mut self, word: String, line: usize) {
        if self.item.words.is_empty() {
            self.item.line = line;
        }
        self.item.words.push(word);
    }

    fn word(&mut self) {
        let end = self.rest.find(|c: char| c.is_whitespace() || matches!(c, '{' | '}')).unwrap_or(self.rest.len());
        let line = self.line;
        let word = self.take(end).to_owned();
        self.push_word(word, line);
    }

    /// Inside quotes a backslash stands for itself, but before a quote or another backslash.
    fn quoted(&mut self) -> Result<(), Fault> {
        let line = self.line;
        self.take(1);
        let mut word = String::new();
        loop {
            let end = self.rest.find(['"', '\\']).ok_or((line, "the quote that begins here is never closed"))?;
            word += self.take(end);
            if self.take(1) == "\"" {
                self.push_word(word, line);
                return Ok(());
            }
            match self.rest.chars().next() {
                Some(next @ ('"' | '\\')) => word.push(next),
                Some(next) => word.extend(['\\', next]),
                None => {}
            }
            self.take(self.rest.chars().next().map_or(0, char::len_utf8));
        }
    }

    fn open_block(&mut self) -> Result<(), Fault> {
        if self.open.len() == DEEPEST {
            return Err((self.line, "blocks are nested too deeply"));
        }
        if self.item.words.is_empty() {
            self.item = self.before().unwrap_or(Item { line: self.line, ..Item::default() });
        }
        self.open.push(std::mem::take(&mut self.item));
        self.take(1);
        Ok(())
    }

    /// The item that a brace on a line of its own belongs to.
    fn before(&mut self) -> Option<Item> {
        let siblings = self.open.last_mut().map_or(&mut self.items, |outer| &mut outer.block);
        siblings.pop_if(|last| self.dialect == Dialect::Keepalived && last.block.is_empty())
    }

    fn close_block(&mut self) -> Result<(), Fault> {
        self.end_of_item();
        let closed = self.open.pop().ok_or((self.line, "this brace closes nothing"))?;
        self.keep(closed);
        self.take(1);
        Ok(())
    }

    fn end_of_item(&mut self) {
        if !self.item.words.is_empty() {
            let item = std::mem::take(&mut self.item);
            self.keep(item);
        }
    }

    fn keep(&mut self, item: Item) {
        match self.open.last_mut() {
            Some(outer) => outer.block.push(item),
            None => self.items.push(item),
        }
    }

    /// An iRule is saved as it was written, and braces in its comments count for nobody: it ends with the line of one brace
    /// behind which the file ends or another object begins.
    fn rule(&mut self) {
        let line = self.line;
        let head = self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        let words =
            head.split_whitespace().filter(|word| !matches!(*word, "{" | "}" | "{}")).map(str::to_owned).collect();
        let mut length = 0;
        for text in self.rest.split_inclusive('\n') {
            let behind = &self.rest[length + text.len()..];
            if text.trim_end() == "}" && begins_object(behind) {
                break;
            }
            length += text.len();
        }
        let is_whole = head.trim_end().ends_with('}');
        let text = if is_whole { String::new() } else { self.take(length).to_owned() };
        if !is_whole {
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        }
        self.items.push(Item { words, block: Vec::new(), text, line });
    }
}

/// The file ends here, or an object begins.
fn begins_object(text: &str) -> bool {
    let Some(line) = text.lines().find(|line| !line.trim().is_empty()) else { return true };
    let module = line.split(' ').next().unwrap_or_default();
    line.starts_with("#TMSH") || MODULES.contains(&module)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Item> {
        items("bigip.conf", text, Dialect::Tmsh).unwrap_or_else(|error| panic!("{error}"))
    }

    fn item(line: usize, words: &[&str], block: Vec<Item>) -> Item {
        Item { words: words.iter().map(|word| word.to_string()).collect(), block, line, ..Item::default() }
    }

    #[test]
    fn blocks_lists_flags_and_quotes_are_items() {
        let text = "#TMSH-VERSION: 16.1.0\n\nltm pool /Common/p {\n    description \"two \\\"hosts\\\" { \\\\ #1\nmore\"\n    \
                    members {\n        /Common/a:5060 { address 10.1.1.1 }\n        1.1 { } 1.2 { }\n    }\n    monitor \
                    /Common/x \\\n        and /Common/y\n    flag\n}\n";
        let members = vec![
            item(7, &["/Common/a:5060"], vec![item(7, &["address", "10.1.1.1"], vec![])]),
            item(8, &["1.1"], vec![]),
            item(8, &["1.2"], vec![]),
        ];
        let inside = vec![
            item(4, &["description", "two \"hosts\" { \\ #1\nmore"], vec![]),
            item(6, &["members"], members),
            item(10, &["monitor", "/Common/x", "and", "/Common/y"], vec![]),
            item(12, &["flag"], vec![]),
        ];
        assert_eq!(read(text), [item(3, &["ltm", "pool", "/Common/p"], inside)]);
    }

    #[test]
    fn an_irule_keeps_its_text_and_ends_where_the_next_object_begins() {
        let text = "ltm rule /Common/r {\n  when CLIENT_ACCEPTED {\n  # an open { in a comment\n}\n}\n\nltm node /Common/n \
                    {\n    address 10.1.1.1\n}\nltm rule /Common/empty { }\nltm rule /Common/last {\nset x \"}\n}\n}";
        let items = read(text);
        let titles: Vec<String> = items.iter().map(|item| item.words.join(" ")).collect();
        let expected = ["ltm rule /Common/r", "ltm node /Common/n", "ltm rule /Common/empty", "ltm rule /Common/last"];
        assert_eq!(titles, expected);
        assert_eq!(items[0].text.trim(), "when CLIENT_ACCEPTED {\n  # an open { in a comment\n}");
        assert_eq!((items[1].line, items[3].text.trim()), (7, "set x \"}\n}"));
    }

    #[test]
    fn a_brace_of_keepalived_may_stand_on_the_next_line() {
        let text = "! a comment {\nvirtual_server 10.1.1.1 5060\n{\n  lb_algo rr # and {\n  real_server 10.2.2.2 5060 {\n  }\n}\n";
        let real = item(5, &["real_server", "10.2.2.2", "5060"], vec![]);
        let inside = vec![item(4, &["lb_algo", "rr"], vec![]), real];
        let expected = [item(2, &["virtual_server", "10.1.1.1", "5060"], inside)];
        assert_eq!(items("keepalived.conf", text, Dialect::Keepalived).unwrap(), expected);
    }

    #[test]
    fn what_does_not_balance_is_refused_with_its_line() {
        let deep = "a { ".repeat(80);
        for (text, line, why) in [
            ("ltm pool p {\n members {\n }\n", 1, "never closed"),
            ("ltm pool p {\n}\n}\n", 3, "closes nothing"),
            ("ltm pool p {\n description \"x\n", 2, "quote"),
            (deep.as_str(), 1, "too deeply"),
        ] {
            let error = items("b.conf", text, Dialect::Tmsh).unwrap_err();
            assert_eq!((error.line, error.file.as_str()), (line, "b.conf"), "{text}");
            assert!(error.why.contains(why), "{error}");
        }
    }

    #[test]
    fn any_text_is_read_or_refused() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            for dialect in [Dialect::Tmsh, Dialect::Keepalived] {
                _ = items("b.conf", &text, dialect);
            }
        });
    }
}
