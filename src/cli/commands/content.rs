//! What a datagram says that is asked about: a SIP message from a file, or as much of one as matters.
//!
//! Owns the arguments, and the writing of a message from them. Reads no file: whoever asks does.

use clap::Args;
use std::net::SocketAddrV4;
use std::path::PathBuf;

/// What a datagram says.
#[derive(Debug, Args)]
pub struct Content {
    /// It says what stands in this file, a whole SIP message; `-` reads standard input
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "call_id")]
    pub(super) sip_file: Option<PathBuf>,
    /// It is a SIP message of the call with this Call-ID, a request [default: INVITE]
    #[arg(long, value_name = "TEXT", value_parser = token)]
    call_id: Option<String>,
    /// With --call-id: it asks, with this method
    #[arg(long, value_name = "METHOD", value_parser = token, requires = "call_id", conflicts_with = "response")]
    request: Option<String>,
    /// With --call-id: it answers, with this code [default: 200]
    #[arg(long, value_name = "CODE", num_args = 0..=1, require_equals = true, default_missing_value = "200")]
    #[arg(value_parser = super::arguments::number::<u16>(100..=699), requires = "call_id")]
    response: Option<u16>,
    /// With --call-id: the address in its topmost Via, that of whoever asked [default: its source; of an answer its destination]
    #[arg(long, value_name = "HOST", value_parser = token, requires = "call_id")]
    via: Option<String>,
    /// With --call-id: the branch of its topmost Via, by which an answer finds whoever asked [default: one that nobody has used]
    #[arg(long, value_name = "TEXT", value_parser = token, requires = "call_id")]
    branch: Option<String>,
}

/// A branch of nobody's.
const BRANCH: &str = "z9hG4bK-fairlead-explain";

impl Content {
    /// The message that the arguments describe, between these ends; `None`: they describe none.
    pub(super) fn text(&self, src: SocketAddrV4, dst: SocketAddrV4) -> Option<String> {
        let call = self.call_id.as_ref()?;
        let method = self.request.as_deref().unwrap_or("INVITE");
        let (start, asked_by) = match self.response {
            Some(code) => (format!("SIP/2.0 {code} -"), dst),
            None => (format!("{method} sip:{dst} SIP/2.0"), src),
        };
        let via = self.via.clone().unwrap_or_else(|| asked_by.to_string());
        let branch = self.branch.as_deref().unwrap_or(BRANCH);
        Some(format!(
            "{start}\r\nVia: SIP/2.0/UDP {via};branch={branch}\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        ))
    }
}

/// What stands in a message as it is: one word.
fn token(text: &str) -> Result<String, String> {
    let is_word = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && c != ';' && c != ',');
    if is_word && text.len() <= 255 {
        return Ok(text.to_owned());
    }
    Err("write 1 to 255 visible ASCII characters without spaces, commas and semicolons, as it stands in the message"
        .into())
}
