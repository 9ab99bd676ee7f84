//! What has to be written into the file so that it says what an operator has set.

use super::rows::{AdminState, LogLevel, SettingRow};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What `save` writes into the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavePlan {
    /// The file's absolute path.
    pub file: String,
    /// What it says if it is the one in force.
    pub text: Arc<str>,
    /// What is written of exclusions.
    pub exclusions: Vec<SavedExclusionsRow>,
    /// What is written of members.
    #[serde(default)]
    pub members: Vec<SavedMemberRow>,
    /// What the operator has set that the file has no key for, such as a drain that ends at a time: it is kept over a restart by the
    /// appliance itself.
    pub settings: Vec<SettingRow>,
    /// The file in which that is kept; `None`: it is lost when the appliance ends.
    pub kept_in: Option<String>,
    /// What the operator has had logged for this run, if the file says something else: it is not written either.
    pub log_level: Option<LogLevel>,
}

/// What is written of a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedMemberRow {
    /// Its pool's name.
    pub pool: String,
    /// Its name.
    pub member: String,
    /// As the operator has set it.
    pub admin: AdminState,
}

/// What is written into the exclusion group of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedExclusionsRow {
    /// The pool's name.
    pub pool: String,
    /// Prefixes that are added to the file.
    pub added: Vec<Ipv4Net>,
    /// Prefixes that are removed from it.
    pub removed: Vec<Ipv4Net>,
}
