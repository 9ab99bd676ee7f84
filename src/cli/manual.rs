//! The manual page.
//!
//! Owns its sections beyond what clap writes: each command at length.

use super::parse::{self, EXIT_CODES};
use clap::Command;
use clap::builder::StyledStr;
use clap_mangen::Man;
use std::io;

/// The page in roff.
pub fn page() -> Vec<u8> {
    let mut program = parse::command();
    let mut page = Vec::new();
    by_clap(&program, &mut page).expect("memory takes whatever is written");
    program.build();
    page.extend_from_slice(b".SH COMMANDS\n");
    page.extend_from_slice(entries(&program, "").as_bytes());
    let shared = ".PP\nEach command that asks the appliance takes \\fB\\-\\-json\\fR; each that shows takes \\fB\\-\\-watch\\fR[=\\fISECONDS\\fR]; \\fBtop\\fR takes neither.";
    page.extend_from_slice(format!("{shared}\n.SH \"EXIT STATUS\"\n.nf\n{EXIT_CODES}\n.fi\n").as_bytes());
    page.extend_from_slice([ENVIRONMENT, FILES, SIGNALS, EXAMPLES, SEE_ALSO].concat().as_bytes());
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
.TP
\\fBFAIRLEAD_LOG\\fR
a filter of the log instead of the file's \\fBlog\\fR, such as \\fBdebug\\fR
.TP
\\fBCOLUMNS\\fR
how wide tables are on a terminal, instead of what it says itself; elsewhere they are 100 columns wide
.TP
\\fBNO_COLOR\\fR
\\fBtop\\fR has no colors
";

const FILES: &str = ".SH FILES
.TP
\\fI/etc/fairlead/fairlead.toml\\fR
the file that the systemd unit passes to \\fBrun\\fR; fairlead.toml(5) has its keys
.TP
\\fI/usr/share/doc/fairlead/handbook\\fR
the handbook, where the package is installed: Markdown, introduction.md first
.TP
\\fI/run/fairlead/admin.sock\\fR
the admin socket, unless \\fBadmin_socket\\fR in the file names another
.TP
\\fI/var/lib/fairlead\\fR
what outlives a restart: operator.json, configurations.json, events.json
";

const SIGNALS: &str = ".SH SIGNALS
.TP
\\fBHUP\\fR
reads the file again, as \\fBreload\\fR does; whether it was taken stands in the log
.TP
\\fBTERM\\fR, \\fBINT\\fR
ends the appliance, once what operators set is saved
";

const EXAMPLES: &str = ".SH EXAMPLES
.nf
fairlead check \\-\\-here /etc/fairlead/fairlead.toml && fairlead reload \\-\\-confirm 60s
fairlead member drain sip\\-a \\-\\-for 30m \\-\\-wait
fairlead events \\-\\-since 1h \\-\\-event switchover \\-\\-event alarm.raised
fairlead explain udp 172.16.5.5:5060 10.20.0.100:5060
fairlead capture sip and host 172.16.5.5 \\-w calls.pcapng
fairlead counters \\-\\-drops \\-\\-during 10
.fi
";

const SEE_ALSO: &str = ".SH \"SEE ALSO\"
fairlead.toml(5), fairlead\\-machine(8), pcap\\-filter(7), systemctl(1), journalctl(1); README.md, dpdk\\-config/README.md, dpdk\\-config/json.md
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
    let shared = ["json", "watch", "socket", "timeout", "help"];
    for arg in command.get_arguments().filter(|arg| !shared.contains(&arg.get_id().as_str())) {
        let typed = escaped(&arg.to_string());
        usage += &if arg.is_required_set() { format!(" {typed}") } else { format!(" [{typed}]") };
        options += &format!(".br\n\\fI{typed}\\fR: {}\n", about(arg.get_help()));
    }
    format!(".TP\n\\fB{}\\fR{usage}\n{}\n{options}", escaped(words), about(command.get_about()))
}

/// A line that begins with a dot or an apostrophe is a command to roff, and so is a backslash anywhere.
pub(super) fn escaped(text: &str) -> String {
    let text = within(text);
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

/// The same within a line.
pub(super) fn within(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
