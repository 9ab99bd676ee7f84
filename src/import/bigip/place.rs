//! What virtual servers take: from where, and sent where to.
//!
//! Owns what holds where one does not say.

use super::names::{Unusable, address, endpoint, network};
use super::objects::{Object, Objects};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// Where one sends that does not say.
pub const EVERYWHERE: &str = "0.0.0.0:0";

/// Where what it takes is sent: one address or the first of a network, and a port.
pub fn place(server: &Object, objects: &Objects) -> Result<(Ipv4Addr, u16), Unusable> {
    let destination = server.word("destination").unwrap_or(EVERYWHERE);
    let (host, port) = endpoint(destination)?;
    let partition = destination.rfind('/').map_or("", |at| &destination[..=at]);
    Ok((virtual_address(objects, &format!("{partition}{host}"))?, port))
}

/// The network that what it takes is sent to, and the port; 0 is any.
pub fn destination(server: &Object, objects: &Objects) -> Result<(Ipv4Net, u16), Unusable> {
    let (address, port) = place(server, objects)?;
    let mask = match server.word("mask") {
        Some("any") => Ipv4Addr::UNSPECIFIED,
        _ if address.is_unspecified() => Ipv4Addr::UNSPECIFIED,
        mask => mask.and_then(|mask| mask.parse().ok()).unwrap_or(Ipv4Addr::BROADCAST),
    };
    Ipv4Net::with_netmask(address, mask).map(|net| (net.trunc(), port)).map_err(|_| Unusable::Other)
}

/// From where it takes packets: everywhere unless it says. `Err`: what it says is no network of IPv4.
pub fn source(server: &Object) -> Result<Ipv4Net, Unusable> {
    server.word("source").map_or(Ok(Ipv4Net::default()), network).map(|net| net.trunc())
}

/// The address may have a name of its own.
fn virtual_address(objects: &Objects, name: &str) -> Result<Ipv4Addr, Unusable> {
    let object = objects.find("ltm virtual-address", name).and_then(|object| object.word("address"));
    address(object.unwrap_or(name)).map(|(address, _)| address)
}
