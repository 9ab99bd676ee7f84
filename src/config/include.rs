//! One file made of several: what the configuration file includes, and what it makes of a template.
//!
//! Owns the keys `include` and `template`, which stand before the first table, and the text that comes of them: that of the file with the
//! others behind it, each after a line that says where it is from. From there on it is one text: it is what the history keeps, what is
//! compared, and what another appliance is sent. Knows nothing of what the keys inside mean.

use super::origins::{NONE_YET, marked};
use super::report::{ConfigErrors, Report, Span};
use super::schema::SECTIONS;
use super::source::{LARGEST, bytes_from, text_of, unread};
use super::syntax::parsed;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Files that are included, at most.
const FILES: usize = 1_024;
/// Rows of a table that a template is filled from, at most.
const ROWS: usize = 4_096;
/// Columns of it, and templates, at most.
const COLUMNS: usize = 64;
const TEMPLATES: usize = 64;
/// What the reference says of the two keys.
pub(super) const ABOUT: &str = r#"
## Several files

Before its first table the file may name others, which are read as if they stood at its end, in this order:

```toml
include = ["pairs.d/*.toml"]
template = [{ file = "pair.template", with = "pairs.csv" }]
```

| key | default | allowed | meaning |
|---|---|---|---|
| `include` | none | a list of files; in the last part of a name `*` stands for any text | They are looked for beside the file, in the order of the list, and those of one pattern in the order of their names, hidden ones not. Each is TOML of its own that begins with a table; it includes none itself. At most 1,024, and 64 MiB with the file. |
| `template` | none | a list of tables with `file` and `with` | `file` is TOML in which `${column}` stands for a value, and `with` a table of them: the first line names the columns, each other line is one use of the template, with commas between; empty lines and those that begin with `#` are passed over. At most 4,096 lines of 64 columns, and 64 templates. |

Errors name the file and the line in it. A reload reads all of them again. `fairlead diff`, `history`, `rollback` and `pair push` know one text, that of all files together; `fairlead save` writes a file that includes no others, and says so of one that does.
"#;

/// A part of the whole text.
struct Part {
    /// What messages call it.
    name: String,
    text: String,
}

/// The whole text of the file at `path`, which holds `bytes`. What is no UTF-8, or no TOML up to its first table, is left as it is: it is
/// refused later.
///
/// # Errors
/// What is wrong with the two keys, or with a file that they name.
pub(super) fn whole(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, ConfigErrors> {
    let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(bytes) };
    let head = head(text);
    if !head.contains("include") && !head.contains("template") {
        return Ok(bytes);
    }
    let Ok(table) = DeTable::parse(head) else { return Ok(bytes) };
    let name = path.display().to_string();
    let main = Main { path, name: &name, text, left: Cell::new(LARGEST - bytes.len() as u64) };
    let (mut parts, mut spans): (Vec<Part>, Vec<Range<usize>>) = (Vec::new(), Vec::new());
    for (key, node) in table.get_ref().iter() {
        match key.get_ref().as_ref() {
            "include" => parts.extend(main.included(node)?),
            "template" => parts.extend(main.filled(node)?),
            _ => continue,
        }
        spans.push(key.span().start..node.span().end);
    }
    if spans.is_empty() {
        return Ok(bytes);
    }
    let mut whole = without(text, &spans);
    if parts.is_empty() {
        // Without it nobody would know that others may be included: the keys are comments here.
        whole += if whole.ends_with('\n') { "" } else { "\n" };
        whole += NONE_YET;
        whole.push('\n');
    }
    for Part { name, text } in parts {
        if !whole.ends_with('\n') {
            whole.push('\n');
        }
        whole += &marked(&name, &text);
    }
    Ok(whole.into_bytes())
}

