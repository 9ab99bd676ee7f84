//! The file, changed where an operator has changed what it says, and nowhere else.
//!
//! Owns what is written for exclusions that were added or removed: comments, order and layout of everything else stay. A comment on the
//! line of a prefix goes with it. Admin states are [`edit_members`](super::edit_members)'s. Reads and writes no file.

use super::edit_members::{self, MemberEdit};
use super::value::{network_text, parse_prefix};
use ipnet::Ipv4Net;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, RawString, TableLike, Value};

/// What changes in the exclusion group of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExclusionEdit {
    /// The pool's name.
    pub pool: String,
    /// Prefixes that its group does not have.
    pub add: Vec<Ipv4Net>,
    /// Prefixes that it has.
    pub remove: Vec<Ipv4Net>,
}

/// `text` with these changes.
///
/// # Errors
/// Why it cannot be changed, in words for an operator.
pub fn with_edits(text: &str, exclusions: &[ExclusionEdit], members: &[MemberEdit]) -> Result<String, String> {
    let line_ends = text.matches('\n').count();
    let has_returns = text.contains('\r');
    if has_returns && (text.matches("\r\n").count() != line_ends || text.matches('\r').count() != line_ends) {
        return Err("some of its lines end with CR LF and others do not: let an editor make them alike".into());
    }
    let mut document: DocumentMut =
        text.replace("\r\n", "\n").parse().map_err(|why: toml_edit::TomlError| why.message().to_owned())?;
    for edit in exclusions {
        change(exclude_of(&mut document, &edit.pool)?, edit);
    }
    for edit in members {
        edit_members::set(&mut document, edit)?;
    }
    let changed = document.to_string();
    Ok(if has_returns { changed.replace('\n', "\r\n") } else { changed })
}

/// The exclusion group of the pool's SNAT; an empty one if it has none yet.
fn exclude_of<'d>(document: &'d mut DocumentMut, pool: &str) -> Result<&'d mut Array, String> {
    let snats: Vec<&mut dyn TableLike> = match document.get_mut("snat") {
        Some(Item::ArrayOfTables(tables)) => ArrayOfTables::iter_mut(tables).map(|table| table as _).collect(),
        Some(Item::Value(Value::Array(tables))) => {
            tables.iter_mut().filter_map(Value::as_inline_table_mut).map(|table| table as _).collect()
        }
        _ => Vec::new(),
    };
    let is_its = |table: &&mut dyn TableLike| table.get("pool").and_then(Item::as_str) == Some(pool);
    let Some(snat) = snats.into_iter().find(is_its) else {
        return Err(format!("it has no [[snat]] of pool {pool}"));
    };
    if !snat.contains_key("exclude") {
        snat.insert("exclude", Item::Value(Value::Array(Array::new())));
    }
    let group = snat.get_mut("exclude").and_then(Item::as_array_mut);
    group.ok_or_else(|| format!("`exclude` in the [[snat]] of pool {pool} is no list"))
}

fn change(group: &mut Array, edit: &ExclusionEdit) {
    let is_removed = |value: &Value| {
        let prefix = value.as_str().and_then(|text| parse_prefix(text).ok());
        prefix.is_some_and(|prefix| edit.remove.contains(&prefix))
    };
    let removed: Vec<usize> =
        group.iter().enumerate().filter(|(_, value)| is_removed(value)).map(|(at, _)| at).collect();
    removed.into_iter().rev().for_each(|place| remove(group, place));
    for prefix in &edit.add {
        push(group, &network_text(*prefix));
    }
}

/// Takes an item out with the comment behind it on its line. Comments on lines of their own stay.
fn remove(group: &mut Array, place: usize) {
    let gone = group.remove(place);
    let (prefix, first) = (text_of(gone.decor().prefix()), place == 0);
    let before = prefix.rsplit_once('\n').map(|(before, _)| before.to_owned()).unwrap_or_default();
    let behind = match group.get(place) {
        Some(next) => text_of(next.decor().prefix()),
        None => text_of(gone.decor().suffix()) + &text_of(Some(group.trailing())),
    };
    // What stands before the line break belongs to the item that is gone.
    let rest = match behind.find('\n') {
        Some(line_break) => before + &behind[line_break..],
        // The next one takes its place.
        None if first || prefix.contains('\n') => prefix,
        None => behind,
    };
    match group.get_mut(place) {
        Some(next) => next.decor_mut().set_prefix(rest),
        None => {
            group.set_trailing(rest);
            if group.is_empty() {
                group.set_trailing_comma(false);
            }
        }
    }
}

