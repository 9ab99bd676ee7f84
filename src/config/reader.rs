//! Text to sections of checked values, each with its place.
//!
//! Owns TOML syntax errors, unknown keys, wrong types, bounds and defaults, all by the table in [`super::keys`]. Does not
//! know what the keys mean together: the checks do.

use super::form::{Fallback, Key, Kind, SectionRow};
use super::keys::{SECTIONS, section};
use super::report::{Finding, Report, Span};
use super::suggest::{did_you_mean, listed, nearest};
use super::text::{takes_text, text_value};
use super::value;
use crate::policy::intent::{CodeRange, Listen};
use ipnet::Ipv4Net;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// Something and where it stands; where it is a default, the place of the section that leaves it out.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Span,
    /// The file says it; `false`: it is the default.
    pub(super) written: bool,
}

/// A value that has the form its key asks for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Flag(bool),
    Text(String),
    Integer(i64),
    Span(Duration),
    Address(Ipv4Addr),
    Network(Ipv4Net),
    Socket(SocketAddr),
    Listen(Listen),
    Codes(CodeRange),
    /// `None`: all.
    Require(Option<usize>),
    Many(Vec<At<Value>>),
    Inside(Vec<Section>),
}

/// A table of the file with what could be read of it. A key that is missing here has no default or was refused.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// What messages call it: `pool "pair-1"`.
    pub(super) title: String,
    /// Its header, or its text when it is inline.
    pub(super) span: Span,
    pub(super) values: BTreeMap<&'static str, At<Value>>,
}

type Table<'i> = DeTable<'i>;
type Node<'i> = Spanned<DeValue<'i>>;

/// Reads `text`: the sections of the file by path, those that stand once with their defaults when absent.
pub(super) fn read(text: &str, report: &mut Report) -> BTreeMap<&'static str, Vec<Section>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        super::syntax::report_errors(&errors, text, report);
        return BTreeMap::new();
    }
    let mut reader = Reader { text, report };
    let root = root.get_ref();
    for key in root.keys().filter(|key| top(key.get_ref()).is_none()) {
        reader.unknown_section(key);
    }
    let tops = SECTIONS.iter().filter(|row| !row.path.contains('.'));
    tops.map(|row| (row.path, reader.top_level(row, root))).collect()
}

fn top(name: &str) -> Option<&'static SectionRow> {
    section(name).filter(|row| !row.path.contains('.'))
}

/// What a value is a part of, for messages.
struct Context<'c> {
    row: &'static SectionRow,
    title: &'c str,
    name: &'static str,
}

struct Reader<'r, 't, 'i> {
    text: &'i str,
    report: &'r mut Report<'t>,
}

