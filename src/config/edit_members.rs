//! The admin states of members, changed in the file.
//!
//! Owns where the key stands in a member's table: in the place it has, else behind the others, laid out as they are. A comment on its line
//! stays. Reads and writes no file.

use crate::policy::intent::AdminState;
use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, RawString, Table, TableLike, Value};

/// What a member is let do from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberEdit {
    /// The member's name.
    pub member: String,
    /// What the file is to say.
    pub admin: AdminState,
}

/// The key that says it.
const KEY: &str = "admin_state";

/// Changes the table of this member.
///
/// # Errors
/// Why that cannot be, in words for an operator.
pub(super) fn set(document: &mut DocumentMut, edit: &MemberEdit) -> Result<(), String> {
    let Some(table) = table_of(document, &edit.member) else {
        return Err(format!("it has no member {} in a [[pool]]", edit.member));
    };
    let value = Value::from(edit.admin.to_string());
    match table {
        Place::Table(table) => match table.get_mut(KEY) {
            Some(item) => replace(item, value, &edit.member)?,
            None => add_line(table, value),
        },
        Place::Inline(table) => match TableLike::get_mut(table, KEY) {
            Some(item) => replace(item, value, &edit.member)?,
            None => add_inside(table, value),
        },
    }
    Ok(())
}

/// Where a member's keys stand: each on a line, or all in braces.
enum Place<'d> {
    Table(&'d mut Table),
    Inline(&'d mut InlineTable),
}

impl Place<'_> {
    fn name(&self) -> Option<&str> {
        match self {
            Place::Table(table) => table.get("name")?.as_str(),
            Place::Inline(table) => table.get("name")?.as_str(),
        }
    }
}

/// Names of members are unique over all pools.
fn table_of<'d>(document: &'d mut DocumentMut, member: &str) -> Option<Place<'d>> {
    let pools = tables(document.get_mut("pool")?);
    let members = pools.into_iter().filter_map(|pool| match pool {
        Place::Table(pool) => pool.get_mut("members"),
        Place::Inline(pool) => TableLike::get_mut(pool, "members"),
    });
    members.flat_map(tables).find(|place| place.name() == Some(member))
}

fn tables(item: &mut Item) -> Vec<Place<'_>> {
    match item {
        Item::ArrayOfTables(tables) => ArrayOfTables::iter_mut(tables).map(Place::Table).collect(),
        Item::Value(Value::Array(tables)) => {
            tables.iter_mut().filter_map(Value::as_inline_table_mut).map(Place::Inline).collect()
        }
        _ => Vec::new(),
    }
}

/// What stands around the value stays.
fn replace(item: &mut Item, mut value: Value, member: &str) -> Result<(), String> {
    let Item::Value(before) = item else {
        return Err(format!("`{KEY}` of member {member} is no text"));
    };
    *value.decor_mut() = before.decor().clone();
    *before = value;
    Ok(())
}

/// On a line of its own, behind the others.
fn add_line(table: &mut Table, value: Value) {
    let last = table.iter().last().map(|(key, _)| key.to_owned());
    let before = last.and_then(|last| Some(text_of(table.key(&last)?.leaf_decor().prefix())));
    table.insert(KEY, Item::Value(value));
    let indent = before.map(|before| before.rsplit('\n').next().unwrap_or_default().to_owned());
    if let (Some(indent), Some(mut key)) = (indent.filter(|indent| !indent.is_empty()), table.key_mut(KEY)) {
        key.leaf_decor_mut().set_prefix(indent);
    }
}

/// Behind the others in the braces, in the line of the last one or, where that has one of its own, on the next.
fn add_inside(table: &mut InlineTable, value: Value) {
    let last = table.iter().last().map(|(key, _)| key.to_owned()).unwrap_or_default();
    let indent = table.key(&last).map(|key| text_of(key.leaf_decor().prefix())).unwrap_or_default();
    let indent = indent.rsplit_once('\n').map(|(_, indent)| format!("\n{indent}"));
    let trailing = text_of(Some(table.trailing()));
    let Some(end) = table.get_mut(&last).map(|last| {
        let end = text_of(last.decor().suffix());
        last.decor_mut().set_suffix("");
        end
    }) else {
        table.insert(KEY, value);
        return;
    };
    // Without a comma behind it, what follows the last value is its own.
    let end = end + &trailing;
    table.insert(KEY, value.decorated(" ", ""));
    let (prefix, rest) = match (end.find('\n'), indent) {
        (Some(line_break), Some(indent)) => (format!("{}{indent}", &end[..line_break]), end[line_break..].to_owned()),
        _ => (" ".into(), end),
    };
    if let Some(mut key) = table.key_mut(KEY) {
        key.leaf_decor_mut().set_prefix(prefix);
        key.leaf_decor_mut().set_suffix(" ");
    }
    table.set_trailing(rest);
}

