//! A box as one file: what `backup` writes and `restore` reads.
//!
//! Owns the form: a compressed tape archive whose first file lists the others, with digest, mode and owner of each. Believes no name in it:
//! where something is written to is the restorer's to say.

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use openssl::sha::sha256;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use tar::{Builder, Header};

/// What this version writes, and the latest that it reads.
const FORMAT: u32 = 1;
/// All files together, in bytes.
const LARGEST: u64 = 512 << 20;
/// Files, at most.
const FILES: usize = 8_192;
const MANIFEST: &str = "fairlead-backup.json";

/// What a file is to the appliance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Part {
    /// The file that it starts with.
    Configuration,
    /// One that this includes, or fills in.
    Included,
    /// What operators have set, the history, the last events.
    State,
    /// A certificate or a key that the configuration names.
    Pem,
}

/// What is said of all of it.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    made_by: String,
    made_at: String,
    host: String,
    files: Vec<Listed>,
}

/// What is said of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    pub part: Part,
    /// Where it was; of one that is included, relative to the folder of the configuration; of state, its name alone.
    pub path: PathBuf,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// The name of its owner; absent where it has none, or was not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The name of its group, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    pub bytes: u64,
    sha256: String,
}

/// A file with what is said of it.
#[derive(Debug)]
pub(super) struct KeptFile {
    pub about: Listed,
    pub content: Vec<u8>,
}

/// The whole.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub made_by: String,
    pub made_at: String,
    pub host: String,
    pub files: Vec<KeptFile>,
}

impl KeptFile {
    pub fn new(part: Part, path: PathBuf, (mode, uid, gid): (u32, u32, u32), content: Vec<u8>) -> KeptFile {
        let (bytes, sha256) = (content.len() as u64, digest(&content));
        let about = Listed { part, path, mode, uid, gid, user: None, group: None, bytes, sha256 };
        KeptFile { about, content }
    }
}

fn digest(content: &[u8]) -> String {
    sha256(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Kept {
    /// As one file.
    pub fn pack(&self) -> io::Result<Vec<u8>> {
        let manifest = Manifest {
            format: FORMAT,
            made_by: self.made_by.clone(),
            made_at: self.made_at.clone(),
            host: self.host.clone(),
            files: self.files.iter().map(|file| file.about.clone()).collect(),
        };
        let manifest = serde_json::to_vec_pretty(&manifest)?;
        let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        let mut append = |name: &str, content: &[u8]| {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o600);
            header.set_cksum();
            builder.append_data(&mut header, name, content)
        };
        append(MANIFEST, &manifest)?;
        for (number, file) in self.files.iter().enumerate() {
            append(&number.to_string(), &file.content)?;
        }
        builder.into_inner()?.finish()
    }

    /// What `packed` holds.
    ///
    /// # Errors
    /// That it is none, is damaged, or that a later version has written it: in words for an operator.
    pub fn unpack(packed: impl Read) -> Result<Kept, String> {
        let unreadable = |why: io::Error| format!("it is no backup of Fairlead's, or is damaged: {why}");
        let mut tape = tar::Archive::new(GzDecoder::new(packed).take(LARGEST));
        let (mut manifest, mut contents) = (None::<Manifest>, BTreeMap::new());
        for entry in tape.entries().map_err(unreadable)? {
            let mut entry = entry.map_err(unreadable)?;
            let name = entry.path().map_err(unreadable)?.display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(unreadable)?;
            if manifest.is_none() {
                if name != MANIFEST {
                    return Err("it is no backup of Fairlead's: it does not begin with a list".into());
                }
                manifest = Some(listed(&content)?);
            } else if contents.len() < FILES {
                contents.insert(name, content);
            }
        }
        let Some(Manifest { made_by, made_at, host, files, .. }) = manifest else {
            return Err("it is no backup of Fairlead's: it is empty".into());
        };
        let file = |(number, about): (usize, Listed)| {
            let content = contents.remove(&number.to_string()).filter(|content| digest(content) == about.sha256);
            let content = content.ok_or_else(|| format!("it is damaged: {} is not as it was", about.path.display()))?;
            Ok(KeptFile { about, content })
        };
        let files = files.into_iter().enumerate().map(file).collect::<Result<_, String>>()?;
        Ok(Kept { made_by, made_at, host, files })
    }
}

/// The format is looked at first: a later one may list files otherwise.
fn listed(manifest: &[u8]) -> Result<Manifest, String> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
        made_by: String,
    }
    let unreadable = |why: serde_json::Error| format!("it is damaged: its list cannot be read: {why}");
    let Head { format, made_by } = serde_json::from_slice(manifest).map_err(unreadable)?;
    if format > FORMAT {
        return Err(format!(
            "it is of format {format}, written by {made_by}, and this version knows format {FORMAT}: restore it with that version, or a \
             later one"
        ));
    }
    serde_json::from_slice(manifest).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        let file = |part, path: &str, content: &[u8]| KeptFile::new(part, path.into(), (0o640, 0, 7), content.to_vec());
        Kept {
            made_by: "fairlead 0.1.0".into(),
            made_at: "2026-11-22T13:04:05Z".into(),
            host: "lead-1".into(),
            files: vec![
                file(Part::Configuration, "/etc/fairlead/fairlead.toml", b"[appliance]\n"),
                file(Part::State, "operator.json", &[0xff, 0, 1]),
            ],
        }
    }

    #[test]
    fn what_is_packed_is_what_is_unpacked() {
        let packed = kept().pack().unwrap();
        let read = Kept::unpack(packed.as_slice()).unwrap();
        for (read, kept) in read.files.iter().zip(kept().files) {
            assert_eq!((&read.about, &read.content), (&kept.about, &kept.content));
        }
        assert_eq!((read.host.as_str(), read.files.len(), read.files[0].about.mode), ("lead-1", 2, 0o640));
    }

    #[test]
    fn what_is_damaged_cut_or_none_is_refused() {
        let mut kept = kept();
        kept.files[1].content.push(1);
        let why = Kept::unpack(kept.pack().unwrap().as_slice()).unwrap_err();
        assert_eq!(why, "it is damaged: operator.json is not as it was");
        let whole = super::tests::kept().pack().unwrap();
        for end in [0, 1, 20, whole.len() / 2] {
            assert!(Kept::unpack(&whole[..end]).is_err(), "{end}");
        }
        assert!(Kept::unpack(&b"[appliance]\nname = 'x'\n"[..]).unwrap_err().starts_with("it is no backup"));
    }

    #[test]
    fn what_a_later_version_has_written_is_said_to_be() {
        let text = br#"{"format": 2, "made_by": "fairlead 9.0.0", "parts": {}}"#;
        let why = listed(text).unwrap_err();
        assert!(
            why.starts_with("it is of format 2, written by fairlead 9.0.0, and this version knows format 1"),
            "{why}"
        );
    }
}
