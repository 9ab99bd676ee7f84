//! The whole screen as lines of text.
//!
//! Owns what stands where: the head, the panels and their heights, the foot. Pure: what is known and chosen, the time and the size go
//! in, as many lines as fit come out, none of them wider. Draws nothing.

use super::detail::{self, Text, moment};
use super::help;
use super::model::Model;
use super::panel::Panel;
use super::sample::Sample;
use super::table::{Pieces, Table, Tone, cut};
use super::tables::{self, seconds};
use super::ui::Ui;
use crate::cli::readable::{rate, short};
use crate::config::{visible, wrap};
use crate::time::Duration;

/// From this width on, panels stand in two columns.
const TWO_COLUMNS: usize = 170;
/// Between the two.
const GUTTER: usize = 3;

/// Columns and rows.
pub type Size = (usize, usize);

/// The screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// From above, at most as many as there are rows.
    pub lines: Vec<Pieces>,
    /// The table that keys act on.
    pub table: Table,
    /// Rows of a page of it, or of the text.
    pub page: usize,
    /// Lines of the text that are below the screen.
    pub below: usize,
}

/// The screen at `now` of this program's clock.
pub fn picture(model: &Model, ui: &Ui, now: Duration, (width, height): Size) -> Picture {
    let mut lines = head(model, ui, now, width);
    lines.truncate(height.saturating_sub(1));
    let room = height.saturating_sub(lines.len() + 1);
    let table = table_of(ui.focus, model, ui);
    let mut picture = Picture { lines: Vec::new(), table, page: room.saturating_sub(1), below: 0 };
    if ui.help {
        let text = Text { title: "help".into(), lines: help::lines(width.saturating_sub(1)) };
        picture.below = put_text(&mut lines, text, ui, room);
    } else if let Some(of) = &ui.detail {
        picture.below = put_text(&mut lines, detail::of(model, of, width.saturating_sub(1)), ui, room);
    } else if ui.whole || room < 2 * Panel::ALL.len() {
        lines.extend(panel(ui, ui.focus, picture.table.clone(), (width, room)));
    } else {
        let all = panels(model, ui, (width, room));
        picture.page = all.1.saturating_sub(1).max(1);
        lines.extend(all.0);
    }
    lines.resize(height.saturating_sub(1), Pieces::new());
    if height > 0 {
        lines.push(foot(ui, width));
    }
    picture.lines = lines.into_iter().map(|line| clipped(line, width)).collect();
    picture
}

/// The text under its title, from where it was scrolled to; how many lines are below.
fn put_text(lines: &mut Vec<Pieces>, text: Text, ui: &Ui, room: usize) -> usize {
    let page = room.saturating_sub(1);
    let most = text.lines.len().saturating_sub(page);
    let top = ui.scroll.min(most);
    let part = match most {
        0 => String::new(),
        _ => format!(" (lines {} to {} of {})", top + 1, (top + page).min(text.lines.len()), text.lines.len()),
    };
    lines.push(vec![(format!(" {}{part}", text.title), Tone::Focus)]);
    let inset = |line: Pieces| [vec![(" ".to_owned(), Tone::Plain)], line].concat();
    lines.extend(text.lines.into_iter().skip(top).take(page).map(inset));
    most
}

/// A panel's table, filtered and in order.
pub fn table_of(panel: Panel, model: &Model, ui: &Ui) -> Table {
    let mut table = tables::of(panel, model, ui.pool.as_deref().filter(|_| panel == Panel::Members));
    if !ui.filter.is_empty() && !table.rows.is_empty() {
        table.filter(&ui.filter);
        table.none = format!("none with `{}` in its name", ui.filter);
    }
    table.sort(ui.orders[panel.place()]);
    table
}

