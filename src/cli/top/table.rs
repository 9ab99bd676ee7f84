//! A table that fits: columns that give way, names that are cut with a sign, rows in an order.
//!
//! Owns widths, order and selection of rows. Knows neither what the cells mean nor how they are drawn.

use crate::config::visible;
use std::cmp::Ordering;

/// Between two columns.
const GAP: usize = 2;
/// No column that may be cut is made narrower,
const CUT_MIN: usize = 8;
/// nor one that may be left out: of a sentence less says nothing.
const SENTENCE_MIN: usize = 20;

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As text does.
    #[default]
    Plain,
    /// Of less weight.
    Dim,
    /// All is well.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
    /// A heading.
    Head,
    /// The heading of what keys act on.
    Focus,
    /// The row that keys act on.
    Selected,
}

/// Pieces of a line.
pub type Pieces = Vec<(String, Tone)>;

/// What a row is sorted by.
#[derive(Clone, Debug, PartialEq)]
enum Weight {
    Text(String),
    Number(f64),
}

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    text: String,
    weight: Weight,
    tone: Tone,
}

impl Cell {
    /// A text, sorted as such.
    pub fn text(text: impl ToString) -> Cell {
        let text = visible(&text.to_string());
        Cell { weight: Weight::Text(text.to_lowercase()), text, tone: Tone::Plain }
    }

    /// A number, sorted by its value, however it is written.
    pub fn number(value: f64, text: String) -> Cell {
        Cell { text, weight: Weight::Number(value), tone: Tone::Plain }
    }

    /// A number that need not be known: `-`, less than all.
    pub fn known(value: Option<f64>, text: impl Fn(f64) -> String) -> Cell {
        value.map_or_else(|| Cell::number(-1.0, "-".into()), |value| Cell::number(value, text(value)))
    }

    /// The same in another tone.
    pub fn toned(self, tone: Tone) -> Cell {
        Cell { tone, ..self }
    }
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    title: String,
    right: bool,
    least: usize,
    extra: bool,
    cut: bool,
}

impl Column {
    /// Names: aligned on the left, cut where there is no room.
    pub fn name(title: impl ToString) -> Column {
        Column { title: title.to_string(), right: false, least: 0, extra: false, cut: true }
    }

    /// Words: aligned on the left, never cut.
    pub fn word(title: impl ToString, least: usize) -> Column {
        Column { least, cut: false, ..Column::name(title) }
    }

    /// Numbers: aligned on the right, never cut, never narrower than `least`, so that nothing moves about.
    pub fn number(title: impl ToString, least: usize) -> Column {
        Column { right: true, ..Column::word(title, least) }
    }

    /// It is left out where there is no room.
    pub fn if_room(self) -> Column {
        Column { extra: true, ..self }
    }
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is about: the same from sample to sample.
    pub key: String,
    /// Its cells, one for each column.
    pub cells: Vec<Cell>,
    /// The pool that it leads to.
    pub leads_to: Option<String>,
}

impl Row {
    /// A row that leads nowhere.
    pub fn new(key: impl ToString, cells: Vec<Cell>) -> Row {
        Row { key: key.to_string(), cells, leads_to: None }
    }
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Its columns; the first one's title is its own.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<Row>,
    /// What stands there when there are none.
    pub none: String,
}

/// By which column rows are ordered, and whether backwards; `None`: as they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// The column's place.
    pub column: Option<usize>,
    /// Backwards: numbers from the smallest, texts from the last.
    pub reversed: bool,
}

impl Table {
    /// Only rows in whose key or texts `part` stands, in whatever case.
    pub fn filter(&mut self, part: &str) {
        let part = part.to_lowercase();
        let has = |cell: &Cell| matches!(&cell.weight, Weight::Text(text) if text.contains(&part));
        self.rows.retain(|row| row.key.to_lowercase().contains(&part) || row.cells.iter().any(has));
    }

