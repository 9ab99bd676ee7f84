//! What a monitor is told about TLS.

use crate::config::document::Document;
use crate::config::reader::{At, Section};
use crate::config::report::Report;
use crate::config::schema::{Monitor, Probe};
use crate::policy::intent::{PemFile, SipTransport};
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use std::net::Ipv4Addr;

const KEYS: [&str; 6] = ["certificate", "key", "verify", "ca", "server_name", "handshake"];

/// Reports keys about TLS that have no effect, and files that do not hold what they are named for.
pub(super) fn check(document: &Document, report: &mut Report) {
    for monitor in &document.monitors {
        without_tls(monitor, report);
        certificate(monitor, report);
        authority(monitor, report);
        server_name(monitor, report);
    }
}

fn without_tls(monitor: &Monitor, report: &mut Report) {
    let Some(transport) = &monitor.transport else { return };
    let asks_sip = monitor.kind.as_deref() == Some(&Probe::Sip);
    if !asks_sip || transport.value == SipTransport::Tls {
        return;
    }
    for key in KEYS {
        let Some(span) = monitor.head.written(key) else { continue };
        let note = monitor
            .error(report, key, span, format!("the key {key} does not apply to transport = \"{transport}\""))
            .instead(format!("{key} with transport = \"tls\""), "remove the key, or write transport = \"tls\"");
        if transport.written {
            note.see(&transport.span, "the transport");
        }
    }
}

fn certificate(monitor: &Monitor, report: &mut Report) {
    let Some(file) = &monitor.certificate else {
        if let Some(key) = &monitor.key {
            let note = monitor.error(report, "key", &key.span, "key without certificate: there is nothing to show");
            note.instead("certificate and key, or neither", "name the certificate\'s file as well");
        }
        return;
    };
    let Some(own) = certificates(file).into_iter().next() else {
        return not_in(monitor, "certificate", file, "certificate", report);
    };
    let (name, at) = monitor.key.as_ref().map_or(("certificate", file), |key| ("key", key));
    let Some(key) = private_key(at) else {
        return not_in(monitor, name, at, "private key without a passphrase", report);
    };
    if !own.public_key().is_ok_and(|public| public.public_eq(&key)) {
        monitor
            .error(report, name, &at.span, format!("the key in {} does not belong to the certificate", at.path))
            .instead("the key that the certificate was made for", "name the right key, or the right certificate")
            .see(&file.span, "the certificate");
    }
}

fn authority(monitor: &Monitor, report: &mut Report) {
    let Some(file) = &monitor.ca else { return };
    if certificates(file).is_empty() {
        not_in(monitor, "ca", file, "certificate", report);
    }
    if monitor.verify.as_deref() == Some(&false) {
        monitor
            .error(report, "ca", &file.span, "ca without verify = true: no certificate is looked at")
            .instead("ca with verify = true", "write verify = true, or remove the key");
    }
}

fn server_name(monitor: &Monitor, report: &mut Report) {
    let Some(name) = &monitor.server_name else { return };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.len() > 255 || name.parse::<Ipv4Addr>().is_ok() || !name.chars().all(fits) {
        let message = format!("server_name = \"{name}\" is not a name");
        monitor
            .error(report, "server_name", &name.span, message)
            .instead("a host name such as \"sip.example\" (RFC 6066 3)", "write the name in the server\'s certificate");
    }
}

fn not_in(monitor: &Monitor, key: &str, file: &At<PemFile>, what: &str, report: &mut Report) {
    let message = format!("{} holds no {what} that can be read", file.path);
    monitor.error(report, key, &file.span, message).instead(
        format!("a PEM file with a {what}"),
        format!("look at it with `openssl x509 -in {0}` or `openssl pkey -in {0}`", file.path),
    );
}

/// Those that the file holds.
pub(super) fn certificates(file: &At<PemFile>) -> Vec<X509> {
    X509::stack_from_pem(&file.text).unwrap_or_default()
}

/// A key under a passphrase is none: nobody is there to type it.
pub(super) fn private_key(file: &At<PemFile>) -> Option<PKey<Private>> {
    PKey::private_key_from_pem_callback(&file.text, |_| Ok(0)).ok()
}
