//! Text to sections of checked values, each with its place.
//!
//! Owns unknown tables and keys, missing keys and defaults, wrong types and lists of the wrong length. What a single value
//! may be is [`super::value`]'s. Does not know what the keys mean together: the checks do.

use super::form::{Fallback, Key, Kind, SectionRow, did_you_mean, listed, nearest};
use super::report::{Note, Report, Span};
use super::value::Leaf;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

type Node<'i> = Spanned<DeValue<'i>>;

/// Something and where it stands; where it is a default, the place of the section that leaves it out.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Span,
    /// The file says it; `false`: it is the default.
    pub(super) written: bool,
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Display> fmt::Display for At<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// A value with its place, unless absent or refused.
pub(super) type Field<T> = Option<At<T>>;

/// What messages need to know of a table.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// `pool "pair-1"`
    pub(super) title: String,
    /// Its header in the file, or its text when it is inline.
    pub(super) span: Span,
    /// Keys the file writes, with their places.
    written: Vec<(&'static str, Span)>,
}

impl Head {
    /// Where the file writes this key.
    pub(super) fn written(&self, key: &str) -> Option<&Span> {
        self.written.iter().find(|(name, _)| *name == key).map(|(_, span)| span)
    }
}

/// A table of the file in Rust.
pub(super) trait Section: Sized {
    /// Its row in the table of keys.
    const ROW: &'static SectionRow;
    /// Reads its keys.
    fn read(entry: &mut Entry) -> Self;
    /// What messages need to know of it.
    fn head(&self) -> &Head;

    /// Reports an error about `key`, seen at `span`; messages call the table by its title.
    fn error<'r>(&self, report: &'r mut Report, key: &str, span: &Span, message: impl fmt::Display) -> Note<'r> {
        report.error(span, &path(Self::ROW, key), format!("{}: {message}", self.head().title))
    }

    /// Reports a warning likewise.
    fn warning<'r>(&self, report: &'r mut Report, key: &str, span: &Span, message: impl fmt::Display) -> Note<'r> {
        report.warning(span, &path(Self::ROW, key), format!("{}: {message}", self.head().title))
    }
}

/// What a key holds: one value, several (a `Vec`), or [`Tables`].
pub(super) trait Form {
    /// How it is kept: empty when its key has no default and is absent, or when it was refused (and reported).
    type Held: Default;
    /// Reads it.
    fn read(reader: &mut Reader, place: &Place, node: &Node) -> Self::Held;
}

/// Tables inside a table.
pub(super) struct Tables<S>(PhantomData<S>);

/// A field without its place.
pub(super) trait Meant<P> {
    /// What it holds; `None` where it must hold something and does not, which was reported.
    fn meant(&self) -> Option<P>;
}

impl<T: Clone> Meant<T> for Field<T> {
    fn meant(&self) -> Option<T> {
        self.as_deref().cloned()
    }
}

impl<T: Clone> Meant<Option<T>> for Field<T> {
    fn meant(&self) -> Option<Option<T>> {
        Some(self.as_deref().cloned())
    }
}

impl<T: Clone> Meant<Vec<T>> for Vec<At<T>> {
    fn meant(&self) -> Option<Vec<T>> {
        Some(self.iter().map(|at| at.value.clone()).collect())
    }
}

impl<T: Leaf> Form for T {
    type Held = Field<T>;

    fn read(reader: &mut Reader, place: &Place, node: &Node) -> Field<T> {
        match T::of(place.kind, node.get_ref()) {
            Some(Ok(value)) => {
                let span = place.default.cloned().unwrap_or_else(|| node.span());
                return Some(At { value, span, written: place.default.is_none() });
            }
            Some(Err(refusal)) => {
                let example = || format!("an example: {}", place.kind.words().1);
                let remedy = if refusal.remedy.is_empty() { example() } else { refusal.remedy };
                reader.refused(place, node, &format!(": {}", refusal.why), remedy);
            }
            None => reader.wrong_type(place, node),
        }
        None
    }
}

