//! What an operator calls by its name.
//!
//! Owns the finding of it in a configuration, and the error that says which names there are.

use super::answer::{AdminError, Code};
use crate::policy::Intent;
use crate::policy::intent::{InterfaceId, MemberId, PoolId, VirtualServer};

/// Names an error message lists at most.
const NAMES: usize = 20;

/// The member with this name.
///
/// # Errors
/// There is none; which there are.
pub fn member_named(intent: &Intent, name: &str) -> Result<MemberId, AdminError> {
    let names = || intent.members.iter().map(|member| &*member.name);
    let found = intent.members.find_id(|member| member.name == name);
    found.ok_or_else(|| unknown(Code::UnknownMember, "member", name, names()))
}

/// The pool with this name.
///
/// # Errors
/// There is none; which there are.
pub fn pool_named(intent: &Intent, name: &str) -> Result<PoolId, AdminError> {
    let names = || intent.pools.iter().map(|pool| &*pool.name);
    let found = intent.pools.find_id(|pool| pool.name == name);
    found.ok_or_else(|| unknown(Code::UnknownPool, "pool", name, names()))
}

/// The virtual server with this name.
///
/// # Errors
/// There is none; which there are.
pub fn virtual_server_named<'a>(intent: &'a Intent, name: &str) -> Result<&'a VirtualServer, AdminError> {
    let names = || intent.virtual_servers.iter().map(|server| &*server.name);
    let found = intent.virtual_servers.iter().find(|server| server.name == name);
    found.ok_or_else(|| unknown(Code::UnknownVirtualServer, "virtual server", name, names()))
}

/// The interface with this name.
///
/// # Errors
/// There is none; which there are.
pub fn interface_named(intent: &Intent, name: &str) -> Result<InterfaceId, AdminError> {
    let found = intent.interfaces.find_id(|interface| interface.name == name);
    found.ok_or_else(|| unknown(Code::BadRequest, "interface", name, interface_names(intent)))
}

/// The names of all interfaces.
pub fn interface_names(intent: &Intent) -> impl Iterator<Item = &str> {
    intent.interfaces.iter().map(|interface| &*interface.name)
}

fn unknown<'a>(code: Code, kind: &str, name: &str, names: impl Iterator<Item = &'a str>) -> AdminError {
    AdminError::new(code, format!("there is no {kind} `{name}`; there are {}", listed(names)))
}

/// With commas between; of many the first, and how many more there are.
pub fn listed<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let all: Vec<T> = names.into_iter().collect();
    let shown = all.iter().take(NAMES).map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
    match all.len() {
        0 => "none".into(),
        count if count > NAMES => format!("{shown} and {} more", count - NAMES),
        _ => shown,
    }
}
