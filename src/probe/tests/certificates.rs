//! Certificates that nobody vouches for, and TLS servers that show one.

use crate::policy::intent::PemFile;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{SslContext, SslContextBuilder, SslMethod};
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509NameBuilder};
use std::sync::LazyLock;

/// The name on it.
pub const NAME: &str = "sip.example";

/// A certificate and its key.
pub struct Identity {
    pub certificate: X509,
    pub key: PKey<Private>,
}

/// A server's, with an RSA key, and a client's.
pub static SERVER: LazyLock<Identity> = LazyLock::new(|| Identity::new(NAME));
pub static CLIENT: LazyLock<Identity> = LazyLock::new(|| Identity::new("lead-1.example"));

impl Identity {
    pub fn new(name: &str) -> Identity {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut subject = X509NameBuilder::new().unwrap();
        subject.append_entry_by_text("CN", name).unwrap();
        let subject = subject.build();
        let mut serial = BigNum::new().unwrap();
        serial.rand(64, MsbOption::MAYBE_ZERO, false).unwrap();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
        builder.set_subject_name(&subject).unwrap();
        builder.set_issuer_name(&subject).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.set_not_before(&Asn1Time::from_unix(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(3650).unwrap()).unwrap();
        let names = SubjectAlternativeName::new().dns(name).build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Identity { certificate: builder.build(), key }
    }

    /// The certificate as a file.
    pub fn pem(&self) -> PemFile {
        PemFile { path: "/etc/fairlead/certificate.pem".into(), text: self.certificate.to_pem().unwrap() }
    }

    /// The key as a file.
    pub fn key_pem(&self) -> PemFile {
        PemFile { path: "/etc/fairlead/key.pem".into(), text: self.key.private_key_to_pem_pkcs8().unwrap() }
    }
}

/// A server that speaks all that the library can, after `change`.
pub fn server(change: impl FnOnce(&mut SslContextBuilder)) -> SslContext {
    let mut context = SslContextBuilder::new(SslMethod::tls_server()).unwrap();
    context.set_security_level(0);
    context.set_min_proto_version(None).unwrap();
    context.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
    context.set_certificate(&SERVER.certificate).unwrap();
    context.set_private_key(&SERVER.key).unwrap();
    change(&mut context);
    context.build()
}
