//! Tables on the screen: aligned, at most a hundred columns wide, one line a row where it fits.
//!
//! Owns widths and wrapping. Knows nothing of what the cells mean, but lets no control character through: a cell may
//! hold what a peer on the network said.

use crate::config::{visible, wrap};

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
enum Kind {
    Left,
    Right,
    /// Left-aligned, and the first to be wrapped.
    Prose,
}

/// A cell, and the column it stands in.
#[derive(Clone, Debug)]
pub struct Cell {
    kind: Kind,
    title: &'static str,
    text: String,
}

/// A cell of a left-aligned column: a name.
pub fn left(title: &'static str, text: impl ToString) -> Cell {
    Cell { kind: Kind::Left, title, text: text.to_string() }
}

/// A cell of a right-aligned column: a number.
pub fn right(title: &'static str, text: impl ToString) -> Cell {
    Cell { kind: Kind::Right, title, text: text.to_string() }
}

/// A cell of a column that is wrapped before others: a sentence.
pub fn prose(title: &'static str, text: impl ToString) -> Cell {
    Cell { kind: Kind::Prose, title, text: text.to_string() }
}

/// A table of at least one row, a line each where it fits, under the titles; nothing without rows.
pub fn grid<T, const N: usize>(rows: impl IntoIterator<Item = T>, cells: impl Fn(T) -> [Cell; N]) -> String {
    let rows: Vec<[Cell; N]> = rows.into_iter().map(cells).collect();
    let Some(first) = rows.first() else { return String::new() };
    let kinds = first.each_ref().map(|cell| cell.kind);
    let titles = first.each_ref().map(|cell| cell.title.to_owned());
    let rows = rows.iter().map(|row| row.each_ref().map(|cell| visible(&cell.text)));
    let rows: Vec<[String; N]> = std::iter::once(titles).chain(rows).collect();
    let widths = widths(&kinds, &rows);
    rows.iter().map(|row| lines(&kinds, &widths, row)).collect()
}

/// Sentences, wrapped at the width of the screen.
pub fn paragraph(text: &str) -> String {
    wrap(&visible(text), WIDTH, WIDTH).into_iter().map(|line| line + "\n").collect()
}

/// Labels and what they stand for, without heads.
pub fn labelled(rows: &[(&str, String)]) -> String {
    labelled_inside(rows, 0)
}

/// The same where each line is to be moved so far to the right.
pub fn labelled_inside(rows: &[(&str, String)], inset: usize) -> String {
    let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0) + GAP;
    let rows = rows.iter().flat_map(|(label, text)| {
        let labels = std::iter::once(*label).chain(std::iter::repeat(""));
        labels.zip(wrap(&visible(text), WIDTH - inset - width, WIDTH - inset - width))
    });
    rows.map(|(label, line)| format!("{label:<width$}{line}\n")).collect()
}

fn widths<const N: usize>(kinds: &[Kind; N], rows: &[[String; N]]) -> [usize; N] {
    let widest = |place: usize| rows.iter().map(|row| row[place].chars().count()).max().unwrap_or(0);
    let mut widths = std::array::from_fn(widest);
    let room = WIDTH.saturating_sub(GAP * N.saturating_sub(1));
    narrow(&mut widths, room, PROSE_MIN, |place| kinds[place] == Kind::Prose);
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

fn lines<const N: usize>(kinds: &[Kind; N], widths: &[usize; N], row: &[String; N]) -> String {
    let wrapped: [Vec<String>; N] = std::array::from_fn(|place| wrap(&row[place], widths[place], widths[place]));
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    let line = |level: usize| {
        let cells: [String; N] = std::array::from_fn(|place| {
            let (part, width) = (wrapped[place].get(level).map_or("", String::as_str), widths[place]);
            if kinds[place] == Kind::Right { format!("{part:>width$}") } else { format!("{part:<width$}") }
        });
        cells.join(&" ".repeat(GAP)).trim_end().to_owned() + "\n"
    };
    (0..height).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_are_aligned_and_lines_end_where_text_ends() {
        let rows = [("a", "7", ""), ("sip-server-a", "12,345", "because")];
        let expected = "NAME           COUNT  WHY\n\
                        a                  7\n\
                        sip-server-a  12,345  because\n";
        assert_eq!(grid(rows, |(a, b, c)| [left("NAME", a), right("COUNT", b), prose("WHY", c)]), expected);
    }

    #[test]
    fn control_characters_are_made_visible() {
        assert_eq!(grid(["\x1b[2J\u{9b}1m\r"], |text| [left("X", text)]), "X\n?[2J?1m?\n");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_the_screen_and_nothing_is_lost(
            rows in prop::collection::vec(prop::collection::vec("[ -~äµ]{0,150}", 5), 1..6)
        ) {
            let text = grid(&rows, |row| {
                [left("A", &row[0]), prose("B", &row[1]), right("C", &row[2]), prose("D", &row[3]), left("E", &row[4])]
            });
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