    /// Puts the rows in order: numbers from the greatest, texts from the first; the column says so.
    pub fn sort(&mut self, order: Order) {
        match order.column {
            None if order.reversed => self.rows.reverse(),
            None => {}
            Some(at) => {
                self.rows.sort_by(|a, b| match (a.cells.get(at), b.cells.get(at)) {
                    (Some(a), Some(b)) if order.reversed => by_weight(b, a),
                    (Some(a), Some(b)) => by_weight(a, b),
                    _ => Ordering::Equal,
                });
                if let Some(column) = self.columns.get_mut(at) {
                    column.title.push(if order.reversed { '▲' } else { '▼' });
                }
            }
        }
    }

    /// Where the row of this key stands; the first one if there is none.
    pub fn place(&self, key: Option<&str>) -> usize {
        key.and_then(|key| self.rows.iter().position(|row| row.key == key)).unwrap_or(0)
    }

    /// Says behind the table's own title what part of it is shown.
    pub fn note(&mut self, note: &str) {
        if let Some(column) = self.columns.first_mut() {
            column.title = format!("{} {note}", column.title);
        }
    }

    /// How wide a line is in which no name is cut, but what may be left out is.
    pub fn names_in_full(&self) -> usize {
        let without: Vec<Column> = self.columns.iter().filter(|column| !column.extra).cloned().collect();
        let kept = |row: &Row| Row {
            cells: row
                .cells
                .iter()
                .zip(&self.columns)
                .filter(|(_, column)| !column.extra)
                .map(|(cell, _)| cell.clone())
                .collect(),
            ..row.clone()
        };
        let table = Table { columns: without, rows: self.rows.iter().map(kept).collect(), none: String::new() };
        total(&table.widths(usize::MAX))
    }

    /// How wide each column is in a line of `room`; `None`: it is left out.
    pub fn widths(&self, room: usize) -> Vec<Option<usize>> {
        let natural = |(at, column): (usize, &Column)| {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(at)).map(|cell| cell.text.chars().count());
            cells.chain([column.least, column.title.chars().count()]).max()
        };
        let mut widths: Vec<Option<usize>> = self.columns.iter().enumerate().map(natural).collect();
        loop {
            let excess = total(&widths).saturating_sub(room);
            if excess == 0 {
                break;
            }
            // A title is cut last: it says how much of the table is shown.
            let titled = |at: usize| CUT_MIN.max(self.columns[at].title.chars().count());
            let cuttable = |at: &usize| self.columns[*at].cut && widths[*at] > Some(titled(*at));
            let at_last = |at: &usize| self.columns[*at].cut && widths[*at] > Some(CUT_MIN);
            let extra = (0..widths.len()).rev().find(|at| self.columns[*at].extra && widths[*at].is_some());
            let widest = (0..widths.len()).filter(cuttable).max_by_key(|at| widths[*at]);
            let widest = widest.or_else(|| (0..widths.len()).filter(at_last).max_by_key(|at| widths[*at]));
            match (extra, widest) {
                // The last column that may go is cut if that is enough, else it goes.
                (Some(at), _) => {
                    let rest = widths[at].and_then(|width| width.checked_sub(excess));
                    widths[at] = rest.filter(|rest| self.columns[at].cut && *rest >= SENTENCE_MIN);
                }
                (None, Some(at)) => widths[at] = widths[at].map(|width| width - 1),
                (None, None) => break,
            }
        }
        widths
    }

    /// The titles.
    pub fn head(&self, widths: &[Option<usize>], tone: Tone) -> Pieces {
        let cells = self.columns.iter().map(|column| (column.title.as_str(), tone));
        self.line(cells, widths)
    }

    /// A row.
    pub fn row(&self, row: &Row, widths: &[Option<usize>]) -> Pieces {
        self.line(row.cells.iter().map(|cell| (cell.text.as_str(), cell.tone)), widths)
    }

    fn line<'a>(&self, cells: impl Iterator<Item = (&'a str, Tone)>, widths: &[Option<usize>]) -> Pieces {
        let mut pieces = Pieces::new();
        for ((column, width), (text, tone)) in self.columns.iter().zip(widths).zip(cells) {
            let Some(width) = *width else { continue };
            if !pieces.is_empty() {
                pieces
                    .push((" ".repeat(GAP), if matches!(tone, Tone::Head | Tone::Focus) { tone } else { Tone::Plain }));
            }
            let text = cut(text, width);
            let padded = if column.right { format!("{text:>width$}") } else { format!("{text:<width$}") };
            pieces.push((padded, tone));
        }
        pieces
    }
}

