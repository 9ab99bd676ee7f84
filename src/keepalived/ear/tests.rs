use super::*;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

/// O_NONBLOCK of Linux, as keepalived opens it.
const NONBLOCK: i32 = 0o4000;

struct Lab {
    folder: tempfile::TempDir,
    ear: Ear,
    begin: Instant,
    holds: bool,
}

impl Lab {
    fn new() -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let ear = Ear::new(wanted(folder.path().join("fifo")));
        Lab { folder, ear, begin: Instant::now(), holds: false }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("fifo")
    }

    /// As keepalived has it: for both, so that it never waits for anybody who reads.
    fn writer(&self) -> File {
        OpenOptions::new().read(true).write(true).custom_flags(NONBLOCK).open(self.path()).unwrap()
    }

    fn at(&mut self, ms: u64) -> Vec<Heard> {
        let holds = self.holds;
        self.ear.turn(self.begin + Duration::from_millis(ms), |addresses| {
            assert_eq!(addresses, [Ipv4Addr::new(10, 20, 0, 1)]);
            Ok(holds)
        })
    }
}

fn wanted(fifo: PathBuf) -> Wanted {
    Wanted { fifo, addresses: vec![Ipv4Addr::new(10, 20, 0, 1)] }
}

fn line(text: &str) -> Heard {
    Heard::News(PairNews::Keepalived(text.into()))
}

const HELD: Heard = Heard::News(PairNews::Kernel(true));
const LOST: Heard = Heard::News(PairNews::Kernel(false));
const GONE: Heard = Heard::News(PairNews::KeepalivedGone);

#[test]
fn the_fifo_is_there_and_private_before_anybody_opens_it() {
    let lab = Lab::new();
    let there = lab.path().metadata().unwrap();
    assert!(there.file_type().is_fifo());
    assert_eq!(there.permissions().mode() & 0o777, 0o600);
}

#[test]
fn one_that_is_there_is_taken_and_made_private() {
    let mut lab = Lab::new();
    let inode = lab.path().metadata().unwrap().ino();
    std::fs::set_permissions(lab.path(), PermissionsExt::from_mode(0o666)).unwrap();
    lab.ear = Ear::new(wanted(lab.path()));
    let there = lab.path().metadata().unwrap();
    assert_eq!((there.ino(), there.permissions().mode() & 0o777), (inode, 0o600));
}

#[test]
fn lines_are_heard_whole_and_in_order_and_the_kernel_is_asked_after_each() {
    let mut lab = Lab::new();
    assert_eq!(lab.at(0), []);
    let mut keepalived = lab.writer();
    keepalived.write_all(b"INSTANCE \"VI\" BACKUP 100\nINSTANCE \"VI\" MAS").unwrap();
    assert_eq!(lab.at(10), [line("INSTANCE \"VI\" BACKUP 100")]);
    lab.holds = true;
    keepalived.write_all(b"TER 100\n").unwrap();
    assert_eq!(lab.at(20), [line("INSTANCE \"VI\" MASTER 100"), HELD]);
    assert_eq!(lab.at(30), []);
    // Once a second without any line, too: one may have been lost.
    assert_eq!(lab.at(1_000), [HELD]);
    lab.holds = false;
    assert_eq!(lab.at(2_000), [LOST]);
    assert_eq!(lab.at(3_000), []);
}

#[test]
fn that_the_kernel_holds_nothing_says_nothing_until_it_has_held_something() {
    let mut lab = Lab::new();
    let _keepalived = lab.writer();
    assert_eq!(lab.at(0), []);
    assert_eq!(lab.at(1_000), []);
    lab.holds = true;
    assert_eq!(lab.at(2_000), [HELD]);
}

#[test]
fn after_our_own_start_the_kernel_says_what_keepalived_has_said_before() {
    let mut lab = Lab::new();
    let _keepalived = lab.writer();
    lab.holds = true;
    assert_eq!(lab.at(0), [HELD]);
}

