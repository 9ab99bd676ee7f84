//! The forms of a single value.

use crate::config::duration_text;
use crate::config::value::{address, codes, codes_text, duration, listen, listen_text, network, self_address, window};
use std::net::Ipv4Addr;
use std::time::Duration;

#[test]
fn durations_read_back_as_written() {
    for text in ["500ms", "5m", "2h4m", "60s", "1h", "1s500ms", "90s", "0s", "24h"] {
        let span = duration(text).unwrap();
        assert_eq!(duration(&duration_text(span)), Ok(span), "{text}");
    }
    assert_eq!(duration("2h4m"), Ok(Duration::from_secs(7440)));
    assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
    assert_eq!(duration_text(Duration::from_secs(7440)), "2h4m");
    assert_eq!(duration_text(Duration::from_millis(200)), "200ms");
    assert_eq!(duration_text(Duration::from_secs(240)), "4m");
}

#[test]
fn durations_without_a_unit_or_with_nonsense_are_refused() {
    for text in ["", "5", "m", "5 minutes", "1.5s", "-1s", "5m!", "99999999999999999999h", "18446744073709551615h"] {
        assert!(duration(text).is_err(), "{text}");
    }
    assert_eq!(duration("5").unwrap_err().remedy, "write \"5ms\", \"5s\", \"5m\" or \"5h\"");
}

#[test]
fn addresses_say_what_is_wrong() {
    assert_eq!(address("10.20.0.11"), Ok(Ipv4Addr::new(10, 20, 0, 11)));
    assert_eq!(address("2001:db8::1").unwrap_err().why, "IPv6 is not supported yet");
    assert_eq!(address("10.20.0.11/24").unwrap_err().remedy, "write \"10.20.0.11\"");
    for text in ["", "sip-a", "10.20.0", "10.20.0.256", "127.0.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.0"] {
        assert!(address(text).is_err(), "{text}");
    }
    for text in ["10.20.0.0/24", "10.20.0.255/24", "10.20.0.1", "10.20.0.1/0", "10.20.0.1/32", "10.20.0.1/33"] {
        assert!(self_address(text).is_err(), "{text}");
    }
    assert_eq!(self_address("10.20.0.0/31").unwrap().prefix_len(), 31);
    assert_eq!(network("172.16.1.20").unwrap().to_string(), "172.16.1.20/32");
    assert!(network("172.16.1.20/24").unwrap_err().remedy.contains("172.16.1.0/24"));
}

#[test]
fn codes_and_service_ports_read_back() {
    for text in ["1xx", "404", "200-204", "any", "6xx"] {
        assert_eq!(codes_text(codes(text).unwrap()), text);
    }
    for text in ["", "xx", "7xx", "99", "700", "299-200", "2x", "é"] {
        assert!(codes(text).is_err(), "{text}");
    }
    assert_eq!(listen_text(listen("udp/5060").unwrap()), "udp/5060");
    for text in ["5060", "udp/0", "udp/70000", "tls/5061", "sctp/5060", "udp"] {
        assert!(listen(text).is_err(), "{text}");
    }
    assert_eq!(listen("5060").unwrap_err().remedy, "write \"udp/5060\" or \"tcp/5060\"");
}

#[test]
fn parts_of_the_day_read_back_and_anything_else_is_refused() {
    for text in ["02:00-04:00", "23:30-00:15", "00:00-23:59"] {
        assert_eq!(window(text).unwrap().to_string(), text);
    }
    let wrong =
        ["", "2:00-4:00", "02:00", "02:00-24:00", "02:60-04:00", "02:00-04:00-05:00", "+2:00-04:00", "0200-0400"];
    for text in wrong {
        assert_eq!(window(text).unwrap_err().why, "it is not a part of the day", "{text}");
    }
    assert_eq!(window("02:00-02:00").unwrap_err().why, "it ends as it begins");
}
