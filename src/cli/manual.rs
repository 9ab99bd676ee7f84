//! The manual page.
//!
//! Owns its sections beyond what clap writes: each command at length, out of the table.

use super::commands::{COMMANDS, Command, Kind};
use super::parse::program;
use clap_mangen::Man;
use std::io;

/// The page in roff.
///
/// # Errors
/// None but what writing to memory may give.
pub fn page() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let man = Man::new(program());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    page.extend_from_slice(b".SH COMMANDS\n");
    for command in COMMANDS {
        page.extend_from_slice(entry(command).as_bytes());
    }
    page.extend_from_slice(AFTER.as_bytes());
    Ok(page)
}

const AFTER: &str = ".PP
Each command that asks the appliance takes \\fB\\-\\-json\\fR; each that shows takes \\fB\\-\\-watch\\fR[=\\fISECONDS\\fR].
.SH \"EXIT STATUS\"
.TP
0
done
.TP
1
refused or failed
.TP
2
bad usage, or bad file
.TP
3
the appliance cannot be reached
.SH ENVIRONMENT
.TP
\\fBFAIRLEAD_SOCKET\\fR
the admin socket, as \\fB\\-\\-socket\\fR
";

fn entry(command: &Command) -> String {
    let args: String = command.args.iter().map(|arg| format!(" {}", written(arg.name, arg.kind))).collect();
    let options: String = command
        .args
        .iter()
        .map(|arg| format!(".br\n\\fI{}\\fR: {}\n", escaped(arg.name), escaped(arg.about)))
        .collect();
    format!(".TP\n\\fB{}\\fR{args}\n{}\n{options}", escaped(command.words), escaped(command.about))
}

fn written(name: &str, kind: Kind) -> String {
    let value = |value: &str| format!("\\fI{value}\\fR");
    let option = |placeholder: &str| format!("\\fB\\-\\-{name}\\fR {}", value(placeholder));
    match kind {
        Kind::Name(placeholder) => value(placeholder),
        Kind::Prefix | Kind::File => value(&name.to_uppercase()),
        Kind::Shell => "bash|zsh|fish".to_owned(),
        Kind::FileOption => option("FILE"),
        Kind::AddressOption => format!("[{}]", option("ADDRESS")),
        Kind::NameOption => format!("[{}]", option("NAME")),
        Kind::RowsOption => format!("[{}]", option("ROWS")),
        Kind::Flag => format!("[\\fB\\-\\-{name}\\fR]"),
    }
}

/// A line that begins with a dot or an apostrophe is a command to roff, and so is a backslash anywhere.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
