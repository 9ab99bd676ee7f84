//! What keys do.
//!
//! Owns what an operator has chosen: panel, order, filter, selection, detail, interval. Pure: a key comes in with what is on the
//! screen, what has to be done outside comes out.

use super::panel::Panel;
use super::table::{Order, Table};
use crate::time::Duration;

/// What `+` and `-` choose from.
const INTERVALS: [Duration; 8] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(30),
    Duration::from_secs(60),
];
/// Longest filter, in characters.
const FILTER_MAX: usize = 40;

/// A key, whatever terminal it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Char(char),
    /// Ctrl-C.
    Interrupt,
    /// Escape.
    Esc,
    /// Enter.
    Enter,
    /// Backspace.
    Backspace,
    /// Tab.
    Tab,
    /// Shift-Tab.
    BackTab,
    /// So many rows up or down.
    Rows(i32),
    /// So many pages up or down.
    Pages(i32),
    /// To the first row.
    Home,
    /// To the last.
    End,
}

/// What has to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Nothing but drawing.
    Draw,
    /// Leave.
    Quit,
    /// Ask about another member, or none any more.
    AskOf(Option<String>),
    /// Ask at another interval.
    Interval(Duration),
}

/// What is shown at length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// What it is a row of.
    pub panel: Panel,
    /// Its key.
    pub key: String,
}

/// What is on the screen when a key comes.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The table that has the focus, filtered and ordered.
    pub table: &'a Table,
    /// Rows of a page.
    pub page: usize,
    /// Lines of a text beyond the page.
    pub below: usize,
}

/// What an operator has chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ui {
    /// Which panel keys act on.
    pub focus: Panel,
    /// It fills the screen.
    pub whole: bool,
    /// The help is shown.
    pub help: bool,
    /// The picture stands still.
    pub paused: bool,
    /// The filter is being typed.
    pub typing: bool,
    /// Only rows with this in their names.
    pub filter: String,
    /// Only members of this pool.
    pub pool: Option<String>,
    /// What is shown at length.
    pub detail: Option<Detail>,
    /// Lines of a text that are above the screen.
    pub scroll: usize,
    /// How each panel's rows are ordered.
    pub orders: [Order; Panel::ALL.len()],
    /// Which row of each panel is selected.
    pub selected: [Option<String>; Panel::ALL.len()],
    /// Between two samples.
    pub interval: Duration,
}

impl Ui {
    /// A key was pressed.
    pub fn on_key(&mut self, key: Key, seen: Seen) -> Act {
        match key {
            Key::Interrupt => Act::Quit,
            _ if self.typing => self.on_filter_key(key),
            Key::Char('q') => Act::Quit,
            Key::Char('p' | ' ') => self.draw(|ui| ui.paused = !ui.paused),
            Key::Char('+') => self.interval(1),
            Key::Char('-') => self.interval(-1),
            Key::Char('?' | 'h') => self.draw(|ui| (ui.help, ui.scroll) = (!ui.help, 0)),
            Key::Esc => self.back(),
            _ if self.help || self.detail.is_some() => self.on_text_key(key, seen),
            Key::Enter => self.enter(seen),
            Key::Char('/') => self.draw(|ui| ui.typing = true),
            Key::Char('s') => self.draw(|ui| ui.next_order(seen.table.columns.len())),
            Key::Char('r') => {
                let order = &mut self.orders[self.focus.place()];
                order.reversed = !order.reversed;
                Act::Draw
            }
            Key::Tab => self.draw(|ui| ui.focus = ui.focus.plus(1)),
            Key::BackTab => self.draw(|ui| ui.focus = ui.focus.plus(Panel::ALL.len() - 1)),
            Key::Char(number) => self.draw(|ui| ui.panel(number)),
            _ => self.draw(|ui| ui.select(key, seen)),
        }
    }

    fn draw(&mut self, change: impl FnOnce(&mut Ui)) -> Act {
        change(self);
        Act::Draw
    }

    fn on_filter_key(&mut self, key: Key) -> Act {
        match key {
            Key::Enter => self.typing = false,
            Key::Esc => (self.typing, self.filter) = (false, String::new()),
            Key::Backspace => _ = self.filter.pop(),
            Key::Char(character) if self.filter.chars().count() < FILTER_MAX => self.filter.push(character),
            _ => {}
        }
        Act::Draw
    }

