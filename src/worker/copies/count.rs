//! How copies end.
//!
//! Owns [`CopyCount`], their counters.

use crate::engine::verdict::ways;

ways! {
    /// Copies made, and how each of them ended. One counter each.
    CopyCount {
        Kept = "kept": "Copies made of SIP requests to an active member, for the member that would take over.",
        Answered = "answered": "Copies dropped because the request was answered.",
        Provisional = "provisional": "Copies dropped because the request was answered provisionally (1xx): if its member dies before the final answer, the client decides.",
        Redelivered = "delivered": "SIP requests delivered again, to the member that took over.",
        Full = "full": "Copies that gave way to newer ones, found no place themselves, or were dropped since more answers came in a second than are read.",
        Expired = "expired": "Copies of requests that had not been answered, or sent again, for as long as `redeliver` says.",
        Discarded = "discarded": "Copies dropped because another member became active for another cause than a death that all its silence confirms, or could not be sent the request.",
        Unread = "unread": "Datagrams to a service of which no copy was made: more SIP requests came in a second than are read, in all or from one source, or the answer would reach another worker, or an address that the sender names apart (maddr, or the Via's own where there is no branch).",
    }
}