impl<T: Leaf> Form for Vec<T> {
    type Held = Vec<At<T>>;

    fn read(reader: &mut Reader, place: &Place, node: &Node) -> Vec<At<T>> {
        let (Kind::Many(kind, least, most), DeValue::Array(nodes)) = (place.kind, node.get_ref()) else {
            reader.wrong_type(place, node);
            return Vec::new();
        };
        if !reader.right_number(place, node, nodes.len(), (*least, *most)) {
            return Vec::new();
        }
        // Each is read, so that all errors are found.
        let items: Vec<Field<T>> = nodes.iter().map(|node| T::read(reader, &Place { kind, ..*place }, node)).collect();
        items.into_iter().collect::<Option<_>>().unwrap_or_default()
    }
}

impl<S: Section> Form for Tables<S> {
    type Held = Vec<S>;

    fn read(reader: &mut Reader, place: &Place, node: &Node) -> Vec<S> {
        if let (Some(_), DeValue::Array(nodes)) = (S::ROW.most, node.get_ref())
            && !reader.right_number(place, node, nodes.len(), (1, usize::MAX))
        {
            return Vec::new();
        }
        reader.tables(node, &format!("{} = {}", place.name, place.kind.words().1), Some(place))
    }
}

/// What a value is a part of.
pub(super) struct Place<'c> {
    row: &'static SectionRow,
    name: &'static str,
    kind: &'static Kind,
    title: &'c str,
    /// It is a default: the place of the section that leaves it out.
    default: Option<&'c Span>,
}

/// A table that is being read.
pub(super) struct Entry<'e, 'r, 't> {
    reader: &'e mut Reader<'r, 't>,
    row: &'static SectionRow,
    head: Head,
    table: &'e DeTable<'e>,
}

impl Entry<'_, '_, '_> {
    /// What messages call it.
    pub(super) fn head(&self) -> Head {
        self.head.clone()
    }

    /// The value of a key, or its default.
    pub(super) fn key<T: Form>(&mut self, name: &str) -> T::Held {
        let Some(key @ Key { name, kind, .. }) = self.row.key(name) else { return T::Held::default() };
        let Head { title, span, .. } = &self.head;
        let place = Place { row: self.row, name, kind, title, default: None };
        match (self.table.get(*name), &key.fallback) {
            (Some(node), _) => T::read(self.reader, &place, node),
            (None, Fallback::Derived(_)) => T::Held::default(),
            (None, Fallback::Required(example)) => {
                let message = format!("{title}: the key {name} is missing");
                let note = self.reader.report.error(span, &path(self.row, name), message);
                note.instead(kind.words().0, format!("add: {name} = {example}"));
                T::Held::default()
            }
            (None, Fallback::Value(text)) => {
                let node = DeValue::parse(text).ok();
                let place = Place { default: Some(span), ..place };
                node.map(|node| T::read(self.reader, &place, &node)).unwrap_or_default()
            }
        }
    }
}

/// Reads a file whose syntax is right.
pub(super) struct Reader<'r, 't> {
    report: &'r mut Report<'t>,
    sections: &'static [&'static SectionRow],
    root: &'r DeTable<'r>,
}

