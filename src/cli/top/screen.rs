//! The terminal: keys in, pictures out.
//!
//! Owns the terminal's modes, which are restored however this ends, and the loop between the appliance's answers, keys and pictures.
//! As thin as that can be: what is shown and what keys do is decided elsewhere.

use super::draw::draw;
use super::link::{Link, Order};
use super::model::Model;
use super::picture::{Picture, Size, picture};
use super::ui::{Act, Key, Seen, Ui};
use crate::time::Duration;
use ratatui::backend::Backend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::EnterAlternateScreen;
use ratatui::layout::Rect;
use ratatui::{DefaultTerminal, TerminalOptions, Viewport};
use std::env;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::TryRecvError;
use std::thread;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};

/// Between two looks for answers and signals while no key comes.
const LOOK: Duration = Duration::from_millis(50);
/// Of a terminal that does not say how large it is.
const USUAL: Size = (80, 24);

/// What is known, and what was chosen.
pub struct App {
    /// What is known now.
    pub live: Model,
    /// What was known when it was paused.
    pub frozen: Option<Box<Model>>,
    /// What was chosen.
    pub ui: Ui,
}

impl App {
    fn shown(&self) -> &Model {
        self.frozen.as_deref().unwrap_or(&self.live)
    }
}

/// Shows it until somebody leaves, or the terminal does.
///
/// # Errors
/// When the terminal cannot be used, or any more.
pub fn run(mut app: App, link: &Link, began: Instant) -> io::Result<()> {
    let ended = signals();
    let shown = start().and_then(|mut terminal| shown_until_left(&mut terminal, &mut app, link, began, &ended));
    // A terminal that has gone away cannot be restored, and need not be.
    let restored = ratatui::try_restore();
    shown.and(restored)
}

/// Raw mode and a screen of our own, which a panic leaves too. The size is looked at by ourselves: a terminal may say that it has none.
fn start() -> io::Result<DefaultTerminal> {
    let viewport = Viewport::Fixed(area_of(USUAL));
    let terminal = ratatui::try_init_with_options(TerminalOptions { viewport })?;
    execute!(io::stdout(), EnterAlternateScreen)?;
    Ok(terminal)
}

fn shown_until_left(
    terminal: &mut DefaultTerminal,
    app: &mut App,
    link: &Link,
    began: Instant,
    ended: &AtomicBool,
) -> io::Result<()> {
    let colored = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (mut is_stale, mut second, mut area) = (true, 0, Rect::ZERO);
    let mut last = Picture { lines: Vec::new(), table: Default::default(), page: 1, below: 0 };
    while !ended.load(Ordering::Relaxed) {
        loop {
            match link.news.try_recv() {
                Ok(Ok(sample)) => app.live.take(*sample),
                Ok(Err(failure)) => app.live.lose(began.elapsed(), failure.to_string()),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(io::Error::other("nobody asks the appliance any more")),
            }
            is_stale = true;
        }
        // How long nobody has answered is told each second.
        let now = began.elapsed();
        is_stale |= now.as_secs() != std::mem::replace(&mut second, now.as_secs());
        let size = area_of(size_of(terminal)?);
        if size != area {
            area = size;
            // This clears it as well; `clear` would ask the terminal where its cursor is, and not every one answers.
            terminal.resize(area)?;
            is_stale = true;
        }
        if std::mem::take(&mut is_stale) {
            last = picture(app.shown(), &app.ui, now, (area.width.into(), area.height.into()));
            terminal.draw(|frame| draw(frame, &last, colored))?;
        }
        if !event::poll(LOOK)? {
            continue;
        }
        let event = event::read()?;
        is_stale = true;
        if is_redraw(&event) {
            area = Rect::ZERO;
        }
        let Some(key) = key_of(&event) else { continue };
        let seen = Seen { table: &last.table, page: last.page, below: last.below };
        let orders = match app.ui.on_key(key, seen) {
            Act::Quit => return Ok(()),
            Act::AskOf(member) => Some(Order::Member(member)),
            Act::Interval(interval) => Some(Order::Interval(interval)),
            Act::Draw => None,
        };
        // Nobody asks any more only when this ends.
        orders.into_iter().for_each(|order| _ = link.orders.send(order));
        if app.ui.paused != app.frozen.is_some() {
            app.frozen = app.ui.paused.then(|| Box::new(app.live.clone()));
        }
    }
    Ok(())
}

fn size_of(terminal: &DefaultTerminal) -> io::Result<Size> {
    let size = terminal.backend().size()?;
    Ok(if size.width == 0 || size.height == 0 { USUAL } else { (size.width.into(), size.height.into()) })
}

fn area_of((width, height): Size) -> Rect {
    Rect::new(0, 0, u16::try_from(width).unwrap_or(u16::MAX), u16::try_from(height).unwrap_or(u16::MAX))
}

/// SIGTERM, SIGHUP and SIGINT end it in order, so that the terminal is restored.
fn signals() -> Arc<AtomicBool> {
    let ended = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ended);
    thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let listen = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()].map(signal);
            let [Ok(mut terminate), Ok(mut hangup), Ok(mut interrupt)] = listen else { return };
            tokio::select! {
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
                _ = interrupt.recv() => {}
            }
            flag.store(true, Ordering::Relaxed);
        });
    });
    ended
}

/// Ctrl-L: something else has written on the screen.
fn is_redraw(event: &Event) -> bool {
    let redraw = (KeyCode::Char('l'), KeyModifiers::CONTROL);
    matches!(event, Event::Key(KeyEvent { code, modifiers, .. }) if (*code, *modifiers) == redraw)
}

/// A key that means something.
fn key_of(event: &Event) -> Option<Key> {
    let Event::Key(KeyEvent { code, modifiers, kind, .. }) = event else { return None };
    if *kind == KeyEventKind::Release {
        return None;
    }
    let is_ctrl = modifiers.contains(KeyModifiers::CONTROL);
    Some(match code {
        KeyCode::Char('c') if is_ctrl => Key::Interrupt,
        KeyCode::Char(_) if is_ctrl || modifiers.contains(KeyModifiers::ALT) => return None,
        KeyCode::Char(character) => Key::Char(*character),
        KeyCode::Esc => Key::Esc,
        KeyCode::Enter => Key::Enter,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Up => Key::Rows(-1),
        KeyCode::Down => Key::Rows(1),
        KeyCode::PageUp => Key::Pages(-1),
        KeyCode::PageDown => Key::Pages(1),
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}
