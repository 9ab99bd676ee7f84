//! The archive: files in one folder, compressed, with a list of what is in it and what is missing.
//!
//! Owns its form. Keeps it in memory: whoever writes it does that whole or not at all.

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use std::io;
use tar::{Builder, Header};

/// All files together, in bytes, before they are compressed; what is beyond is listed as missing.
const LARGEST: usize = 256 << 20;

/// What is in an archive.
#[derive(Debug, Serialize)]
struct Manifest<'a> {
    made_by: String,
    made_at: &'a str,
    /// Values that were taken out because they looked like secrets.
    blanked: usize,
    files: Vec<FileEntry<'a>>,
    missing: &'a [Missing],
}

#[derive(Debug, Serialize)]
struct FileEntry<'a> {
    name: &'a str,
    bytes: usize,
}

/// What could not be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Its name in the archive.
    pub name: String,
    /// Why.
    pub why: String,
}

/// An archive that is being made.
#[derive(Debug, Default)]
pub struct Archive {
    files: Vec<(String, Vec<u8>)>,
    missing: Vec<Missing>,
    blanked: usize,
    bytes: usize,
}

impl Archive {
    /// Its name has no other characters than letters, digits, `.`, `-`, `_` and `/`: others become `_`.
    fn add(&mut self, name: &str, content: impl Into<Vec<u8>>) {
        let (name, content) = (plain(name), content.into());
        if self.bytes + content.len() > LARGEST {
            return self.miss(&name, format!("the archive would be larger than {} MiB", LARGEST >> 20));
        }
        self.bytes += content.len();
        self.files.push((name, content));
    }

    /// A text out of which secrets are taken first.
    pub fn add_text(&mut self, name: &str, text: &str) {
        let blanked = super::blank::text(text);
        self.blanked += blanked.count;
        self.add(name, blanked.text);
    }

    /// An answer, likewise.
    pub fn add_json(&mut self, name: &str, mut answer: serde_json::Value) {
        self.blanked += super::blank::json(&mut answer);
        match serde_json::to_vec_pretty(&answer) {
            Ok(text) => self.add(name, text),
            Err(why) => self.miss(name, why.to_string()),
        }
    }

    /// A configuration file, likewise.
    pub fn add_configuration(&mut self, name: &str, text: &str) {
        let blanked = super::blank::configuration(text);
        self.blanked += blanked.count;
        self.add(name, blanked.text);
    }

    /// What could not be had.
    pub fn miss(&mut self, name: &str, why: impl Into<String>) {
        let why = super::blank::text(&why.into());
        self.blanked += why.count;
        self.missing.push(Missing { name: plain(name), why: why.text });
    }

    /// What could not be had so far.
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// The names of what is in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(name, _)| name.as_str())
    }

    /// The whole as a compressed tape archive, everything below `folder`; `made_at` in words and in seconds since 1970.
    ///
    /// # Errors
    /// None that memory does not make.
    pub fn pack(self, folder: &str, made_at: &str, seconds: u64) -> io::Result<Vec<u8>> {
        let manifest = Manifest {
            made_by: format!("fairlead {}", env!("CARGO_PKG_VERSION")),
            made_at,
            blanked: self.blanked,
            files: self.files.iter().map(|(name, content)| FileEntry { name, bytes: content.len() }).collect(),
            missing: &self.missing,
        };
        let manifest = serde_json::to_vec_pretty(&manifest)?;
        let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        let first = [("manifest.json".to_owned(), manifest)];
        for (name, content) in first.iter().chain(&self.files) {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(seconds);
            header.set_cksum();
            builder.append_data(&mut header, format!("{}/{name}", plain(folder)), content.as_slice())?;
        }
        builder.into_inner()?.finish()
    }
}

/// Nothing that leads out of the folder, or that a file system cannot hold.
fn plain(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "._-/".contains(c) { c } else { '_' };
    let parts = name.split('/').filter(|part| !part.is_empty() && *part != "." && *part != "..");
    parts.map(|part| part.chars().map(kept).collect::<String>()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::collections::BTreeMap;
    use std::io::Read;

    #[test]
    fn what_is_packed_is_what_is_unpacked_with_a_list_of_what_is_missing() {
        let mut archive = Archive::default();
        archive.add_json("tables/status.json", serde_json::json!({"token": "abc"}));
        archive.add_text("../etc//passwd now", "x");
        archive.add_text("log.txt", "token=abc\n");
        archive.miss("tables/sip.json", "no appliance answers at https://me:pw@host/");
        let packed = archive.pack("fairlead-support", "2026-11-22T13:04:05Z", 1_795_352_645).unwrap();
        let mut tape = tar::Archive::new(GzDecoder::new(packed.as_slice()));
        let mut found = BTreeMap::new();
        for entry in tape.entries().unwrap() {
            let mut entry = entry.unwrap();
            assert_eq!((entry.header().mode().unwrap(), entry.header().mtime().unwrap()), (0o600, 1_795_352_645));
            let (name, mut text) = (entry.path().unwrap().display().to_string(), String::new());
            entry.read_to_string(&mut text).unwrap();
            found.insert(name, text);
        }
        assert_eq!(found["fairlead-support/tables/status.json"], "{\n  \"token\": \"(blanked)\"\n}");
        assert_eq!(found["fairlead-support/etc/passwd_now"], "x");
        assert_eq!(found["fairlead-support/log.txt"], "token=(blanked)\n");
        let manifest: serde_json::Value = serde_json::from_str(&found["fairlead-support/manifest.json"]).unwrap();
        assert_eq!(manifest["missing"][0]["why"], "no appliance answers at https://(blanked)@host/");
        assert_eq!((manifest["blanked"].as_u64(), manifest["files"].as_array().map(Vec::len)), (Some(3), Some(3)));
    }

    #[test]
    fn there_is_a_bound() {
        let mut archive = Archive::default();
        archive.add("large", vec![0; LARGEST]);
        archive.add("one-more", "x");
        assert_eq!((archive.names().count(), archive.missing().len()), (1, 1));
    }
}
