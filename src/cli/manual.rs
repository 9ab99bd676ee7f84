//! The manual page.
//!
//! Owns its sections beyond what clap writes: each command at length.

use super::parse::{EXIT_CODES, Program};
use clap::builder::StyledStr;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use std::io;

/// The page in roff.
pub fn page() -> Vec<u8> {
    let mut program = Program::command();
    let mut page = Vec::new();
    by_clap(&program, &mut page).expect("memory takes whatever is written");
    program.build();
    page.extend_from_slice(b".SH COMMANDS\n");
    page.extend_from_slice(entries(&program, "").as_bytes());
    let shared = ".PP\nEach command that asks the appliance takes \\fB\\-\\-json\\fR; each that shows takes \\fB\\-\\-watch\\fR[=\\fISECONDS\\fR]; \\fBtop\\fR takes neither.";
    page.extend_from_slice(format!("{shared}\n.SH \"EXIT STATUS\"\n.nf\n{EXIT_CODES}\n.fi\n{ENVIRONMENT}").as_bytes());
    page
}

fn by_clap(program: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(program.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)
}

const ENVIRONMENT: &str = ".SH ENVIRONMENT
.TP
\\fBFAIRLEAD_SOCKET\\fR
the admin socket of commands that ask the appliance, as \\fB\\-\\-socket\\fR; run listens where its file says
";

/// The commands below `above`, whose own words are `before`.
fn entries(above: &Command, before: &str) -> String {
    let entries = above.get_subcommands().filter(|command| command.get_name() != "help").map(|command| {
        let words = format!("{before}{}", command.get_name());
        let own = if command.is_subcommand_required_set() { String::new() } else { entry(&words, command) };
        own + &entries(command, &format!("{words} "))
    });
    entries.collect()
}

fn entry(words: &str, command: &Command) -> String {
    let about = |text: Option<&StyledStr>| text.map(|text| escaped(&text.to_string())).unwrap_or_default();
    let (mut usage, mut options) = (String::new(), String::new());
    let shared = ["json", "watch", "socket", "help"];
    for arg in command.get_arguments().filter(|arg| !shared.contains(&arg.get_id().as_str())) {
        let typed = escaped(&arg.to_string());
        usage += &if arg.is_required_set() { format!(" {typed}") } else { format!(" [{typed}]") };
        options += &format!(".br\n\\fI{typed}\\fR: {}\n", about(arg.get_help()));
    }
    format!(".TP\n\\fB{}\\fR{usage}\n{}\n{options}", escaped(words), about(command.get_about()))
}

/// A line that begins with a dot or an apostrophe is a command to roff, and so is a backslash anywhere.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
