//! Who the two appliances are to each other.
//!
//! Owns how a key and a certificate of its own are made, what TLS is made from, and that the other one is believed by its certificate and
//! nothing else: the very one that was copied here. No authority, no name and no date is asked: two boxes that know each other need none, and
//! a clock that is wrong must not part them. TLS 1.3 alone (RFC 8446), so that certificates are not seen on the way.

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::sha::{Sha256, sha256};
use openssl::ssl::{
    SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::x509::{X509, X509NameBuilder};

/// For how long a certificate says that it is good; nobody asks it.
const DAYS: u32 = 36_500;

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// One cannot be understood.
    #[error("{what} cannot be used: {why}")]
    Unusable {
        /// Which.
        what: &'static str,
        /// What the library says.
        why: ErrorStack,
    },
    /// The key is another certificate's.
    #[error("the key is not that of the certificate: make both anew with `fairlead pair init`")]
    OtherKey,
    /// Both certificates are the same.
    #[error("the other appliance's certificate is this one's own: copy the other one's here")]
    Same,
}

/// This appliance, and whom it believes to be the other one.
#[derive(Clone)]
pub struct Identity {
    context: SslContext,
    own: [u8; 32],
    other: [u8; 32],
}

impl Identity {
    /// Of texts in PEM: this appliance's certificate and key, and the other one's certificate.
    ///
    /// # Errors
    /// They do not fit.
    pub fn new(certificate: &[u8], key: &[u8], other: &[u8]) -> Result<Identity, IdentityError> {
        let unusable = |what: &'static str| move |why| IdentityError::Unusable { what, why };
        let certificate = X509::from_pem(certificate).map_err(unusable("the certificate"))?;
        let key = PKey::private_key_from_pem(key).map_err(unusable("the key"))?;
        let other = X509::from_pem(other).map_err(unusable("the other appliance's certificate"))?;
        let public = certificate.public_key().map_err(unusable("the certificate"))?;
        if !public.public_eq(&key) {
            return Err(IdentityError::OtherKey);
        }
        let digest = |it: &X509, what| it.to_der().map(|der| sha256(&der)).map_err(unusable(what));
        let (own, theirs) =
            (digest(&certificate, "the certificate")?, digest(&other, "the other appliance's certificate")?);
        if own == theirs {
            return Err(IdentityError::Same);
        }
        let context = context(&certificate, &key, theirs).map_err(unusable("what TLS is made from"))?;
        Ok(Identity { context, own, other: theirs })
    }

    /// Of the two the one that connects; the other one listens.
    pub fn connects(&self) -> bool {
        self.own < self.other
    }

    /// A number that both appliances know, and nobody else that has not seen both certificates: what the order is drawn from in which ports of
    /// SNAT addresses are given away, so that either gives the same.
    pub fn seed(&self) -> u64 {
        let mut digest = Sha256::new();
        digest.update(b"fairlead snat ports");
        digest.update(self.own.as_slice().min(&self.other));
        digest.update(self.own.as_slice().max(&self.other));
        digest.finish().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }

    pub(super) fn context(&self) -> &SslContext {
        &self.context
    }
}

fn context(certificate: &X509, key: &PKey<openssl::pkey::Private>, other: [u8; 32]) -> Result<SslContext, ErrorStack> {
    let mut context = SslContextBuilder::new(SslMethod::tls())?;
    context.set_min_proto_version(Some(SslVersion::TLS1_3))?;
    context.set_certificate(certificate)?;
    context.set_private_key(key)?;
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_options(SslOptions::NO_TICKET);
    context.set_num_tickets(0)?;
    context.set_mode(SslMode::ENABLE_PARTIAL_WRITE | SslMode::ACCEPT_MOVING_WRITE_BUFFER);
    context.set_verify_callback(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT, move |_, chain| {
        let shown = chain.current_cert().and_then(|shown| shown.to_der().ok());
        chain.error_depth() == 0 && shown.is_some_and(|der| sha256(&der) == other)
    });
    Ok(context.build())
}

/// A key and its certificate, in PEM.
pub struct NewIdentity {
    /// To be shown to the other appliance.
    pub certificate: Vec<u8>,
    /// To be shown to nobody.
    pub key: Vec<u8>,
    /// SHA-256 of the certificate (DER), in hexadecimal digits, for two people to compare.
    pub fingerprint: String,
}

/// A new key (P-256) and a certificate that it signs itself, for an appliance of this name.
///
/// # Errors
/// What the library says.
pub fn new_identity(name: &str) -> Result<NewIdentity, ErrorStack> {
    let key = PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?)?)?;
    let mut subject = X509NameBuilder::new()?;
    // A common name has 64 characters at most (RFC 5280 A.1).
    let short: String = name.chars().filter(char::is_ascii).take(64).collect();
    subject.append_entry_by_nid(Nid::COMMONNAME, if short.is_empty() { "fairlead" } else { &short })?;
    let subject = subject.build();
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_subject_name(&subject)?;
    builder.set_issuer_name(&subject)?;
    builder.set_pubkey(&key)?;
    builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    builder.set_not_after(&*Asn1Time::days_from_now(DAYS)?)?;
    builder.sign(&key, MessageDigest::sha256())?;
    let certificate = builder.build();
    let fingerprint = sha256(&certificate.to_der()?).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(NewIdentity { certificate: certificate.to_pem()?, key: key.private_key_to_pem_pkcs8()?, fingerprint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_know_each_other_agree_on_who_connects_and_on_a_number() {
        let (one, other) = (new_identity("lead-1").unwrap(), new_identity("").unwrap());
        let of = |own: &NewIdentity, other: &NewIdentity| Identity::new(&own.certificate, &own.key, &other.certificate);
        let (first, second) = (of(&one, &other).unwrap(), of(&other, &one).unwrap());
        assert_ne!(first.connects(), second.connects());
        assert_eq!(first.seed(), second.seed());
        let third = new_identity("lead-3").unwrap();
        assert_ne!(of(&one, &third).unwrap().seed(), first.seed());
        assert!(matches!(of(&one, &one), Err(IdentityError::Same)));
        let foreign = Identity::new(&one.certificate, &other.key, &other.certificate);
        assert!(matches!(foreign, Err(IdentityError::OtherKey)));
        let why = Identity::new(&one.certificate, &one.key, b"no PEM").err().unwrap().to_string();
        assert!(why.starts_with("the other appliance's certificate cannot be used"), "{why}");
        assert_eq!(one.fingerprint.len(), 64);
    }
}
