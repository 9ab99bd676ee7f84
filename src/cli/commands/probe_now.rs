//! `fairlead probe now`

use super::kit::*;
use super::{args, probes};

pub const PROBE_NOW: Command = Command {
    words: "probe now",
    about: "Probe a member now and show the result",
    args: || vec![args::member()],
    does: Does::Ask {
        request: |args| Request::ProbeNow { member: args::text(args, "member") },
        show: probes::show,
        watch: false,
    },
};