/// All panels, in one column or two, and how high the one with the focus is.
fn panels(model: &Model, ui: &Ui, (width, room): Size) -> (Vec<Pieces>, usize) {
    let tables: Vec<Table> = Panel::ALL.iter().map(|panel| table_of(*panel, model, ui)).collect();
    let column = |places: std::ops::Range<usize>, width: usize| {
        let wants: Vec<usize> = tables[places.clone()].iter().map(|table| 1 + table.rows.len().max(1)).collect();
        let (heights, blank) = heights(room, &wants);
        let mut lines = Vec::new();
        for (place, height) in places.zip(&heights) {
            lines.extend(panel(ui, Panel::ALL[place], tables[place].clone(), (width, *height)));
            lines.extend(std::iter::repeat_n(Pieces::new(), blank));
        }
        lines.truncate(room);
        (lines, heights)
    };
    if width < TWO_COLUMNS {
        let (lines, heights) = column(0..6, width);
        return (lines, heights[ui.focus.place()]);
    }
    let half = (width - GUTTER) / 2;
    let ((left, upper), (right, lower)) = (column(0..3, half), column(3..6, width - GUTTER - half));
    let line = |at: usize| {
        let mut line = clipped(left.get(at).cloned().unwrap_or_default(), half);
        let used: usize = line.iter().map(|(text, _)| text.chars().count()).sum();
        line.push((" ".repeat(half.saturating_sub(used) + GUTTER), Tone::Plain));
        line.extend(right.get(at).cloned().unwrap_or_default());
        line
    };
    ((0..left.len().max(right.len())).map(line).collect(), [upper, lower].concat()[ui.focus.place()])
}

/// How high each panel is that would like to be so high, two lines at least, and how many lines stand between two.
fn heights(room: usize, wants: &[usize]) -> (Vec<usize>, usize) {
    let mut heights: Vec<usize> = wants.iter().map(|want| (*want).min(2)).collect();
    let mut left = room.saturating_sub(heights.iter().sum());
    while left > 0 {
        // The lowest of those that want more.
        let more = (0..wants.len()).filter(|at| heights[*at] < wants[*at]).min_by_key(|at| heights[*at]);
        let Some(more) = more else { break };
        heights[more] += 1;
        left -= 1;
    }
    (heights, usize::from(left + 1 >= wants.len()))
}

/// A panel: its titles, and the rows around the selected one.
fn panel(ui: &Ui, panel: Panel, mut table: Table, (width, height): Size) -> Vec<Pieces> {
    let rows = height.saturating_sub(1);
    let selected = table.place(ui.selected[panel.place()].as_deref());
    let top = (selected + 1).saturating_sub(rows.max(1)).min(table.rows.len());
    let shown = top..table.rows.len().min(top + rows);
    if table.rows.len() > rows {
        table.note(&match top {
            0 => format!("+{}", table.rows.len() - shown.end),
            _ => format!("{}-{}/{}", top + 1, shown.end, table.rows.len()),
        });
    }
    let has_focus = panel == ui.focus;
    let widths = table.widths(width.saturating_sub(1));
    let head = table.head(&widths, if has_focus { Tone::Focus } else { Tone::Head });
    let mut lines = vec![[vec![(" ".to_owned(), Tone::Plain)], head].concat()];
    for (at, row) in table.rows.iter().enumerate().take(shown.end).skip(top) {
        let is_selected = has_focus && at == selected;
        let mut line = vec![((if is_selected { ">" } else { " " }).to_owned(), Tone::Plain)];
        line.extend(table.row(row, &widths));
        if is_selected {
            line.iter_mut().for_each(|(_, tone)| *tone = Tone::Selected);
        }
        lines.push(line);
    }
    if table.rows.is_empty() && rows > 0 {
        lines.push(vec![(format!(" {}", table.none), Tone::Dim)]);
    }
    lines.truncate(height);
    lines
}