/// `text` in at most `room` characters; a sign says that it was longer.
pub fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(room.saturating_sub(1)).collect();
    if room > 0 {
        cut.push('…');
    }
    cut
}

fn total(widths: &[Option<usize>]) -> usize {
    widths.iter().flatten().map(|width| width + GAP).sum::<usize>().saturating_sub(GAP)
}

/// Numbers from the greatest, texts from the first.
fn by_weight(a: &Cell, b: &Cell) -> Ordering {
    match (&a.weight, &b.weight) {
        (Weight::Number(a), Weight::Number(b)) => b.total_cmp(a),
        (Weight::Text(a), Weight::Text(b)) => a.cmp(b),
        (Weight::Number(_), Weight::Text(_)) => Ordering::Less,
        (Weight::Text(_), Weight::Number(_)) => Ordering::Greater,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let row = |name: &str, rate: f64| Row {
            key: name.into(),
            cells: vec![
                Cell::text(name),
                Cell::number(rate, rate.to_string()),
                Cell::text("a sentence of some length"),
            ],
            leads_to: None,
        };
        Table {
            columns: vec![Column::name("NAME"), Column::number("RATE", 6), Column::name("WHY").if_room()],
            rows: vec![row("member-b", 2.0), row("member-a", 10.0), row("member-with-a-long-name", 1.0)],
            none: String::new(),
        }
    }

    fn texts(table: &Table, room: usize) -> Vec<String> {
        let widths = table.widths(room);
        let lines = std::iter::once(table.head(&widths, Tone::Head));
        let lines = lines.chain(table.rows.iter().map(|row| table.row(row, &widths)));
        lines.map(|line| line.into_iter().map(|(text, _)| text).collect::<String>()).collect()
    }

    #[test]
    fn what_need_not_be_there_gives_way_first_and_what_is_cut_says_so() {
        let rows = [
            (60, "member-with-a-long-name       1  a sentence of some length"),
            (54, "member-with-a-long-name       1  a sentence of some l…"),
            (40, "member-with-a-long-name       1"),
            (20, "member-with…       1"),
        ];
        for (room, line) in rows {
            assert_eq!(texts(&table(), room)[3].trim_end(), line, "{room}");
        }
    }

    #[test]
    fn rows_are_ordered_by_a_column_and_the_column_says_so() {
        let order = |column, reversed| {
            let mut table = table();
            table.sort(Order { column, reversed });
            let keys: Vec<_> = table.rows.iter().map(|row| row.key.chars().take(8).collect::<String>()).collect();
            (keys.join(" "), texts(&table, 60)[0].trim_end().to_owned())
        };
        let head = |head: &str| head.to_owned();
        assert_eq!(
            order(None, false),
            ("member-b member-a member-w".into(), head("NAME                       RATE  WHY"))
        );
        assert_eq!(
            order(Some(0), false),
            ("member-a member-b member-w".into(), head("NAME▼                      RATE  WHY"))
        );
        assert_eq!(
            order(Some(1), false),
            ("member-a member-b member-w".into(), head("NAME                      RATE▼  WHY"))
        );
        assert_eq!(
            order(Some(1), true),
            ("member-w member-b member-a".into(), head("NAME                      RATE▲  WHY"))
        );
    }

    #[test]
    fn a_filter_leaves_what_it_names() {
        let mut filtered = table();
        filtered.filter("LONG");
        assert_eq!((filtered.rows.len(), filtered.place(Some("member-a")), table().place(Some("member-a"))), (1, 0, 1));
    }
}
