use super::*;

/// What is said of a member, which was up, once it is found down.
fn reason_of(manner: Manner) -> String {
    let mut bench = Bench::settled();
    bench.hosts[A].manner = manner;
    bench.run(6_000);
    let row = members(&mut bench).swap_remove(A);
    assert_eq!(row.state, MemberState::Down);
    row.reason
}

/// A server that bans who asks too often is silent while its host answers ARP; one that does not like OPTIONS answers.
#[test]
fn a_dead_host_a_silent_server_a_closed_port_and_a_refusal_read_differently() {
    let rows = [
        (Manner::Dead, "does not answer ARP"),
        (Manner::Mute, "sip-options: no answer in 160ms"),
        (Manner::Refuses, "sip-options: port 5060/udp is closed (ICMP port unreachable)"),
        (Manner::Answers(404), "sip-options: 404 Whatever is not among up_codes "),
        (Manner::Answers(501), "sip-options: 501 Whatever is not among up_codes "),
    ];
    let told: Vec<String> = rows.iter().map(|(manner, _)| reason_of(*manner)).collect();
    for (at, (_, expected)) in rows.iter().enumerate() {
        let alike: Vec<usize> = (0..told.len()).filter(|other| told[*other].contains(expected)).collect();
        assert_eq!(alike, [at], "{expected}: {told:?}");
    }
}