impl Reader<'_, '_, '_> {
    fn top_level(&mut self, row: &'static SectionRow, root: &Table) -> Vec<Section> {
        match (root.get(row.path), row.most) {
            (Some(node), _) => self.tables(row, node, row.header(), None),
            (None, Some(_)) => Vec::new(),
            (None, None) => vec![self.section(row, &Table::new(), 0..0, None)],
        }
    }

    /// The tables of `node`: one, or an array of them, as `row` says; `owner` is what they are inside of.
    fn tables(&mut self, row: &'static SectionRow, node: &Node, wanted: String, owner: Option<&str>) -> Vec<Section> {
        match (row.most, node.get_ref()) {
            (None, DeValue::Table(table)) => vec![self.section(row, table, node.span(), owner)],
            (Some(most), DeValue::Array(nodes)) if nodes.iter().all(|node| node.get_ref().is_table()) => {
                if nodes.len() > most {
                    let message = format!("{} stands {} times", row.header(), nodes.len());
                    let finding = self.report.error(&nodes[most].span(), row.path, message);
                    finding.allowed(format!("at most {most}")).remedy("remove the others");
                }
                let tables = nodes.iter().filter_map(|node| Some((node.get_ref().as_table()?, node.span())));
                tables.map(|(table, span)| self.section(row, table, span, owner)).collect()
            }
            _ => {
                self.not_tables(row, node, &wanted);
                // Read all the same, so that what refers to it finds it.
                let table = node.get_ref().as_table().filter(|_| owner.is_none());
                table.map(|table| self.section(row, table, node.span(), owner)).into_iter().collect()
            }
        }
    }

    fn not_tables(&mut self, row: &'static SectionRow, node: &Node, wanted: &str) {
        let shown = self.shown(&node.span());
        let (noun, form) = match row.most {
            None => ("one table", format!("one table: {wanted}")),
            Some(most) => ("a list of tables", format!("up to {most} tables, each as {wanted}")),
        };
        let message = format!("{}: {shown} is {}, not {noun}", row.path, type_noun(node.get_ref()));
        self.report.error(&node.span(), row.path, message).allowed(form).remedy(format!("write {wanted}"));
    }

    fn section(&mut self, row: &'static SectionRow, table: &Table, span: Span, owner: Option<&str>) -> Section {
        let title = title(row, table, owner);
        let mut values = BTreeMap::new();
        for (name, node) in table {
            match row.key(name.get_ref()) {
                None => self.unknown_key(row, &title, name),
                Some(key) => {
                    let context = Context { row, title: &title, name: key.name };
                    if let Some(value) = self.value(&context, &key.kind, node) {
                        values.insert(key.name, At { value, span: node.span(), written: true });
                    }
                }
            }
        }
        for key in row.keys.iter().filter(|key| !table.keys().any(|name| name.get_ref() == key.name)) {
            if let Some(value) = self.fallback(row, key, &title, &span) {
                values.insert(key.name, At { value, span: span.clone(), written: false });
            }
        }
        Section { title, span, values }
    }

    fn fallback(&mut self, row: &'static SectionRow, key: &'static Key, title: &str, span: &Span) -> Option<Value> {
        match key.fallback {
            Fallback::Derived(_) => None,
            Fallback::Required(example) => {
                let finding =
                    self.report.error(span, &path(row, key.name), format!("{title}: the key {} is missing", key.name));
                finding.allowed(key.kind.form()).remedy(format!("add: {} = {example}", key.name));
                None
            }
            Fallback::Value(text) => {
                let node = DeValue::parse(text).ok()?;
                let value = self.value(&Context { row, title, name: key.name }, &key.kind, &node)?;
                Some(placed(value, span))
            }
        }
    }

    fn value(&mut self, context: &Context, kind: &'static Kind, node: &Node) -> Option<Value> {
        match (kind, node.get_ref()) {
            (Kind::Flag, DeValue::Boolean(flag)) => Some(Value::Flag(*flag)),
            (Kind::Integer { least, most, .. }, DeValue::Integer(number)) => {
                let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
                self.bounded(context, kind, node, number, (*least, *most)).map(Value::Integer)
            }
            (Kind::Require, DeValue::Integer(number)) => {
                let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
                let number = self.bounded(context, kind, node, number, (1, 16))?;
                usize::try_from(number).ok().map(|number| Value::Require(Some(number)))
            }
            (Kind::Many(each, least, most), DeValue::Array(nodes)) => {
                self.number_of(context, kind, node, nodes.len(), (*least, *most))?;
                let items: Vec<Option<At<Value>>> = nodes.iter().map(|node| self.item(context, each, node)).collect();
                items.into_iter().collect::<Option<_>>().map(Value::Many)
            }
            (Kind::Inside(path), _) => {
                let row = section(path)?;
                if let (Some(_), DeValue::Array(nodes)) = (row.most, node.get_ref()) {
                    self.number_of(context, kind, node, nodes.len(), (1, usize::MAX))?;
                }
                let wanted = format!("{} = {}", context.name, kind.example());
                Some(Value::Inside(self.tables(row, node, wanted, Some(context.title))))
            }
            (kind, DeValue::String(text)) if takes_text(kind) => self.text(context, kind, node, text),
            _ => {
                self.wrong_type(context, kind, node);
                None
            }
        }
    }

    fn item(&mut self, context: &Context, kind: &'static Kind, node: &Node) -> Option<At<Value>> {
        let value = self.value(context, kind, node)?;
        Some(At { value, span: node.span(), written: true })
    }

    fn text(&mut self, context: &Context, kind: &'static Kind, node: &Node, text: &str) -> Option<Value> {
        match text_value(kind, text) {
            Ok(value) => self.in_span(context, kind, node, value),
            Err(refusal) => {
                let remedy =
                    if refusal.remedy.is_empty() { format!("an example: {}", kind.example()) } else { refusal.remedy };
                self.refused(context, kind, node, &refusal.why).remedy(remedy);
                None
            }
        }
    }

    /// The value, unless it is a duration out of its bounds.
    fn in_span(&mut self, context: &Context, kind: &'static Kind, node: &Node, value: Value) -> Option<Value> {
        let (Kind::Span { least, most, .. }, Value::Span(span)) = (kind, &value) else { return Some(value) };
        let (why, remedy) = if span < least {
            ("it is too short", format!("write \"{}\" or more", value::duration_text(*least)))
        } else if span > most {
            ("it is too long", format!("write \"{}\" or less", value::duration_text(*most)))
        } else {
            return Some(value);
        };
        self.refused(context, kind, node, why).remedy(remedy);
        None
    }

    fn bounded(
        &mut self,
        context: &Context,
        kind: &'static Kind,
        node: &Node,
        number: Option<i64>,
        (least, most): (i64, i64),
    ) -> Option<i64> {
        match number {
            Some(number) if number < least => {
                self.refused(context, kind, node, "it is too small").remedy(format!("write {least} or more"));
                None
            }
            Some(number) if number <= most => Some(number),
            _ => {
                self.refused(context, kind, node, "it is too large").remedy(format!("write {most} or less"));
                None
            }
        }
    }

    fn number_of(
        &mut self,
        context: &Context,
        kind: &'static Kind,
        node: &Node,
        number: usize,
        (least, most): (usize, usize),
    ) -> Option<()> {
        if number < least {
            let remedy = format!("write at least {least}, such as {}", kind.example());
            self.refused(context, kind, node, "the list is too short").remedy(remedy);
            return None;
        }
        if number > most {
            self.refused(context, kind, node, "the list is too long").remedy(format!("write at most {most}"));
            return None;
        }
        Some(())
    }

    fn refused(&mut self, context: &Context, kind: &'static Kind, node: &Node, why: &str) -> &mut Finding {
        let shown = self.shown(&node.span());
        let message = format!("{}: {} = {shown}: {why}", context.title, context.name);
        self.report.error(&node.span(), &path(context.row, context.name), message).allowed(kind.form())
    }

    fn wrong_type(&mut self, context: &Context, kind: &'static Kind, node: &Node) {
        let shown = self.shown(&node.span());
        let (title, name) = (context.title, context.name);
        let message = format!("{title}: {name} = {shown} is {}, not {}", type_noun(node.get_ref()), kind.noun());
        let remedy = match node.get_ref() {
            DeValue::String(text) if matches!(kind, Kind::Integer { .. } | Kind::Flag) => {
                match text.parse::<i64>().is_ok() || matches!(text.as_ref(), "true" | "false") {
                    true => format!("take the quotes away: {text}"),
                    false => format!("an example: {}", kind.example()),
                }
            }
            DeValue::Integer(number) if matches!(kind, Kind::Span { .. }) => {
                format!("put a unit behind it and quotes around it: \"{number}ms\" or \"{number}s\"")
            }
            DeValue::Integer(number) if matches!(kind, Kind::Codes) => format!("put quotes around it: \"{number}\""),
            DeValue::Integer(number) if matches!(kind, Kind::Listen) => {
                format!("write \"udp/{number}\" or \"tcp/{number}\"")
            }
            DeValue::String(_) if matches!(kind, Kind::Many(..)) => format!("put brackets around it: [{shown}]"),
            _ => format!("an example: {}", kind.example()),
        };
        let finding = self.report.error(&node.span(), &path(context.row, name), message);
        finding.allowed(kind.form()).remedy(remedy);
    }

    fn unknown_key(&mut self, row: &'static SectionRow, title: &str, name: &Spanned<DeString>) {
        let word = name.get_ref();
        let keys = || row.keys.iter().map(|key| key.name);
        let homes = SECTIONS.iter().filter(|other| other.key(word).is_some()).map(SectionRow::header);
        let remedy = match (nearest(word, keys()), homes.collect::<Vec<_>>().as_slice()) {
            (Some(key), _) => format!("did you mean \"{key}\"?"),
            (None, []) => "remove it".into(),
            (None, homes) => format!("it belongs in {}", homes.join(" or ")),
        };
        let finding = self.report.error(&name.span(), &path(row, word), format!("{title}: unknown key \"{word}\""));
        finding.allowed(keys().collect::<Vec<_>>().join(", ")).remedy(remedy);
    }

    fn unknown_section(&mut self, name: &Spanned<DeString>) {
        let word = name.get_ref();
        let tops = || SECTIONS.iter().map(|row| row.path).filter(|path| !path.contains('.'));
        let home = SECTIONS.iter().find(|row| row.key(word).is_some());
        let remedy = match home {
            Some(row) => format!("the key \"{word}\" belongs under {}", row.header()),
            None => did_you_mean(word, tops(), "remove it"),
        };
        let finding = self.report.error(&name.span(), word, format!("unknown table or key \"{word}\""));
        finding.allowed(format!("the tables {}", listed(tops()))).remedy(remedy);
    }

    /// The text at `span` as the file has it, shortened.
    fn shown(&self, span: &Span) -> String {
        let text = self.text.get(span.clone()).unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let short: String = line.chars().take(48).collect();
        if short.len() < text.len() { format!("{short}…") } else { short }
    }
}

