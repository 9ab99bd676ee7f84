//! TLS of a probe: rustls as a client that accepts any certificate.
//!
//! Owns one TLS connection as bytes in, bytes out. Liveness is asked here, not identity: the certificate of a SIP Server
//! names the virtual address or a host, is often signed by nobody a network appliance knows, and may have expired while
//! the server serves. Nothing secret is ever sent. TLS 1.2 and 1.3, no resumption, no client certificate. Fresh keys come
//! from the operating system (ring): the one thing here that a seed does not determine.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, ClientConnection, Resumption};
use rustls::pki_types::{CertificateDer, IpAddr, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{DigitallySignedStruct, SignatureScheme};
use std::io::{ErrorKind, Read, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// What every probe's connection is made from.
pub fn client_config() -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(NoTime))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

pub struct Tls(ClientConnection);

impl Tls {
    /// A connection to `member`; a `host` that is a name is sent as the server name (RFC 6066 3).
    pub fn new(config: Arc<ClientConfig>, member: Ipv4Addr, host: Option<&str>) -> Result<Tls, rustls::Error> {
        let name = host.and_then(|host| ServerName::try_from(host.to_owned()).ok());
        let name = name.unwrap_or_else(|| ServerName::IpAddress(IpAddr::from(std::net::IpAddr::V4(member))));
        ClientConnection::new(config, name).map(Tls)
    }

    /// The handshake is still going on.
    pub fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Takes bytes of the stream; gives the plain bytes in them.
    pub fn read(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut plain = Vec::new();
        while !bytes.is_empty() {
            let taken = self.0.read_tls(&mut bytes).map_err(|error| error.to_string())?;
            self.0.process_new_packets().map_err(|error| error.to_string())?;
            match self.0.reader().read_to_end(&mut plain) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.to_string()),
                // The peer said that it closes: what follows is not part of the connection.
                Ok(_) => break,
            }
            if taken == 0 {
                break;
            }
        }
        Ok(plain)
    }

    /// Takes plain bytes to be sent.
    pub fn write(&mut self, plain: &[u8]) {
        // rustls buffers a message of this size whole; it writes to memory and cannot fail.
        let _ = self.0.writer().write_all(plain);
    }

    /// Says that nothing more will be sent (RFC 8446 6.1).
    pub fn close(&mut self) {
        self.0.send_close_notify();
    }

    /// The bytes of the stream that are to be sent.
    pub fn outgoing(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.0.wants_write() && self.0.write_tls(&mut bytes).is_ok_and(|written| written > 0) {}
        bytes
    }
}

/// No clock is read: time matters only to certificates and tickets, and neither is looked at.
#[derive(Debug)]
struct NoTime;

impl TimeProvider for NoTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::ZERO))
    }
}

#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    /// All that a server may sign with: none is checked.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes =
            rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes();
        schemes.push(SignatureScheme::ECDSA_NISTP521_SHA512);
        schemes.extend([SignatureScheme::RSA_PKCS1_SHA1, SignatureScheme::ECDSA_SHA1_Legacy]);
        schemes
    }
}
