//! Files of certificates and keys: what is read of them, what is refused, and what a difference shows.

use super::{GOOD, edited};
use crate::config::{difference, parse_for};
use crate::policy::intent::{Handshake, MonitorKind, PemFile, SipProbe, TlsProbe};

/// One of the files beside this one. Their keys protect nothing.
fn path(name: &str) -> String {
    format!("{}/src/config/tests/pem/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The same as the appliance reads it.
pub(super) fn pem(name: &str) -> PemFile {
    let path = path(name);
    let text = std::fs::read(&path).unwrap();
    PemFile { path, text }
}

/// The good file with a monitor over TLS that has these keys; names of files stand between angle brackets.
fn file(keys: &str) -> String {
    let keys = keys.replace('<', &path("")).replace('>', "");
    edited(&[("kind = \"sip\"", &format!("kind = \"sip\"\ntransport = \"tls\"\n{keys}"))])
}

fn tls(keys: &str) -> TlsProbe {
    let read = parse_for(64, "fairlead.toml", &file(keys)).unwrap_or_else(|errors| panic!("{errors}"));
    let asked = read.intent.monitors.iter().next().unwrap().kind.clone();
    let MonitorKind::Sip(SipProbe { tls, .. }) = asked else { panic!("not SIP") };
    *tls
}

#[test]
fn the_keys_about_tls_mean_what_they_say() {
    assert_eq!(tls(""), TlsProbe::default());
    let keys = "certificate = \"<probe.pem>\"\nkey = \"<probe-key.pem>\"\nverify = true\nca = \"<probe.pem>\"\n\
                server_name = \"sip.example\"";
    let expected = TlsProbe {
        certificate: Some(pem("probe.pem")),
        key: Some(pem("probe-key.pem")),
        verify: true,
        ca: Some(pem("probe.pem")),
        server_name: Some("sip.example".into()),
        handshake: Handshake::Full,
    };
    assert_eq!(tls(keys), expected);
    let both = TlsProbe { certificate: Some(pem("both.pem")), ..TlsProbe::default() };
    assert_eq!(tls("certificate = \"<both.pem>\""), both);
    assert_eq!(tls("handshake = \"enough\"").handshake, Handshake::Enough);
    assert!(!format!("{both:?}").contains("PRIVATE"), "a key is never shown");
}

#[test]
fn what_cannot_work_is_refused_with_a_remedy() {
    let rows = [
        ("certificate = \"probe.pem\"", "it is not a whole path"),
        ("certificate = \"<none.pem>\"", "No such file"),
        ("certificate = \"<../second_pair.toml>\"", "it holds no PEM text"),
        ("certificate = \"<probe.pem>\"", "probe.pem holds no private key without a passphrase that can be read"),
        ("certificate = \"<probe-key.pem>\"", "probe-key.pem holds no certificate that can be read"),
        (
            "certificate = \"<probe.pem>\"\nkey = \"<other-key.pem>\"",
            "other-key.pem does not belong to the certificate",
        ),
        ("certificate = \"<probe.pem>\"\nkey = \"<passphrase-key.pem>\"", "holds no private key without a passphrase"),
        ("key = \"<probe-key.pem>\"", "key without certificate"),
        ("ca = \"<probe.pem>\"", "ca without verify = true"),
        ("verify = true\nca = \"<probe-key.pem>\"", "probe-key.pem holds no certificate"),
        ("server_name = \"10.20.0.11\"", "is not a name"),
        ("server_name = \"sip example\"", "is not a name"),
        ("verify = \"yes\"", "verify"),
        ("handshake = \"half\"", "handshake"),
        (
            "handshake = \"enough\"\nstandby_codes = [\"503\"]",
            "the key standby_codes has no effect: with handshake = \"enough\"",
        ),
        ("handshake = \"enough\"\nup_codes = [\"200\"]\nfrom = \"sip:a@b\"", "the key from has no effect"),
    ];
    for (keys, expected) in rows {
        let errors = parse_for(64, "fairlead.toml", &file(keys)).err().unwrap_or_else(|| panic!("{keys}: accepted"));
        let shown = errors.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains(expected), "{keys}: {shown}");
        assert!(errors.errors.iter().all(|finding| !finding.remedy.is_empty()), "{keys}: {shown}");
    }
    let over_udp = file("verify = true").replace("transport = \"tls\"", "transport = \"udp\"");
    let shown = parse_for(64, "fairlead.toml", &over_udp).err().map(|errors| errors.to_string()).unwrap_or_default();
    assert!(shown.contains("the key verify does not apply to transport = \"udp\""), "{shown}");
}

/// The keys of the connection to the other appliance of a pair, in the good file.
fn with_peer(keys: &str) -> String {
    let keys = keys.replace('<', &path("")).replace('>', "");
    let floats = "addresses = [\"10.20.0.2/24\"]\nfloating = [\"10.20.0.1/24\"]";
    edited(&[("[cores]", &format!("[pair]\n{keys}\n[cores]")), ("addresses = [\"10.20.0.1/24\"]", floats)])
}

const PEER: &str = "peer = \"10.99.0.2:7601\"\ncertificate = \"<probe.pem>\"\nkey = \"<probe-key.pem>\"\n\
                    peer_certificate = \"<other.pem>\"";

#[test]
fn s145_the_keys_of_the_connection_to_the_other_appliance_mean_what_they_say() {
    let pair = |keys: &str| {
        let read = parse_for(64, "fairlead.toml", &with_peer(keys)).unwrap_or_else(|errors| panic!("{errors}"));
        read.intent.pair.unwrap()
    };
    let alone = pair("");
    assert!(alone.sockets().is_none() && alone.identity().is_none());
    let of = |listen: &str, peer: &str| Some((listen.parse().unwrap(), peer.parse().unwrap()));
    let known = pair(PEER);
    assert_eq!(known.sockets(), of("0.0.0.0:7601", "10.99.0.2:7601"));
    assert_eq!(known.identity().unwrap(), [&pem("probe.pem"), &pem("probe-key.pem"), &pem("other.pem")]);
    assert!(!format!("{known:?}").contains("PRIVATE"), "a key is never shown");
    let listens = pair(&format!("{PEER}\nlisten = \"10.99.0.1:7602\""));
    assert_eq!(listens.sockets(), of("10.99.0.1:7602", "10.99.0.2:7601"));
    let six = pair(&PEER.replace("10.99.0.2", "[2001:db8::2]"));
    assert_eq!(six.sockets(), of("[::]:7601", "[2001:db8::2]:7601"));
}

#[test]
fn s145_a_connection_to_the_other_appliance_that_cannot_be_is_refused_with_a_remedy() {
    let cut = |key: &str| PEER.lines().filter(|line| !line.starts_with(key)).collect::<Vec<_>>().join("\n");
    let rows = [
        (cut("certificate"), "peer without certificate: nothing can be told"),
        (cut("peer = "), "certificate without peer: nothing can be told"),
        ("listen = \"10.99.0.1:7601\"".into(), "listen without peer: nobody is let in"),
        (PEER.replace("10.99.0.2", "0.0.0.0"), "peer = \"0.0.0.0:7601\" is nowhere"),
        (PEER.replace("10.99.0.2", "10.20.0.2"), "10.20.0.2 is fixed to this appliance"),
        (PEER.replace("10.99.0.2", "10.20.0.1"), "10.20.0.1 is floating: whoever is active has it"),
        (PEER.replace("10.99.0.2", "10.20.0.100"), "10.20.0.100 is that of a virtual server"),
        (PEER.replace(":7601", ":0"), "0 is not a port"),
        (PEER.replace("<probe-key.pem>", "<other-key.pem>"), "other-key.pem does not belong to the certificate"),
        (PEER.replace("<probe-key.pem>", "<probe.pem>"), "probe.pem holds no private key without a passphrase"),
        (PEER.replace("<other.pem>", "<other-key.pem>"), "other-key.pem holds no certificate that can be read"),
        (PEER.replace("<other.pem>", "<probe.pem>"), "holds this appliance's own certificate"),
        (PEER.replace("<other.pem>", "<none.pem>"), "No such file"),
    ];
    for (keys, expected) in rows {
        let errors =
            parse_for(64, "fairlead.toml", &with_peer(&keys)).err().unwrap_or_else(|| panic!("{keys}: accepted"));
        let shown = errors.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(errors.errors.len() == 1 && shown.contains(expected), "{keys}: {shown}");
        assert!(!errors.errors[0].remedy.is_empty(), "{keys}: {shown}");
    }
}

/// Where the two are may change while they run; whether there is a connection at all, and as whom, may not: ports of SNAT addresses are
/// given away in an order that follows from both certificates.
#[test]
fn s145_a_reload_may_move_the_connection_and_not_make_it() {
    let read =
        |keys: &str| parse_for(64, "fairlead.toml", &with_peer(keys)).unwrap_or_else(|errors| panic!("{errors}"));
    let live = |before: &str, after: &str| {
        let changes = difference(&read(before), &read(after));
        assert!(!changes.is_empty());
        changes.iter().all(|change| change.live)
    };
    assert!(live(PEER, &PEER.replace("7601", "7602")));
    assert!(live(PEER, &format!("{PEER}\nlisten = \"10.99.0.1:7601\"")));
    assert!(!live("", PEER) && !live(PEER, ""));
    assert!(!live(PEER, &PEER.replace("<probe.pem>", "<both.pem>").replace("<probe-key.pem>", "<both.pem>")));
    let alone = parse_for(64, "fairlead.toml", GOOD).unwrap();
    for (keys, is_live) in [("", true), (PEER, false)] {
        let [there, back] = [(&alone, &read(keys)), (&read(keys), &alone)].map(|(one, other)| difference(one, other));
        for changes in [there, back] {
            let pair: Vec<_> = changes.iter().filter(|change| change.what == "section").collect();
            assert_eq!(pair.iter().map(|change| change.live).collect::<Vec<_>>(), [is_live]);
        }
    }
}

#[test]
fn one_mistake_is_one_error() {
    let keys = "handshake = \"enough\"\nup_codes = [\"200\"]";
    for (transport, expected) in [("tls", "up_codes has no effect"), ("udp", "the key handshake does not apply")] {
        let text = file(keys).replace("transport = \"tls\"", &format!("transport = \"{transport}\""));
        let errors = parse_for(64, "fairlead.toml", &text).unwrap_err();
        assert!(errors.errors.len() == 1 && errors.to_string().contains(expected), "{errors}");
    }
}

#[test]
fn another_certificate_at_the_same_place_is_a_difference() {
    let before = parse_for(64, "fairlead.toml", &file("certificate = \"<both.pem>\"")).unwrap();
    let mut after = parse_for(64, "fairlead.toml", &file("certificate = \"<both.pem>\"")).unwrap();
    assert_eq!(difference(&before, &after), []);
    let MonitorKind::Sip(probe) = &mut after.intent.monitors[0].kind else { panic!("not SIP") };
    probe.tls.certificate.as_mut().unwrap().text.push(b'\n');
    let changes = difference(&before, &after);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(changes[0].live && changes[0].to_string().contains("certificate /"), "{}", changes[0]);
    let plain = parse_for(64, "fairlead.toml", GOOD).unwrap();
    assert!(difference(&plain, &before).iter().all(|change| change.live));
}