#[test]
fn a_keepalived_that_is_gone_is_said_once_and_its_addresses_mean_nothing() {
    let mut lab = Lab::new();
    lab.holds = true;
    let keepalived = lab.writer();
    assert_eq!(lab.at(0), [HELD]);
    drop(keepalived);
    assert_eq!(lab.at(100), []);
    assert_eq!(lab.at(399), []);
    assert_eq!(lab.at(400), [GONE]);
    assert_eq!(lab.at(1_500), []);
    let _again = lab.writer();
    assert_eq!(lab.at(1_600), [HELD]);
}

#[test]
fn a_reload_that_opens_the_fifo_anew_is_no_end_and_the_kernel_is_asked() {
    let mut lab = Lab::new();
    lab.holds = true;
    let keepalived = lab.writer();
    assert_eq!(lab.at(0), [HELD]);
    drop(keepalived);
    assert_eq!(lab.at(100), []);
    let _keepalived = lab.writer();
    assert_eq!(lab.at(300), [HELD]);
    assert_eq!(lab.at(900), []);
}

#[test]
fn before_keepalived_is_there_nothing_is_said_of_it() {
    let mut lab = Lab::new();
    (0..5).for_each(|second| assert_eq!(lab.at(second * 1_000), []));
}

#[test]
fn a_fifo_that_somebody_has_put_in_its_place_is_read_within_a_second() {
    let mut lab = Lab::new();
    let _before = lab.writer();
    assert_eq!(lab.at(0), []);
    std::fs::remove_file(lab.path()).unwrap();
    assert_eq!(lab.at(999), []);
    // Removed only: made anew.
    assert_eq!(lab.at(1_000), []);
    assert!(lab.path().metadata().unwrap().file_type().is_fifo());
    let mut after = lab.writer();
    after.write_all(b"INSTANCE \"VI\" FAULT 100\n").unwrap();
    assert_eq!(lab.at(1_010), [line("INSTANCE \"VI\" FAULT 100")]);
    // Replaced by a rename, as keepalived's reload looks to who has the old one open.
    let other = lab.folder.path().join("other");
    let there = Ear::new(wanted(other.clone()));
    std::fs::rename(&other, lab.path()).unwrap();
    drop(there);
    assert_eq!(lab.at(2_000), []);
    lab.writer().write_all(b"INSTANCE \"VI\" BACKUP 100\n").unwrap();
    assert_eq!(lab.at(2_010), [line("INSTANCE \"VI\" BACKUP 100")]);
}

#[test]
fn something_else_at_its_path_is_said_and_that_it_is_over() {
    let mut lab = Lab::new();
    std::fs::remove_file(lab.path()).unwrap();
    std::fs::write(lab.path(), "a file").unwrap();
    lab.ear = Ear::new(wanted(lab.path()));
    let said = lab.at(0);
    let [Heard::Trouble(Some(text))] = &said[..] else { panic!("{said:?}") };
    assert!(text.contains("fifo, keepalived's notify FIFO, cannot be read: something else has this name"), "{text}");
    assert!(lab.ear.has_trouble());
    assert_eq!(lab.at(1_000), [], "once");
    std::fs::remove_file(lab.path()).unwrap();
    assert_eq!(lab.at(2_000), [Heard::Trouble(None)]);
    assert!(!lab.ear.has_trouble());
}

#[test]
fn a_line_without_end_takes_no_memory_and_the_next_one_is_heard() {
    let mut lab = Lab::new();
    let mut keepalived = lab.writer();
    for _ in 0..20 {
        keepalived.write_all(&[b'x'; 4_000]).unwrap();
        assert!(lab.at(10).is_empty());
    }
    keepalived.write_all(b"\nINSTANCE \"VI\" STOP 100\n").unwrap();
    assert_eq!(lab.at(20), [line("INSTANCE \"VI\" STOP 100")]);
}
