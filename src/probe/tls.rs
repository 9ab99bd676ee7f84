//! TLS of a probe: OpenSSL as a client, over bytes in memory.
//!
//! Owns one TLS connection as bytes in, bytes out, what connections are made from, and the words for what a server wants.
//! Liveness is asked here, not identity: the certificate of a SIP Server names the virtual address or a host, is often signed by
//! nobody a network appliance knows, and may have expired while the server serves. So it is looked at only where the file
//! says `verify`; and everything is offered that the library can speak: TLS 1.0 to 1.3, RSA and DHE key exchange, CBC suites, keys
//! of any length. Nothing secret is ever sent. No resumption. Fresh keys come from the operating system: the one thing here
//! that a seed does not determine.

use super::pipe::Pipe;
use crate::policy::intent::TlsProbe;
use openssl::error::{Error, ErrorStack};
use openssl::pkey::PKey;
use openssl::ssl::{
    self, ErrorCode, Ssl, SslAlert, SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode,
    SslStream, SslVerifyMode,
};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509VerifyResult};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};

/// Every suite with a certificate. At level 0 the library sets no least strength, which TLS 1.0 and 1.1 need.
const SUITES: &str = "ALL:!aNULL:!eNULL:@SECLEVEL=0";
/// Servers that do not know RFC 5746, as old ones do not (SSL_OP_LEGACY_SERVER_CONNECT, which the crate does not name).
const LEGACY_SERVERS: u32 = 4;

/// What the connections of a monitor are made from.
pub fn context(probe: &TlsProbe) -> Result<SslContext, ErrorStack> {
    let mut context = SslContextBuilder::new(SslMethod::tls_client())?;
    context.set_security_level(0);
    context.set_min_proto_version(None)?;
    context.set_cipher_list(SUITES)?;
    context.set_options(SslOptions::from_bits_retain(LEGACY_SERVERS.into()));
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    present(&mut context, probe)?;
    match (probe.verify, &probe.ca) {
        (false, _) => context.set_verify(SslVerifyMode::NONE),
        (true, None) => {
            context.set_verify(SslVerifyMode::PEER);
            context.set_default_verify_paths()?;
        }
        (true, Some(ca)) => {
            context.set_verify(SslVerifyMode::PEER);
            let mut store = X509StoreBuilder::new()?;
            X509::stack_from_pem(&ca.text)?.into_iter().try_for_each(|authority| store.add_cert(authority))?;
            context.set_cert_store(store.build());
        }
    }
    Ok(context.build())
}

/// The certificate that is shown to a server that wants one, with its chain.
fn present(context: &mut SslContextBuilder, probe: &TlsProbe) -> Result<(), ErrorStack> {
    let Some(certificate) = &probe.certificate else { return Ok(()) };
    let mut chain = X509::stack_from_pem(&certificate.text)?.into_iter();
    if let Some(own) = chain.next() {
        context.set_certificate(&own)?;
    }
    chain.try_for_each(|issuer| context.add_extra_chain_cert(issuer))?;
    let file = probe.key.as_ref().unwrap_or(certificate);
    // A key under a passphrase is refused with the file; never is one asked for.
    let key = PKey::private_key_from_pem_callback(&file.text, |_| Ok(0))?;
    context.set_private_key(&key)
}

/// A connection.
pub struct Tls {
    stream: SslStream<Pipe>,
    /// A certificate of ours can be shown.
    presents: bool,
    name: Option<String>,
    /// Plain bytes that wait to be written.
    waiting: Vec<u8>,
    /// The server has refused something of ours with an alert, as only one that lives can.
    refused: bool,
}

impl Tls {
    /// A connection to `member`. The server name, or else a host that is a name, is sent (RFC 6066 3).
    pub fn new(
        context: &SslContext,
        (probe, host): (&TlsProbe, Option<&String>),
        member: Ipv4Addr,
    ) -> Result<Tls, ErrorStack> {
        let mut ssl = Ssl::new(context)?;
        let host = host.filter(|host| is_name(host));
        let name = probe.server_name.as_ref().or(host).cloned();
        if let Some(name) = &name {
            ssl.set_hostname(name)?;
        }
        if probe.verify {
            match &name {
                Some(name) => ssl.param_mut().set_host(name)?,
                None => ssl.param_mut().set_ip(IpAddr::V4(member))?,
            }
        }
        ssl.set_connect_state();
        let stream = SslStream::new(ssl, Pipe::default())?;
        Ok(Tls { stream, presents: probe.certificate.is_some(), name, waiting: Vec::new(), refused: false })
    }

    /// The handshake is still going on.
    pub fn is_handshaking(&self) -> bool {
        !self.stream.ssl().is_init_finished()
    }