    /// Of a text: help, or a row at length.
    fn on_text_key(&mut self, key: Key, seen: Seen) -> Act {
        if key == Key::Enter {
            return self.back();
        }
        self.scroll = moved(self.scroll, key, seen.page).min(seen.below);
        Act::Draw
    }

    /// One step back; from the overview there is none but to leave.
    fn back(&mut self) -> Act {
        if self.help {
            (self.help, self.scroll) = (false, 0);
        } else if self.detail.take().is_some() {
            self.scroll = 0;
            return Act::AskOf(None);
        } else if !self.filter.is_empty() {
            self.filter.clear();
        } else if self.pool.take().is_some() {
            (self.focus, self.whole) = (Panel::VirtualServers, false);
        } else if self.whole {
            self.whole = false;
        } else {
            return Act::Quit;
        }
        Act::Draw
    }

    /// A row at length; of a virtual server, the members of its pool.
    fn enter(&mut self, seen: Seen) -> Act {
        let place = seen.table.place(self.selected[self.focus.place()].as_deref());
        let Some(row) = seen.table.rows.get(place) else { return Act::Draw };
        if self.focus == Panel::VirtualServers {
            self.pool = row.leads_to.clone();
            (self.focus, self.whole, self.filter) = (Panel::Members, true, String::new());
            return Act::Draw;
        }
        self.selected[self.focus.place()] = Some(row.key.clone());
        self.detail = Some(Detail { panel: self.focus, key: row.key.clone() });
        self.scroll = 0;
        if self.focus == Panel::Members { Act::AskOf(Some(row.key.clone())) } else { Act::Draw }
    }

    /// This panel fills the screen, and no longer if it did.
    fn panel(&mut self, number: char) {
        if number == '0' {
            self.whole = false;
        } else if let Some(panel) = Panel::of(number) {
            self.whole = !(self.whole && self.focus == panel);
            self.focus = panel;
        }
    }

    fn next_order(&mut self, columns: usize) {
        let order = &mut self.orders[self.focus.place()];
        let next = order.column.map_or(0, |column| column + 1);
        *order = Order { column: (next < columns).then_some(next), reversed: false };
    }

    fn select(&mut self, key: Key, seen: Seen) {
        let selected = &mut self.selected[self.focus.place()];
        let place = moved(seen.table.place(selected.as_deref()), key, seen.page);
        let row = seen.table.rows.get(place.min(seen.table.rows.len().saturating_sub(1)));
        *selected = row.map(|row| row.key.clone());
    }

    fn interval(&mut self, steps: i32) -> Act {
        let next = match steps {
            1 => INTERVALS.into_iter().find(|interval| *interval > self.interval),
            _ => INTERVALS.into_iter().rfind(|interval| *interval < self.interval),
        };
        self.interval = next.unwrap_or(self.interval);
        Act::Interval(self.interval)
    }
}