/// Who it is, how it is, and what is wrong with the picture.
pub fn head(model: &Model, ui: &Ui, now: Duration, width: usize) -> Vec<Pieces> {
    let Some(sample) = model.now() else { return Vec::new() };
    let status = &sample.status;
    let uptime = seconds(Duration::from_secs(status.uptime_s));
    let who = visible(&format!(" {} · Fairlead {} · up {uptime}", status.name, status.version));
    let when = format!("{} UTC · every {}", moment(&sample.wall.to_string()), interval(ui.interval));
    let room = width.saturating_sub(when.chars().count() + 2);
    let who = cut(&who, room.max(12));
    let mut lines = vec![vec![(format!("{who:<room$}  {when}"), Tone::Head)], summary(model, sample, width)];
    for (text, tone) in notices(model, ui, sample, now) {
        let mut wrapped = wrap(&visible(&text), width.saturating_sub(1).max(1), width.saturating_sub(1).max(1));
        if wrapped.len() > 2 {
            wrapped.truncate(2);
            wrapped[1] = cut(&format!("{} …", wrapped[1]), width.saturating_sub(1));
        }
        lines.extend(wrapped.into_iter().map(|line| vec![(format!(" {line}"), tone)]));
    }
    lines
}

/// Alarms, load and traffic in a line, as much as fits.
fn summary(model: &Model, now: &Sample, width: usize) -> Pieces {
    let sum = |of: fn(&Sample) -> u64| model.rate(|sample| Some(of(sample)));
    let drops = sum(|s| total(s.status.workers.iter().map(|row| row.dropped)));
    let lost = sum(|s| total(s.status.ports.iter().flat_map(|row| [row.rx_missed, row.rx_errors, row.tx_errors])));
    let both = drops.zip(lost).map(|(drops, lost)| drops + lost);
    let known = |value: Option<f64>, text: fn(f64) -> String| value.map_or_else(|| "-".to_owned(), text);
    let traffic = |word: &str, frames: Option<f64>, bytes: Option<f64>, with_bits: bool| {
        let bits = if with_bits {
            format!(" {} bit/s", known(bytes, |bytes| short((bytes * 8.0) as u64)))
        } else {
            String::new()
        };
        (format!("{word} {} pkt/s{bits}", known(frames, rate)), Tone::Plain)
    };
    let is_lossy = both.is_some_and(|both| both > 0.0);
    let parts = |with_bits: bool| {
        let frames_in = sum(|s| total(s.status.ports.iter().map(|row| row.rx_frames)));
        let bytes_in = sum(|s| total(s.status.ports.iter().map(|row| row.rx_bytes)));
        let frames_out = sum(|s| total(s.status.ports.iter().map(|row| row.tx_frames)));
        let bytes_out = sum(|s| total(s.status.ports.iter().map(|row| row.tx_bytes)));
        [
            tables::alarms(now),
            (format!("drops {}/s", known(both, rate)), if is_lossy { Tone::Warn } else { Tone::Plain }),
            busy(now),
            traffic("in", frames_in, bytes_in, with_bits),
            traffic("out", frames_out, bytes_out, with_bits),
        ]
    };
    // Bits go first where there is no room, then parts from the end.
    let length = |parts: &[(String, Tone)]| parts.iter().map(|(text, _)| text.chars().count() + 3).sum::<usize>();
    let whole = parts(true);
    let parts = if length(&whole) <= width { whole } else { parts(false) };
    let (mut line, mut used) = (Pieces::new(), 0);
    for (text, tone) in parts {
        let lead = if line.is_empty() { " " } else { "   " };
        used += lead.len() + text.chars().count();
        if used > width {
            break;
        }
        line.push((lead.into(), Tone::Plain));
        line.push((text, tone));
    }
    line
}

