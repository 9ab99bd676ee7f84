use super::*;
use crate::wire::Mac;
use PairRole::{Active, Standby};

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

fn meant() -> Pair {
    let settle = Duration::from_secs(3);
    let instance = Some("VI_1".into());
    Pair {
        keepalived: None,
        keepalived_config: "keepalived.conf".into(),
        instance,
        role: Standby,
        priority: 100,
        virtual_mac: false,
        settle,
        peer: None,
        listen: None,
        certificate: None,
        key: None,
        peer_certificate: None,
    }
}

fn peer(role: PairRole, priority: u16) -> PairNews {
    peer_by_word(role, priority, 0)
}

/// It is what it is by an operator's word, the one of this number.
fn peer_by_word(role: PairRole, priority: u16, order: u64) -> PairNews {
    let (address, macs) = (Ipv4Addr::new(192, 0, 2, 3), vec![Mac([2, 0, 0, 0, 0, 9])]);
    PairNews::Word(PairWord::State(PeerState { role, priority, address, macs, order }))
}

/// Priority and address of this one: equal priorities leave the role to the peer, whose address is the higher.
const OWN: (u16, Ipv4Addr) = (100, Ipv4Addr::new(192, 0, 2, 2));

#[test]
fn the_last_word_counts_and_one_that_says_nothing_new_changes_nothing() {
    let (pair, mut pairing) = (meant(), Pairing::new(&meant(), at(0)));
    assert_eq!(pairing.standing(), Standing { role: Standby, cause: RoleCause::File, since: at(0) });
    let line = |text: &str| PairNews::Keepalived(text.into());
    let steps = [
        (line("INSTANCE \"VI_1\" BACKUP 100"), None),
        (line("INSTANCE \"VI_1\" MASTER 100"), Some((Active, RoleCause::Keepalived))),
        (PairNews::Kernel(true), None),
        (PairNews::Operator(Active), None),
        (PairNews::Operator(Standby), Some((Standby, RoleCause::Operator))),
        (PairNews::Kernel(true), None),
        (PairNews::Kernel(false), None),
        (PairNews::Kernel(true), Some((Active, RoleCause::Kernel))),
        (PairNews::KeepalivedGone, Some((Standby, RoleCause::Keepalived))),
    ];
    for (number, (news, said)) in (1..).zip(steps) {
        let expected = said.map(|(role, cause)| Standing { role, cause, since: at(number) });
        assert_eq!(pairing.hear(news, &pair, at(number)), expected, "step {number}");
    }
    assert_eq!(pairing.unknown_lines, 0);
    assert_eq!(pairing.hear(line("MASTER"), &pair, at(20)), None);
    assert_eq!(pairing.unknown_lines, 1);
}

#[test]
fn what_the_peer_says_is_kept_until_it_is_lost() {
    let (pair, mut pairing) = (meant(), Pairing::new(&meant(), at(0)));
    assert_eq!((pairing.peer(), pairing.sync(), pairing.behind()), (None, None, None));
    let sync = SyncState { is_in_sync: false, lag_flows: 3, lag: Duration::from_millis(7) };
    for news in [peer(Active, 90), PairNews::Sync(sync)] {
        assert_eq!(pairing.hear(news, &pair, at(5)), None);
    }
    assert_eq!((pairing.peer().map(|it| (it.0.priority, it.1)), pairing.sync()), (Some((90, at(5))), Some(sync)));
    assert!(pairing.behind().is_some_and(|why| why.contains("3 changes")));
    let slow = SyncState { is_in_sync: false, lag_flows: 0, lag: Duration::from_millis(3_600) };
    pairing.hear(PairNews::Sync(slow), &pair, at(5));
    assert!(pairing.behind().is_some_and(|why| why.starts_with("it is 3.6 s behind the active one")));
    assert_eq!(pairing.hear(PairNews::PeerLost, &pair, at(6)), None);
    assert_eq!((pairing.peer(), pairing.sync(), pairing.behind()), (None, None, None));
}

#[test]
fn who_has_become_active_settles_and_who_was_alone_does_not() {
    let (pair, mut pairing) = (meant(), Pairing::new(&meant(), at(0)));
    assert_eq!(pairing.health(&pair, at(0)), PairHealth::STANDBY);
    pairing.hear(PairNews::Operator(Active), &pair, at(1_000));
    let settling = PairHealth { is_standby: false, is_settling: true };
    assert_eq!((pairing.health(&pair, at(3_999)), pairing.health(&pair, at(4_000))), (settling, PairHealth::default()));
    assert_eq!(Pairing::after_alone(at(0)).health(&pair, at(0)), PairHealth::default());
}