/// The files that the one at `path` includes or fills in, besides itself, each once.
///
/// # Errors
/// As of [`whole`].
pub fn files_included(path: &Path) -> Result<Vec<PathBuf>, ConfigErrors> {
    let name = path.display().to_string();
    let bytes = bytes_from(&name, || File::open(path))?;
    let Ok(text) = String::from_utf8(bytes) else { return Ok(Vec::new()) };
    let Ok(table) = DeTable::parse(head(&text)) else { return Ok(Vec::new()) };
    let main = Main { path, name: &name, text: &text, left: Cell::new(LARGEST) };
    let mut files = BTreeSet::new();
    for (key, node) in table.get_ref().iter() {
        match key.get_ref().as_ref() {
            "include" => files.extend(main.paths(node)?),
            "template" => {
                for item in node.get_ref().as_array().into_iter().flat_map(|items| items.iter()) {
                    let table = item.get_ref().as_table();
                    let named = ["file", "with"].into_iter().filter_map(|key| table?.get(key)?.get_ref().as_str());
                    files.extend(named.map(|name| main.folder().join(name)));
                }
            }
            _ => {}
        }
    }
    Ok(files.into_iter().collect())
}

/// The files in `folder` that the patterns of `text` name there, whether it is valid otherwise or not; of what is not there, none.
///
/// # Errors
/// That a folder cannot be read.
pub fn files_matched(text: &str, folder: &Path) -> Result<Vec<PathBuf>, String> {
    let Ok(table) = DeTable::parse(head(text)) else { return Ok(Vec::new()) };
    let patterns = table.get_ref().get("include").and_then(|node| node.get_ref().as_array());
    let mut files = Vec::new();
    for pattern in patterns.into_iter().flat_map(|items| items.iter()).filter_map(|item| item.get_ref().as_str()) {
        let is_there = folder_of(&folder.join(pattern)).is_dir();
        if pattern.contains('*') && is_there {
            files.extend(matching(folder, pattern)?);
        }
    }
    Ok(files)
}

/// What the two keys of `text` name by a path from the root on: it lies where it lies, whatever folder the file is read from.
pub fn names_from_the_root(text: &str) -> Vec<String> {
    let Ok(table) = DeTable::parse(head(text)) else { return Vec::new() };
    let items = |key| table.get_ref().get(key).and_then(|node| node.get_ref().as_array()).into_iter().flatten();
    let included = items("include").filter_map(|item| item.get_ref().as_str());
    let filled = items("template").filter_map(|item| item.get_ref().as_table());
    let filled =
        filled.flat_map(|table| ["file", "with"].into_iter().filter_map(|key| table.get(key)?.get_ref().as_str()));
    included.chain(filled).filter(|name| Path::new(name).is_absolute()).map(str::to_owned).collect()
}

/// The folder that a file lies in, as it can be read: of a mere name, this one.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// All before the first table.
fn head(text: &str) -> &str {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('[') {
            break;
        }
        at += line.len();
    }
    &text[..at]
}

/// The text with the lines of these places as comments: no line moves.
fn without(text: &str, spans: &[Range<usize>]) -> String {
    let mut at = 0;
    let mut out = String::with_capacity(text.len() + 64);
    for line in text.split_inclusive('\n') {
        let is_one = |span: &Range<usize>| at < span.end && at + line.len() > span.start;
        if spans.iter().any(is_one) {
            out += "# ";
        }
        out += line;
        at += line.len();
    }
    out
}

/// The file that includes others.
struct Main<'m> {
    path: &'m Path,
    name: &'m str,
    text: &'m str,
    /// Bytes that may still be read or made.
    left: Cell<u64>,
}

