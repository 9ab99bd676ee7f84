//! What a source file names: paths that begin with `crate`, `super` or `self`, spelt out from the crate's root.
//!
//! Reads text: comments and inline tests are left out, `use a::{b, c::d}` is spread. A macro could hide a name from it.

/// Every path in `text` that begins with `crate`, `super` or `self`, as segments from the crate's root; `here` is the module
/// that the text is.
pub fn named(text: &str, here: &[String]) -> Vec<Vec<String>> {
    let code = code(text);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ").filter(|(at, _)| is_word_start(&code, *at)) {
        let tree = &code[at + 4..];
        spread("", &tree[..tree.find(';').unwrap_or(tree.len())], &mut found);
    }
    for root in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(root).filter(|(at, _)| is_word_start(&code, *at)) {
            let path = &code[at..];
            let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(path.len());
            found.push(path[..end].trim_end_matches(':').to_owned());
        }
    }
    found.iter().filter_map(|path| absolute(path, here)).collect()
}

/// The text without comments and without the tests at its end.
pub fn code(text: &str) -> String {
    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = product.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| line.split(" // ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn is_word_start(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|c: char| c.is_alphanumeric() || "_$:".contains(c))
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`.
fn spread(before: &str, tree: &str, found: &mut Vec<String>) {
    let (mut depth, mut start) = (0, 0);
    for (at, sign) in tree.char_indices().chain([(tree.len(), ',')]) {
        match sign {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let branch = tree[start..at].trim();
                start = at + 1;
                match branch.split_once('{') {
                    Some((stem, rest)) => {
                        let inside = rest.trim_end().strip_suffix('}').unwrap_or(rest);
                        spread(&format!("{before}{stem}"), inside, found);
                    }
                    None if branch.is_empty() => {}
                    None => found.push(format!("{before}{}", branch.split(" as ").next().unwrap_or(branch))),
                }
            }
            _ => {}
        }
    }
}

/// From the crate's root; `None` for a path into another crate.
fn absolute(path: &str, here: &[String]) -> Option<Vec<String>> {
    let mut segments = path.split("::").map(|segment| segment.trim().to_owned()).peekable();
    let mut base = match segments.next()?.as_str() {
        "crate" => Vec::new(),
        "self" => here.to_vec(),
        "super" => here[..here.len().checked_sub(1)?].to_vec(),
        _ => return None,
    };
    while segments.next_if(|segment| segment == "super").is_some() {
        base.pop();
    }
    base.extend(segments);
    Some(base)
}

#[test]
fn paths_are_spelt_out() {
    let here = ["a".to_owned(), "b".to_owned()];
    let text =
        "use super::{c, d::{E as F, self}};\n// use crate::no;\nuse std::x;\nfn f() -> crate::g::H { self::i() }\n";
    let found: Vec<String> = named(text, &here).iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["a::c", "a::d::E", "a::d::self", "g::H", "a", "a::b::i"]);
}
