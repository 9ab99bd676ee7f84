//! The manual page of the configuration file, fairlead.toml(5).
//!
//! Owns how the reference of all keys, which is Markdown, is put into roff. Never: what stands in it, which is [`crate::config`]'s.

use super::manual::{escaped, within};
use crate::config;

const HEAD: &str = ".SH NAME
fairlead.toml \\- the configuration file of Fairlead
.SH SYNOPSIS
\\fI/etc/fairlead/fairlead.toml\\fR
.SH DESCRIPTION
";

const TAIL: &str = ".SH FILES
.TP
\\fI/etc/fairlead/fairlead.toml\\fR
the file that the systemd unit passes to \\fBfairlead run\\fR
.TP
\\fI/usr/share/doc/fairlead/dpdk\\-config/examples\\fR
whole files for networks and NICs of several kinds
.SH EXAMPLES
What is wrong with a file, and what this machine lacks for it:
.PP
.nf
fairlead check \\-\\-here /etc/fairlead/fairlead.toml
.fi
.SH \"SEE ALSO\"
fairlead(1), fairlead\\-machine(8)
";

/// The page in roff.
pub fn page() -> Vec<u8> {
    let title = format!(".TH fairlead.toml 5 \"\" \"fairlead {}\"\n", env!("CARGO_PKG_VERSION"));
    [title.as_str(), HEAD, &roff(&config::reference()), TAIL].concat().into_bytes()
}

/// The Markdown of the reference in roff: headings, paragraphs, tables, fences and lists of one level. Its first heading is the page's
/// own, and left out.
fn roff(markdown: &str) -> String {
    let (mut out, mut lines) = (String::new(), markdown.lines().peekable());
    let mut is_new = true;
    while let Some(line) = lines.next() {
        // Not behind a heading, which begins one by itself.
        let begins = if out.is_empty() || out.lines().next_back().is_some_and(|last| last.starts_with(".S")) {
            ""
        } else {
            ".PP\n"
        };
        if line.starts_with("```") {
            let shown = lines.by_ref().take_while(|line| !line.starts_with("```"));
            let shown: String = shown.map(|line| format!("{}\n", escaped(line))).collect();
            out += &format!("{begins}.nf\n{shown}.fi\n");
        } else if let Some(header) = cells(line) {
            lines.next();
            while let Some(row) = lines.peek().and_then(|line| cells(line)) {
                out += &entry(&header, &row);
                lines.next();
            }
        } else if let Some((sign, title)) = heading(line) {
            out += &title.map(|title| format!("{sign} \"{}\"\n", plain(title))).unwrap_or_default();
        } else if let Some(item) = line.strip_prefix("* ") {
            out += &format!(".IP \\(bu 2\n{}\n", styled(item));
        } else if !line.is_empty() {
            out += &format!("{}{}\n", if is_new { begins } else { "" }, styled(line.trim_start()));
        }
        is_new = line.is_empty() || line.starts_with(['#', '`']);
    }
    out
}

/// What begins a heading of this level, and its text where it is not the page's.
fn heading(line: &str) -> Option<(&'static str, Option<&str>)> {
    let levels = [("### ", ".SS"), ("## ", ".SH")];
    let own = line.starts_with("# ").then_some((".TH", None));
    levels.into_iter().find_map(|(mark, sign)| line.strip_prefix(mark).map(|text| (sign, Some(text)))).or(own)
}

/// The cells of a table's row.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.strip_prefix("| ")?.strip_suffix('|')?;
    // A bar in a text has a backslash before it.
    let kept = inner.replace("\\|", "\u{0}");
    Some(kept.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect())
}

