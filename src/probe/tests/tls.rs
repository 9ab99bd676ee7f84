//! What a TLS probe speaks, what it shows and looks at, and how it words what a server wants.

use super::certificates::{CLIENT, NAME, SERVER, server};
use super::server::Says;
use super::*;
use crate::policy::intent::{Handshake, TlsProbe};
use openssl::dh::Dh;
use openssl::ssl::{SniError, SslContext, SslContextBuilder, SslVerifyMode, SslVersion};
use openssl::x509::store::X509StoreBuilder;
use std::sync::{Arc, Mutex};

fn ok(request: &[u8]) -> Says {
    Says::Bytes(sip_answer(request, "200 OK"))
}

fn with(tls: TlsProbe) -> Monitor {
    let mut monitor = sip(SipTransport::Tls);
    let MonitorKind::Sip(probe) = &mut monitor.kind else { panic!("not SIP") };
    *probe.tls = tls;
    monitor
}

fn probe(monitor: &Monitor, context: SslContext) -> Outcome {
    Bench::new().probe(monitor, &mut Server::new(5061, Some(context), ok)).0
}

fn only(context: &mut SslContextBuilder, version: SslVersion, suites: &str) {
    context.set_min_proto_version(Some(version)).unwrap();
    context.set_max_proto_version(Some(version)).unwrap();
    if version != SslVersion::TLS1_3 {
        context.set_cipher_list(&format!("{suites}:@SECLEVEL=0")).unwrap();
    }
}

/// The server wants a certificate, and takes the one of [`CLIENT`].
fn demands(context: &mut SslContextBuilder) {
    let mut store = X509StoreBuilder::new().unwrap();
    store.add_cert(CLIENT.certificate.clone()).unwrap();
    context.set_verify_cert_store(store.build()).unwrap();
    context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
}

#[test]
fn sip_over_tls_is_asked_in_every_version_and_suite_that_a_living_server_may_have() {
    let rows = [
        (SslVersion::TLS1_3, ""),
        (SslVersion::TLS1_2, "ECDHE-RSA-AES128-GCM-SHA256"),
        (SslVersion::TLS1_2, "AES256-SHA"),
        (SslVersion::TLS1_2, "DHE-RSA-AES256-SHA"),
        (SslVersion::TLS1_1, "ALL"),
        (SslVersion::TLS1_1, "AES128-SHA"),
        (SslVersion::TLS1, "ALL"),
        (SslVersion::TLS1, "AES256-SHA"),
    ];
    for (version, suites) in rows {
        let context = server(|context| {
            only(context, version, suites);
            context.set_tmp_dh(&Dh::get_1024_160().unwrap()).unwrap();
        });
        let (mut bench, mut member) = (Bench::new(), Server::new(5061, Some(context), ok));
        let (outcome, _) = bench.probe(&sip(SipTransport::Tls), &mut member);
        assert!(is_good(&outcome, "200 OK"), "{version:?} {suites}: {outcome:?}");
        assert_eq!((member.accepted, member.closed_cleanly), (1, 1));
        let clear = bench.sent.iter().any(|datagram| datagram.windows(7).any(|window| window == b"OPTIONS"));
        assert!(!clear, "nothing travels in the clear");
    }
    for curve in ["P-521", "P-256", "X25519"] {
        let outcome = probe(&sip(SipTransport::Tls), server(|context| context.set_groups_list(curve).unwrap()));
        assert!(is_good(&outcome, "200 OK"), "{curve}: {outcome:?}");
    }
}

#[test]
fn a_server_that_wants_a_client_certificate_is_named_and_served() {
    let shown = || TlsProbe { certificate: Some(CLIENT.pem()), key: Some(CLIENT.key_pem()), ..TlsProbe::default() };
    let stranger = TlsProbe { certificate: Some(SERVER.pem()), key: Some(SERVER.key_pem()), ..TlsProbe::default() };
    for (version, alert) in [
        (SslVersion::TLS1_3, "certificate required"),
        (SslVersion::TLS1_2, "handshake failure"),
        (SslVersion::TLS1, "handshake failure"),
    ] {
        let context = || {
            server(|context| {
                only(context, version, "ALL");
                demands(context);
            })
        };
        let reason =
            format!("TLS failed: the server wants a client certificate (alert: {alert}): set certificate and key");
        assert_eq!(probe(&sip(SipTransport::Tls), context()), failure(&reason), "{version:?}");
        let outcome = probe(&with(shown()), context());
        assert!(is_good(&outcome, "200 OK"), "{version:?}: {outcome:?}");
        let outcome = probe(&with(stranger.clone()), context());
        let refused =
            |reason: &str| reason.starts_with("TLS failed: the server refuses our client certificate (alert: ");
        assert!(matches!(&outcome, Outcome::Failed { reason } if refused(reason)), "{version:?}: {outcome:?}");
    }
}