impl Main<'_> {
    fn folder(&self) -> &Path {
        folder_of(self.path)
    }

    /// That many more bytes are to be read, or made: before they are.
    fn spend(&self, span: &Span, bytes: u64) -> Result<(), ConfigErrors> {
        let Some(left) = self.left.get().checked_sub(bytes) else {
            let why = "it is larger than 64 MiB with the files that it includes and what is made of templates";
            return Err(self.refused(span, why, "include fewer files, or fill fewer lines"));
        };
        self.left.set(left);
        Ok(())
    }

    /// What stands in a file that a key at this place names.
    fn read(&self, span: &Span, path: &Path) -> Result<String, ConfigErrors> {
        let name = path.display().to_string();
        if let Ok(about) = fs::metadata(path) {
            if !about.is_file() {
                return Err(unread(&name, "it is no file but a folder or a device", "name a file"));
            }
            self.spend(span, about.len())?;
        }
        read(path)
    }

    fn refused(&self, span: &Span, why: impl Into<String>, remedy: &str) -> ConfigErrors {
        let mut report = Report::new(self.name, self.text);
        report.error(span, "include", why.into()).remedy(remedy);
        report.refusal("", "")
    }

    fn included(&self, node: &Spanned<DeValue>) -> Result<Vec<Part>, ConfigErrors> {
        self.paths(node)?.iter().map(|path| self.part(&node.span(), path)).collect()
    }

    fn paths(&self, node: &Spanned<DeValue>) -> Result<Vec<PathBuf>, ConfigErrors> {
        let example = "write include = [\"pairs.d/*.toml\"]";
        let DeValue::Array(items) = node.get_ref() else {
            return Err(self.refused(&node.span(), "include is no list of files", example));
        };
        let (mut paths, mut known) = (Vec::new(), BTreeSet::new());
        for item in items.iter() {
            let Some(pattern) = item.get_ref().as_str().filter(|pattern| !pattern.is_empty()) else {
                return Err(self.refused(&item.span(), "include holds what is no name of a file", example));
            };
            let found = matching(self.folder(), pattern).map_err(|why| {
                let remedy = if why.starts_with(NONE) { "make it, or remove this entry" } else { example };
                self.refused(&item.span(), format!("include = \"{pattern}\": {why}"), remedy)
            })?;
            // What two patterns name is included once, and the file itself by no pattern that fits it as well.
            let own = self.path.file_name().map(|name| self.folder().join(name)).filter(|_| pattern.contains('*'));
            let is_another = |path: &PathBuf| Some(path) != own.as_ref() && known.insert(path.clone());
            paths.extend(found.into_iter().filter(is_another));
            if paths.len() > FILES {
                let why = format!("more than {FILES} files are included");
                return Err(self.refused(&item.span(), why, "put several pairs into one file"));
            }
        }
        Ok(paths)
    }

    /// What a file is called, seen from the main file's folder: the same files are the same text by whatever path they are read.
    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(self.folder()).unwrap_or(path).display().to_string().replace(['"', '\n', '\r'], "?")
    }

    fn part(&self, span: &Span, path: &Path) -> Result<Part, ConfigErrors> {
        let (name, text) = (self.shown(path), self.read(span, path)?);
        check_part(&name, &text)?;
        Ok(Part { name, text })
    }

    fn filled(&self, node: &Spanned<DeValue>) -> Result<Vec<Part>, ConfigErrors> {
        let example = "write template = [{ file = \"pair.template\", with = \"pairs.csv\" }]";
        let refused = |span: &Span| self.refused(span, "template is no list of tables with file and with", example);
        let DeValue::Array(items) = node.get_ref() else { return Err(refused(&node.span())) };
        if items.len() > TEMPLATES {
            let why = format!("there are more than {TEMPLATES} templates");
            return Err(self.refused(&node.span(), why, "fill one from a longer table"));
        }
        let mut parts = Vec::new();
        for item in items.iter() {
            let Some(table) = item.get_ref().as_table() else { return Err(refused(&item.span())) };
            let path = |key: &str| Some(self.folder().join(table.get(key)?.get_ref().as_str()?));
            let (Some(file), Some(with), 2) = (path("file"), path("with"), table.len()) else {
                return Err(refused(&item.span()));
            };
            let span = item.span();
            let (text, table) = (self.read(&span, &file)?, self.read(&span, &with)?);
            let spend = |bytes| self.spend(&span, bytes);
            parts.extend(fill((&self.shown(&file), &text), (&self.shown(&with), &table), &spend)?);
        }
        Ok(parts)
    }
}

