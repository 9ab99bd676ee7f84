//! The metrics about SIP that passes service ports.
//!
//! Owns their names and labels. What was not seen has no sample, so that members and methods that nobody uses cost nothing.

use super::page::Page;
use crate::admin::rows::{SipRefreshRow, SipReport, SipRow};

/// The statistics of SIP, if there are any.
pub(super) fn report(page: &mut Page, report: &SipReport) {
    page.gauge("sip_sample", "One of so many SIP transactions is counted; 0: none.", &[], report.sample.into());
    if report.sample > 0 {
        let help = "SIP messages that were read and not counted, as there were too many rows at once.";
        page.total("sip_not_counted_messages", help, &[], report.not_counted);
    }
    report.rows.iter().for_each(|row| counted(page, row));
    report.refreshes.iter().for_each(|row| refresh(page, row));
}

fn counted(page: &mut Page, row: &SipRow) {
    let asked_by = row.asked_by.to_string();
    let member = row.member.as_deref().unwrap_or_default();
    let of = [("virtual_server", row.virtual_server.as_str()), ("member", member), ("asked_by", asked_by.as_str())];
    let with = |more: &[(&'static str, &str)]| -> Vec<(&str, String)> {
        of.iter().chain(more).map(|(name, text)| (*name, (*text).to_owned())).collect()
    };
    let mut total = |name: &str, help: &str, more: &[(&'static str, &str)], value: u64| {
        let labels = with(more);
        let labels: Vec<(&str, &str)> = labels.iter().map(|(name, text)| (*name, text.as_str())).collect();
        page.total(name, help, &labels, value);
    };
    for requests in &row.requests {
        let help = "SIP requests that were counted, repetitions among them.";
        total("sip_requests", help, &[("method", &requests.name)], requests.count);
    }
    for responses in &row.responses {
        let (class, code) = (class_of(&responses.name), code_of(&responses.name));
        let help =
            "SIP responses that were counted, repetitions among them; code other: one that has no counter of its own.";
        total("sip_responses", help, &[("class", &class), ("code", code)], responses.count);
    }
    let help = "SIP messages that their sender had sent before.";
    total("sip_retransmissions", help, &[("of", "requests")], row.repeated_requests);
    total("sip_retransmissions", help, &[("of", "responses")], row.repeated_responses);
    total("sip_unanswered_requests", "SIP requests without an answer within 32 s.", &[], row.unanswered);
    total("sip_untimed_requests", "SIP requests whose first answer was not timed.", &[], row.not_timed);
    let help = "From the first request of a SIP transaction to its first response.";
    page.histogram("sip_first_response", help, &of, &row.first_response);
}

/// `4xx` of `404`, and of itself.
fn class_of(name: &str) -> String {
    name.chars().take(1).chain("xx".chars()).collect()
}

fn code_of(name: &str) -> &str {
    if name.ends_with("xx") { "other" } else { name }
}

fn refresh(page: &mut Page, row: &SipRefreshRow) {
    let labels = [("virtual_server", row.virtual_server.as_str())];
    if row.keep_alives > 0 {
        let help = "Half of the keep-alives of SIP clients came no longer after the one before.";
        page.gauge("sip_keep_alive_median_seconds", help, &labels, row.keep_alive_p50_s as f64);
        let help = "The longest time between two keep-alives of a SIP client, up to an hour.";
        page.gauge("sip_keep_alive_max_seconds", help, &labels, row.keep_alive_longest_s as f64);
    }
    if row.registrations > 0 {
        let help = "Half of the SIP registrations last no longer.";
        page.gauge("sip_registration_median_seconds", help, &labels, row.registration_p50_s as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::rows::{Bucket, SipCountRow, SipSide, Spread};

    fn counts(rows: &[(&str, u64)]) -> Vec<SipCountRow> {
        rows.iter().map(|(name, count)| SipCountRow { name: (*name).to_owned(), count: *count }).collect()
    }

    #[test]
    fn each_row_has_its_labels_and_a_status_its_class() {
        let first_response = Spread {
            count: 2,
            sum_ns: 3_000_000,
            buckets: vec![Bucket { up_to_ns: 2_000_000, count: 1 }],
            ..Spread::default()
        };
        let row = SipRow {
            virtual_server: "sip-1".into(),
            member: Some("sip-a".into()),
            asked_by: SipSide::Clients,
            requests: counts(&[("INVITE", 3)]),
            responses: counts(&[("404", 1), ("4xx", 2)]),
            repeated_requests: 1,
            repeated_responses: 0,
            unanswered: 4,
            not_timed: 5,
            first_response,
        };
        let refreshes = SipRefreshRow {
            virtual_server: "sip-1".into(),
            udp_timeout_s: Some(300),
            keep_alives: 7,
            keep_alive_p50_s: 30,
            keep_alive_longest_s: 61,
            registrations: 0,
            registration_p50_s: 0,
            registration_shortest_s: 0,
            registration_longest_s: 0,
        };
        let all = SipReport { sample: 10, rows: vec![row], refreshes: vec![refreshes], ..SipReport::default() };
        let mut page = Page::default();
        report(&mut page, &all);
        let text = page.text();
        let of = "virtual_server=\"sip-1\",member=\"sip-a\",asked_by=\"clients\"";
        for line in [
            "fairlead_sip_sample 10\n".to_owned(),
            format!("fairlead_sip_requests_total{{{of},method=\"INVITE\"}} 3\n"),
            format!("fairlead_sip_responses_total{{{of},class=\"4xx\",code=\"404\"}} 1\n"),
            format!("fairlead_sip_responses_total{{{of},class=\"4xx\",code=\"other\"}} 2\n"),
            format!("fairlead_sip_retransmissions_total{{{of},of=\"requests\"}} 1\n"),
            format!("fairlead_sip_unanswered_requests_total{{{of}}} 4\n"),
            format!("fairlead_sip_untimed_requests_total{{{of}}} 5\n"),
            format!("fairlead_sip_first_response_seconds_bucket{{{of},le=\"0.002\"}} 1\n"),
            format!("fairlead_sip_first_response_seconds_count{{{of}}} 2\n"),
            "fairlead_sip_keep_alive_median_seconds{virtual_server=\"sip-1\"} 30\n".to_owned(),
            "fairlead_sip_keep_alive_max_seconds{virtual_server=\"sip-1\"} 61\n".to_owned(),
        ] {
            assert!(text.contains(&format!("\n{line}")), "{line}\n{text}");
        }
        assert!(!text.contains("registration"), "none was seen");
    }

    #[test]
    fn while_nothing_is_counted_there_is_nothing_but_that() {
        let mut page = Page::default();
        report(&mut page, &SipReport::default());
        let lines: Vec<_> = page.text().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        assert_eq!(lines, ["fairlead_sip_sample 0"]);
    }
}
