//! A line that a client has sent, read as a request.
//!
//! Owns what is refused before serde looks at it, and what the client is told of a line that is none.

use super::answer::{AdminError, Code};
use super::arguments::{NAME_MAX, shortened};
use super::request::Request;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A request line, parsed as far as it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Comes back with each line of the answer; 0 where the line does not say.
    pub id: u64,
    /// What is asked, or what is wrong with it.
    pub request: Result<Request, AdminError>,
}

impl Line {
    /// Reads one line, without its line feed. Never fails as a whole: the client learns what is wrong with it. `args` may
    /// be left out where every argument may.
    pub fn parse(bytes: &[u8]) -> Line {
        let mut object: Map<String, Value> = match serde_json::from_slice(bytes) {
            Ok(object) => object,
            Err(why) => return Line { id: 0, request: Err(not_an_object(&why)) },
        };
        let id = match object.remove("id") {
            None => 0,
            Some(id) => match id.as_u64() {
                Some(id) => id,
                None => return Line { id: 0, request: Err(bad_request(&format!("`id` is {id}, not a whole number"))) },
            },
        };
        let sound = names(object.entry("args").or_insert_with(|| Value::Object(Map::new())));
        let read = || Request::deserialize(Value::Object(object)).map_err(|why| why.to_string());
        Line { id, request: sound.and_then(|()| read()).map_err(|why| bad_request(&why)) }
    }
}

/// The texts among arguments, which are names mostly, are such as can be looked up.
fn names(args: &Value) -> Result<(), String> {
    match args {
        Value::String(name) if name.is_empty() => Err("a name is empty".into()),
        Value::String(name) if name.len() > NAME_MAX => {
            Err(format!("a name has {} bytes, at most {NAME_MAX} are allowed", name.len()))
        }
        // Of a file the line's own length is the limit; what a packet says has one of its own.
        Value::Object(fields) => {
            let is_name = |key: &str| key != "text" && key != "content";
            fields.iter().filter(|(key, _)| is_name(key)).try_for_each(|(_, value)| names(value))
        }
        _ => Ok(()),
    }
}