fn read(path: &Path) -> Result<String, ConfigErrors> {
    let name = path.display().to_string();
    let bytes = bytes_from(&name, || File::open(path))?;
    // Editors and spreadsheets of Windows put a mark of the order of bytes in front.
    text_of(&name, &bytes).map(|text| text.strip_prefix('\u{feff}').unwrap_or(text).to_owned())
}

/// How a refusal begins where what is named is not there.
const NONE: &str = "there is no";

/// The files that a pattern names, in order: `*` stands for any part of the last name of it.
fn matching(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let path = folder.join(pattern);
    let Some(last) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
        return Err("it names no file".into());
    };
    let parent = path.parent().unwrap_or(folder);
    if parent.to_string_lossy().contains('*') {
        return Err("a * may stand in the last part only".into());
    }
    if !last.contains('*') {
        return if path.is_file() { Ok(vec![path]) } else { Err(format!("{NONE} such file")) };
    }
    let entries = fs::read_dir(parent).map_err(|why| match why.kind() {
        ErrorKind::NotFound => format!("{NONE} folder {}", parent.display()),
        _ => format!("{}: {why}", parent.display()),
    })?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|why| format!("{}: {why}", parent.display()))?;
        let name = entry.file_name();
        let fits = name.to_str().is_some_and(|name| !name.starts_with('.') && fits(&last, name));
        if fits && entry.path().is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// `name` is what `pattern` says, where each `*` is any text.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(part) = last.replace(part) {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

/// Whatever stands in a file that is included belongs to a table that begins there: it would belong to the one before it else.
fn check_part(name: &str, text: &str) -> Result<(), ConfigErrors> {
    let mut report = Report::new(name, text);
    // What is not closed here would be closed by the next file.
    let Some(table) = parsed(&mut report) else { return Err(report.refusal("", "")) };
    let first = head(text).len();
    for (key, node) in &table {
        let word = key.get_ref().as_ref();
        let is_list = SECTIONS.iter().any(|row| row.path == word && row.most.is_some());
        if key.span().start < first || matches!(word, "include" | "template") {
            let why = format!("the key \"{word}\" stands before the first table of a file that is included");
            let remedy = "put it under the [table] that it belongs to; only the main file includes others";
            report.error(&key.span(), word, why).remedy(remedy);
        } else if is_list && matches!(node.get_ref(), DeValue::Table(_)) {
            let why = format!("what stands in [[{word}]] has no [[{word}]] before it in this file");
            report.error(&key.span(), word, why).remedy(format!("begin with [[{word}]] and its own keys"));
        }
    }
    if report.refused() { Err(report.refusal("", "")) } else { Ok(()) }
}