/// Where a place is after a key: rows, pages, the beginning, the end.
fn moved(place: usize, key: Key, page: usize) -> usize {
    let by = |count: i32, size: usize| {
        let far = size * count.unsigned_abs() as usize;
        if count < 0 { place.saturating_sub(far) } else { place.saturating_add(far) }
    };
    match key {
        Key::Rows(count) => by(count, 1),
        Key::Pages(count) => by(count, page.max(1)),
        Key::Home => 0,
        Key::End => usize::MAX,
        _ => place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::top::table::{Cell, Column, Row};

    fn table(names: &[&str]) -> Table {
        let row = |name: &&str| Row {
            key: (*name).into(),
            cells: vec![Cell::text(name), Cell::text("pair-1")],
            leads_to: Some(format!("pool of {name}")),
        };
        Table {
            columns: vec![Column::name("N"), Column::name("P")],
            rows: names.iter().map(row).collect(),
            none: String::new(),
        }
    }

    fn press(ui: &mut Ui, keys: &[Key]) -> Vec<Act> {
        let table = table(&["a", "b", "c", "d"]);
        let seen = Seen { table: &table, page: 2, below: 5 };
        keys.iter().map(|key| ui.on_key(*key, seen)).collect()
    }

    fn second() -> Ui {
        Ui { interval: Duration::from_secs(1), ..Ui::default() }
    }

    #[test]
    fn esc_goes_one_step_back_and_leaves_from_the_overview() {
        let mut ui = second();
        press(&mut ui, &[Key::Char('2'), Key::Char('/'), Key::Char('s'), Key::Char('q'), Key::Enter, Key::Enter]);
        assert_eq!((ui.filter.as_str(), ui.whole, ui.typing), ("sq", true, false));
        assert_eq!(ui.detail, Some(Detail { panel: Panel::Members, key: "a".into() }));
        let acts = press(&mut ui, &[Key::Char('?'), Key::Esc, Key::Esc, Key::Esc, Key::Esc, Key::Esc]);
        assert_eq!(acts, [Act::Draw, Act::Draw, Act::AskOf(None), Act::Draw, Act::Draw, Act::Quit]);
        assert_eq!(
            ui,
            Ui { focus: Panel::Members, selected: [None, Some("a".into()), None, None, None, None], ..second() }
        );
    }

    #[test]
    fn q_and_ctrl_c_leave_from_anywhere_but_what_is_typed_is_typed() {
        assert_eq!(press(&mut second(), &[Key::Char('?'), Key::Char('q')])[1], Act::Quit);
        let mut ui = second();
        let acts = press(&mut ui, &[Key::Char('/'), Key::Char('q'), Key::Interrupt]);
        assert_eq!((acts[1].clone(), acts[2].clone(), ui.filter.as_str()), (Act::Draw, Act::Quit, "q"));
        press(&mut ui, &[Key::Backspace, Key::Backspace, Key::Char('x'), Key::Esc]);
        assert_eq!((ui.filter.as_str(), ui.typing), ("", false));
    }

    #[test]
    fn rows_are_walked_by_name_and_never_beyond_the_ends() {
        let mut ui = second();
        for (key, at) in [
            (Key::Rows(-1), "a"),
            (Key::Rows(1), "b"),
            (Key::Pages(1), "d"),
            (Key::Rows(1), "d"),
            (Key::Home, "a"),
            (Key::End, "d"),
            (Key::Pages(-1), "b"),
        ] {
            press(&mut ui, &[key]);
            assert_eq!(ui.selected[0].as_deref(), Some(at), "{key:?}");
        }
        let seen = Seen { table: &table(&[]), page: 2, below: 0 };
        assert_eq!((ui.on_key(Key::Rows(1), seen), ui.on_key(Key::Enter, seen)), (Act::Draw, Act::Draw));
        assert_eq!((ui.selected[0].as_deref(), ui.detail.clone()), (None, None));
    }

    #[test]
    fn a_text_is_scrolled_to_its_end() {
        let mut ui = second();
        press(&mut ui, &[Key::Enter, Key::End]);
        assert_eq!(ui.scroll, 5);
        press(&mut ui, &[Key::Pages(-1), Key::Rows(-1)]);
        assert_eq!(ui.scroll, 2);
    }

    #[test]
    fn orders_go_through_the_columns_and_back_to_none() {
        let mut ui = second();
        let mut columns = Vec::new();
        for _ in 0..3 {
            press(&mut ui, &[Key::Char('s'), Key::Char('r')]);
            columns.push((ui.orders[0].column, ui.orders[0].reversed));
        }
        assert_eq!(columns, [(Some(0), true), (Some(1), true), (None, true)]);
    }

    #[test]
    fn a_panel_fills_the_screen_and_a_virtual_server_leads_to_its_pool() {
        let mut ui = second();
        press(&mut ui, &[Key::Char('3'), Key::Rows(1), Key::Enter]);
        assert_eq!((ui.focus, ui.whole, ui.pool.as_deref()), (Panel::Members, true, Some("pool of b")));
        press(&mut ui, &[Key::Esc, Key::Tab, Key::Tab, Key::BackTab]);
        assert_eq!((ui.focus, ui.whole, ui.pool.as_deref()), (Panel::Drops, false, None));
        press(&mut ui, &[Key::Char('4'), Key::Char('4'), Key::Char('9')]);
        assert!(!ui.whole);
    }

    #[test]
    fn the_interval_stays_within_its_bounds() {
        let mut ui = Ui { interval: Duration::from_millis(1_500), ..Ui::default() };
        assert_eq!(press(&mut ui, &[Key::Char('+')]), [Act::Interval(Duration::from_secs(2))]);
        press(&mut ui, &[Key::Char('-'); 9]);
        assert_eq!(ui.interval, Duration::from_millis(500));
        press(&mut ui, &[Key::Char('+'); 9]);
        assert_eq!(ui.interval, Duration::from_secs(60));
    }
}