#[test]
fn where_the_handshake_is_enough_a_server_that_speaks_tls_lives_whatever_it_wants_of_us() {
    let enough = || TlsProbe { handshake: Handshake::Enough, ..TlsProbe::default() };
    let (mut bench, mut member) = (Bench::new(), Server::new(5061, Some(server(|_| {})), |_: &[u8]| panic!("asked")));
    let (outcome, _) = bench.probe(&with(enough()), &mut member);
    assert!(is_good(&outcome, "TLS handshake finished"), "{outcome:?}");
    assert_eq!((member.accepted, member.closed_cleanly), (1, 1));
    let wants =
        "TLS is answered: the server wants a client certificate (alert: handshake failure): set certificate and key";
    let old = |context: &mut SslContextBuilder| {
        only(context, SslVersion::TLS1_2, "ALL");
        demands(context);
    };
    let outcome = probe(&with(enough()), server(old));
    assert!(is_good(&outcome, wants), "{outcome:?}");
    // In TLS 1.3 the handshake is finished before a server can refuse.
    let outcome = probe(&with(enough()), server(demands));
    assert!(is_good(&outcome, "TLS handshake finished"), "{outcome:?}");
    let anonymous = server(|context| only(context, SslVersion::TLS1_2, "aNULL"));
    assert!(matches!(probe(&with(enough()), anonymous), Outcome::Good { .. }));
    // What we refuse ourselves, and what is not TLS, stays a failure.
    let outcome = probe(&with(TlsProbe { verify: true, ca: Some(CLIENT.pem()), ..enough() }), server(|_| {}));
    assert_eq!(outcome, failure("TLS failed: the server's certificate is not accepted: self-signed certificate"));
    let outcome = Bench::new()
        .probe(
            &with(enough()),
            &mut Server::new(5061, None, |_: &[u8]| Says::Bytes(b"HTTP/1.0 400 Bad Request\r\n\r\n".to_vec())),
        )
        .0;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
}

#[test]
fn certificate_and_key_may_stand_in_one_file() {
    let mut both = CLIENT.pem();
    both.text.extend(CLIENT.key_pem().text);
    let monitor = with(TlsProbe { certificate: Some(both), ..TlsProbe::default() });
    let outcome = probe(&monitor, server(demands));
    assert!(is_good(&outcome, "200 OK"), "{outcome:?}");
}

#[test]
fn a_certificate_is_looked_at_only_where_the_file_says_so() {
    let unseen = TlsProbe::default();
    let trusted =
        TlsProbe { verify: true, ca: Some(SERVER.pem()), server_name: Some(NAME.into()), ..TlsProbe::default() };
    let stranger = TlsProbe { ca: Some(CLIENT.pem()), ..trusted.clone() };
    let misnamed = TlsProbe { server_name: Some("other.example".into()), ..trusted.clone() };
    let nameless = TlsProbe { server_name: None, ..trusted.clone() };
    let refused = "TLS failed: the server's certificate is not accepted: ";
    let rows = [
        (unseen, None),
        (trusted, None),
        (stranger, Some("self-signed certificate")),
        (misnamed, Some("hostname mismatch")),
        (nameless, Some("IP address mismatch")),
    ];
    for (tls, expected) in rows {
        let outcome = probe(&with(tls), server(|_| {}));
        match expected {
            None => assert!(is_good(&outcome, "200 OK"), "{outcome:?}"),
            Some(why) => assert_eq!(outcome, failure(&format!("{refused}{why}"))),
        }
    }
}

#[test]
fn the_server_name_is_sent_if_there_is_one() {
    let asked = |server_name: Option<&str>, host: Option<&str>| {
        let heard = Arc::new(Mutex::new(None));
        let hears = Arc::clone(&heard);
        let context = server(move |context| {
            context.set_servername_callback(move |ssl, _| {
                *hears.lock().unwrap() = ssl.servername(openssl::ssl::NameType::HOST_NAME).map(str::to_owned);
                Ok::<(), SniError>(())
            });
        });
        let mut monitor = with(TlsProbe { server_name: server_name.map(Into::into), ..TlsProbe::default() });
        let MonitorKind::Sip(sip) = &mut monitor.kind else { panic!("not SIP") };
        sip.host = host.map(Into::into);
        let outcome = probe(&monitor, context);
        assert!(is_good(&outcome, "200 OK"), "{outcome:?}");
        heard.lock().unwrap().clone()
    };
    assert_eq!(asked(None, None), None);
    assert_eq!(asked(None, Some("sip.example")).as_deref(), Some("sip.example"));
    assert_eq!(asked(None, Some("10.20.0.11")), None, "RFC 6066 3: an address is no name");
    assert_eq!(asked(Some("pbx.example"), Some("sip.example")).as_deref(), Some("pbx.example"));
}

#[test]
fn what_a_server_does_not_share_with_us_is_told_in_words() {
    let anonymous = server(|context| only(context, SslVersion::TLS1_2, "aNULL"));
    let outcome = probe(&sip(SipTransport::Tls), anonymous);
    let reason = "TLS failed: the server has no cipher suite, curve or signature in common with us, or wants a client \
                  certificate (alert: handshake failure)";
    assert_eq!(outcome, failure(reason));
    let unknown = server(|context| {
        context.set_servername_callback(|_, alert| {
            *alert = openssl::ssl::SslAlert::UNRECOGNIZED_NAME;
            Err(SniError::ALERT_FATAL)
        });
    });
    let outcome = probe(&with(TlsProbe { server_name: Some("x.example".into()), ..TlsProbe::default() }), unknown);
    assert_eq!(outcome, failure("TLS failed: the server does not know the name x.example (alert: unrecognized name)"));
}
