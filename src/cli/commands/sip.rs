//! `fairlead sip`: requests and how they were answered, then what they were, then how clients stay reachable.

use super::kit::*;

const OFF: &str = "SIP statistics are off: write [sip] sample = 100 (one of so many transactions is read; 1: all) and run \
                   `fairlead reload`.";

const NOTE: &str = "Clients ask members at the virtual address; members ask as the virtual address. A retransmission is the same \
                    branch and method from the same sender; the time is from the first request of a transaction to its first \
                    response. SIP over TCP and TLS is not read.";

pub(super) fn show(data: Value, _: Wall) -> Shown {
    let report: SipReport = from_value(data)?;
    if report.sample == 0 {
        return Ok(paragraph(OFF));
    }
    let tables = match report.rows.is_empty() {
        true => "no SIP over UDP was seen\n".to_owned(),
        false => format!("{}\n{}", times(&report.rows), mix(&report.rows)),
    };
    let parts = [tables, refreshes(&report.refreshes), warnings(&report.warnings), paragraph(&note(&report))];
    Ok(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n"))
}

fn note(report: &SipReport) -> String {
    let read = match report.sample {
        1 => "All transactions are read".to_owned(),
        sample => format!("One of {} transactions is read", exact(sample.into())),
    };
    let lost = match report.not_counted {
        0 => String::new(),
        count => format!(" {} messages were read and not counted.", exact(count)),
    };
    format!("{read}, since {} UTC.{lost} {NOTE}", moment(report.since))
}

fn times(rows: &[SipRow]) -> String {
    grid(rows, |row| {
        let sum = |rows: &[SipCountRow]| rows.iter().map(|row| row.count).sum::<u64>();
        let Spread { count: timed, p50_ns, p99_ns, max_ns, .. } = row.first_response;
        let at = |title, ns| right(title, if timed == 0 { "-".to_owned() } else { nanos(ns) });
        [
            left("VIRTUAL SERVER", &row.virtual_server),
            left("MEMBER", or_dash(row.member.as_ref())),
            left("ASKED BY", row.asked_by),
            right("REQUESTS", count(sum(&row.requests))),
            right("RETRANS", count(row.repeated_requests.saturating_add(row.repeated_responses))),
            right("UNANSWERED", count(row.unanswered)),
            right("NOT TIMED", count(row.not_timed)),
            at("P50", p50_ns),
            at("P99", p99_ns),
            at("MAX", max_ns),
        ]
    })
}

fn mix(rows: &[SipRow]) -> String {
    grid(rows, |row| {
        [
            left("VIRTUAL SERVER", &row.virtual_server),
            left("MEMBER", or_dash(row.member.as_ref())),
            left("ASKED BY", row.asked_by),
            prose("REQUESTS", counts(&row.requests)),
            prose("RESPONSES", counts(&row.responses)),
        ]
    })
}

fn counts(rows: &[SipCountRow]) -> String {
    let all: Vec<String> = rows.iter().map(|row| format!("{}={}", row.name, count(row.count))).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}

fn refreshes(rows: &[SipRefreshRow]) -> String {
    grid(rows, |row| {
        let at = |title, of: u64, seconds: u64| {
            right(title, if of == 0 { "-".to_owned() } else { span(Duration::from_secs(seconds)) })
        };
        [
            left("VIRTUAL SERVER", &row.virtual_server),
            right("KEEP-ALIVES", count(row.keep_alives)),
            at("P50", row.keep_alives, row.keep_alive_p50_s),
            at("LONGEST", row.keep_alives, row.keep_alive_longest_s),
            right("REGISTRATIONS", count(row.registrations)),
            at("SHORTEST", row.registrations, row.registration_shortest_s),
            at("P50", row.registrations, row.registration_p50_s),
            at("LONGEST", row.registrations, row.registration_longest_s),
            right("UDP FLOWS", or_dash(row.udp_timeout_s.map(|seconds| span(Duration::from_secs(seconds))))),
        ]
    })
}

fn warnings(texts: &[String]) -> String {
    texts.iter().map(|text| paragraph(&format!("warning: {text}"))).collect()
}
