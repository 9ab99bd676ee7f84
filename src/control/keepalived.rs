//! What keepalived writes to its notify FIFO (keepalived.conf(5), notify_fifo).
//!
//! Owns the reading of one line. Opens no FIFO.

use crate::policy::intent::PairRole;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Our instance is this.
    Role(PairRole),
    /// It is about another instance, or a group.
    Other,
    /// Nothing that is known.
    Unknown,
}

/// `INSTANCE "VI_1" MASTER 100`. Whatever is not MASTER is not active: FAULT and STOP as well, and an instance that was removed. Groups are no
/// help: keepalived says nothing of one when it stops. `instance`: ours; `None`: any is.
pub(super) fn line(text: &str, instance: Option<&str>) -> Line {
    let Some((kind, rest)) = text.trim().split_once(' ') else { return Line::Unknown };
    let Some((name, rest)) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"')) else {
        return Line::Unknown;
    };
    let role = match rest.split_whitespace().next().unwrap_or_default() {
        "MASTER" | "MASTER_RX_LOWER_PRI" => PairRole::Active,
        "BACKUP" | "FAULT" | "STOP" | "DELETED" => PairRole::Standby,
        _ => return Line::Unknown,
    };
    match kind {
        "INSTANCE" if instance.is_none_or(|ours| ours == name) => Line::Role(role),
        "INSTANCE" | "GROUP" => Line::Other,
        _ => Line::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As keepalived 2.2.7 and 2.3.3 write them.
    #[test]
    fn lines_say_what_our_instance_is() {
        for (text, said) in [
            ("INSTANCE \"VI_1\" MASTER 100", Line::Role(PairRole::Active)),
            ("INSTANCE \"VI_1\" BACKUP 100", Line::Role(PairRole::Standby)),
            ("INSTANCE \"VI_1\" FAULT 0", Line::Role(PairRole::Standby)),
            ("INSTANCE \"VI_1\" STOP 100", Line::Role(PairRole::Standby)),
            ("INSTANCE \"VI_1\" MASTER_RX_LOWER_PRI 100", Line::Role(PairRole::Active)),
            ("INSTANCE \"VI_2\" MASTER 100", Line::Other),
            ("GROUP \"G1\" MASTER 0", Line::Other),
            ("VS [10.0.0.1]:tcp:80 UP", Line::Unknown),
            ("INSTANCE VI_1 MASTER 100", Line::Unknown),
            ("INSTANCE \"VI_1\" LEADER 100", Line::Unknown),
            ("INSTANCE \"VI_1", Line::Unknown),
            ("", Line::Unknown),
        ] {
            assert_eq!(line(text, Some("VI_1")), said, "{text}");
        }
        assert_eq!(line("INSTANCE \"any\" MASTER 100", None), Line::Role(PairRole::Active));
    }
}