/// Adds an item behind the others, laid out as the last of them is.
fn push(group: &mut Array, text: &str) {
    let trailing = text_of(Some(group.trailing()));
    let Some(last) = group.len().checked_sub(1).and_then(|last| group.get_mut(last)) else {
        let mut value = Value::from(text);
        // Comments in an otherwise empty list stay before it.
        if let Some((before, after)) = trailing.rsplit_once('\n') {
            value.decor_mut().set_prefix(format!("{before}\n    "));
            group.set_trailing(format!("\n{after}"));
            group.set_trailing_comma(true);
        } else {
            group.set_trailing("");
        }
        return group.push_formatted(value);
    };
    let indent = text_of(last.decor().prefix()).rsplit_once('\n').map(|(_, indent)| indent.to_owned());
    // Without a comma behind it, what follows the last item is its own.
    let behind = text_of(last.decor().suffix()) + &trailing;
    let mut value = Value::from(text);
    match behind.find('\n') {
        Some(line_break) => {
            last.decor_mut().set_suffix("");
            let indent = indent.unwrap_or_else(|| "    ".into());
            let (same_line, rest) = behind.split_at(line_break);
            // Comments on lines of their own stay above the end.
            value.decor_mut().set_prefix(format!("{same_line}\n{indent}"));
            group.set_trailing(rest);
            group.set_trailing_comma(true);
        }
        None => value.decor_mut().set_prefix(indent.map_or_else(|| " ".into(), |indent| format!("\n{indent}"))),
    }
    group.push_formatted(value);
}

