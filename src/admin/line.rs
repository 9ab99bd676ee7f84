//! The lines of an answer, as they travel.
//!
//! Owns the envelope `{"id":1,"ok":true,"epoch":42,"data":[...]}` both ways, and the splitting of long answers: each
//! line but the last says `"more":true`. Knows no socket.

use super::answer::{AdminError, Answer, Answered, Code, Part};
use super::rows::Total;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Rows on one line, at most. A row is a few hundred bytes.
pub const ROWS_PER_LINE: usize = 200;

/// One line of an answer, as a client reads it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct AnswerLine {
    /// The request's.
    pub id: u64,
    /// Whether `data` or `error` is there.
    pub ok: bool,
    /// The epoch that every worker has installed.
    #[serde(default)]
    pub epoch: u64,
    /// Another line with more rows follows.
    #[serde(default)]
    pub more: bool,
    /// Rows, or an object.
    #[serde(default)]
    pub data: Value,
    /// On the last line, where the rows need not be all: how many there are.
    pub total: Option<Total>,
    /// What went wrong.
    pub error: Option<AdminError>,
}

#[derive(Serialize)]
struct Good<'a> {
    id: u64,
    ok: bool,
    epoch: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    more: bool,
    data: Part<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Total>,
}

#[derive(Serialize)]
struct Bad<'a> {
    id: u64,
    ok: bool,
    error: &'a AdminError,
}

/// The lines of `answer` to request `id`, each with its line feed, at least one; made one at a time: a hundred thousand rows
/// are never held twice.
pub fn lines(id: u64, answer: &Answer) -> Box<dyn Iterator<Item = Vec<u8>> + Send + '_> {
    let Answered { epoch, data } = match answer {
        Ok(answered) => answered,
        Err(error) => return Box::new(std::iter::once(error_line(id, error))),
    };
    let all = data.rows().unwrap_or(0);
    let starts = (0..all.max(1)).step_by(ROWS_PER_LINE);
    Box::new(starts.map(move |start| {
        let rows = start..all.min(start + ROWS_PER_LINE);
        let more = rows.end < all;
        let total = data.total().filter(|_| !more);
        line(&Good { id, ok: true, epoch: *epoch, more, data: Part { data, rows }, total })
    }))
}

/// The line of an error, with its line feed.
pub fn error_line(id: u64, error: &AdminError) -> Vec<u8> {
    line(&Bad { id, ok: false, error })
}

fn line<T: Serialize>(object: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(object).unwrap_or_else(|why| {
        let error = AdminError::new(Code::Refused, format!("the answer cannot be written as JSON: {why}"));
        serde_json::to_vec(&Bad { id: 0, ok: false, error: &error }).unwrap_or_default()
    });
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Data;
    use crate::admin::rows::{Cleared, CounterRow};

    fn counters(count: usize) -> Answer {
        let row = |n| CounterRow { name: format!("c{n}"), value: n, explanation: String::new(), worker: None };
        Ok(Answered { epoch: 42, data: Data::Counters((0..count as u64).map(row).collect()) })
    }

    #[test]
    fn the_envelope_is_the_manual_s() {
        let answer = Ok(Answered { epoch: 42, data: Data::Cleared(Cleared { count: 7 }) });
        let sent: Vec<_> = lines(1, &answer).map(|line| String::from_utf8(line).unwrap()).collect();
        assert_eq!(sent, ["{\"id\":1,\"ok\":true,\"epoch\":42,\"data\":{\"count\":7}}\n"]);

        let answer = Err(AdminError::new(Code::UnknownMember, "no"));
        let sent: Vec<_> = lines(1, &answer).map(|line| String::from_utf8(line).unwrap()).collect();
        assert_eq!(sent, ["{\"id\":1,\"ok\":false,\"error\":{\"code\":\"unknown-member\",\"message\":\"no\"}}\n"]);
    }

    #[test]
    fn a_long_answer_is_split_and_each_line_but_the_last_says_more() {
        for (count, expected) in [(0, 1), (1, 1), (ROWS_PER_LINE, 1), (ROWS_PER_LINE + 1, 2), (3 * ROWS_PER_LINE, 3)] {
            let answer = counters(count);
            let read: Vec<AnswerLine> = lines(9, &answer).map(|line| serde_json::from_slice(&line).unwrap()).collect();
            assert_eq!(read.len(), expected, "{count} rows");
            assert!(read.iter().rev().skip(1).all(|line| line.more) && !read[expected - 1].more, "{count} rows");
            assert!(read.iter().all(|line| line.id == 9 && line.ok && line.epoch == 42));
            let names: Vec<_> =
                read.iter().flat_map(|line| line.data.as_array().unwrap()).map(|row| &row["name"]).collect();
            assert_eq!(names.len(), count);
            assert!(names.iter().enumerate().all(|(n, name)| *name == &format!("c{n}")));
        }
    }
}
