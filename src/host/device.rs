//! One TAP.
//!
//! Owns its descriptor, and that the kernel's side of it is as it is to be. Its name is given up with the last descriptor: nothing stays behind
//! when the process ends, however it ends, unless the service manager keeps one for the next.

use super::kept::Kept;
use super::kernel_settings;
use super::wanted::Wanted;
use crate::netlink::{Link, Netlink, NetlinkError};
use ipnet::Ipv4Net;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use tappers::{Interface, Tap};

/// A device that is there.
pub(super) struct Device {
    file: File,
    link: Link,
}

impl Device {
    /// Takes the device over that the process before has left, or makes it; says what is still wrong with it.
    pub(super) fn get(
        wanted: &Wanted,
        kept: &mut Kept,
        netlink: &mut Netlink,
    ) -> Result<(Device, Option<String>), String> {
        let unknown =
            |error| format!("{} may be that of the process before, which cannot be known: {error}", wanted.name);
        if !kept.has(&wanted.name).map_err(unknown)? {
            return Device::make(wanted, kept, netlink);
        }
        // Before it is taken: where it cannot be found, it is there at the next look.
        let link = find(&wanted.name, netlink)?;
        let Some(back) = kept.take(&wanted.name) else { return Device::make(wanted, kept, netlink) };
        tracing::info!(
            "host device {} is that of the process before, whoever speaks over it has seen nothing: {} that had waited are dropped",
            wanted.name,
            frames(back.late)
        );
        let mut device = Device { file: back.file, link };
        let trouble = device.conform(wanted, netlink).err();
        Ok((device, trouble))
    }

    fn make(wanted: &Wanted, kept: &mut Kept, netlink: &mut Netlink) -> Result<(Device, Option<String>), String> {
        let name = &wanted.name;
        let file = open(name).map_err(|error| {
            let remedy = match error.kind() {
                io::ErrorKind::ResourceBusy => "; another device has this name: remove it, or write another name",
                io::ErrorKind::NotFound => "; /dev/net/tun is missing: load the module tun (modprobe tun)",
                io::ErrorKind::PermissionDenied => "; give the program CAP_NET_ADMIN, and its unit /dev/net/tun",
                _ => "",
            };
            format!("{name} cannot be made: {error}{remedy}")
        })?;
        let link = find(name, netlink)?;
        kept.add(name, file.as_fd());
        let mut device = Device { file, link };
        let trouble = device.conform(wanted, netlink).err();
        Ok((device, trouble))
    }

    /// Makes the kernel's settings, MAC, MTU and addresses as they are to be, and takes it up. Touches nothing that is so already.
    pub(super) fn conform(&mut self, wanted: &Wanted, netlink: &mut Netlink) -> Result<(), String> {
        self.link = find(&wanted.name, netlink)?;
        let settings = kernel_settings::set(&wanted.name)
            .and_then(|()| wanted.beneath.as_deref().map_or(Ok(()), kernel_settings::close))
            .and_then(|()| kernel_settings::reserve_ports());
        let text = |error: NetlinkError| error.to_string();
        if self.link.mac != Some(wanted.mac) {
            netlink.set_mac(&self.link, wanted.mac).map_err(text)?;
        }
        if self.link.mtu != u32::from(wanted.mtu) {
            netlink.set_mtu(&self.link, wanted.mtu.into()).map_err(text)?;
        }
        self.give_addresses(&wanted.addresses, netlink)?;
        if !self.link.up {
            netlink.set_up(&self.link, true).map_err(text)?;
        }
        settings.map_err(|error| format!("{} is not as it is to be: {error}", wanted.name))
    }

    /// What has none of the addresses that are to be there gets them, and loses those that it was given by this program, be it by the process
    /// before, and that are not wanted any more; those that others have put there stay.
    fn give_addresses(&self, wanted: &[Ipv4Net], netlink: &mut Netlink) -> Result<(), String> {
        let text = |error: NetlinkError| error.to_string();
        let mut has = netlink.addresses_by_giver(&self.link).map_err(text)?;
        let is_over = |(net, is_ours): &(Ipv4Net, bool)| *is_ours && !wanted.contains(net);
        let gone: Vec<Ipv4Net> = has.iter().filter(|one| is_over(one)).map(|(net, _)| *net).collect();
        if !gone.is_empty() {
            self.take_addresses(&gone, netlink)?;
            // With the first of a network the kernel may take the others of it.
            has = netlink.addresses_by_giver(&self.link).map_err(text)?;
        }
        let has: Vec<Ipv4Net> = has.into_iter().map(|(net, _)| net).collect();
        let missing: Vec<Ipv4Net> = wanted.iter().filter(|net| !has.contains(net)).copied().collect();
        if missing.is_empty() {
            return Ok(());
        }
        netlink
            .change_addresses(&self.link, &[], &missing)
            .map_err(|error| format!("{error}: what needs one, such as keepalived, waits or stays in its FAULT state"))
    }

    /// Takes away the addresses that the interface had and has no longer.
    pub(super) fn take_addresses(&self, gone: &[Ipv4Net], netlink: &mut Netlink) -> Result<(), String> {
        netlink.change_addresses(&self.link, gone, &[]).map_err(|error| error.to_string())
    }

    /// The kernel's number of it.
    pub(super) fn index(&self) -> u32 {
        self.link.index
    }

    /// The kernel sees a carrier, or would, were the device up.
    pub(super) fn has_carrier(&self) -> bool {
        self.link.carrier || !self.link.up
    }

    /// Lets the kernel see a carrier or none: routing daemons and keepalived take that for the cable.
    pub(super) fn set_carrier(&self, carrier: bool, netlink: &mut Netlink) -> Result<(), String> {
        netlink.set_carrier(&self.link, carrier).map_err(|error| error.to_string())
    }

    /// The next frame that the kernel sends; [`io::ErrorKind::WouldBlock`] where there is none.
    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        (&self.file).read(into)
    }

    /// Gives the kernel a frame.
    pub(super) fn write(&self, frame: &[u8]) -> io::Result<()> {
        (&self.file).write(frame).map(drop)
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A new TAP of this name, without anything in front of its frames.
fn open(name: &str) -> io::Result<File> {
    let tap = Tap::new_named(Interface::new(name)?)?;
    let descriptor = tap.as_fd().try_clone_to_owned()?;
    fcntl_setfl(&descriptor, fcntl_getfl(&descriptor)? | OFlags::NONBLOCK)?;
    Ok(File::from(descriptor))
}

fn frames(count: usize) -> String {
    if count == 1 { "1 frame".into() } else { format!("{count} frames") }
}

fn find(name: &str, netlink: &mut Netlink) -> Result<Link, String> {
    let found = netlink.link(name).map_err(|error| error.to_string())?;
    found.ok_or_else(|| format!("{name} is gone: somebody has removed it"))
}
