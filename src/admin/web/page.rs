//! The status page: one document, made of three files of this folder when Fairlead is built.
//!
//! Owns what a browser may do with it: run the script and apply the style that are in it, ask for the data beside it, and nothing else. Both
//! are known by their digests, so that nothing a server says can become a script, wherever it stands.

use super::response::Response;
use openssl::base64::encode_block;
use openssl::sha::sha256;
use std::sync::{Arc, LazyLock};

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");
const FRAME: &str = include_str!("page/page.html");

/// The page as it is sent.
struct Page {
    text: Arc<[u8]>,
    tag: String,
    policy: String,
}

static PAGE: LazyLock<Page> = LazyLock::new(|| {
    let text = FRAME.replacen("/* page.css */", STYLE, 1).replacen("/* page.js */", SCRIPT, 1);
    let digest = |of: &str| encode_block(&sha256(of.as_bytes()));
    let policy = format!(
        "Content-Security-Policy: default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'\r\n",
        digest(SCRIPT),
        digest(STYLE)
    );
    Page { tag: format!("\"{}\"", &digest(&text)[..16]), text: text.into_bytes().into(), policy }
});

/// The page, or that it is the one that the client has (RFC 9110 13.1.2).
pub(super) fn page(known: &[&[u8]]) -> Response {
    let Page { text, tag, policy } = &*PAGE;
    let fields = format!("ETag: {tag}\r\nCache-Control: no-cache\r\n{policy}");
    if known.iter().any(|known| names(known, tag.as_bytes())) {
        return Response { status: "304 Not Modified", fields, kind: "", content: Arc::default() };
    }
    Response { status: "200 OK", fields, kind: "text/html; charset=utf-8", content: Arc::clone(text) }
}

/// A list of tags, each of which may be a weak one, names this one, or any.
fn names(list: &[u8], tag: &[u8]) -> bool {
    let mut tags = list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    list == b"*" || tags.any(|one| one.strip_prefix(b"W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_leads_nowhere_else() {
        let Response { content, fields, .. } = page(&[]);
        let text = std::str::from_utf8(&content).unwrap();
        for part in [STYLE, SCRIPT] {
            assert!(text.contains(part));
            assert!(!part.to_ascii_lowercase().contains("</s"), "it would end in the middle");
        }
        assert_eq!((text.matches("<script").count(), text.matches("<style").count()), (1, 1));
        for (at, _) in text.match_indices("://") {
            let (before, after) = (&text[..at], &text[at..]);
            // The one name that looks like an address and is none.
            assert!(before.ends_with("http") && after.starts_with("://www.w3.org/2000/svg"), "{}", &after[..40]);
        }
        for banned in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function("] {
            assert!(!SCRIPT.contains(banned), "a text would be read as something else: {banned}");
        }
        for part in ["default-src 'none'; ", "frame-ancestors 'none'", "connect-src 'self'"] {
            assert!(fields.contains(part), "{fields}");
        }
        assert!(!fields.contains("unsafe"), "{fields}");
    }

    #[test]
    fn who_has_the_page_is_not_sent_it_again() {
        let tag = PAGE.tag.clone();
        let weak = format!("\"x\", W/{tag}");
        for known in [tag.as_str(), weak.as_str(), "*"] {
            let again = page(&[known.as_bytes()]);
            assert!(again.status.starts_with("304 ") && again.content.is_empty(), "{known}");
            assert!(
                again.fields.contains(&format!("ETag: {tag}\r\n")) && !again.head().contains("Content-Length"),
                "{again:?}"
            );
        }
        for known in ["\"x\"", "", "W/\"x\", \"y\""] {
            assert!(page(&[known.as_bytes()]).status.starts_with("200 "), "{known}");
        }
    }
}
