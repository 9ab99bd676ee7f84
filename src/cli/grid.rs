//! Tables on the screen: aligned, no wider than the terminal, or a hundred columns where there is none, one line a row where it fits.
//!
//! Owns widths and wrapping. Knows nothing of what the cells mean, but lets no control character through: a cell may
//! hold what a peer on the network said.

use crate::config::{visible, wrap};
use std::io::{self, IsTerminal};
use std::sync::OnceLock;

/// Widest line of a table where no terminal shows it, in columns.
pub const WIDTH: usize = 100;
/// A terminal is taken for as wide as it is between these.
const TERMINAL: std::ops::RangeInclusive<usize> = 40..=500;
/// The width of the terminal that this program writes to.
static SCREEN: OnceLock<usize> = OnceLock::new();
/// What stands beneath a row begins so far to the right.
const INSET: &str = "    ";
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

/// From now on tables are as wide as the terminal that they are written to, by COLUMNS or what it says itself.
pub fn fit_terminal() {
    if !io::stdout().is_terminal() {
        return;
    }
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.parse::<usize>().ok());
    let asked = || Some(usize::from(rustix::termios::tcgetwinsize(io::stdout()).ok()?.ws_col));
    if let Some(width) = said.or_else(asked).filter(|width| *width > 0) {
        let _ = SCREEN.set(width.clamp(*TERMINAL.start(), *TERMINAL.end()));
    }
}

fn screen() -> usize {
    SCREEN.get().copied().unwrap_or(WIDTH)
}

/// A table of at least one row, a line each where it fits, under the titles; nothing without rows.
pub fn grid<T, const N: usize>(rows: impl IntoIterator<Item = T>, cells: impl Fn(T) -> [Cell; N]) -> String {
    laid_out(screen(), &rows.into_iter().map(cells).collect::<Vec<_>>(), &[])
}

/// Likewise, with a sentence beneath each row.
pub fn grid_over<T, const N: usize>(
    rows: &[T],
    cells: impl Fn(&T) -> [Cell; N],
    sentence: impl Fn(&T) -> String,
) -> String {
    let sentences: Vec<String> = rows.iter().map(sentence).collect();
    laid_out(screen(), &rows.iter().map(cells).collect::<Vec<_>>(), &sentences)
}

fn laid_out<const N: usize>(screen: usize, rows: &[[Cell; N]], sentences: &[String]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let kinds = first.each_ref().map(|cell| cell.kind);
    let titles = first.each_ref().map(|cell| cell.title.to_owned());
    let rows = rows.iter().map(|row| row.each_ref().map(|cell| visible(&cell.text)));
    let rows: Vec<[String; N]> = std::iter::once(titles).chain(rows).collect();
    let widths = widths(&kinds, &rows, screen);
    let room = screen - INSET.len();
    let beneath = |text: &String| -> String {
        wrap(&visible(text), room, room)
            .into_iter()
            .map(|line| format!("{INSET}{line}").trim_end().to_owned() + "\n")
            .collect()
    };
    let beneath = std::iter::once(String::new()).chain(sentences.iter().map(beneath));
    let beneath = beneath.chain(std::iter::repeat(String::new()));
    rows.iter().zip(beneath).map(|(row, beneath)| lines(&kinds, &widths, row) + &beneath).collect()
}

/// Sentences, wrapped at the width of the screen.
pub fn paragraph(text: &str) -> String {
    wrap(&visible(text), screen(), screen()).into_iter().map(|line| line + "\n").collect()
}

/// Labels and what they stand for, without heads.
pub fn labelled(rows: &[(&str, String)]) -> String {
    labelled_inside(rows, 0)
}

/// The same where each line is to be moved so far to the right.
pub fn labelled_inside(rows: &[(&str, String)], inset: usize) -> String {
    let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0) + GAP;
    let room = screen().saturating_sub(inset + width);
    let rows = rows.iter().flat_map(|(label, text)| {
        let labels = std::iter::once(*label).chain(std::iter::repeat(""));
        labels.zip(wrap(&visible(text), room, room))
    });
    rows.map(|(label, line)| format!("{label:<width$}{line}\n")).collect()
}

fn widths<const N: usize>(kinds: &[Kind; N], rows: &[[String; N]], screen: usize) -> [usize; N] {
    let widest = |place: usize| rows.iter().map(|row| row[place].chars().count()).max().unwrap_or(0);
    let mut widths = std::array::from_fn(widest);
    let room = screen.saturating_sub(GAP * N.saturating_sub(1));
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
    fn a_row_takes_what_the_terminal_has_and_a_sentence_may_stand_beneath_it() {
        let cells = || [left("NAME", "sip-a"), prose("WHY", "because it is so ".repeat(5).trim_end())];
        let lines = |screen| laid_out(screen, &[cells()], &[]).lines().count();
        assert_eq!((lines(100), lines(80), lines(60)), (2, 3, 3));
        let shown = laid_out(40, &[[left("NAME", "sip-a")], [left("NAME", "b")]], &["why ".repeat(10), "x".into()]);
        let twice = format!("    {}", "why ".repeat(9).trim_end());
        assert_eq!(shown, format!("NAME\nsip-a\n{twice}\n    why\nb\n    x\n"));
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
