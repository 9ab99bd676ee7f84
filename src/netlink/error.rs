//! What the kernel refuses, as a sentence that says what to do.

use rustix::io::Errno;
use std::io;

/// Something that the kernel did not do.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {cause}{}", remedy(.cause))]
pub struct NetlinkError {
    what: String,
    cause: io::Error,
}

impl NetlinkError {
    /// That what `what` says has failed so.
    pub(super) fn of(what: impl FnOnce() -> String) -> impl FnOnce(io::Error) -> NetlinkError {
        |cause| NetlinkError { what: what(), cause }
    }

    /// The kernel does not know such a thing.
    pub fn is_unknown_kind(&self) -> bool {
        self.errno() == Some(Errno::OPNOTSUPP)
    }

    /// The thing is not there, or not any more.
    pub fn is_missing(&self) -> bool {
        self.errno() == Some(Errno::NODEV)
    }

    fn errno(&self) -> Option<Errno> {
        Errno::from_io_error(&self.cause)
    }
}

fn remedy(cause: &io::Error) -> &'static str {
    match Errno::from_io_error(cause) {
        Some(Errno::PERM | Errno::ACCESS) => "; run as root, or give the program CAP_NET_ADMIN",
        Some(Errno::OPNOTSUPP) => {
            "; the kernel, or the driver of the link, does not know how: for a kind of link, load its module (modprobe)"
        }
        Some(Errno::EXIST) => "; remove the other one of this name, or choose another name",
        Some(Errno::BUSY) => "; take it down first",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_names_the_thing_and_the_remedy() {
        let error = NetlinkError::of(|| "link fl-vips cannot be taken up".into())(Errno::PERM.into());
        assert_eq!(
            error.to_string(),
            "link fl-vips cannot be taken up: Operation not permitted (os error 1); run as root, or give the program \
             CAP_NET_ADMIN"
        );
    }
}
