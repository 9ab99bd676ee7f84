//! The way here from another load balancer: its files, turned into a Fairlead file.
//!
//! Owns the [`draft`] of that file and the [`findings`] about what is not carried over; each origin has a module of its own. Never
//! guesses in silence: what is left out, chosen or made up is a finding. The file written is read by [`crate::config`] like any
//! other. Read first: [`import`].

mod bigip;
mod draft;
mod findings;
mod ipvs;
mod keepalived;
mod services;
mod source;
mod syntax;
mod vrrp;

#[cfg(test)]
mod tests;

pub use findings::{Finding, Severity};
pub use source::{Source, Unreadable};
pub use vrrp::{Held, Instance, Vrrp};

use crate::config::{self, ConfigErrors};
use crate::policy::words::words;
use draft::Draft;
use findings::Findings;

words! {
    /// Whose files are read.
    Origin {
        /// F5 BIG-IP: `bigip.conf`, `bigip_base.conf`, or both in one (SCF).
        BigIp = "bigip",
        /// `keepalived.conf`.
        Keepalived = "keepalived",
        /// What `ipvsadm -Sn` prints.
        Ipvs = "ipvs",
    }
}

impl Origin {
    /// Whose file this looks like.
    pub fn of(text: &str) -> Origin {
        let begins =
            |words: &[&str]| text.lines().any(|line| words.iter().any(|word| line.trim_start().starts_with(word)));
        match () {
            () if begins(&["ltm ", "net ", "#TMSH"]) => Origin::BigIp,
            () if begins(&["-A ", "-a "]) => Origin::Ipvs,
            () if begins(&["virtual_server", "vrrp_instance", "global_defs"]) => Origin::Keepalived,
            () => Origin::BigIp,
        }
    }
}

/// What some files have become.
pub struct Imported {
    /// The Fairlead file.
    pub text: String,
    /// What to know about it, the most severe first.
    pub findings: Vec<Finding>,
    /// Why Fairlead refuses it as it stands; `None`: it does not.
    pub refusal: Option<ConfigErrors>,
    draft: Draft,
    /// Titles and places of the objects.
    places: Vec<(String, String)>,
}

/// Reads files of `origin` and writes a Fairlead file called `name`.
///
/// # Errors
/// A file that is not of its kind.
pub fn import(origin: Origin, files: &[Source], name: &str) -> Result<Imported, Unreadable> {
    let (mut draft, mut findings) = (Draft::default(), Findings::default());
    let places = match origin {
        Origin::BigIp => bigip::convert(files, &mut draft, &mut findings)?,
        Origin::Keepalived => keepalived::convert(files, &mut draft, &mut findings)?,
        Origin::Ipvs => ipvs::convert(files, &mut draft, &mut findings)?,
    };
    machine(&mut findings);
    let text = draft.text();
    let refusal = config::parse(name, &text).err();
    Ok(Imported { text, findings: findings.sorted(), refusal, draft, places })
}

/// No file of another balancer says what the machine is to be.
fn machine(findings: &mut Findings) {
    let message = "it says nothing of the machine, and Fairlead's defaults are those of a trial: one worker on core 1, no huge pages, no metrics, \
                   no group that may use the command, and no connection survives a restart";
    let remedy = "before going live write [cores] workers, [dpdk] hugepages, and admin_group, handover and metrics of [appliance]: the chapter \
                  \"Your own network\" has them";
    findings.add(Severity::Note, "the new file", message, remedy);
}

/// One object: where it stands, what it has become, what is said of it.
#[derive(Debug, serde::Serialize)]
pub struct Explained {
    /// What it is called.
    pub object: String,
    /// File and line.
    pub place: String,
    /// The entries of the Fairlead file that come from it.
    pub becomes: Vec<String>,
    /// What to know about it.
    pub findings: Vec<Finding>,
}

impl Imported {
    /// The objects that `name` means: a whole title, a name with its partition, or the last part of one.
    pub fn explain(&self, name: &str) -> Vec<Explained> {
        let is_meant = |title: &str| {
            let own = title.rsplit(' ').next().unwrap_or(title);
            title == name || own == name || own.rsplit('/').next() == Some(name)
        };
        let meant = self.places.iter().filter(|(title, _)| is_meant(title));
        // What is said of all objects of a kind is said of each.
        let is_about =
            |said: &str, title: &str| said == title || title.rsplit_once(' ').is_some_and(|(kind, _)| said == kind);
        meant
            .map(|(title, place)| Explained {
                object: title.clone(),
                place: place.clone(),
                becomes: self.draft.from(title).map(draft::Entry::text).collect(),
                findings: self.findings.iter().filter(|finding| is_about(&finding.object, title)).cloned().collect(),
            })
            .collect()
    }
}