impl<'r, 't> Reader<'r, 't> {
    /// Reads `root`, in which `sections` may stand. Reports top-level names that are none.
    pub(super) fn new(
        report: &'r mut Report<'t>,
        sections: &'static [&'static SectionRow],
        root: &'r DeTable<'r>,
    ) -> Reader<'r, 't> {
        let tops: Vec<&str> = sections.iter().map(|row| row.path).filter(|path| !path.contains('.')).collect();
        for name in root.keys().filter(|name| !tops.contains(&name.get_ref().as_ref())) {
            let word = name.get_ref();
            if matches!(word.as_ref(), "include" | "template") {
                let message = format!("{word} is read in a file only, and before its first table");
                let remedy = "pass the file by its name instead of its text, and write this before its first [table]";
                report.error(&name.span(), word, message).remedy(remedy);
                continue;
            }
            let remedy = match sections.iter().find(|row| row.key(word).is_some()) {
                Some(row) => format!("the key \"{word}\" belongs under {}", row.header()),
                None => did_you_mean(word, tops.iter().copied(), "remove it"),
            };
            let note = report.error(&name.span(), word, format!("unknown table or key \"{word}\""));
            note.instead(format!("the tables {}", listed(&tops)), remedy);
        }
        Reader { report, sections, root }
    }

    /// The section that stands once; what is left out, or is no table, means its defaults.
    pub(super) fn once<S: Section>(&mut self) -> S {
        self.many().pop().unwrap_or_else(|| self.section(&DeTable::new(), 0..0, None))
    }

    /// The sections of one kind.
    pub(super) fn many<S: Section>(&mut self) -> Vec<S> {
        let root = self.root;
        root.get(S::ROW.path).map(|node| self.tables(node, &S::ROW.header(), None)).unwrap_or_default()
    }

    /// The tables of `node`: one, or an array of them, as its row says; `inside` is what they are inside of.
    fn tables<S: Section>(&mut self, node: &Node, wanted: &str, inside: Option<&Place>) -> Vec<S> {
        let row = S::ROW;
        match (row.most, node.get_ref()) {
            (None, DeValue::Table(table)) => vec![self.section(table, node.span(), inside)],
            (Some(most), DeValue::Array(nodes)) if nodes.iter().all(|node| node.get_ref().is_table()) => {
                if nodes.len() > most {
                    let message = format!("{} occurs {} times", row.header(), nodes.len());
                    let note = self.report.error(&nodes[most].span(), row.path, message);
                    note.instead(format!("at most {most}"), "remove the others");
                }
                let tables = nodes.iter().filter_map(|node| Some((node.get_ref().as_table()?, node.span())));
                tables.map(|(table, span)| self.section(table, span, inside)).collect()
            }
            _ => {
                let (noun, form) = match row.most {
                    None => ("one table", format!("one table: {wanted}")),
                    Some(most) => ("a list of tables", format!("up to {most} tables, each as {wanted}")),
                };
                let (shown, found) = (self.shown(&node.span()), type_noun(node.get_ref()));
                let message = format!("{}: {shown} is {found}, not {noun}", row.path);
                self.report.error(&node.span(), row.path, message).instead(form, format!("write {wanted}"));
                // Read all the same, so that what refers to it finds it.
                let table = node.get_ref().as_table().filter(|_| inside.is_none());
                table.map(|table| self.section(table, node.span(), inside)).into_iter().collect()
            }
        }
    }

    fn section<S: Section>(&mut self, table: &DeTable, span: Span, inside: Option<&Place>) -> S {
        let row = S::ROW;
        let title = title(row, table, inside.map(|place| place.title));
        for name in table.keys().filter(|name| row.key(name.get_ref()).is_none()) {
            self.unknown_key(row, &title, name);
        }
        let written = table.iter().filter_map(|(name, node)| Some((row.key(name.get_ref())?.name, node.span())));
        let span = inside.and_then(|place| place.default).cloned().unwrap_or(span);
        let head = Head { title, span, written: written.collect() };
        S::read(&mut Entry { reader: self, row, head, table })
    }

    fn right_number(&mut self, place: &Place, node: &Node, number: usize, (least, most): (usize, usize)) -> bool {
        if number < least {
            let remedy = format!("write at least {least}, such as {}", place.kind.words().1);
            self.refused(place, node, ": the list is too short", remedy);
        } else if number > most {
            self.refused(place, node, ": the list is too long", format!("write at most {most}"));
        }
        (least..=most).contains(&number)
    }

    fn wrong_type(&mut self, place: &Place, node: &Node) {
        let (_, example, noun) = place.kind.words();
        let remedy = match (node.get_ref(), place.kind) {
            (DeValue::String(text), Kind::Integer { .. } | Kind::Flag)
                if text.parse::<i64>().is_ok() || matches!(text.as_ref(), "true" | "false") =>
            {
                format!("remove the quotes: {text}")
            }
            (DeValue::Integer(number), Kind::Span { .. }) => {
                format!("add a unit and quotes: \"{number}ms\" or \"{number}s\"")
            }
            (DeValue::Integer(number), Kind::Codes) => format!("put quotes around it: \"{number}\""),
            (DeValue::Integer(number), Kind::Listen) => format!("write \"udp/{number}\" or \"tcp/{number}\""),
            (DeValue::String(_), Kind::Many(..)) => format!("put brackets around it: [{}]", self.shown(&node.span())),
            _ => format!("an example: {example}"),
        };
        self.refused(place, node, &format!(" is {}, not {noun}", type_noun(node.get_ref())), remedy);
    }

    /// Reports the value of a key: `why` stands right behind it.
    fn refused(&mut self, place: &Place, node: &Node, why: &str, remedy: String) {
        let message = format!("{}: {} = {}{why}", place.title, place.name, self.shown(&node.span()));
        self.report.error(&node.span(), &path(place.row, place.name), message).instead(place.kind.words().0, remedy);
    }

    fn unknown_key(&mut self, row: &'static SectionRow, title: &str, name: &Spanned<DeString>) {
        let word = name.get_ref();
        let homes = self.sections.iter().filter(|other| other.key(word).is_some()).map(|row| row.header());
        let remedy = match (nearest(word, row.names()), homes.collect::<Vec<_>>().as_slice()) {
            (Some(key), _) => format!("did you mean \"{key}\"?"),
            (None, []) => "remove it".into(),
            (None, homes) => format!("it belongs in {}", homes.join(" or ")),
        };
        let note = self.report.error(&name.span(), &path(row, word), format!("{title}: unknown key \"{word}\""));
        note.instead(row.names().join(", "), remedy);
    }

    /// The text at `span` as the file has it, shortened.
    fn shown(&self, span: &Span) -> String {
        let text = self.report.text.get(span.clone()).unwrap_or_default();
        let short: String = text.lines().next().unwrap_or_default().chars().take(48).collect();
        if short.len() < text.len() { format!("{short}…") } else { short }
    }
}