fn not_an_object(why: &serde_json::Error) -> AdminError {
    let (example, why) = (r#"{"id":1,"command":"status"}"#, shortened(&why.to_string()));
    AdminError::new(Code::BadJson, format!("not a JSON object on one line, such as {example}: {why}"))
}

fn bad_request(why: &str) -> AdminError {
    AdminError::new(Code::BadRequest, format!("bad request: {}", shortened(why)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::request::*;
    use crate::config::LogLevel;
    use crate::events::EventName;
    use ipnet::Ipv4Net;
    use std::net::Ipv4Addr;

    fn refused(line: &str) -> (u64, Code, String) {
        let Line { id, request } = Line::parse(line.as_bytes());
        let error = request.expect_err(line);
        (id, error.code, error.message)
    }

    #[test]
    fn a_request_is_written_as_it_is_read() {
        let end = |text: &str| text.parse().unwrap();
        let member = || "sip-a".to_owned();
        let net: Ipv4Net = "172.16.1.20/32".parse().unwrap();
        let filter = FlowSelection {
            client: Some(Ipv4Addr::new(172, 16, 5, 5)),
            member: Some(member()),
            virtual_server: Some("sip-1".into()),
        };
        let rows = [
            (r#"{"command":"status","args":{}}"#, Request::Status {}),
            (r#"{"command":"virtual-servers","args":{}}"#, Request::VirtualServers {}),
            (
                r#"{"command":"flows","args":{"filter":{"client":"172.16.5.5","member":"sip-a","virtual-server":"sip-1"},"limit":7}}"#,
                Request::Flows { filter: filter.clone(), limit: 7 },
            ),
            (
                r#"{"command":"flows-clear","args":{"filter":{"client":"172.16.5.5","member":"sip-a","virtual-server":"sip-1"}}}"#,
                Request::FlowsClear { filter },
            ),
            (
                r#"{"command":"explain","args":{"protocol":"tcp","src":"172.16.5.5:40000","dst":"10.20.0.100:5061","flags":["syn"],"from":"sip-a"}}"#,
                Request::Explain(PacketAsked {
                    flags: vec![TcpFlag::Syn],
                    from: Some(member()),
                    ..PacketAsked::between(Transport::Tcp, end("172.16.5.5:40000"), end("10.20.0.100:5061"))
                }),
            ),
            (r#"{"command":"counters","args":{"all":true}}"#, Request::Counters { all: true }),
            (r#"{"command":"announce","args":{}}"#, Request::Announce {}),
            (r#"{"command":"log-level","args":{}}"#, Request::LogLevel { level: None }),
            (r#"{"command":"log-level","args":{"level":"debug"}}"#, Request::LogLevel { level: Some(LogLevel::Debug) }),
            (
                r#"{"command":"member-set","args":{"member":"sip-a","admin":"draining"}}"#,
                Request::MemberSet { member: member(), admin: AdminState::Draining, yes: false, for_s: None },
            ),
            (
                r#"{"command":"member-set","args":{"member":"sip-a","admin":"draining","for_s":1800}}"#,
                Request::MemberSet { member: member(), admin: AdminState::Draining, yes: false, for_s: Some(1_800) },
            ),
            (r#"{"command":"drain-report","args":{"member":"sip-a"}}"#, Request::DrainReport { member: member() }),
            (
                r#"{"command":"member-set","args":{"member":"sip-a","admin":"offline","yes":true}}"#,
                Request::MemberSet { member: member(), admin: AdminState::Offline, yes: true, for_s: None },
            ),
            (
                r#"{"command":"pool-force","args":{"pool":"p","member":"sip-a"}}"#,
                Request::PoolForce { pool: "p".into(), member: member() },
            ),
            (
                r#"{"command":"exclude-add","args":{"pool":"p","prefix":"172.16.1.20/32"}}"#,
                Request::ExcludeAdd { pool: "p".into(), prefix: net },
            ),
        ];
        are_written_as_read(rows);
    }

    fn are_written_as_read<const N: usize>(rows: [(&str, Request); N]) {
        for (line, request) in rows {
            assert_eq!(serde_json::to_string(&request).unwrap(), line);
            assert_eq!(Line::parse(line.as_bytes()).request, Ok(request), "{line}");
        }
    }

    #[test]
    fn a_request_about_events_and_alarms_is_written_as_it_is_read() {
        are_written_as_read([
            (r#"{"command":"alarms","args":{}}"#, Request::Alarms {}),
            (
                r#"{"command":"alarm-acknowledge","args":{"id":17,"comment":"known"}}"#,
                Request::AlarmAcknowledge { id: 17, comment: Some("known".into()) },
            ),
            (
                r#"{"command":"events-follow","args":{"filter":{"event":["member.up"],"pool":"p"},"after":7}}"#,
                Request::EventsFollow {
                    filter: EventSelection { event: vec![EventName::MemberUp], pool: Some("p".into()) },
                    after: Some(7),
                },
            ),
        ]);
    }

    #[test]
    fn a_request_about_configurations_is_written_as_it_is_read() {
        are_written_as_read([
            (r#"{"command":"reload","args":{}}"#, Request::reload()),
            (
                r#"{"command":"reload","args":{"confirm_s":60}}"#,
                Request::Reload { confirm_s: Some(60), max_impact: None, yes: false },
            ),
            (
                r#"{"command":"reload","args":{"max_impact":0}}"#,
                Request::Reload { confirm_s: None, max_impact: Some(0), yes: false },
            ),
            (r#"{"command":"history","args":{}}"#, Request::History {}),
            (r#"{"command":"history-show","args":{"number":3}}"#, Request::HistoryShow { number: 3 }),
            (
                r#"{"command":"rollback","args":{"number":3,"confirm_s":60}}"#,
                Request::Rollback { number: 3, confirm_s: Some(60), max_impact: None, yes: false },
            ),
            (r#"{"command":"save-plan","args":{}}"#, Request::SavePlan {}),
            (r#"{"command":"confirm","args":{}}"#, Request::Confirm {}),
            (r#"{"command":"diff","args":{}}"#, Request::Diff { name: None, text: None }),
            (
                r#"{"command":"diff","args":{"name":"new.toml","text":"[appliance]\n"}}"#,
                Request::Diff { name: Some("new.toml".into()), text: Some(FileText("[appliance]\n".into())) },
            ),
        ]);
    }

    /// It may be longer than any name.
    #[test]
    fn what_a_packet_says_is_read_as_it_is_written() {
        let end = |text: &str| text.parse().unwrap();
        let packet = PacketAsked {
            content: Some(FileText("SIP/2.0 200 OK\r\n".repeat(100))),
            ..PacketAsked::between(Transport::Udp, end("172.16.5.5:5060"), end("10.20.0.100:5060"))
        };
        let line = serde_json::to_vec(&Request::Explain(packet.clone())).unwrap();
        assert_eq!(Line::parse(&line), Line { id: 0, request: Ok(Request::Explain(packet)) });
    }

    #[test]
    fn what_need_not_be_said_may_be_left_out() {
        let flows = Request::Flows { filter: FlowSelection::default(), limit: FLOWS_DEFAULT };
        let rows = [
            (r#"{"command":"members"}"#, Request::Members {}),
            (r#"{"id":1,"command":"flows"}"#, flows.clone()),
            (r#"{"command":"flows","args":{"filter":{}}}"#, flows),
            (r#"{"command":"latency"}"#, Request::Latency { reset: false }),
            (
                r#"{"args":{"prefix":"172.16.1.20","pool":"p"},"command":"exclude-remove"}"#,
                Request::ExcludeRemove { pool: "p".into(), prefix: "172.16.1.20/32".parse().unwrap() },
            ),
        ];
        for (line, request) in rows {
            assert_eq!(Line::parse(line.as_bytes()).request, Ok(request), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        let long = format!(r#"{{"command":"probe-now","args":{{"member":"{}"}}}}"#, "m".repeat(256));
        let rows = [
            ("", 0, Code::BadJson, "EOF"),
            ("nonsense", 0, Code::BadJson, "line 1 column"),
            ("[]", 0, Code::BadJson, "map"),
            (r#"{"id":9}"#, 9, Code::BadRequest, "missing field `command`"),
            (r#"{"id":-1,"command":"status"}"#, 0, Code::BadRequest, "-1"),
            (r#"{"id":9,"command":"status","args":[1]}"#, 9, Code::BadRequest, "expected"),
            (r#"{"id":9,"command":"status","arg":{}}"#, 9, Code::BadRequest, "expected \"command\" or \"args\""),
            (
                r#"{"id":9,"command":"stat\u001b[2J"}"#,
                9,
                Code::BadRequest,
                "`stat?[2J`, expected one of `status`, `members`",
            ),
            (r#"{"id":9,"command":"status","args":{"x":1}}"#, 9, Code::BadRequest, "unknown field `x`"),
            (r#"{"id":9,"command":"flows","args":{"x":1}}"#, 9, Code::BadRequest, "expected `filter` or `limit`"),
            (
                r#"{"id":9,"command":"flows","args":{"filter":{"service":"x"}}}"#,
                9,
                Code::BadRequest,
                "expected one of `client`, `member`, `virtual-server`",
            ),
            (r#"{"id":9,"command":"flows","args":{"limit":0}}"#, 9, Code::BadRequest, "from 1 to 100000"),
            (r#"{"id":9,"command":"flows","args":{"filter":{"client":"x"}}}"#, 9, Code::BadRequest, "IPv4"),
            (
                r#"{"id":9,"command":"member-set","args":{"member":"a","admin":"draining","for_s":0}}"#,
                9,
                Code::BadRequest,
                "`for_s` is 0: write a number from 1 to 2592000",
            ),
            (
                r#"{"id":9,"command":"events","args":{"filter":{"event":["member.gone"]}}}"#,
                9,
                Code::BadRequest,
                "unknown variant `member.gone`",
            ),
            (r#"{"id":9,"command":"pool-auto"}"#, 9, Code::BadRequest, "missing field `pool`"),
            (r#"{"id":9,"command":"pool-auto","args":{"pool":""}}"#, 9, Code::BadRequest, "a name is empty"),
            (
                r#"{"id":9,"command":"exclude-add","args":{"pool":"p","prefix":"10.1.0.0/8"}}"#,
                9,
                Code::BadRequest,
                "10.0.0.0/8",
            ),
            (r#"{"id":9,"command":"exclude-add","args":{"pool":"p","prefix":"ten"}}"#, 9, Code::BadRequest, "`ten`"),
            (&long, 0, Code::BadRequest, "256 bytes"),
        ];
        for (line, id, code, part) in rows {
            let (found_id, found_code, message) = refused(line);
            assert_eq!((found_id, found_code), (id, code), "{line}: {message}");
            assert!(message.contains(part), "{line}: {message}");
        }
    }
}
