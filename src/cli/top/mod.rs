//! `fairlead top`: a live view of the appliance, on the whole screen.
//!
//! Owns how its parts are joined. Read first: [`model`] (samples in, rates out), [`tables`] and [`picture`] (what stands where),
//! [`ui`] (what keys do): all pure. `link` asks the appliance, `screen` holds the terminal. What is asked is what any other command asks.

mod detail;
mod draw;
#[cfg(test)]
mod golden;
mod help;
mod link;
mod model;
mod panel;
mod picture;
mod sample;
mod screen;
mod sip;
mod table;
mod tables;
mod trend;
mod ui;

use super::client::Failure;
use super::commands::Top;
use super::exit::{BAD, FAILED, fail, print};
use super::grid::WIDTH;
use crate::time::Duration;
use link::{Link, News};
use model::Model;
use picture::page;
use screen::App;
use std::env;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use ui::Ui;

/// An answer may take so long unless the operator says otherwise.
const PATIENCE: Duration = Duration::from_secs(5);

/// Shows the appliance until somebody leaves; with `--once`, one frame as text.
///
/// # Errors
/// When the appliance cannot be asked at the beginning. Later it is waited for.
pub fn run(socket: &Path, timeout: Option<u64>, top: &Top) -> Result<ExitCode, Failure> {
    if top.json {
        let hint = "such as `fairlead status --json --watch` or `fairlead counters --json --watch`";
        return Ok(fail(BAD, &format!("`top` is for people and has no --json: ask the tables, {hint}")));
    }
    if !top.once && !is_usable() {
        return Ok(fail(
            BAD,
            "`top` needs a terminal that can be drawn on, and the standard output is none: use `fairlead top --once`, \
             which prints one frame as text",
        ));
    }
    let began = Instant::now();
    let link = link::start(socket, timeout.map_or(PATIENCE, Duration::from_secs), top.interval, began);
    let mut model = Model::default();
    let ui = Ui { interval: top.interval, ..Ui::default() };
    model.take(*next(&link)?);
    if top.once {
        // Rates are what two samples differ by.
        model.take(*next(&link)?);
        return Ok(print(page(&model, &ui, began.elapsed(), WIDTH).as_bytes()));
    }
    Ok(match screen::run(App { live: model, frozen: None, ui }, &link, began) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(FAILED, &format!("the terminal cannot be used: {why}; `fairlead top --once` needs none")),
    })
}

fn next(link: &Link) -> News {
    link.news.recv().unwrap_or_else(|_| Err(Failure::Unreadable("nothing was asked: this is a fault of `top`".into())))
}

fn is_usable() -> bool {
    io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb")
}
