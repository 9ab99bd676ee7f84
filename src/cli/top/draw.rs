//! From lines of text to a terminal.
//!
//! Owns what each tone looks like, with color and without. Decides nothing about what is shown.

use super::picture::Picture;
use super::table::Tone;
use ratatui::Frame;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Draws the picture from the upper left corner.
pub fn draw(frame: &mut Frame, picture: &Picture, colored: bool) {
    let span = |(text, tone): &'_ (String, Tone)| Span::styled(text.clone(), style(*tone, colored));
    let lines: Vec<Line> = picture.lines.iter().map(|pieces| Line::from_iter(pieces.iter().map(span))).collect();
    frame.render_widget(Paragraph::new(lines), frame.area());
}

fn style(tone: Tone, colored: bool) -> Style {
    let color = |color| if colored { Style::new().fg(color) } else { Style::new() };
    match tone {
        Tone::Plain => Style::new(),
        Tone::Dim => Style::new().add_modifier(Modifier::DIM),
        Tone::Good => color(Color::Green),
        Tone::Warn => color(Color::Yellow).add_modifier(Modifier::BOLD),
        Tone::Bad => color(Color::Red).add_modifier(Modifier::BOLD),
        Tone::Head => Style::new().add_modifier(Modifier::BOLD),
        Tone::Focus => Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
        Tone::Selected => Style::new().add_modifier(Modifier::REVERSED),
    }
}