    /// The server has broken the handshake off because of what we are, not of what it is.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// Takes bytes of the stream; gives the plain bytes in them.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        self.stream.get_mut().push(bytes);
        self.advance()?;
        let mut plain = Vec::new();
        let mut buffer = [0; 4096];
        while !self.is_handshaking() {
            match self.stream.ssl_read(&mut buffer) {
                Ok(length) => plain.extend_from_slice(&buffer[..length]),
                // The peer said that it closes: what follows is not part of the connection.
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => break,
                Err(error) => match self.failure(&error) {
                    None => break,
                    Some(reason) => return Err(reason),
                },
            }
        }
        Ok(plain)
    }

    /// Takes plain bytes to be sent.
    pub fn write(&mut self, plain: &[u8]) {
        self.waiting.extend_from_slice(plain);
    }

    /// Says that nothing more will be sent (RFC 8446 6.1).
    pub fn close(&mut self) {
        // Into memory, so there is nothing to wait for; whether the peer closes as well does not matter.
        let _ = self.stream.shutdown();
    }

    /// The bytes of the stream that are to be sent. A failure is for [`Tls::read`] to tell.
    pub fn outgoing(&mut self) -> Vec<u8> {
        let _ = self.advance();
        self.stream.get_mut().take_outgoing()
    }

    /// Takes the handshake as far as it goes, and writes what waits.
    fn advance(&mut self) -> Result<(), String> {
        if self.is_handshaking()
            && let Err(error) = self.stream.do_handshake()
        {
            return self.failure(&error).map_or(Ok(()), Err);
        }
        if !self.waiting.is_empty()
            && let Err(error) = self.stream.ssl_write(&self.waiting)
        {
            return self.failure(&error).map_or(Ok(()), Err);
        }
        self.waiting.clear();
        Ok(())
    }

    /// What went wrong, in words; `None`: more bytes are needed.
    fn failure(&mut self, error: &ssl::Error) -> Option<String> {
        let blocked = error.io_error().is_some_and(|error| error.kind() == ErrorKind::WouldBlock);
        if blocked || matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE) {
            return None;
        }
        let first = error.ssl_error().and_then(|stack| stack.errors().first());
        let alert = first.and_then(|error| SslAlert::from_reason_code(error.reason_code()));
        self.refused |= alert.is_some_and(|alert| alert != SslAlert::INTERNAL_ERROR);
        Some(match (alert, first) {
            (Some(alert), _) => self.alert(alert),
            (None, Some(error)) => self.fault(error),
            (None, None) => error.to_string(),
        })
    }

    /// What a server says with an alert (RFC 8446 6.2), and what it wants by it.
    fn alert(&self, alert: SslAlert) -> String {
        let asked = self.stream.get_ref().asked_for_certificate();
        match alert {
            SslAlert::CERTIFICATE_REQUIRED => self.about_certificate("certificate required"),
            SslAlert::BAD_CERTIFICATE
            | SslAlert::UNSUPPORTED_CERTIFICATE
            | SslAlert::CERTIFICATE_REVOKED
            | SslAlert::CERTIFICATE_EXPIRED
            | SslAlert::CERTIFICATE_UNKNOWN
            | SslAlert::UNKNOWN_CA
            | SslAlert::ACCESS_DENIED => self.about_certificate(&alert.to_string()),
            SslAlert::HANDSHAKE_FAILURE if asked => self.about_certificate("handshake failure"),
            SslAlert::HANDSHAKE_FAILURE | SslAlert::INSUFFICIENT_SECURITY => format!(
                "the server has no cipher suite, curve or signature in common with us, or wants a client certificate \
                 (alert: {alert})"
            ),
            SslAlert::PROTOCOL_VERSION => {
                "the server speaks no version of TLS from 1.0 to 1.3 (alert: protocol version)".into()
            }
            SslAlert::UNRECOGNIZED_NAME => match &self.name {
                Some(name) => format!("the server does not know the name {name} (alert: unrecognized name)"),
                None => "the server wants a server_name (alert: unrecognized name)".into(),
            },
            alert => format!("the server ends the handshake (alert: {alert})"),
        }
    }

    fn about_certificate(&self, alert: &str) -> String {
        match self.presents {
            true => format!("the server refuses our client certificate (alert: {alert})"),
            false => format!("the server wants a client certificate (alert: {alert}): set certificate and key"),
        }
    }

    /// What this side does not take.
    fn fault(&self, error: &Error) -> String {
        let verified = self.stream.ssl().verify_result();
        if verified != X509VerifyResult::OK && error.reason() == Some("certificate verify failed") {
            return format!("the server's certificate is not accepted: {}", verified.error_string());
        }
        match error.reason() {
            Some("wrong version number" | "unknown protocol" | "http request" | "packet length too long") => {
                "what the server sends is not TLS".into()
            }
            Some(reason) => reason.into(),
            None => error.to_string(),
        }
    }
}

/// It is a name of the domain system, not an address.
fn is_name(host: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    host.parse::<Ipv4Addr>().is_err() && host.chars().all(fits)
}
