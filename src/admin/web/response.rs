//! An answer: its status, its fields and its content.
//!
//! Owns the fields that every answer has. Nothing of it may be kept by others, guessed to be of another type, or read by the pages of
//! another site.

use std::sync::Arc;

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Response {
    /// The code and its phrase.
    pub(super) status: &'static str,
    /// Fields of its own, each with its line end.
    pub(super) fields: String,
    /// The content's type; empty: there is no content.
    pub(super) kind: &'static str,
    pub(super) content: Arc<[u8]>,
}

/// The type of a plain text.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
/// For what is another thing a moment later.
pub(super) const FLEETING: &str = "Cache-Control: no-store\r\n";

impl Response {
    /// Here it is.
    pub(super) fn of(kind: &'static str, content: impl Into<Arc<[u8]>>) -> Response {
        Response { status: "200 OK", fields: FLEETING.into(), kind, content: content.into() }
    }

    /// It is not to be had; `text` says why.
    pub(super) fn refusal(status: &'static str, text: &str) -> Response {
        Response { status, ..Response::of(TEXT, text.as_bytes()) }
    }

    /// The same with more fields.
    pub(super) fn with(mut self, fields: &str) -> Response {
        self.fields.push_str(fields);
        self
    }

    /// All of it up to the content.
    pub(super) fn head(&self) -> String {
        let Response { status, fields, kind, content } = self;
        let about = match kind.is_empty() {
            true => String::new(),
            false => format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", content.len()),
        };
        format!(
            "HTTP/1.1 {status}\r\n{about}{fields}X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n\
             Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n"
        )
    }
}
