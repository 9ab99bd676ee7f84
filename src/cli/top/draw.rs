//! From lines of text to a terminal.
//!
//! Owns what each tone looks like, with color and without. Decides nothing about what is shown.

use super::picture::Picture;
use super::table::{Pieces, Tone};
use ratatui::Frame;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Draws the picture from the upper left corner.
pub fn draw(frame: &mut Frame, picture: &Picture, colored: bool) {
    let lines: Vec<Line> = picture.lines.iter().map(|pieces| line(pieces, colored)).collect();
    frame.render_widget(Paragraph::new(lines), frame.area());
}

fn line(pieces: &Pieces, colored: bool) -> Line<'_> {
    pieces.iter().map(|(text, tone)| Span::styled(text.as_str(), style(*tone, colored))).collect()
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
