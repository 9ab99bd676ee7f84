//! The kernel's devices of interfaces, in a network namespace of the test's own: what a socket of the kernel's receives and sends is what a
//! worker has given and is given.

use fairlead::host::{HostState, Hosts, Wanted};
use fairlead::policy::intent::InterfaceId;
use fairlead::time;
use fairlead::wire::build::Build;
use fairlead::wire::{Kind, Mac, Packet, compose};
use fairlead::worker::host::{HostFrame, HostLink, KernelFrame, host_link};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tappers::{Interface, Tap};
use testbench::namespace::{in_namespace, ip, started_by};

const PATIENCE: Duration = Duration::from_secs(20);

const CLIENTS: InterfaceId = InterfaceId(3);
const OURS: Mac = Mac([2, 0xf1, 0, 0, 0, 1]);
const THEIRS: Mac = Mac([2, 0, 0, 0, 0, 9]);

fn wanted(name: &str, addresses: &[&str]) -> Wanted {
    Wanted {
        interface: CLIENTS,
        name: name.into(),
        mac: OURS,
        virtual_mac: None,
        mtu: 1_400,
        addresses: addresses.iter().map(|one| one.parse().unwrap()).collect(),
        link: Some(true),
        beneath: None,
    }
}

/// The time of tests in which nobody asks for it.
fn now() -> time::Instant {
    time::Instant::ZERO
}

/// Two workers' ends, and the devices.
fn served(wanted: &Wanted) -> ([HostLink; 2], Hosts) {
    let [(first, one), (second, other)] = [host_link(64), host_link(64)];
    ([first, second], Hosts::start(vec![one, other], vec![wanted.clone()], Vec::new(), now).unwrap())
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn state(hosts: &Hosts) -> HostState {
    let mut states = hosts.board().states();
    assert_eq!(states.len(), 1);
    states.remove(0)
}

fn received(socket: &UdpSocket) -> String {
    let mut bytes = [0; 100];
    let length = socket.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].into()).unwrap()
}

fn datagram(text: &str) -> HostFrame {
    let build = Build::udp("192.0.2.9:40000", "192.0.2.2:123").macs(THEIRS, OURS).payload(text.as_bytes());
    HostFrame { interface: CLIENTS, bytes: build.bytes().into() }
}