fn text_of(raw: Option<&RawString>) -> String {
    raw.and_then(RawString::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, member: &str, admin: AdminState) -> Result<String, String> {
        let mut document: DocumentMut = text.parse().unwrap();
        set(&mut document, &MemberEdit { member: member.into(), admin })?;
        Ok(document.to_string())
    }

    /// What stands behind the name of sip-b, and what does once it is drained.
    #[test]
    fn only_the_key_changes_and_comments_stay_with_what_they_are_about() {
        let rows = [
            (" }", ", admin_state = \"draining\" }"),
            ("}", ", admin_state = \"draining\"}"),
            (", address = \"10.20.0.12\" } # why", ", address = \"10.20.0.12\", admin_state = \"draining\" } # why"),
            (", admin_state = \"offline\", weight = 3 }", ", admin_state = \"draining\", weight = 3 }"),
            (", admin_state=\"offline\" }", ", admin_state=\"draining\" }"),
            (
                ",\n    address = \"10.20.0.12\", # rack 7\n    # more to come\n  }",
                ",\n    address = \"10.20.0.12\", # rack 7\n    admin_state = \"draining\",\n    # more to come\n  }",
            ),
            (
                ",\n    address = \"10.20.0.12\" # rack 7\n  }",
                ",\n    address = \"10.20.0.12\", # rack 7\n    admin_state = \"draining\"\n  }",
            ),
            (
                ",\n    admin_state = \"enabled\", # for now\n    weight = 3,\n  }",
                ",\n    admin_state = \"draining\", # for now\n    weight = 3,\n  }",
            ),
            (
                ", # first\n    address = \"10.20.0.12\" }",
                ", # first\n    address = \"10.20.0.12\", admin_state = \"draining\" }",
            ),
        ];
        for (before, after) in rows {
            let file = |rest: &str| {
                format!(
                    "# ours\n[[pool]] # the first\nname = \"pair-1\"\nmembers = [\n  {{ name = \"sip-a\", address = \"10.20.0.11\" }}, # one\n  \
                     {{ name = \"sip-b\"{rest}\n]\n# the end\n"
                )
            };
            assert_eq!(changed(&file(before), "sip-b", AdminState::Draining), Ok(file(after)), "{before}");
        }
    }

    #[test]
    fn a_member_may_have_a_table_of_its_own() {
        let rows = [
            ("name = \"sip-b\" # why\n", "name = \"sip-b\" # why\nadmin_state = \"offline\"\n"),
            (
                "  name = \"sip-b\"\n  # where\n  address = \"10.20.0.12\" # rack 7\n  # weight = 3\n",
                "  name = \"sip-b\"\n  # where\n  address = \"10.20.0.12\" # rack 7\n  admin_state = \"offline\"\n  # weight = 3\n",
            ),
            (
                "name = \"sip-b\"\nadmin_state = \"draining\" # for now\naddress = \"10.20.0.12\"\n",
                "name = \"sip-b\"\nadmin_state = \"offline\" # for now\naddress = \"10.20.0.12\"\n",
            ),
        ];
        for (before, after) in rows {
            let file = |keys: &str| {
                format!(
                    "[[pool]]\nname = \"pair-0\"\n[[pool.members]]\nname = \"sip-a\"\n\n[[pool]]\nname = \"pair-1\"\n\n\
                     [[pool.members]] # the second\n{keys}\n# next\n[[virtual_server]]\nname = \"sip-b\"\n"
                )
            };
            assert_eq!(changed(&file(before), "sip-b", AdminState::Offline), Ok(file(after)), "{before}");
        }
        let inline = "pool = [{ name = \"pair-1\", members = [{ name = \"sip-b\" }] }]\n";
        let after = "pool = [{ name = \"pair-1\", members = [{ name = \"sip-b\", admin_state = \"enabled\" }] }]\n";
        assert_eq!(changed(inline, "sip-b", AdminState::Enabled), Ok(after.into()));
    }

    #[test]
    fn a_member_that_is_not_there_is_named() {
        let why = Err("it has no member sip-c in a [[pool]]".to_owned());
        for text in ["", "pool = 7\n", "[[pool]]\nmembers = 7\n", "[[pool]]\nmembers = [{ name = \"sip-b\" }]\n"] {
            assert_eq!(changed(text, "sip-c", AdminState::Draining), why, "{text}");
        }
        let table = "[[pool]]\nmembers = [{ name = \"sip-c\", admin_state = 7 }]\n";
        let after = "[[pool]]\nmembers = [{ name = \"sip-c\", admin_state = \"draining\" }]\n";
        assert_eq!(changed(table, "sip-c", AdminState::Draining), Ok(after.into()));
    }
}
