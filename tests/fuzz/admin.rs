//! Whatever a client sends as a line, it is parsed or refused, never a crash; and a refusal is one line.

use fairlead::admin::line::{AnswerLine, error_line};
use fairlead::admin::request::{DRAIN_MAX, FLOWS_MAX, NAME_MAX};
use fairlead::admin::request_line::Line;
use fairlead::admin::{Code, Request};

fn holds(bytes: &[u8]) {
    let Line { id, request } = Line::parse(bytes);
    match request {
        Ok(request) => within_bounds(&request),
        Err(error) => {
            let line = error_line(id, &error);
            assert!(line.ends_with(b"\n") && !line[..line.len() - 1].contains(&b'\n'), "one line");
            let read: AnswerLine = serde_json::from_slice(&line).expect("a client can read it");
            assert_eq!((read.id, read.ok, read.error.as_ref()), (id, false, Some(&error)));
            assert!(error.message.len() < 4096, "an answer of bounded size: {}", error.message.len());
            assert!(!error.message.chars().any(char::is_control), "nothing a terminal would obey: {:?}", error.message);
        }
    }
}

fn within_bounds(request: &Request) {
    let short = |name: &str| assert!(!name.is_empty() && name.len() <= NAME_MAX);
    match request {
        Request::Flows { limit, filter } => {
            assert!((1..=FLOWS_MAX).contains(limit));
            filter.member.as_deref().into_iter().chain(filter.virtual_server.as_deref()).for_each(short);
        }
        Request::MemberSet { member, for_s, .. } => {
            short(member);
            assert!(for_s.is_none_or(|seconds| (1..=DRAIN_MAX).contains(&seconds)));
        }
        Request::ProbeNow { member } | Request::DrainReport { member } => short(member),
        Request::PoolForce { pool, member } => {
            short(pool);
            short(member);
        }
        Request::ExcludeAdd { prefix, .. } | Request::ExcludeRemove { prefix, .. } => {
            assert_eq!(*prefix, prefix.trunc(), "no host bits");
        }
        _ => {}
    }
}

#[test]
fn any_bytes() {
    bolero::check!().with_iterations(20_000).for_each(holds);
}

#[test]
fn near_requests() {
    let commands =
        ["status", "flows", "flows-clear", "counters", "member-set", "pool-force", "exclude-add", "probe-now"];
    let keys = ["filter", "member", "admin", "limit", "pool", "prefix", "all", "x"];
    let values = [
        "\"sip-a\"",
        "\"\"",
        "{\"client\":\"10.0.0.1\",\"virtual-server\":\"\"}",
        "0",
        "1",
        "-1",
        "1e99",
        "true",
        "null",
        "[]",
        "{}",
        "\"10.0.0.0/8\"",
        "\"10.1.1.1/8\"",
    ];
    bolero::check!().with_type::<(u8, [(u8, u8); 3], u8, Vec<u8>)>().with_iterations(20_000).for_each(
        |(command, pairs, count, tail)| {
            let command = commands[*command as usize % commands.len()];
            let args: Vec<String> = pairs[..*count as usize % 4]
                .iter()
                .map(|(key, value)| {
                    format!("\"{}\":{}", keys[*key as usize % keys.len()], values[*value as usize % values.len()])
                })
                .collect();
            let mut line =
                format!("{{\"id\":3,\"command\":\"{command}\",\"args\":{{{}}}}}", args.join(",")).into_bytes();
            holds(&line);
            line.extend(tail);
            holds(&line);
        },
    );
}

#[test]
fn what_was_found_once() {
    let rows: [(&[u8], Code); 3] = [
        (b"{\"command\":\"\\u0000\\u001b[31m\"}", Code::BadRequest),
        (b"{\"command\":\"status\",\"\\u001b\":1}", Code::BadRequest),
        (b"{\"command\":\"flows\",\"args\":{\"filter\":{\"client\":\"\\n\"}}}", Code::BadRequest),
    ];
    for (line, code) in rows {
        holds(line);
        assert_eq!(Line::parse(line).request.map_err(|error| error.code), Err(code));
    }
}

#[test]
fn of_a_key_said_twice_the_last_counts() {
    let line = Line::parse(b"{\"command\":\"reload\",\"command\":\"status\"}");
    assert_eq!(line.request, Ok(Request::Status {}));
}
