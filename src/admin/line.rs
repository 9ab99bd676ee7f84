//! The lines of an answer, as they travel.
//!
//! Owns the envelope `{"id":1,"ok":true,"epoch":42,"data":[...]}` both ways, and the splitting of long answers: each
//! line but the last says `"more":true`. Knows no socket.

use super::answer::{AdminError, Answer, Code, Part, Told};
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
}

#[derive(Serialize)]
struct Bad<'a> {
    id: u64,
    ok: bool,
    error: &'a AdminError,
}

/// The lines of one answer, each with its line feed, made one at a time: a hundred thousand rows are never held twice.
pub struct Lines<'a> {
    id: u64,
    answer: &'a Answer,
    sent: usize,
    ended: bool,
}

impl<'a> Lines<'a> {
    /// The lines of `answer` to request `id`. At least one.
    pub fn new(id: u64, answer: &'a Answer) -> Lines<'a> {
        Lines { id, answer, sent: 0, ended: false }
    }

    fn good(&mut self, told: &'a Told) -> Vec<u8> {
        let all = told.data.rows().unwrap_or(0);
        let rows = self.sent..all.min(self.sent + ROWS_PER_LINE);
        self.sent = rows.end;
        self.ended = rows.end == all;
        let data = Part { data: &told.data, rows };
        line(&Good { id: self.id, ok: true, epoch: told.epoch, more: !self.ended, data })
    }
}

impl Iterator for Lines<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.ended {
            return None;
        }
        Some(match self.answer {
            Ok(told) => self.good(told),
            Err(error) => {
                self.ended = true;
                error_line(self.id, error)
            }
        })
    }
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
        Ok(Told { epoch: 42, data: Data::Counters((0..count as u64).map(row).collect()) })
    }

    #[test]
    fn the_envelope_is_the_manual_s() {
        let answer = Ok(Told { epoch: 42, data: Data::Cleared(Cleared { count: 7 }) });
        let lines: Vec<_> = Lines::new(1, &answer).map(|line| String::from_utf8(line).unwrap()).collect();
        assert_eq!(lines, ["{\"id\":1,\"ok\":true,\"epoch\":42,\"data\":{\"count\":7}}\n"]);

        let answer = Err(AdminError::new(Code::UnknownMember, "no"));
        let lines: Vec<_> = Lines::new(1, &answer).map(|line| String::from_utf8(line).unwrap()).collect();
        assert_eq!(lines, ["{\"id\":1,\"ok\":false,\"error\":{\"code\":\"unknown-member\",\"message\":\"no\"}}\n"]);
    }

    #[test]
    fn a_long_answer_is_split_and_each_line_but_the_last_says_more() {
        for (count, lines) in [(0, 1), (1, 1), (ROWS_PER_LINE, 1), (ROWS_PER_LINE + 1, 2), (3 * ROWS_PER_LINE, 3)] {
            let answer = counters(count);
            let read: Vec<AnswerLine> =
                Lines::new(9, &answer).map(|line| serde_json::from_slice(&line).unwrap()).collect();
            assert_eq!(read.len(), lines, "{count} rows");
            assert!(read.iter().rev().skip(1).all(|line| line.more) && !read[lines - 1].more, "{count} rows");
            assert!(read.iter().all(|line| line.id == 9 && line.ok && line.epoch == 42));
            let names: Vec<_> =
                read.iter().flat_map(|line| line.data.as_array().unwrap()).map(|row| &row["name"]).collect();
            assert_eq!(names.len(), count);
            assert!(names.iter().enumerate().all(|(n, name)| *name == &format!("c{n}")));
        }
    }
}
