//! `fairlead explain`

use super::kit::*;
use crate::admin::explain::Explanation;
use crate::cli::grid::labelled_inside;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

/// An IPv4 address and a port.
pub(super) fn endpoint(text: &str) -> Result<SocketAddrV4, String> {
    match (text.parse::<SocketAddr>(), text.parse::<IpAddr>()) {
        (Ok(SocketAddr::V4(end)), _) => Ok(end),
        (Ok(SocketAddr::V6(_)), _) | (_, Ok(IpAddr::V6(_))) => Err(NOT_IPV4.into()),
        (_, Ok(IpAddr::V4(address))) => Err(format!("add the port, such as {address}:5060")),
        _ => Err("write an IPv4 address and a port, such as 172.16.5.5:5060".into()),
    }
}

/// An IPv4 address.
pub(super) fn address(text: &str) -> Result<Ipv4Addr, String> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Ok(address),
        Ok(IpAddr::V6(_)) => Err(NOT_IPV4.into()),
        Err(_) => Err("write an IPv4 address without a port, such as 172.16.5.5".into()),
    }
}

const NOT_IPV4: &str = "it is an IPv6 address, which the appliance does not forward: write an IPv4 address";

pub(super) fn show(data: Value, _: Wall) -> Shown {
    let explanation: Explanation = from_value(data)?;
    Ok(text(&explanation))
}

fn text(it: &Explanation) -> String {
    let flags = it.flags.as_ref().map_or_else(String::new, |flags| format!(" {flags}"));
    let head = format!("{}{flags} {} > {}\n", it.protocol, it.original.src, it.original.dst);
    let rows: Vec<(&str, String)> = it.steps.iter().map(|step| (step.step.as_str(), step.says.clone())).collect();
    let steps: String = labelled_inside(&rows, 2).lines().map(|line| format!("  {line}\n")).collect();
    let counted = it.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    let end = paragraph(&format!("{}{counted}: {}", it.verdict, it.outcome));
    let remedy = it.remedy.as_ref().map_or_else(String::new, |remedy| paragraph(&format!("Remedy: {remedy}.")));
    visible_lines(&head) + &steps + &end + &remedy
}

fn visible_lines(line: &str) -> String {
    visible(line.trim_end()) + "\n"
}