/// The template once for each row of the table: `${column}` is what the row has there.
/// `spend` is asked for the bytes of each use before it is made.
fn fill(
    (file, text): (&str, &str),
    (with, table): (&str, &str),
    spend: &dyn Fn(u64) -> Result<(), ConfigErrors>,
) -> Result<Vec<Part>, ConfigErrors> {
    let mut report = Report::new(with, table);
    let (mut columns, mut parts, mut at) = (None::<Vec<&str>>, Vec::new(), 0);
    for (number, line) in (1..).zip(table.split_inclusive('\n')) {
        let span = at..at + line.trim_end().len();
        at += line.len();
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let Some(columns) = &columns else {
            let is_name = |cell: &&str| {
                !cell.is_empty() && cell.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'))
            };
            if !cells.iter().all(is_name) {
                let why = "the first line names the columns, each by letters, digits, - and _, with commas between";
                report.error(&span, "template", why).remedy("such as: name, address_a, address_b");
            }
            if cells.len() > COLUMNS {
                report.error(&span, "template", format!("there are more than {COLUMNS} columns")).remedy("use fewer");
                break;
            }
            if let Some(twice) =
                cells.iter().zip(1..).find_map(|(cell, next)| cells[next..].contains(cell).then_some(cell))
            {
                let why = format!("two columns are called \"{twice}\"");
                report.error(&span, "template", why).remedy("give each a name of its own");
            }
            check_columns((file, text), with, &cells)?;
            columns = Some(cells);
            continue;
        };
        if cells.len() != columns.len() {
            let why = format!("this row has {} cells, and there are {} columns", cells.len(), columns.len());
            report.error(&span, "template", why).remedy("write one cell for each column, with commas between");
        } else if cells.iter().any(|cell| is_of_toml(cell)) {
            let why = "a cell holds a quotation mark, a backslash, ${ or a control character";
            report.error(&span, "template", why).remedy("write it into the template");
        } else if parts.len() == ROWS {
            report.error(&span, "template", format!("there are more than {ROWS} rows")).remedy("remove the others");
            break;
        } else {
            let filled = filled(text, columns, &cells, spend)?;
            let name = format!("{file}, filled from {with}:{number}");
            check_part(&name, &filled)?;
            parts.push(Part { name, text: filled });
        }
    }
    if columns.is_none() {
        report
            .error_of_file("template", "no line of it names columns")
            .remedy("begin with a line such as: name, address");
    }
    if report.refused() { Err(report.refusal("", "")) } else { Ok(parts) }
}

/// A cell would be more than the value that it stands for.
fn is_of_toml(cell: &str) -> bool {
    cell.contains(['"', '\\']) || cell.contains("${") || cell.chars().any(char::is_control)
}

/// One use of the template.
fn filled(
    text: &str,
    columns: &[&str],
    cells: &[&str],
    spend: &dyn Fn(u64) -> Result<(), ConfigErrors>,
) -> Result<String, ConfigErrors> {
    let asked = |column: &str| format!("${{{column}}}");
    let of_cells = columns.iter().zip(cells).map(|(column, cell)| text.matches(&asked(column)).count() * cell.len());
    spend((text.len() + of_cells.sum::<usize>()) as u64)?;
    let of_one = |text: String, (column, cell): (&&str, &&str)| text.replace(&asked(column), cell);
    Ok(columns.iter().zip(cells).fold(text.to_owned(), of_one))
}