/// The next datagram or ARP that the kernel sends.
fn sent(link: &mut HostLink) -> Vec<u8> {
    let mut found = None;
    until("the kernel sends", || {
        found = link.pop().map(|KernelFrame { frame, .. }| {
            assert_eq!(frame.interface, CLIENTS);
            frame.bytes.into_vec()
        });
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn frames_pass_between_a_worker_and_the_kernel() {
    in_namespace("frames_pass_between_a_worker_and_the_kernel", || {
        let wanted = wanted("fl-clients", &["192.0.2.2/24", "198.51.100.0/31", "203.0.113.9/32"]);
        let (mut links, hosts) = served(&wanted);
        assert_eq!(state(&hosts).trouble, None);
        let said = ip("-o address show dev fl-clients");
        for address in ["inet 192.0.2.2/24 ", "inet 198.51.100.0/31 ", "inet 203.0.113.9/32 "] {
            assert!(said.contains(address) && !said.contains("inet6"), "{said}");
        }
        let said = ip("-o link show fl-clients");
        assert!(said.contains(&OURS.to_string()) && said.contains("mtu 1400") && said.contains("LOWER_UP"), "{said}");
        let socket = UdpSocket::bind("192.0.2.2:123").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        // Whoever has it, for whichever worker: the kernel takes it.
        links[0].push(datagram("from one")).unwrap();
        assert_eq!(received(&socket), "from one");
        links[1].push(datagram("from the other")).unwrap();
        assert_eq!(received(&socket), "from the other");
        // The kernel asks who is there before it answers, always by the same worker.
        socket.send_to(b"answer", "192.0.2.9:40000").unwrap();
        let link = &mut links[1];
        let question = Packet::parse(&sent(link)).unwrap();
        assert!(matches!(question.kind, Kind::Arp(arp) if arp.sender_mac == OURS && arp.sender == question.src()));
        let reply = Build::arp_reply(THEIRS, "192.0.2.9", OURS, "192.0.2.2").bytes();
        link.push(HostFrame { interface: CLIENTS, bytes: reply.into() }).unwrap();
        let frame = sent(link);
        let packet = Packet::parse(&frame).unwrap();
        assert_eq!((packet.dst_mac(), packet.src_mac(&frame), &frame[42..48]), (THEIRS, OURS, &b"answer"[..]));
        // It does not answer ARP itself: the data path does.
        let asks = compose::arp_request(THEIRS, None, "192.0.2.9".parse().unwrap(), "192.0.2.2".parse().unwrap());
        link.push(HostFrame { interface: CLIENTS, bytes: asks.into() }).unwrap();
        link.push(datagram("meanwhile")).unwrap();
        assert_eq!(received(&socket), "meanwhile");
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(link.pop(), None);
        let counts = state(&hosts).counts();
        assert_eq!((counts.to_kernel, counts.from_kernel, counts.refused, counts.lost), (5, 2, 0, 0));
        drop(hosts);
        assert!(!ip("-o link show").contains("fl-clients"));
        assert!(link.push(datagram("late")).is_err(), "nobody is there any more");
    });
}

/// The thread that reads the device is held where it asks for the time, as all of the process is that hangs.
#[test]
fn s178_what_the_kernel_has_sent_while_nobody_read_is_known_to_be_old_and_what_comes_after_is_not() {
    in_namespace(
        "s178_what_the_kernel_has_sent_while_nobody_read_is_known_to_be_old_and_what_comes_after_is_not",
        || {
            let clock = Arc::new(Mutex::new(time::Instant::from_millis(1_000)));
            let (link, end) = host_link(64);
            let (mut link, read) = (link, Arc::clone(&clock));
            let devices = vec![wanted("fl-clients", &["192.0.2.2/24"])];
            let _hosts = Hosts::start(vec![end], devices, Vec::new(), move || *read.lock().unwrap()).unwrap();
            ip("neighbour add 192.0.2.9 lladdr 02:00:00:00:00:09 dev fl-clients nud permanent");
            let socket = UdpSocket::bind("192.0.2.2:123").unwrap();
            let next = |link: &mut HostLink| {
                let mut found = None;
                until("the kernel sends", || {
                    found = std::iter::from_fn(|| link.pop()).find(|sent| sent.frame.bytes[12..14] == [8, 0]);
                    found.is_some()
                });
                let KernelFrame { frame, after, read } = found.unwrap();
                (
                    String::from_utf8(frame.bytes[42..45].into()).unwrap(),
                    after.nanos() / 1_000_000,
                    read.nanos() / 1_000_000,
                )
            };
            let say = |what: &str| socket.send_to(what.as_bytes(), "192.0.2.9:40000").unwrap();
            say("one");
            assert_eq!(next(&mut link), ("one".into(), 1_000, 1_000));
            let mut held = clock.lock().unwrap();
            std::thread::sleep(Duration::from_millis(20));
            for word in ["two", "too"] {
                say(word);
            }
            *held = time::Instant::from_millis(5_000);
            drop(held);
            let old = [next(&mut link), next(&mut link)];
            assert_eq!(old, [("two".into(), 1_000, 5_000), ("too".into(), 1_000, 5_000)]);
            std::thread::sleep(Duration::from_millis(20));
            say("new");
            assert_eq!(next(&mut link), ("new".into(), 5_000, 5_000));
        },
    );
}

#[test]
fn a_device_follows_its_interface_and_is_made_anew_when_it_is_gone() {
    in_namespace("a_device_follows_its_interface_and_is_made_anew_when_it_is_gone", || {
        let first = wanted("fl-clients", &["192.0.2.2/24", "203.0.113.9/32"]);
        let (_links, mut hosts) = served(&first);
        let has = |name: &str, what: &str| ip(&format!("-o address show dev {name}")).contains(what);
        // An address that somebody else has put there, such as a daemon, stays.
        ip("address add 198.51.100.77/32 dev fl-clients");
        hosts.follow(vec![Wanted { addresses: vec!["192.0.2.3/24".parse().unwrap()], ..first.clone() }]);
        until("the address is another one", || has("fl-clients", "192.0.2.3/24") && !has("fl-clients", "192.0.2.2/24"));
        assert!(!has("fl-clients", "203.0.113.9") && has("fl-clients", "198.51.100.77"));
        ip("address delete 192.0.2.3/24 dev fl-clients");
        until("the address is back", || has("fl-clients", "192.0.2.3/24"));
        ip("link delete fl-clients");
        until("it is made anew", || ip("-o address show").contains("192.0.2.3/24"));
        hosts.follow(vec![Wanted { name: "fl-other".into(), ..first.clone() }]);
        until("it has another name", || ip("-o address show").contains("fl-other    inet 192.0.2.2/24"));
        assert!(!ip("-o link show").contains("fl-clients"));
        // A link that is down is passed on after a while, and at once when it is back.
        hosts.follow(vec![Wanted { name: "fl-other".into(), link: Some(false), ..first.clone() }]);
        let began = Instant::now();
        until("there is no carrier", || ip("-o link show fl-other").contains("NO-CARRIER"));
        assert!(began.elapsed() > Duration::from_millis(2_900), "{:?}", began.elapsed());
        hosts.follow(vec![Wanted { name: "fl-other".into(), ..first }]);
        until("there is one", || ip("-o link show fl-other").contains("LOWER_UP"));
        hosts.follow(Vec::new());
        until("it is gone", || !ip("-o link show").contains("fl-other"));
        until("nothing is shown of it", || hosts.board().states().is_empty());
    });
}

#[test]
fn a_name_that_is_taken_is_said_and_tried_again() {
    in_namespace("a_name_that_is_taken_is_said_and_tried_again", || {
        ip("link add fl-clients type veth peer name far");
        let (mut links, hosts) = served(&wanted("fl-clients", &["192.0.2.2/24"]));
        let trouble = state(&hosts).trouble.unwrap();
        assert!(trouble.starts_with("fl-clients cannot be made: ") && trouble.contains("another"), "{trouble}");
        links[0].push(datagram("nobody takes it")).unwrap();
        until("it is counted", || state(&hosts).counts().refused == 1);
        ip("link delete fl-clients");
        until("it is made", || state(&hosts).trouble.is_none());
        assert!(ip("-o address show dev fl-clients").contains("192.0.2.2/24"));
    });
}

/// keepalived with `use_vmac` has a device above ours at the MAC of its virtual router, which it has the kernel answer ARP on.
#[test]
fn s156_the_kernel_answers_no_arp_on_keepalived_s_devices_above_and_a_mac_that_the_file_does_not_have_is_said() {
    let name =
        "s156_the_kernel_answers_no_arp_on_keepalived_s_devices_above_and_a_mac_that_the_file_does_not_have_is_said";
    in_namespace(name, || {
        let wanted = wanted("fl-clients", &["192.0.2.2/24"]);
        let (_links, mut hosts) = served(&wanted);
        let setting = |device: &str, key: &str| {
            let path = format!("/proc/sys/net/ipv4/conf/{device}/{key}");
            std::fs::read_to_string(&path).unwrap().trim().parse::<u8>().unwrap()
        };
        let set = |device: &str, key: &str, value: &str| {
            std::fs::write(format!("/proc/sys/net/ipv4/conf/{device}/{key}"), value).unwrap();
        };
        let is_silent = |device: &str| (setting(device, "arp_ignore"), setting(device, "arp_announce")) == (8, 2);
        let make = |device: &str, mac: &str| {
            ip(&format!("link add {device} link fl-clients address {mac} type macvlan mode private"));
        };
        make("vrrp.20", "00:00:5e:00:01:14");
        let began = Instant::now();
        until("it is silent", || is_silent("vrrp.20"));
        assert!(began.elapsed() < Duration::from_millis(500), "at once, not at the next look: {:?}", began.elapsed());
        // As keepalived does, to both.
        for device in ["fl-clients", "vrrp.20"] {
            set(device, "arp_ignore", "1");
        }
        until("both are silent again", || is_silent("vrrp.20") && is_silent("fl-clients"));
        until("it is said", || state(&hosts).trouble.is_some());
        let said = state(&hosts).trouble.unwrap();
        assert_eq!(
            said,
            "fl-clients: keepalived has vrrp.20 above it at 00:00:5e:00:01:14 (use_vmac), but the file has no virtual MAC for the \
             interface, so that what is sent to 00:00:5e:00:01:14 is dropped (wrong_dst_mac): write virtual_mac = true under [pair] and \
             vrid = 20 under the interface, on both appliances, or take use_vmac out of keepalived.conf"
        );
        let with_mac = |id| Wanted { virtual_mac: Some(Mac([0, 0, 0x5e, 0, 1, id])), ..wanted.clone() };
        hosts.follow(vec![with_mac(21)]);
        until("it is another one", || {
            state(&hosts)
                .trouble
                .is_some_and(|said| said.contains("floating addresses have 00:00:5e:00:01:15 by the file"))
        });
        hosts.follow(vec![with_mac(20)]);
        until("it is the file's", || state(&hosts).trouble.is_none());
        // It goes, and comes back; what is no virtual router's is left as it is.
        hosts.follow(vec![wanted.clone()]);
        until("it is said again", || state(&hosts).trouble.is_some());
        ip("link delete vrrp.20");
        until("it is gone", || state(&hosts).trouble.is_none());
        make("guest", "02:00:00:00:00:77");
        let before = setting("guest", "arp_ignore");
        make("vrrp.20", "00:00:5e:00:01:14");
        until("it is back", || is_silent("vrrp.20") && state(&hosts).trouble.is_some());
        assert_eq!(setting("guest", "arp_ignore"), before);
    });
}

/// Beside a network namespace of its own the test has a folder for a service manager's socket.
const MANAGER: &[&str] = &[
    "unshare",
    "--user",
    "--map-root-user",
    "--net",
    "sh",
    "-ec",
    "folder=$(mktemp -d); trap 'rm -r $folder' EXIT; NOTIFY_SOCKET=$folder/notify \"$0\" \"$@\"",
];

fn tap(name: &str) -> OwnedFd {
    Tap::new_named(Interface::new(name).unwrap()).unwrap().as_fd().try_clone_to_owned().unwrap()
}

/// Devices of a process that was left these.
fn adopted(wanted: Wanted, left: Vec<(&str, OwnedFd)>) -> ([HostLink; 2], Hosts) {
    let [(first, one), (second, other)] = [host_link(64), host_link(64)];
    let left = left.into_iter().map(|(name, fd)| (name.to_owned(), fd)).collect();
    ([first, second], Hosts::start(vec![one, other], vec![wanted], left, now).unwrap())
}

/// What the service manager hears next.
fn heard(ear: &UnixDatagram) -> String {
    let mut bytes = [0; 200];
    let length = ear.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].into()).unwrap()
}

fn ear() -> UnixDatagram {
    let ear = UnixDatagram::bind(std::env::var_os("NOTIFY_SOCKET").unwrap()).unwrap();
    ear.set_read_timeout(Some(PATIENCE)).unwrap();
    ear
}

fn has_no_more(ear: &UnixDatagram) -> bool {
    ear.set_nonblocking(true).unwrap();
    ear.recv(&mut [0; 200]).is_err()
}

#[test]
fn s160_what_is_closed_under_a_name_does_not_take_the_new_device_of_that_name_with_it() {
    let name = "s160_what_is_closed_under_a_name_does_not_take_the_new_device_of_that_name_with_it";
    started_by(MANAGER, name, || {
        let ear = ear();
        // It was fl-clients when it was left, and somebody has renamed it since.
        let left = vec![("host-fl-clients", tap("fl-renamed"))];
        let (_links, hosts) = adopted(wanted("fl-clients", &["192.0.2.2/24"]), left);
        assert_eq!(state(&hosts).trouble, None);
        let remove = "FDSTOREREMOVE=1\nFDNAME=host-fl-clients\n";
        assert_eq!([heard(&ear), heard(&ear)], [remove, remove]);
        assert_eq!(heard(&ear), "FDSTORE=1\nFDNAME=host-fl-clients\n", "the last word on that name");
        assert!(has_no_more(&ear));
        assert!(!ip("-o link show").contains("fl-renamed"));
    });
}

#[test]
fn s160_a_device_is_kept_under_the_name_that_it_has_now() {
    started_by(MANAGER, "s160_a_device_is_kept_under_the_name_that_it_has_now", || {
        let ear = ear();
        let left = vec![("host-fl-other", tap("fl-clients"))];
        let (_links, hosts) = adopted(wanted("fl-clients", &["192.0.2.2/24"]), left);
        assert_eq!(state(&hosts).trouble, None);
        assert_eq!(heard(&ear), "FDSTOREREMOVE=1\nFDNAME=host-fl-other\n");
        assert_eq!(heard(&ear), "FDSTORE=1\nFDNAME=host-fl-clients\n");
        assert!(has_no_more(&ear));
    });
}

#[test]
fn s160_a_device_that_the_kernel_cannot_be_asked_about_is_taken_over_at_a_later_look() {
    let name = "s160_a_device_that_the_kernel_cannot_be_asked_about_is_taken_over_at_a_later_look";
    in_namespace(name, || {
        let left = vec![("host-fl-clients", tap("fl-clients"))];
        let index = || ip("-o link show fl-clients").split(':').next().unwrap().to_owned();
        let was = index();
        // No descriptor more: neither a socket nor a file can be opened.
        let limit = getrlimit(Resource::Nofile);
        let next = File::open("/dev/null").unwrap().as_raw_fd();
        setrlimit(Resource::Nofile, Rlimit { current: Some(next as u64), ..limit }).unwrap();
        let (_links, hosts) = adopted(wanted("fl-clients", &["192.0.2.2/24"]), left);
        let trouble = state(&hosts).trouble;
        setrlimit(Resource::Nofile, limit).unwrap();
        assert!(trouble.is_some());
        until("it is taken over", || state(&hosts).trouble.is_none());
        assert_eq!(index(), was);
        assert!(ip("-o address show dev fl-clients").contains("192.0.2.2/24"));
    });
}

#[test]
fn s160_a_device_of_the_process_before_loses_the_addresses_of_the_file_before_and_no_others() {
    let name = "s160_a_device_of_the_process_before_loses_the_addresses_of_the_file_before_and_no_others";
    in_namespace(name, || {
        let fd = tap("fl-clients");
        let again = || vec![("host-fl-clients", fd.try_clone().unwrap())];
        drop(adopted(wanted("fl-clients", &["192.0.2.2/24", "203.0.113.9/32"]), again()));
        // As keepalived does, and an operator.
        ip("address add 198.51.100.77/32 dev fl-clients");
        ip("address add 198.51.100.78/32 dev fl-clients");
        let (_links, hosts) = adopted(wanted("fl-clients", &["192.0.2.9/24", "203.0.113.9/32"]), again());
        assert_eq!(state(&hosts).trouble, None);
        let said = ip("-o address show dev fl-clients");
        for address in ["192.0.2.9/24", "203.0.113.9/32", "198.51.100.77/32", "198.51.100.78/32"] {
            assert!(said.contains(address), "{address}: {said}");
        }
        assert!(!said.contains("192.0.2.2/24"), "{said}");
    });
}

#[test]
fn s160_a_carrier_that_is_off_on_purpose_stays_off_until_a_port_says_that_its_link_is_up() {
    let name = "s160_a_carrier_that_is_off_on_purpose_stays_off_until_a_port_says_that_its_link_is_up";
    in_namespace(name, || {
        let fd = tap("fl-clients");
        ip("link set fl-clients up");
        ip("link set fl-clients carrier off");
        let has_carrier = || ip("-o link show fl-clients").contains("LOWER_UP");
        let with_link = |link| Wanted { link, ..wanted("fl-clients", &["192.0.2.2/24"]) };
        assert!(!has_carrier());
        let (_links, mut hosts) = adopted(with_link(None), vec![("host-fl-clients", fd)]);
        // Longer than from one look to the next, and, of a link that is down, shorter than one that has just gone down is waited for.
        for link in [None, Some(false)] {
            hosts.follow(vec![with_link(link)]);
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(1_500) {
                assert!(!has_carrier(), "{link:?}");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        assert_eq!((state(&hosts).trouble.clone(), state(&hosts).carrier), (None, false));
        hosts.follow(vec![with_link(Some(true))]);
        until("there is one", has_carrier);
    });
}

#[test]
fn s160_a_device_is_left_with_the_service_manager_and_taken_back_when_it_is_to_go() {
    let name = "s160_a_device_is_left_with_the_service_manager_and_taken_back_when_it_is_to_go";
    started_by(MANAGER, name, || {
        let ear = ear();
        let heard = || heard(&ear);
        let (store, remove) = ("FDSTORE=1\nFDNAME=host-fl-clients\n", "FDSTOREREMOVE=1\nFDNAME=host-fl-clients\n");
        let wanted = wanted("fl-clients", &["192.0.2.2/24"]);
        let (_links, mut hosts) = served(&wanted);
        assert_eq!([heard(), heard()], [remove, store]);
        ip("link delete fl-clients");
        until("it is made anew", || ip("-o address show").contains("192.0.2.2/24"));
        assert_eq!([heard(), heard()], [remove, store]);
        hosts.follow(Vec::new());
        assert_eq!(heard(), remove);
        drop(hosts);
        // What ends with the process stays.
        let (_links, hosts) = served(&wanted);
        assert_eq!([heard(), heard()], [remove, store]);
        drop(hosts);
        assert!(has_no_more(&ear));
    });
}

#[test]
fn s160_a_device_of_the_process_before_goes_on_and_what_else_was_kept_is_closed() {
    in_namespace("s160_a_device_of_the_process_before_goes_on_and_what_else_was_kept_is_closed", || {
        let made = |name: &str| Tap::new_named(Interface::new(name).unwrap()).unwrap();
        let fd = |tap: &Tap| tap.as_fd().try_clone_to_owned().unwrap();
        let (before, other, gone) = (made("fl-clients"), made("fl-other"), made("fl-gone"));
        ip("link set fl-clients address 02:f1:00:00:00:01 up");
        ip("address add 192.0.2.2/24 dev fl-clients");
        ip("neighbour add 192.0.2.9 lladdr 02:00:00:00:00:09 dev fl-clients nud permanent");
        ip("link delete fl-gone");
        let index = || ip("-o link show fl-clients").split(':').next().unwrap().to_owned();
        let (was, socket) = (index(), UdpSocket::bind("192.0.2.2:123").unwrap());
        socket.send_to(b"while nobody was there", "192.0.2.9:40000").unwrap();
        let null = File::open("/dev/null").unwrap().into();
        // Names say nothing: what a descriptor is of, the kernel says.
        let left = [("a", fd(&other)), ("b", fd(&gone)), ("c", null), ("d", fd(&before))];
        let left = left.map(|(name, fd)| (name.to_owned(), fd)).into();
        drop((before, other, gone));
        let [(first, one), (mut second, two)] = [host_link(64), host_link(64)];
        let hosts = Hosts::start(vec![one, two], vec![wanted("fl-clients", &["192.0.2.2/24"])], left, now).unwrap();
        assert_eq!((index(), state(&hosts).trouble), (was, None));
        assert!(!ip("-o link show").contains("fl-other"), "it is of no interface");
        socket.send_to(b"by now", "192.0.2.9:40000").unwrap();
        let frame = std::iter::repeat_with(|| sent(&mut second)).find(|frame| frame[12..14] == [8, 0]).unwrap();
        assert_eq!(&frame[42..48], b"by now", "what had waited is of another time");
        drop((first, hosts));
        assert!(!ip("-o link show").contains("fl-clients"), "nobody keeps it here");
    });
}
