//! `fairlead pair init`: the key and the certificate by which the other appliance of a pair knows this one.
//!
//! Owns the files: neither takes the place of another, and nobody but their owner reads the key. What stands in them is made by
//! [`crate::channel`].

use super::commands::pair::Init;
use super::exit::{BAD, FAILED, fail, print};
use super::grid::paragraph;
use crate::channel::new_identity;
use crate::config::visible;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the files are called.
const CERTIFICATE: &str = "pair.pem";
const KEY: &str = "pair-key.pem";
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// Makes both, and says what they are for.
pub fn run(init: &Init) -> ExitCode {
    let host = || fs::read_to_string(HOST_NAME).unwrap_or_default().trim().to_owned();
    let name = init.name.clone().unwrap_or_else(host);
    match make(&init.folder, &name) {
        Ok(text) => print(text.as_bytes()),
        Err((code, why)) => fail(code, &why),
    }
}

fn make(folder: &Path, name: &str) -> Result<String, (u8, String)> {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
    if let Some(there) = [&certificate, &key].into_iter().find(|path| path.symlink_metadata().is_ok()) {
        let why = format!(
            "{} is there already, and nothing was made: the other appliance may know this one by it. Move it away to make another, \
             and copy the new certificate there",
            there.display()
        );
        return Err((BAD, why));
    }
    let made = new_identity(name).map_err(|why| (FAILED, format!("no key can be made: {why}")))?;
    write(&key, 0o600, &made.key)?;
    if let Err(why) = write(&certificate, 0o644, &made.certificate) {
        // It is of no use alone, and would be in the way the next time.
        _ = fs::remove_file(&key);
        return Err(why);
    }
    Ok(next(&certificate, &key, &made.fingerprint))
}

fn write(path: &Path, mode: u32, text: &[u8]) -> Result<(), (u8, String)> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| {
        let written = file.write_all(text).and_then(|()| file.sync_all());
        if written.is_err() {
            _ = fs::remove_file(path);
        }
        written
    });
    written.map_err(|why: io::Error| (FAILED, format!("{} cannot be written: {why}", path.display())))
}

fn next(certificate: &Path, key: &Path, fingerprint: &str) -> String {
    let peer: PathBuf = certificate.with_file_name("peer.pem");
    let [certificate, key, peer] = [certificate, key, &peer].map(|path| visible(&path.display().to_string()));
    let steps = [
        format!(
            "made {certificate} and {key}, which nobody else may read. SHA-256 of the certificate, to be compared:"
        ),
        format!("  {fingerprint}"),
        format!(
            "1. do the same on the other appliance, and copy its {CERTIFICATE} here, as {peer}, and this one's there"
        ),
        "2. write in the file of each, with the other one's address:".into(),
    ];
    let mut text: String = steps.iter().map(|step| paragraph(step)).collect();
    text += &format!(
        "\n[pair]\npeer = \"ADDRESS:7601\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"\npeer_certificate = \"{peer}\"\n\n"
    );
    text + &paragraph("3. restart both, the standby first; `fairlead pair` says when they are in sync")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn s145_a_key_is_made_once_and_nobody_else_may_read_it() {
        let folder = std::env::temp_dir().join(format!("fairlead-pair-init-{}", std::process::id()));
        _ = fs::remove_dir_all(&folder);
        let (code, why) = make(&folder, "lead-1").unwrap_err();
        assert!(code == FAILED && why.contains("pair-key.pem cannot be written: No such file"), "{why}");
        fs::create_dir(&folder).unwrap();
        let said = make(&folder, "lead-1").unwrap();
        let read = |name: &str| fs::read(folder.join(name)).unwrap();
        let (certificate, key) = (read(CERTIFICATE), read(KEY));
        let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(KEY), mode(CERTIFICATE) & !0o644), (0o600, 0));
        assert!(said.contains(&format!("key = \"{}\"\n", folder.join(KEY).display())), "{said}");
        let other = new_identity("lead-2").unwrap();
        let identity = crate::channel::Identity::new(&certificate, &key, &other.certificate);
        assert!(identity.is_ok());
        for missing in [CERTIFICATE, KEY] {
            let (code, why) = make(&folder, "lead-1").unwrap_err();
            assert!(code == BAD && why.contains("is there already"), "{why}");
            assert_eq!((read(CERTIFICATE), read(KEY)), (certificate.clone(), key.clone()));
            // One alone is in the way as well.
            fs::rename(folder.join(missing), folder.join("away")).unwrap();
            assert!(make(&folder, "lead-1").is_err());
            fs::rename(folder.join("away"), folder.join(missing)).unwrap();
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