fn total(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

/// Each worker's, or if there are many, the busiest one's and the mean.
fn busy(now: &Sample) -> (String, Tone) {
    let workers = &now.status.workers;
    let busiest = workers.iter().max_by(|a, b| a.busy_percent.total_cmp(&b.busy_percent));
    let Some(busiest) = busiest else { return ("no workers".into(), Tone::Plain) };
    let tone = if busiest.busy_percent >= 90.0 { Tone::Warn } else { Tone::Plain };
    let text = match workers.len() {
        ..=4 => workers.iter().map(|row| format!(" {:.0}%", row.busy_percent)).collect::<String>(),
        count => {
            let mean = workers.iter().map(|row| row.busy_percent).sum::<f64>() / count as f64;
            format!(" {mean:.0}%, worker {} {:.0}%", busiest.id, busiest.busy_percent)
        }
    };
    (format!("busy{text}"), tone)
}

/// What is wrong with the picture, or waits for somebody.
fn notices(model: &Model, ui: &Ui, sample: &Sample, now: Duration) -> Vec<(String, Tone)> {
    let mut notices = Vec::new();
    let quiet = now.saturating_sub(sample.at);
    let time = moment(&sample.wall.to_string());
    if let Some(lost) = model.lost() {
        let since = seconds(now.saturating_sub(lost.since));
        notices.push((
            format!("NO ANSWER for {since}, asked again and again; shown is {time} UTC: {}", lost.why),
            Tone::Bad,
        ));
    } else if quiet > ui.interval + Duration::from_secs(3) && !ui.paused {
        notices.push((format!("NO ANSWER for {}; shown is {time} UTC", seconds(quiet)), Tone::Bad));
    }
    if ui.paused {
        notices.push((format!("PAUSED at {time} UTC: p resumes"), Tone::Warn));
    }
    if let Some(row) = &sample.status.awaited {
        let left = seconds(Duration::from_secs(row.left_s));
        let text = format!("UNCONFIRMED for another {left}: `fairlead confirm` keeps configuration {}", row.number);
        notices.push((text, Tone::Warn));
    }
    notices.extend(sample.unanswered.iter().take(1).map(|why| (format!("not answered: {why}"), Tone::Warn)));
    notices
}

fn interval(interval: Duration) -> String {
    match interval.as_millis() {
        millis if millis % 1000 == 0 => format!("{}s", millis / 1000),
        millis => format!("{millis}ms"),
    }
}

/// What can be typed.
fn foot(ui: &Ui, width: usize) -> Pieces {
    if ui.typing {
        let typed = format!(" filter: {}_", ui.filter);
        return vec![(typed, Tone::Focus), (" (Enter keeps it, Esc ends it)".into(), Tone::Dim)];
    }
    let filter = format!("filter: {}", ui.filter);
    let mut parts =
        vec!["q quit", "? help", "p pause", "/ filter", "s sort", "r reverse", "Tab, 1-6 panel", "Enter detail"];
    if ui.help || ui.detail.is_some() {
        parts = vec!["q quit", "Esc back", "arrows, PgUp, PgDn scroll", "p pause", "? help"];
    }
    if !ui.filter.is_empty() {
        parts.insert(0, &filter);
    }
    parts.push("+ - interval");
    let mut text = String::new();
    for part in parts {
        let lead = if text.is_empty() { " " } else { "   " };
        if text.chars().count() + lead.len() + part.chars().count() > width {
            break;
        }
        text += lead;
        text += part;
    }
    vec![(text, Tone::Dim)]
}

/// The line in at most `width` columns.
fn clipped(line: Pieces, width: usize) -> Pieces {
    let mut left = width;
    let mut clipped = Pieces::new();
    for (text, tone) in line {
        let text = cut(&text, left);
        left -= text.chars().count();
        if !text.is_empty() {
            clipped.push((text, tone));
        }
    }
    clipped
}

/// One frame for scripts: everything, names in full, no wider than it has to be.
pub fn page(model: &Model, ui: &Ui, now: Duration, width: usize) -> String {
    let mut lines = head(model, ui, now, width);
    for panel in Panel::ALL {
        let table = table_of(panel, model, ui);
        let room = width.max(table.names_in_full());
        let widths = table.widths(room);
        lines.push(Pieces::new());
        lines.push(table.head(&widths, Tone::Head));
        lines.extend(table.rows.iter().map(|row| table.row(row, &widths)));
        if table.rows.is_empty() {
            lines.push(vec![(table.none.clone(), Tone::Plain)]);
        }
    }
    let text = |line: Pieces| line.into_iter().map(|(text, _)| text).collect::<String>().trim_end().to_owned() + "\n";
    lines.into_iter().map(text).collect()
}