/// A row: its first cell in front, what it means, then the others with what their column is called.
fn entry(header: &[String], row: &[String]) -> String {
    let mut out = format!(".TP\n\\fB{}\\fR\n", plain(row.first().map_or("", String::as_str)));
    let named: Vec<(&str, &str)> =
        header.iter().zip(row).skip(1).map(|(name, cell)| (name.as_str(), cell.as_str())).collect();
    let (says, others): (Vec<_>, Vec<_>) = named.iter().partition(|(name, _)| *name == "meaning" || named.len() == 1);
    let says = says.iter().map(|(_, cell)| styled(cell));
    let others = others
        .iter()
        .filter(|(_, cell)| !cell.is_empty())
        .map(|(name, cell)| format!("\\fI{}\\fR: {}", plain(name), styled(cell)));
    let lines: Vec<String> = says.chain(others).collect();
    out += &lines.join("\n.br\n");
    out + "\n"
}

/// Without marks.
fn plain(text: &str) -> String {
    within(&text.replace('`', "").replace('"', "\u{201d}"))
}

/// With what stands between backquotes, or between two asterisks each, in bold, and of a link its text.
fn styled(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(at, part)| match at % 2 {
        0 => bold(&unlinked(part), "**"),
        _ => format!("\\fB{}\\fR", within(part)),
    });
    let line: String = parts.collect();
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

fn bold(text: &str, mark: &str) -> String {
    let parts = text.split(mark).enumerate();
    parts.map(|(at, part)| if at % 2 == 0 { within(part) } else { format!("\\fB{}\\fR", within(part)) }).collect()
}

/// `[text](address)` becomes `text`.
fn unlinked(text: &str) -> String {
    let Some((before, rest)) = text.split_once("](") else { return text.to_owned() };
    let Some((_, after)) = rest.split_once(')') else { return text.to_owned() };
    let Some((front, name)) = before.rsplit_once('[') else { return text.to_owned() };
    format!("{front}{name}{}", unlinked(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_markdown_has_its_roff() {
        for (markdown, expected) in [
            ("# Title\n\nOne\ntwo.\n\nThree.\n", "One\ntwo.\n.PP\nThree.\n"),
            ("## `[[pool]]`\n", ".SH \"[[pool]]\"\n"),
            ("### A part\n\nB\n", ".SS \"A part\"\nB\n"),
            ("See `a-b` and **c**.\n", "See \\fBa\\-b\\fR and \\fBc\\fR.\n"),
            (".x \\n and [a](b.md#c) [d]\n", "\\&.x \\en and a [d]\n"),
            ("```toml\na = \"\\n\"\n```\nB\n", ".nf\na = \"\\en\"\n.fi\n.PP\nB\n"),
            ("* one\n* two\n", ".IP \\(bu 2\none\n.IP \\(bu 2\ntwo\n"),
            (
                "| key | default | meaning |\n|---|---|---|\n| `a` | `1\\|2` | This. |\n| `b` | | That. |\n",
                ".TP\n\\fBa\\fR\nThis.\n.br\n\\fIdefault\\fR: \\fB1|2\\fR\n.TP\n\\fBb\\fR\nThat.\n",
            ),
            ("| event | it |\n|---|---|\n| `x` | Y. |\n", ".TP\n\\fBx\\fR\nY.\n"),
        ] {
            assert_eq!(roff(markdown), expected, "{markdown}");
        }
    }

    #[test]
    fn every_key_has_its_entry_and_no_mark_of_markdown_is_left() {
        let (page, reference) = (String::from_utf8(page()).unwrap(), config::reference());
        let entries = page.lines().filter(|line| *line == ".TP").count();
        let rows = reference.lines().filter(|line| line.starts_with("| ")).count();
        let tables = reference.lines().filter(|line| line.starts_with("|---")).count();
        // Two are of FILES.
        assert_eq!(entries, rows - tables + 2);
        assert!(entries > 200);
        for row in reference.lines().filter(|line| line.starts_with("| `")) {
            let name = row.split('`').nth(1).unwrap();
            assert!(page.contains(&format!("\\fB{}\\fR\n", within(name))), "{name}");
        }
        let left: Vec<&str> = page.lines().filter(|line| line.contains(['`', '|']) && !line.contains(" | ")).collect();
        assert_eq!(left, [] as [&str; 0]);
        assert!(!page.contains("]("));
    }
}