fn text_of(raw: Option<&RawString>) -> String {
    raw.and_then(RawString::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::intent::AdminState;
    use proptest::prelude::*;

    fn with_exclusions(text: &str, edits: &[ExclusionEdit]) -> Result<String, String> {
        with_edits(text, edits, &[])
    }

    fn edit(add: &[&str], remove: &[&str]) -> ExclusionEdit {
        let nets = |texts: &[&str]| texts.iter().map(|text| parse_prefix(text).unwrap()).collect();
        ExclusionEdit { pool: "pair-1".into(), add: nets(add), remove: nets(remove) }
    }

    fn file(group: &str) -> String {
        format!(
            "# ours\n[[snat]] # the first\npool = \"pair-0\"\nexclude = [\"10.9.0.0/16\"]\n\n[[snat]]\npool = \"pair-1\"  # why\n\
             {group}\naddress = \"10.20.0.100\"\n# the end\n"
        )
    }

    /// The group before, what is added, what is removed, the group after.
    type Row<'t> = (&'t str, &'t [&'t str], &'t [&'t str], &'t str);

    #[test]
    fn only_the_group_changes_and_comments_stay_with_what_they_are_about() {
        let lines = "exclude = [\n  \"10.1.0.0/16\", # one\n  # CRM\n  \"10.2.0.0/16\", # two\n  \"10.3.0.0/16\" # three\n] # all";
        let rows: [Row<'_>; 11] = [
            ("exclude = [\"10.1.0.0/16\"]", &["10.2.0.0/16"], &[], "exclude = [\"10.1.0.0/16\", \"10.2.0.0/16\"]"),
            ("exclude = [\"10.1.0.0/16\"]", &[], &["10.1.0.0/16"], "exclude = []"),
            ("exclude = []", &["default"], &[], "exclude = [\"default\"]"),
            (
                "exclude = [\"10.1.0.0/16\", \"10.2.0.0/16\", \"10.3.0.0/16\"] # all",
                &["10.4.0.1/32"],
                &["10.1.0.0/16", "10.3.0.0/16"],
                "exclude = [\"10.2.0.0/16\", \"10.4.0.1\"] # all",
            ),
            (
                lines,
                &["10.4.0.0/16"],
                &[],
                "exclude = [\n  \"10.1.0.0/16\", # one\n  # CRM\n  \"10.2.0.0/16\", # two\n  \"10.3.0.0/16\", # three\n  \
                 \"10.4.0.0/16\",\n] # all",
            ),
            (
                lines,
                &[],
                &["10.1.0.0/16"],
                "exclude = [\n  # CRM\n  \"10.2.0.0/16\", # two\n  \"10.3.0.0/16\" # three\n] # all",
            ),
            (
                lines,
                &[],
                &["10.2.0.0/16"],
                "exclude = [\n  \"10.1.0.0/16\", # one\n  # CRM\n  \"10.3.0.0/16\" # three\n] # all",
            ),
            (
                lines,
                &["10.4.0.0/16"],
                &["10.3.0.0/16"],
                "exclude = [\n  \"10.1.0.0/16\", # one\n  # CRM\n  \"10.2.0.0/16\", # two\n  \"10.4.0.0/16\",\n] # all",
            ),
            (
                "exclude = [\n  \"10.1.0.0/16\",\n  # more to come\n]",
                &["10.2.0.0/16"],
                &[],
                "exclude = [\n  \"10.1.0.0/16\",\n  \"10.2.0.0/16\",\n  # more to come\n]",
            ),
            (
                "exclude = [\n  # none yet\n]",
                &["10.2.0.0/16"],
                &[],
                "exclude = [\n  # none yet\n    \"10.2.0.0/16\",\n]",
            ),
            ("", &["10.2.0.0/16"], &[], "\naddress"),
        ];
        for (before, add, remove, after) in rows {
            let changed = with_exclusions(&file(before), &[edit(add, remove)]).unwrap();
            match before {
                "" => assert!(
                    changed.contains("address = \"10.20.0.100\"\nexclude = [\"10.2.0.0/16\"]\n# the end\n"),
                    "{changed}"
                ),
                _ => assert_eq!(changed, file(after), "{before}"),
            }
        }
    }

    #[test]
    fn lines_end_as_they_did_or_it_is_refused() {
        let before = file("exclude = [\n  \"10.1.0.0/16\",\n]");
        let after = file("exclude = [\n  \"10.1.0.0/16\",\n  \"10.2.0.0/16\",\n]");
        let windows = |text: &str| text.replace('\n', "\r\n");
        let change = [edit(&["10.2.0.0/16"], &[])];
        assert_eq!(with_exclusions(&windows(&before), &change), Ok(windows(&after)));
        let pool = "[[pool]]\nmembers = [{ name = \"sip-b\" }]\n";
        let drained = "[[pool]]\nmembers = [{ name = \"sip-b\", admin_state = \"draining\" }]\n";
        let member = [MemberEdit { member: "sip-b".into(), admin: AdminState::Draining }];
        let both = |file: &str, pool: &str| windows(&format!("{file}{pool}"));
        assert_eq!(with_edits(&both(&before, pool), &change, &member), Ok(both(&after, drained)));
        let mixed = windows(&before).replacen("\r\n", "\n", 1);
        assert!(with_exclusions(&mixed, &change).unwrap_err().contains("CR LF"));
    }

    #[test]
    fn a_group_that_is_not_there_is_named() {
        let other = [ExclusionEdit { pool: "pair-9".into(), ..edit(&["10.2.0.0/16"], &[]) }];
        assert_eq!(with_exclusions(&file(""), &other), Err("it has no [[snat]] of pool pair-9".into()));
        let inline = "snat = [{ pool = \"pair-1\", exclude = [\"10.1.0.0/16\"] }]\n";
        assert_eq!(
            with_exclusions(inline, &[edit(&["10.2.0.0/16"], &["10.1.0.0/16"])]),
            Ok("snat = [{ pool = \"pair-1\", exclude = [\"10.2.0.0/16\"] }]\n".into())
        );
        assert!(with_exclusions("snat = 7\n", &[edit(&[], &[])]).unwrap_err().contains("no [[snat]]"));
    }

    /// Items with comments and layouts of all kinds: their number, whether each stands on a line of its own, and has comments.
    fn group() -> impl Strategy<Value = (String, usize)> {
        let item = (any::<bool>(), any::<bool>(), any::<bool>());
        (prop::collection::vec(item, 0..6), any::<bool>(), any::<bool>()).prop_map(|(items, comma, closing)| {
            let mut text = "exclude = [".to_owned();
            let count = items.len();
            for (number, (own_line, above, behind)) in items.into_iter().enumerate() {
                let indent = if own_line || above { "\n  " } else { " " };
                let above = if above { format!("\n  # above {number}") } else { String::new() };
                let comma = if number + 1 < count || comma { "," } else { "" };
                let behind = if behind { format!(" # behind {number}\n") } else { String::new() };
                text += &format!("{above}{indent}\"10.{number}.0.0/16\"{comma}{behind}");
            }
            (text + if closing { "\n  # closing\n]" } else { "\n]" }, count)
        })
    }

    proptest! {
        #[test]
        fn what_is_meant_is_said_and_no_other_comment_is_lost((before, count) in group(), gone: [bool; 6], more in 0..3_u8) {
            let remove: Vec<String> = (0..count).filter(|at| gone[*at]).map(|at| format!("10.{at}.0.0/16")).collect();
            let add: Vec<String> = (0..more).map(|at| format!("172.16.{at}.0/24")).collect();
            let texts = |list: &[String]| list.iter().map(|text| text.parse().unwrap()).collect();
            let change = ExclusionEdit { pool: "pair-1".into(), add: texts(&add), remove: texts(&remove) };
            let changed = with_exclusions(&file(&before), &[change]).unwrap();
            let read: toml::Table = changed.parse().unwrap();
            let found: Vec<&str> = read["snat"][1]["exclude"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
            let kept: Vec<String> = (0..count).filter(|at| !gone[*at]).map(|at| format!("10.{at}.0.0/16")).collect();
            prop_assert_eq!(&found, &kept.iter().chain(&add).map(String::as_str).collect::<Vec<_>>(), "{}", changed);
            for line in file(&before).lines() {
                let comment = line.split_once('#').map(|(_, comment)| comment.trim().to_owned()).unwrap_or_default();
                let is_gone = comment.strip_prefix("behind ").is_some_and(|at| gone[at.parse::<usize>().unwrap()]);
                prop_assert!(is_gone || changed.contains(&comment), "{} is lost:\n{}", comment, changed);
            }
            prop_assert!(changed.starts_with("# ours\n[[snat]] # the first\npool = \"pair-0\"\n") && changed.ends_with("# the end\n"));
        }
    }
}
