//! `fairlead member enable`, `member drain` and `member offline`

use super::kit::*;
use super::{args, members};

pub const ENABLE: Command =
    set("member enable", "Leave the member to its monitors", |args| request(args, AdminState::Enabled));

pub const DRAIN: Command =
    set("member drain", "Send it no new work; let what it has finish", |args| request(args, AdminState::Draining));

pub const OFFLINE: Command =
    set("member offline", "Take it out of service at once", |args| request(args, AdminState::Offline));

const fn set(words: &'static str, about: &'static str, request: fn(&ArgMatches) -> Request) -> Command {
    let does = Does::Ask { request, show: members::show, watch: false };
    Command { words, about, args: || vec![args::member()], does }
}

fn request(args: &ArgMatches, admin: AdminState) -> Request {
    Request::MemberSet { member: args::text(args, "member"), admin }
}
