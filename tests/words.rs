//! One word for one thing: the words of `tests/banned_words.txt` are not used any more.
//!
//! The list says of each word where it is banned, where it is allowed all the same, and what to write instead. The
//! sources are read as text, so that this takes a moment and needs no compiler.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a word is banned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// In Rust sources: names and comments.
    Code,
    /// In what an operator reads: string literals of `src` outside tests, README.md, `dpdk-config`, `docs`.
    Operator,
    /// In what tests and benches are written in: Rust, Python, and the pages beside them.
    Tests,
    /// In all of these, and in the pages and scripts for those who work on Fairlead.
    All,
}

struct Banned {
    word: String,
    scope: Scope,
    /// Files or folders.
    except: Vec<String>,
    instead: String,
}

/// `word | scope | except, in | say instead`; blank lines and lines that begin with `#` say nothing.
fn banned(list: &str) -> Vec<Banned> {
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let columns: Vec<&str> = line.split('|').map(str::trim).collect();
            let [word, scope, except, instead] = columns[..] else { panic!("four columns: {line}") };
            let scope = match scope {
                "code" => Scope::Code,
                "operator" => Scope::Operator,
                "tests" => Scope::Tests,
                "all" => Scope::All,
                other => panic!("`{other}` is no scope: {line}"),
            };
            assert!(!word.is_empty() && !instead.is_empty(), "a word, and what to say instead: {line}");
            let except = except.split(',').map(|path| path.trim().to_owned()).filter(|path| !path.is_empty()).collect();
            Banned { word: word.to_owned(), scope, except, instead: instead.to_owned() }
        })
        .collect()
}

/// Whether `text` holds `word` with nothing at its ends that would make it part of another.
fn holds(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let free = |edge: Option<char>, next: Option<char>| !(edge.is_some_and(part) && next.is_some_and(part));
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        free(word.chars().next(), before) && free(word.chars().next_back(), after)
    })
}

/// The string literals of a Rust source up to its unit tests, each with the number of the line it begins on. A literal
/// that continues in the next line is joined as the compiler does it.
fn literals(source: &str) -> Vec<(usize, String)> {
    let source = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let (mut found, mut line, mut rest) = (Vec::new(), 1, source);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '\'' if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") => {
                rest[1..].find("'").map_or(1, |at| at + 2)
            }
            '"' => {
                let mut escaped = false;
                let end = rest[1..].find(|c| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                });
                let end = end.unwrap_or(rest.len() - 1);
                let lines = rest[1..=end].split("\\\n").map(str::trim_start);
                found.push((line, lines.collect()));
                end + 2
            }
            _ => first.len_utf8(),
        };
        let (passed, left) = rest.split_at(length.min(rest.len()));
        line += passed.matches('\n').count();
        rest = left;
    }
    found
}

struct Text {
    path: String,
    /// Rust, or what is only for those who work on Fairlead, or what an operator reads as well.
    kind: Scope,
    lines: Vec<(usize, String)>,
    literals: Vec<(usize, String)>,
}

fn texts(root: &Path) -> Vec<Text> {
    let mut paths: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].iter().map(|page| root.join(page)).collect();
    ["src", "tests", "benches", "scripts", "dpdk-config", "docs"]
        .iter()
        .for_each(|folder| files(&root.join(folder), &mut paths));
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).ok()?;
        let path = path.strip_prefix(root).expect("below the root").to_str()?.to_owned();
        let kind = match path.as_str() {
            rust if rust.ends_with(".rs") => Scope::Code,
            page if page == "README.md" || page.starts_with("dpdk-config/") || page.starts_with("docs/") => {
                Scope::Operator
            }
            _ => Scope::All,
        };
        let product = path.starts_with("src/") && kind == Scope::Code && !path.contains("/tests");
        let literals = if product { literals(&text) } else { Vec::new() };
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.to_owned())).collect();
        Some(Text { path, kind, lines, literals })
    };
    paths.iter().filter_map(read).collect()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match name {
            "words.rs" | "banned_words.txt" | "__pycache__" | "target" => {}
            // It leads to a folder that is read by itself.
            _ if path.is_symlink() => {}
            _ if path.is_dir() => files(&path, found),
            _ => found.push(path),
        }
    }
}

/// Where a word must not be in this text.
fn searched(text: &Text, scope: Scope) -> &[(usize, String)] {
    match (scope, text.kind) {
        (Scope::All, _) | (Scope::Code, Scope::Code) | (Scope::Operator, Scope::Operator) => &text.lines,
        (Scope::Tests, _) if text.path.starts_with("tests/") || text.path.starts_with("benches/") => &text.lines,
        (Scope::Operator, _) => &text.literals,
        (Scope::Code | Scope::Tests, _) => &[],
    }
}

#[test]
fn no_banned_word_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = fs::read_to_string(root.join("tests/banned_words.txt")).expect("the list");
    let (words, texts) = (banned(&list), texts(root));
    assert!(words.len() > 20 && texts.len() > 200, "{} words, {} texts", words.len(), texts.len());
    let mut found = Vec::new();
    for Banned { word, scope, except, instead } in &words {
        for text in texts.iter().filter(|text| !except.iter().any(|allowed| text.path.starts_with(allowed.as_str()))) {
            let lines = searched(text, *scope).iter().filter(|(_, line)| holds(line, word));
            found.extend(lines.map(|(at, _)| format!("{}:{at}: `{word}`: say {instead}", text.path)));
        }
    }
    assert!(found.is_empty(), "{} words of tests/banned_words.txt:\n{}", found.len(), found.join("\n"));
}

/// A sentence that was broken over two lines of the source, and joined again with the indentation in it.
fn is_stretched(literal: &str) -> bool {
    literal.trim().contains("   ") && !literal.contains('\n') && !literal.contains("\\n")
}

#[test]
fn no_message_holds_the_indentation_of_its_source() {
    let texts = texts(Path::new(env!("CARGO_MANIFEST_DIR")));
    let stretched = |text: &Text| {
        let found = text.literals.iter().filter(|(_, literal)| is_stretched(literal));
        found.map(|(at, literal)| format!("{}:{at}: {literal}", text.path)).collect::<Vec<_>>()
    };
    let found: Vec<_> = texts.iter().flat_map(stretched).collect();
    assert!(found.is_empty(), "messages with a run of spaces:\n{}", found.join("\n"));
    assert!(is_stretched("until it does the      choice is free") && !is_stretched("   two  words   "));
}

#[test]
fn words_are_found_where_they_are_banned_and_nowhere_else() {
    assert!(holds("a held frame", "held") && holds("held", "held") && holds("drop_x{held}", "held"));
    assert!(!holds("withheld", "held") && !holds("held_back", "held") && !holds("", "held"));
    assert!(holds("use --service NAME", "--service") && !holds("use --services", "--service"));
    let source = "let quote = '\"'; // \"a comment\"\nlet text = \"one \\\n   two \\\" three\";\n#[cfg(test)]\nmod tests { \"no\" }";
    assert_eq!(literals(source), [(2, "one two \\\" three".to_owned())]);
}
