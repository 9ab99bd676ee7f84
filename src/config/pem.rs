//! The files of certificates and keys that the configuration names.
//!
//! Owns reading one, and what fingerprint a difference shows of it. Whether it fits its use is for [`super::checks`]. They are
//! read with the configuration, once: what happens to the files later does not reach a monitor until a reload.

use super::form::Kind;
use super::value::{Leaf, Refusal, Taken};
use crate::policy::intent::PemFile;
use openssl::sha::sha256;
use std::fs::File;
use std::io::Read;
use toml::de::DeValue;

/// The largest file that is read, in bytes: the certificates of all public authorities take a quarter.
const LARGEST: u64 = 1 << 20;

impl Leaf for PemFile {
    fn of(_: &Kind, value: &DeValue) -> Taken<PemFile> {
        value.as_str().map(read)
    }
}

fn read(path: &str) -> Result<PemFile, Refusal> {
    let refuse = |why: String, remedy: &str| Err(Refusal { why, remedy: remedy.into() });
    if !path.starts_with('/') {
        return refuse(
            "it is not a whole path".into(),
            "write the path from the root, such as \"/etc/fairlead/probe.pem\"",
        );
    }
    let mut text = Vec::new();
    match File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut text)) {
        Err(error) => refuse(error.to_string(), "name a file that exists and that this user may read"),
        Ok(length) if length as u64 > LARGEST => refuse("it is larger than 1 MiB".into(), "name a PEM file"),
        Ok(_) if !text.windows(11).any(|window| window == b"-----BEGIN ") => {
            refuse("it holds no PEM text".into(), "name a file with lines such as `-----BEGIN CERTIFICATE-----`")
        }
        Ok(_) => Ok(PemFile { path: path.into(), text }),
    }
}

/// The path and the first bytes of the SHA-256 of what it holds.
pub(super) fn shown(file: &PemFile) -> String {
    let digest: String = sha256(&file.text).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{} (SHA-256 {digest})", file.path)
}