/// Of two that are active for a second, the one that the other goes before yields, and takes the role again when that one has left it.
#[test]
fn of_two_that_are_active_the_lower_priority_yields() {
    let pair = meant();
    for (priority, yields) in [(101, true), (100, true), (99, false)] {
        let mut pairing = Pairing::new(&pair, at(0));
        pairing.hear(PairNews::Kernel(true), &pair, at(0));
        assert_eq!(pairing.hear(peer(Active, priority), &pair, at(10)), None);
        assert_eq!((pairing.poll(OWN, at(1_009)), pairing.next_deadline(at(1_009))), (None, Some(at(1_010))));
        let standing = Standing { role: Standby, cause: RoleCause::Split, since: at(1_010) };
        assert_eq!(pairing.poll(OWN, at(1_010)), Some(standing).filter(|_| yields), "{priority}");
        assert_eq!(pairing.split_since().is_some(), !yields);
        let again = Standing { role: Active, cause: RoleCause::Kernel, since: at(2_000) };
        assert_eq!(pairing.hear(peer(Standby, priority), &pair, at(2_000)), Some(again).filter(|_| yields));
        assert_eq!(pairing.split_since(), None);
    }
}

/// Whoever an operator has made active last stays, whatever the priorities: the other one yields at once, and the word has its end with
/// the role.
#[test]
fn an_operator_s_later_word_goes_before_priority() {
    let pair = meant();
    let mut pairing = Pairing::new(&pair, at(0));
    pairing.hear(peer(Active, 200), &pair, at(0));
    pairing.hear(PairNews::Operator(Active), &pair, at(10));
    assert_eq!((pairing.order(), pairing.poll(OWN, at(1_500))), (1, None), "the other one is to yield");
    let yielded = Standing { role: Standby, cause: RoleCause::Split, since: at(1_600) };
    assert_eq!(pairing.hear(peer_by_word(Active, 50, 2), &pair, at(1_600)), Some(yielded), "a later word there");
    // Here again, though the other one has the higher priority.
    assert!(pairing.hear(PairNews::Operator(Active), &pair, at(2_000)).is_some());
    assert_eq!(pairing.order(), 3);
    assert_eq!(pairing.hear(peer_by_word(Active, 200, 2), &pair, at(2_010)), None);
    assert_eq!(pairing.poll(OWN, at(5_000)), None);
    // Of two words of the same number nobody knows which is later.
    pairing.hear(peer_by_word(Active, 200, 3), &pair, at(5_100));
    assert_eq!(pairing.poll(OWN, at(6_200)).map(|it| it.role), Some(Standby));
    // Who is not heard any more may have heard another word since: priorities count, which both know.
    pairing.hear(PairNews::Operator(Active), &pair, at(7_000));
    pairing.hear(PairNews::PeerLost, &pair, at(7_010));
    pairing.on_claim(at(7_020));
    pairing.on_claim(at(9_000));
    assert_eq!(pairing.poll(OWN, at(9_000)).map(|it| it.role), Some(Standby));
    for news in [PairNews::Operator(Standby), PairNews::Kernel(false)] {
        pairing.hear(PairNews::Operator(Active), &pair, at(10_000));
        assert!(pairing.order() > 0);
        pairing.hear(news, &pair, at(10_001));
        pairing.hear(PairNews::Kernel(true), &pair, at(10_002));
        assert_eq!(pairing.order(), 0, "keepalived's word has no number");
    }
}

/// ARP alone counts if the priority of the other one is known, and only while that does not say that it stands by.
#[test]
fn a_claim_by_arp_counts_when_it_lasts_and_the_peer_does_not_deny_it() {
    let (pair, mut pairing) = (meant(), Pairing::new(&meant(), at(0)));
    pairing.on_claim(at(0));
    assert_eq!(pairing.split_since(), None, "a standby disputes nothing");
    pairing.hear(PairNews::Operator(Active), &pair, at(0));
    let claim_twice = |pairing: &mut Pairing, from: u64| {
        pairing.on_claim(at(from));
        assert_eq!(pairing.poll(OWN, at(from + 1_500)), None, "one claim may be the last one of a take-over");
        pairing.on_claim(at(from + 2_000));
        pairing.poll(OWN, at(from + 2_000))
    };
    assert_eq!(claim_twice(&mut pairing, 100), None, "nobody knows who goes first");
    assert_eq!(pairing.poll(OWN, at(7_100)), None);
    assert_eq!(pairing.split_since(), None, "nothing was heard for five seconds");
    pairing.hear(peer(Standby, 200), &pair, at(8_000));
    assert_eq!(claim_twice(&mut pairing, 9_000), None, "it is somebody else");
    pairing.hear(PairNews::PeerLost, &pair, at(20_000));
    pairing.poll(OWN, at(20_000));
    let yielded = claim_twice(&mut pairing, 21_000).expect("the other one goes first");
    assert_eq!((yielded.role, yielded.cause, pairing.next_deadline(at(23_000))), (Standby, RoleCause::Split, None));
    let said = pairing.hear(PairNews::Operator(Active), &pair, at(30_000)).map(|it| it.role);
    assert_eq!(said, Some(Active), "a new word counts");
}
