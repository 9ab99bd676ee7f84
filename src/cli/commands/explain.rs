//! `fairlead explain`

use super::arguments::Once;
use super::content::Content;
use super::kit::*;
use super::question::Question;
use crate::admin::Request;
use crate::admin::explain::Explanation;
use crate::admin::request::{FileText, PacketAsked, TcpFlag, Transport};
use crate::cli::grid::labelled_inside;
use crate::policy::words::Word;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueHint};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

/// `explain ...`
#[derive(Debug, Subcommand)]
pub enum Explain {
    /// A datagram; a SIP message may go by its Call-ID, or an answer to whoever asked: say what it says
    #[command(after_help = UDP_EXAMPLES)]
    Udp {
        /// Between whom.
        #[command(flatten)]
        ends: Ends,
        /// What it says.
        #[command(flatten)]
        content: Content,
        /// Where it comes in, and how it is shown.
        #[command(flatten)]
        place: Place,
    },
    /// A segment
    Tcp {
        /// Between whom.
        #[command(flatten)]
        ends: Ends,
        /// Its control bits, with commas between: syn, ack, fin, rst, psh [default: syn]
        #[arg(long, value_delimiter = ',', value_name = "BITS", hide_possible_values = true)]
        #[arg(value_parser = PossibleValuesParser::new(TcpFlag::WORDS).try_map(|word| word.parse::<TcpFlag>().map_err(|_| word)))]
        flags: Vec<TcpFlag>,
        /// Where it comes in, and how it is shown.
        #[command(flatten)]
        place: Place,
    },
    /// An echo request
    Icmp {
        /// Its source, an IPv4 address
        #[arg(value_parser = address)]
        src: Ipv4Addr,
        /// Its destination, an IPv4 address
        #[arg(value_parser = address)]
        dst: Ipv4Addr,
        /// Its identifier
        #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = super::arguments::number::<u16>(0..=0xffff))]
        id: u16,
        /// Where it comes in, and how it is shown.
        #[command(flatten)]
        place: Place,
    },
}

const UDP_EXAMPLES: &str = "\
Examples:
  fairlead explain udp 172.16.5.5:5060 10.20.0.100:5060
  fairlead explain udp 172.16.5.5:5060 10.20.0.100:5060 --call-id 7@phone --request BYE
  fairlead explain udp 172.16.5.5:5060 10.20.0.100:5060 --call-id 7@phone --response --via 10.20.0.12
  fairlead explain udp 172.16.5.5:5060 10.20.0.100:5060 --sip-file message.txt

Without --sip-file and --call-id the datagram is taken for one that is no SIP. Where members share their work, or
one that is not active has spoken, the answer says that what it says matters, and who may get it by that.";

/// The ends of a packet.
#[derive(Debug, Args)]
pub struct Ends {
    /// Its source, such as 172.16.5.5:5060
    #[arg(value_parser = endpoint)]
    src: SocketAddrV4,
    /// Its destination, such as 10.20.0.100:5060
    #[arg(value_parser = endpoint)]
    dst: SocketAddrV4,
}

/// Where a packet comes in.
#[derive(Debug, Args)]
pub struct Place {
    #[command(flatten)]
    once: Once,
    /// It comes from this member, and in on its interface
    #[arg(long, value_name = "MEMBER")]
    from: Option<String>,
    /// It comes in on this interface [default: the one on the way to its source]
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// Ask no appliance: explain by this file, with every member up, every next hop known, and no flows
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
}

impl Explain {
    pub(super) fn question(self) -> Question {
        let (mut file_said, mut content) = (None, None);
        let (protocol, src, dst, flags, place) = match self {
            Explain::Udp { ends: Ends { src, dst }, content: said, place } => {
                (file_said, content) = (said.sip_file.clone(), said.text(src, dst).map(FileText));
                (Transport::Udp, src, dst, Vec::new(), place)
            }
            Explain::Tcp { ends: Ends { src, dst }, flags, place } => (Transport::Tcp, src, dst, flags, place),
            Explain::Icmp { src, dst, id, place } => {
                (Transport::Icmp, SocketAddrV4::new(src, id), SocketAddrV4::new(dst, 0), Vec::new(), place)
            }
        };
        let Place { once, from, interface, file } = place;
        let request = Request::Explain(PacketAsked {
            flags,
            from,
            interface,
            content,
            ..PacketAsked::between(protocol, src, dst)
        });
        Question { candidate: file, file: file_said, ..once.of(request, show) }
    }
}

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