/// The template asks for columns that there are, and for all of them.
fn check_columns((file, text): (&str, &str), with: &str, columns: &[&str]) -> Result<(), ConfigErrors> {
    let mut report = Report::new(file, text);
    let mut asked = BTreeSet::new();
    for (at, _) in text.match_indices("${") {
        let rest = &text[at + 2..];
        let word = rest.find('}').map_or(rest.lines().next().unwrap_or_default(), |end| &rest[..end]);
        if !columns.contains(&word) {
            report
                .error(&(at..at + 3 + word.len()), "template", format!("{with} has no column \"{word}\""))
                .remedy(format!("one of: {}", columns.join(", ")));
        }
        asked.insert(word);
    }
    if let Some(column) = columns.iter().find(|column| !asked.contains(**column)) {
        report
            .error_of_file("template", format!("the column \"{column}\" of {with} is asked for nowhere"))
            .remedy(format!("write ${{{column}}} where it belongs, or remove the column"));
    }
    if report.refused() { Err(report.refusal("", "")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::GOOD;
    use super::super::{bytes_of, digests, load};
    use super::*;

    const PAIR: &str = r#"[[pool]]
name = "pair-${n}"
members = [{ name = "sip-${n}a", address = "10.20.0.${a}" }, { name = "sip-${n}b", address = "10.20.0.${b}" }]
monitors = ["sip-options"]

[[virtual_server]]
name = "vs-${n}"
address = "10.20.0.${v}"
pool = "pair-${n}"
"#;

    /// A folder with the main file, which begins with `head`, and these others.
    fn folder(head: &str, others: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("pairs.d")).unwrap();
        let main = folder.path().join("fairlead.toml");
        fs::write(&main, format!("{head}{GOOD}")).unwrap();
        others.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
        (folder, main)
    }

    fn filled(n: u8) -> String {
        let cells = [("n", n), ("a", n + 20), ("b", n + 21), ("v", n + 120)];
        cells
            .iter()
            .fold(PAIR.to_owned(), |text, (column, cell)| text.replace(&format!("${{{column}}}"), &cell.to_string()))
    }

    fn refused(head: &str, others: &[(&str, &str)]) -> String {
        let (folder, main) = folder(head, others);
        let place = format!("{}/", folder.path().display());
        load(&main).unwrap_err().to_string().replace(&place, "")
    }

    #[test]
    fn files_that_are_included_mean_what_one_file_would() {
        let others = [("pairs.d/b.toml", &*filled(40)), ("pairs.d/a.toml", &filled(30)), ("pairs.d/.hidden.toml", "x")];
        let (_folder, main) = folder("include = [\"pairs.d/*.toml\", # all\n  \"pairs.d/a.toml\"]\n", &others);
        let whole = load(&main).unwrap_or_else(|errors| panic!("{errors}"));
        let one = super::super::parse("one", &format!("{GOOD}{}{}", filled(30), filled(40))).unwrap();
        assert_eq!(digests(&whole), digests(&one));
        let names: Vec<&str> = whole.intent.pools.iter().map(|pool| &*pool.name).collect();
        assert_eq!(names[1..], ["pair-30", "pair-40"], "in the order of their names");
    }

    /// The whole text, as the history keeps it and another appliance is sent it, can be read again.
    #[test]
    fn the_whole_text_is_a_file_of_its_own() {
        let (_folder, main) = folder("include = [\"pairs.d/*.toml\"]\n", &[("pairs.d/a.toml", &filled(30))]);
        let text = String::from_utf8(bytes_of(&main).unwrap()).unwrap();
        assert!(super::super::is_of_several(&text) && !super::super::is_of_several(GOOD));
        let read = super::super::parse("configuration 3", &text).unwrap();
        assert_eq!(digests(&read), digests(&load(&main).unwrap()));
        let again = super::super::for_this_one(&text, &text).unwrap();
        assert_eq!(digests(&super::super::parse("pushed", &again).unwrap()), digests(&read));
    }

    #[test]
    fn a_template_is_filled_from_a_table() {
        let table = "# the sites\nn, a, b, v\n\n30, 50, 51, 150\n40, 60, 61, 160\n";
        let others = [("pair.template", PAIR), ("pairs.csv", table)];
        let (_folder, main) = folder("template = [{ file = \"pair.template\", with = \"pairs.csv\" }]\n", &others);
        let whole = load(&main).unwrap_or_else(|errors| panic!("{errors}"));
        let one = super::super::parse("one", &format!("{GOOD}{}{}", filled(30), filled(40))).unwrap();
        assert_eq!(digests(&whole), digests(&one));
    }

    /// As a spreadsheet of Windows writes it.
    #[test]
    fn a_mark_of_the_order_of_bytes_is_no_part_of_a_file() {
        let table = "\u{feff}n, a, b, v\r\n30, 50, 51, 150\r\n";
        let others =
            [("pair.template", PAIR), ("pairs.csv", table), ("pairs.d/a.toml", &format!("\u{feff}{}", filled(40)))];
        let head = "include = [\"pairs.d/*.toml\"]\ntemplate = [{ file = \"pair.template\", with = \"pairs.csv\" }]\n";
        let (_folder, main) = folder(head, &others);
        let whole = load(&main).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(whole.intent.pools.len(), 3);
    }

    #[test]
    fn a_pattern_that_fits_the_file_itself_does_not_include_it() {
        let (folder, main) = folder("include = [\"*.toml\"]\n", &[("other.toml", &filled(30))]);
        let whole = load(&main).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(whole.intent.pools.len(), 2);
        assert_eq!(files_included(&main).unwrap(), [folder.path().join("other.toml")]);
    }

    #[test]
    fn what_is_named_from_the_root_on_is_known() {
        let text =
            "include = [\"/etc/a/*.toml\", \"b.toml\"]\ntemplate = [{ file = \"/srv/t\", with = \"c\" }]\n[sip]\n";
        assert_eq!(names_from_the_root(text), ["/etc/a/*.toml", "/srv/t"]);
        assert!(names_from_the_root(GOOD).is_empty());
    }

    #[test]
    fn errors_name_the_file_and_the_line_in_it() {
        let bad = filled(30).replace("vs-30", "vs 30");
        let text =
            refused("include = [\"pairs.d/*.toml\"]\n", &[("pairs.d/a.toml", &bad), ("pairs.d/b.toml", &filled(40))]);
        assert!(text.contains("--> pairs.d/a.toml:7:8"), "{text}");
        let twice = refused(
            "include = [\"pairs.d/a.toml\"]\n",
            &[("pairs.d/a.toml", "\n[timeouts]\nudp = \"10m\"\nudp = \"9m\"\n")],
        );
        assert!(twice.contains("--> pairs.d/a.toml:4:1"), "{twice}");
        let of_two = refused(
            "include = [\"pairs.d/a.toml\"]\n",
            &[("pairs.d/a.toml", "[[port]]\nname = \"outer\"\ndevice = \"x\"\n")],
        );
        assert!(of_two.contains("--> pairs.d/a.toml:2:8") && of_two.contains("::: fairlead.toml:"), "{of_two}");
        let table = "n, a, b, v\n30, 50, 51, 150\n40, 60, 61, 999\n";
        let head = "template = [{ file = \"pair.template\", with = \"pairs.csv\" }]\n";
        let text = refused(head, &[("pair.template", PAIR), ("pairs.csv", table)]);
        assert!(text.contains("--> pair.template, filled from"), "{text}");
        assert!(text.contains("pairs.csv:3:8:11"), "{text}");
    }

    #[test]
    fn what_cannot_be_included_is_refused_where_it_is_named() {
        let of =
            |head: &str, others: &[(&str, &str)]| refused(head, others).lines().take(2).collect::<Vec<_>>().join(" ");
        for (head, others, expected) in [
            ("include = [\"other.toml\"]\n", &[][..], "there is no such file"),
            ("include = [\"none/*.toml\"]\n", &[], "there is no folder"),
            ("include = [\"*/a.toml\"]\n", &[], "last part only"),
            ("include = \"a.toml\"\n", &[], "no list of files"),
            ("include = [7]\n", &[], "no name of a file"),
            ("template = [{ file = \"x\" }]\n", &[], "no list of tables"),
            ("include = [\"a.toml\"]\n", &[("a.toml", "name = \"x\"\n")], "before the first table"),
            ("include = [\"a.toml\"]\n", &[("a.toml", "include = [\"b.toml\"]\n")], "before the first table"),
            (
                "include = [\"a.toml\"]\n",
                &[("a.toml", "# of a\nlisten = [\n[1]]\n[sip]\n")],
                "\"listen\" stands before",
            ),
            ("include = [\"a.toml\"]\n", &[("a.toml", "sip.x = 1\n[timeouts]\n")], "\"sip\" stands before"),
            ("include = [\"a.toml\"]\n", &[("a.toml", "[sip]\nx = [1,\n")], "this is not TOML"),
            ("include = [\"a.toml\"]\n", &[("a.toml", "[[pool.members]]\nname = \"x\"\n")], "no [[pool]] before it"),
        ] {
            let text = of(head, others);
            assert!(text.contains(expected), "{head}: {text}");
        }
        let head = "template = [{ file = \"t\", with = \"c\" }]\n";
        for (template, table, expected) in [
            ("[[pool]]\nname = \"${n}${m}\"\n", "n\n1\n", "t:2:13"),
            ("[[pool]]\nname = \"${n}\"\n", "n, m\n1, 2\n", "asked for nowhere"),
            ("[[pool]]\nname = \"${n}\"\n", "n\n1, 2\n", "c:2:1"),
            ("[[pool]]\nname = \"${n}\"\n", "n\na\"b\n", "quotation mark"),
            ("[[pool]]\nname = \"${n}\"\n", "# nothing\n", "names columns"),
            ("[[pool]]\nname = \"${n}${a}\"\n", "n, a, a\n1, 2, 3\n", "two columns are called \"a\""),
            ("[[pool]]\nname = \"${n}${m}\"\n", "n, m\n${m}, 2\n", "a backslash, ${"),
            ("[[pool]]\nname = \"${n}\"\n", &format!("{}n\n", "n, ".repeat(64)), "more than 64 columns"),
        ] {
            let text = refused(head, &[("t", template), ("c", table)]);
            assert!(text.contains(expected), "{text}");
        }
    }

    /// A small template with a small table would be gigabytes; what is no file may never end.
    #[test]
    fn what_would_be_too_much_is_refused_before_it_is_made() {
        let head = "template = [{ file = \"t\", with = \"c\" }]\n";
        let (text, table) = (format!("# {}\n", "${n}".repeat(100_000)), format!("n\n{}\n", "x".repeat(100_000)));
        let text = refused(head, &[("t", &text), ("c", &table)]);
        assert!(text.contains("larger than 64 MiB") && text.contains("--> fairlead.toml:1:"), "{text}");
        let text = refused("template = [{ file = \"pairs.d\", with = \"c\" }]\n", &[("c", "n\n1\n")]);
        assert!(text.contains("it is no file"), "{text}");
        let many = format!("template = [{}]\n", "{ file = \"t\", with = \"c\" },".repeat(65));
        assert!(refused(&many, &[("t", "# ${n}\n"), ("c", "n\n1\n")]).contains("more than 64 templates"));
    }

    #[test]
    fn a_text_alone_includes_nothing() {
        let errors = super::super::parse("(standard input)", &format!("include = [\"a.toml\"]\n{GOOD}")).unwrap_err();
        assert!(errors.to_string().contains("include is read in a file only"), "{errors}");
        let (_folder, main) = folder("", &[]);
        assert_eq!(bytes_of(&main).unwrap(), GOOD.as_bytes(), "a file without the keys is as it is");
    }

    /// A pattern may name nothing yet: what is written in its place, or pushed, would end it.
    #[test]
    fn a_file_that_includes_nothing_yet_is_of_several_all_the_same() {
        let (_folder, main) = folder("include = [\"pairs.d/*.toml\"]\n", &[]);
        let text = String::from_utf8(bytes_of(&main).unwrap()).unwrap();
        assert!(super::super::is_of_several(&text), "{text}");
        assert_eq!(digests(&load(&main).unwrap()), digests(&super::super::parse("one", GOOD).unwrap()));
    }

    /// The history would show a change, and `save` find another file than the one in force, if a path by which it is read counted.
    #[test]
    fn the_same_files_are_the_same_text_by_any_path() {
        let head = "include = [\"pairs.d/*.toml\"]\ntemplate = [{ file = \"t\", with = \"c\" }]\n";
        let others = [("pairs.d/a.toml", &*filled(30)), ("t", PAIR), ("c", "n, a, b, v\n40, 60, 61, 160\n")];
        let (folder, main) = folder(head, &others);
        let text = bytes_of(&main).unwrap();
        assert_eq!(bytes_of(&folder.path().join("pairs.d/../fairlead.toml")).unwrap(), text);
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains("#<from \"pairs.d/a.toml\">\n") && text.contains("#<from \"t, filled from c:2\">\n"),
            "{text}"
        );
        assert_eq!(folder_of(Path::new("fairlead.toml")), Path::new("."), "a mere name lies here");
    }

    #[test]
    fn a_star_is_any_text() {
        for (pattern, name, expected) in [
            ("*.toml", "a.toml", true),
            ("*.toml", "a.toml.bak", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("*", "anything", true),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