/// A default stands where its section does: it was read from a text of its own, whose places mean nothing in the file.
fn placed(value: Value, span: &Span) -> Value {
    let at = |item: At<Value>| At { value: placed(item.value, span), span: span.clone(), written: false };
    match value {
        Value::Many(items) => Value::Many(items.into_iter().map(at).collect()),
        Value::Inside(sections) => {
            let section = |inside: Section| Section {
                span: span.clone(),
                values: inside.values.into_iter().map(|(name, item)| (name, at(item))).collect(),
                ..inside
            };
            Value::Inside(sections.into_iter().map(section).collect())
        }
        value => value,
    }
}

/// The key as the reference names it.
fn path(row: &SectionRow, key: &str) -> String {
    format!("{}.{key}", row.path)
}

/// What messages call a table: by its name, or by what it is about; `owner` is what it is inside of.
fn title(row: &SectionRow, table: &Table, owner: Option<&str>) -> String {
    let text = |key: &str| Some(table.get(key)?.get_ref().as_str()?.chars().take(64).collect::<String>());
    let name = text("name").filter(|name| !name.is_empty());
    let (to, pool) = (text("to").unwrap_or_else(|| "default".into()), text("pool"));
    let inside = row.path.rsplit('.').next().unwrap_or(row.path);
    match (owner, row.most, name) {
        (Some(owner), Some(_), Some(name)) => format!("member \"{name}\" of {owner}"),
        (Some(owner), Some(_), None) => format!("a member of {owner}"),
        (Some(owner), None, _) => format!("{owner}, {inside}"),
        (None, Some(_), Some(name)) => format!("{} \"{name}\"", row.path.replace('_', " ")),
        _ if row.path == "route" => format!("route to \"{to}\""),
        _ if row.path == "snat" => pool.map_or(row.header(), |pool| format!("snat of pool \"{pool}\"")),
        _ => row.header(),
    }
}

fn type_noun(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