/// The key as the reference names it.
fn path(row: &SectionRow, key: &str) -> String {
    format!("{}.{key}", row.path)
}

/// What messages call a table: by its name, or by what it is about; `owner` is what it is inside of.
fn title(row: &SectionRow, table: &DeTable, owner: Option<&str>) -> String {
    let text = |key: &str| Some(table.get(key)?.get_ref().as_str()?.chars().take(64).collect::<String>());
    let name = text("name").filter(|name| !name.is_empty());
    let inside = row.path.rsplit('.').next().unwrap_or(row.path);
    match (owner, row.most, name, text("pool")) {
        (Some(owner), Some(_), ..) if row.path == "direct_access.rules" => format!("a rule of {owner}"),
        (Some(owner), Some(_), Some(name), _) => format!("member \"{name}\" of {owner}"),
        (Some(owner), Some(_), None, _) => format!("a member of {owner}"),
        (Some(owner), None, ..) => format!("{owner}, {inside}"),
        (None, Some(_), Some(name), _) => format!("{} \"{name}\"", row.path.replace('_', " ")),
        _ if row.path == "neighbour" => {
            format!("neighbour {}", text("address").as_deref().unwrap_or("without an address"))
        }
        _ if row.path == "route" => format!("route to \"{}\"", text("to").as_deref().unwrap_or("default")),
        (.., Some(pool)) if row.path == "snat" => format!("snat of pool \"{pool}\""),
        _ => row.header(),
    }
}

fn type_noun(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
