//! The manual page.
//!
//! Owns its sections beyond what clap writes: each command at length, out of the table.

use super::commands::{COMMANDS, Command};
use super::parse::program;
use clap::Arg;
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
    let args = (command.args)();
    let usage: String = args.iter().map(|arg| format!(" {}", usage(arg))).collect();
    let options: String = args
        .iter()
        .map(|arg| {
            let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
            format!(".br\n\\fI{}\\fR: {}\n", escaped(arg.get_id().as_str()), escaped(&about))
        })
        .collect();
    format!(".TP\n\\fB{}\\fR{usage}\n{}\n{options}", escaped(command.words), escaped(command.about))
}

fn usage(arg: &Arg) -> String {
    let values: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    let value = match arg.get_value_names() {
        Some([name, ..]) => format!("\\fI{name}\\fR"),
        _ => values.join("|"),
    };
    let option = arg.get_long().map(|long| format!("\\fB\\-\\-{}\\fR", escaped(long)));
    let usage = match option {
        Some(option) if arg.get_action().takes_values() => format!("{option} {value}"),
        Some(option) => option,
        None => value,
    };
    if arg.is_required_set() { usage } else { format!("[{usage}]") }
}

/// A line that begins with a dot or an apostrophe is a command to roff, and so is a backslash anywhere.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
