//! Tables on the screen: aligned, at most a hundred columns wide, one line a row where it fits.
//!
//! Owns widths and wrapping. Knows nothing of what the cells mean, but lets no control character through: a cell may
//! hold what a peer on the network said.

use crate::config::wrap;

/// Widest line of a table, in columns.
pub const WIDTH: usize = 100;
/// Between two columns.
const GAP: usize = 2;
/// A column of prose is not made narrower than this for the sake of others,
const PROSE_MIN: usize = 18;
/// nor any other than this.
const MIN: usize = 4;

/// How a column behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Left-aligned: names.
    Left(&'static str),
    /// Right-aligned: numbers.
    Right(&'static str),
    /// Left-aligned, and the first to be wrapped: sentences.
    Prose(&'static str),
}

impl Column {
    const fn title(self) -> &'static str {
        match self {
            Column::Left(title) | Column::Right(title) | Column::Prose(title) => title,
        }
    }
}

/// A cell, and the column it stands in.
#[derive(Clone, Debug)]
pub struct Cell(Column, String);

/// A cell of a left-aligned column: a name.
pub fn left(title: &'static str, text: impl ToString) -> Cell {
    Cell(Column::Left(title), text.to_string())
}

/// A cell of a right-aligned column: a number.
pub fn right(title: &'static str, text: impl ToString) -> Cell {
    Cell(Column::Right(title), text.to_string())
}

/// A cell of a column that is wrapped before others: a sentence.
pub fn prose(title: &'static str, text: impl ToString) -> Cell {
    Cell(Column::Prose(title), text.to_string())
}

/// A table of at least one row, a line each; nothing without rows.
pub fn grid<T, const N: usize>(rows: impl IntoIterator<Item = T>, cells: impl Fn(T) -> [Cell; N]) -> String {
    let rows: Vec<[Cell; N]> = rows.into_iter().map(cells).collect();
    let Some(first) = rows.first() else { return String::new() };
    let columns = first.each_ref().map(|cell| cell.0);
    let rows: Vec<Vec<String>> = rows.into_iter().map(|row| row.map(|cell| cell.1).into()).collect();
    render(&columns, &rows)
}

/// Sentences, wrapped at the width of the screen.
pub fn paragraph(text: &str) -> String {
    wrap(&visible(text), WIDTH, WIDTH).into_iter().map(|line| line + "\n").collect()
}

/// The table as text, a line feed after each line. Each row has as many cells as there are columns.
fn render(columns: &[Column], rows: &[Vec<String>]) -> String {
    let titles = columns.iter().map(|column| column.title().to_owned()).collect();
    let rows: Vec<Vec<String>> =
        std::iter::once(titles).chain(rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect())).collect();
    let widths = widths(columns, &rows);
    rows.iter().map(|row| lines(columns, &widths, row)).collect()
}

/// Labels and what they stand for, without heads.
pub fn labelled(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0) + GAP;
    let rows = rows.iter().flat_map(|(label, text)| {
        let labels = std::iter::once(*label).chain(std::iter::repeat(""));
        labels.zip(wrap(&visible(text), WIDTH - width, WIDTH - width))
    });
    rows.map(|(label, line)| format!("{label:<width$}{line}\n")).collect()
}

/// `text` with each control character shown as `?`.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn widths(columns: &[Column], rows: &[Vec<String>]) -> Vec<usize> {
    let widest = |place: usize| rows.iter().map(|row| row[place].chars().count()).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    let room = WIDTH.saturating_sub(GAP * columns.len().saturating_sub(1));
    narrow(&mut widths, room, PROSE_MIN, |place| matches!(columns[place], Column::Prose(_)));
    narrow(&mut widths, room, MIN, |_| true);
    widths
}

/// Takes columns from the widest that may give, until all fit or none can give any more.
fn narrow(widths: &mut [usize], room: usize, least: usize, may_give: impl Fn(usize) -> bool) {
    while widths.iter().sum::<usize>() > room {
        let giver = (0..widths.len()).filter(|place| may_give(*place) && widths[*place] > least);
        match giver.max_by_key(|place| widths[*place]) {
            Some(place) => widths[place] -= 1,
            None => return,
        }
    }
}

fn lines(columns: &[Column], widths: &[usize], row: &[String]) -> String {
    let wrapped: Vec<Vec<String>> = row.iter().zip(widths).map(|(cell, width)| wrap(cell, *width, *width)).collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    let mut text = String::new();
    for level in 0..height {
        let cells = columns.iter().zip(widths).zip(&wrapped).map(|((column, width), cell)| {
            let part = cell.get(level).map_or("", String::as_str);
            match column {
                Column::Right(_) => format!("{part:>width$}"),
                Column::Left(_) | Column::Prose(_) => format!("{part:<width$}"),
            }
        });
        text.push_str(cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cells(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn columns_are_aligned_and_lines_end_where_text_ends() {
        let columns = [Column::Left("NAME"), Column::Right("COUNT"), Column::Prose("WHY")];
        let rows = cells(&[&["a", "7", ""], &["sip-server-a", "12,345", "because"]]);
        let expected = "NAME           COUNT  WHY\n\
                        a                  7\n\
                        sip-server-a  12,345  because\n";
        assert_eq!(render(&columns, &rows), expected);
    }

    #[test]
    fn what_a_terminal_would_obey_is_made_visible() {
        assert_eq!(render(&[Column::Left("X")], &cells(&[&["\x1b[2J\u{9b}1m\r"]])), "X\n?[2J?1m?\n");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_the_screen_and_nothing_is_lost(
            rows in prop::collection::vec(prop::collection::vec("[ -~äµ]{0,150}", 5), 0..6)
        ) {
            let columns =
                [Column::Left("A"), Column::Prose("B"), Column::Right("C"), Column::Prose("D"), Column::Left("E")];
            let text = render(&columns, &rows);
            for line in text.lines() {
                prop_assert!(line.chars().count() <= WIDTH, "{line}");
            }
            let mut shown: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
            let mut given: Vec<char> = "ABCDE".chars().chain(rows.concat().concat().chars()).collect();
            given.retain(|c| !c.is_whitespace());
            shown.sort_unstable();
            given.sort_unstable();
            prop_assert_eq!(shown, given);
        }
    }
}
