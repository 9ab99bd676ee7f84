//! Files that are refused, and what the operator reads. Each row spoils the good file in one or several ways; the golden
//! texts are under `snapshots`, one for each family of mistakes.

use super::{GOOD, edited};
use crate::config::{parse_bytes, parse_for};

type Row<'r> = (&'r str, &'r [(&'r str, &'r str)]);

fn golden(family: &str, rows: &[Row]) {
    let mut out = String::new();
    for (about, edits) in rows {
        let errors = match parse_for(8, "fairlead.toml", &edited(edits)) {
            Err(errors) => errors,
            Ok(_) => panic!("{about}: the file was accepted"),
        };
        for finding in &errors.errors {
            assert!(!finding.remedy.is_empty(), "{about}: no remedy: {finding}");
        }
        let shown = errors.to_string();
        assert!(shown.lines().all(|line| line.chars().count() <= 100), "{about}: too wide:\n{shown}");
        out += &format!("### {about}\n{shown}\n\n");
    }
    insta::assert_snapshot!(family, out.trim_end());
}

/// What a wrong file says is bounded, whatever stands in it.
#[test]
fn of_thousands_of_mistakes_a_hundred_are_shown_and_all_are_counted() {
    let lines: String = (0..20_000).map(|at| format!("wrong_{at} = 1\n")).collect();
    let words: String = (0..20_000).map(|at| format!("wrong_{at} = 1, ")).collect();
    let line = format!("cores = {{ {words}management = 0 }}\n");
    for (about, text) in [("a line each", lines), ("all in one line", line)] {
        let Err(errors) = parse_for(8, "fairlead.toml", &text) else { panic!("{about}") };
        assert!(errors.count() >= 20_000 && errors.errors.len() == 100, "{about}: {}", errors.count());
        let shown = errors.to_string();
        assert_eq!(shown.lines().filter(|line| line.starts_with("error: ")).count(), 100, "{about}");
        let last = format!("fairlead.toml: {} errors, of which 100 are shown", errors.count());
        assert_eq!(shown.lines().last(), Some(last.as_str()));
        assert!(errors.brief().ends_with("lists 100 of them") && errors.brief().len() < 1_000, "{}", errors.brief());
    }
}

#[test]
fn syntax() {
    golden(
        "syntax",
        &[
            ("a quote is not closed", &[("name = \"outer\"", "name = \"outer")]),
            ("a bracket is not closed", &[("workers = [1]", "workers = [1")]),
            ("a key without a value", &[("management = 0", "management")]),
            ("a value is missing", &[("vlan = 120", "vlan =")]),
            ("a comment in its place", &[("workers = [1]", "workers = # later")]),
            ("a word without quotes", &[("kind = \"sip\"", "kind = sip")]),
            ("no comma behind a text in braces", &[("name = \"sip-b\",", "name = \"sip-b\"")]),
            ("no comma behind a number in braces", &[("name = \"sip-b\",", "weight = 3 name = \"sip-b\",")]),
            ("a key twice", &[("vlan = 120", "vlan = 120\nvlan = 121")]),
            ("a table twice", &[("", "[cores]\nmanagement = 2\n")]),
            ("single where several may stand", &[("[[monitor]]", "[monitor]")]),
            ("several where one stands", &[("[cores]", "[[cores]]")]),
        ],
    );
}

#[test]
fn keys() {
    golden(
        "keys",
        &[
            ("a typing mistake", &[("addresses = [\"192", "adresses = [\"192")]),
            ("a key of another table", &[("[cores]", "workers = [1]\n[cores]")]),
            ("a key of another table, in a table", &[("vlan = 120", "via = \"192.0.2.1\"")]),
            ("a table nobody knows", &[("[[virtual_server]]", "[[virtual_sever]]")]),
            ("a word of another product", &[("kind = \"sip\"", "kind = \"sip\"\ntime_until_up = 0")]),
            ("mandatory keys are missing", &[("device = \"0000:3b:00.0\"\n", ""), ("kind = \"sip\"\n", "")]),
            ("a member without an address", &[(", address = \"10.20.0.12\"", "")]),
            (
                "keys and words of before the first release",
                &[
                    ("[cores]", "[dpdk]\nmemory = 512\n[timeouts]\nfragments = \"5s\"\n[cores]\nstall = \"20ms\""),
                    ("workers = [1]", "workers = [1]\nidle = \"pause\""),
                    ("[[snat]]", "echo = \"when-active\"\n[[snat]]\nuntranslated_udp_ports = [161]"),
                    ("listen = ", "icmp_echo = \"when-active\"\nredelivery = false\nlisten = "),
                ],
            ),
            ("an unknown key in an inline table", &[("name = \"sip-b\",", "name = \"sip-b\", wight = 3,")]),
        ],
    );
}

#[test]
fn modes() {
    golden(
        "modes",
        &[
            ("a weight in a pair", &[("name = \"sip-b\",", "name = \"sip-b\", weight = 3,")]),
            ("what stays with one of several, in a pair", &[("[[pool]]", "[[pool]]\npersistence = \"call-id\"")]),
            (
                "keys about the one that is active",
                &[(
                    "[[pool]]",
                    "[[pool]]\nmode = \"round-robin\"\nfail_back = \"immediate\"\nfail_back_after = \"30s\"\nfail_back_window = \"02:00-04:00\"",
                )],
            ),
            (
                "requests for the next one",
                &[("[[pool]]", "[[pool]]\nmode = \"source-hash\""), ("listen = ", "redeliver = \"4s\"\nlisten = ")],
            ),
            (
                "a group below all, one that is never full, and a start that takes a day",
                &[
                    ("[[pool]]", "[[pool]]\nmode = \"source-hash\"\nmin_active = 0\nslow_start = \"1d\""),
                    ("name = \"sip-b\",", "name = \"sip-b\", priority = -1,"),
                ],
            ),
            (
                "limits of what is no connection",
                &[
                    (
                        "listen = [\"udp/5060\", \"tcp/5060\", \"tcp/5061\"]",
                        "listen = [\"udp/5060\"]\nconnection_rate_limit = 50",
                    ),
                    ("name = \"sip-b\",", "name = \"sip-b\", connection_limit = 100,"),
                ],
            ),
            (
                "what BIG-IP calls a member that is drained, and nothing that is known",
                &[
                    ("name = \"sip-a\",", "name = \"sip-a\", admin_state = \"disabled\","),
                    ("name = \"sip-b\",", "name = \"sip-b\", admin_state = false,"),
                ],
            ),
            ("a limit below nothing", &[("name = \"sip-b\",", "name = \"sip-b\", connection_limit = -1,")]),
            (
                "a weight of nothing",
                &[
                    ("[[pool]]", "[[pool]]\nmode = \"source-hash\""),
                    ("name = \"sip-b\",", "name = \"sip-b\", weight = 0,"),
                ],
            ),
        ],
    );
}

#[test]
fn values() {
    golden(
        "values",
        &[
            ("out of bounds, below and above", &[("vlan = 120", "vlan = 5000\nmtu = 500")]),
            ("larger than any number", &[("vlan = 120", "vlan = 99999999999999999999")]),
            ("a number in quotes", &[("vlan = 120", "vlan = \"120\"")]),
            ("a duration without a unit", &[("\"500ms\"", "500"), ("", "[timeouts]\nudp = \"300\"\n")]),
            ("durations nobody should have", &[("\"500ms\"", "\"1.5s\""), ("", "[timeouts]\nudp = \"5 minutes\"\n")]),
            (
                "below the floors of the RFCs",
                &[("", "[timeouts]\nudp = \"30s\"\ntcp_established = \"300s\"\nicmp = \"5s\"\n")],
            ),
            ("a mode that there is not", &[("name = \"pair-1\"", "name = \"pair-1\"\nmode = \"fastest\"")]),
            (
                "a choice misspelt",
                &[("name = \"pair-1\"", "name = \"pair-1\"\nno_member = \"keep_last\"\nfail_back = \"always\"")],
            ),
            ("datagrams cannot be reset", &[("name = \"pair-1\"", "name = \"pair-1\"\non_down = { udp = \"reset\" }")]),
            (
                "IPv6",
                &[("10.20.0.100", "2001:db8::100"), ("10.20.0.1/24", "2001:db8::1/64"), ("172.16.2.0/24", "::/0")],
            ),
            ("a name for an address", &[("10.20.0.11", "sip-a.example.com"), ("\"192.0.2.1\"", "\"router\"")]),
            ("a name with a letter of another alphabet", &[("\"sip-a\"", "\"éb 1\"")]),
            ("a self-IP without its length", &[("10.20.0.1/24", "10.20.0.1"), ("192.0.2.2/24", "192.0.2.0/24")]),
            ("addresses that are no host's", &[("10.20.0.12", "224.0.1.75"), ("10.20.0.11", "10.20.0.11/24")]),
            ("an exclusion with host bits", &[("172.16.2.0/24", "172.16.2.1/24")]),
            (
                "networks with leading zeros, which are octal elsewhere",
                &[("172.16.2.0/24", "010.1.0.0/16"), ("10.20.0.1/24", "10.20.0.1/024")],
            ),
            (
                "service ports in other forms",
                &[(
                    "\"udp/5060\", \"tcp/5060\", \"tcp/5061\"",
                    "5060, \"5060\", \"tls/5061\", \"sctp/5060\", \"udp/0\"",
                )],
            ),
            (
                "status codes in other forms",
                &[("kind = \"sip\"", "kind = \"sip\"\nup_codes = [200, \"2XX\", \"299-200\", \"700\"]")],
            ),
            (
                "a text for a list, and an empty list",
                &[("monitors = [\"sip-options\"]", "monitors = \"sip-options\""), ("[1]", "[]")],
            ),
            (
                "names that no command could take",
                &[("name = \"sip-a\"", "name = \"sip a\""), ("name = \"clients\"", "name = \"\"")],
            ),
            (
                "a metrics address without a port",
                &[("[cores]", "[appliance]\nmetrics = \"127.0.0.1\"\nlog = \"verbose\"\n[cores]")],
            ),
        ],
    );
}

#[test]
fn host_devices() {
    golden(
        "host_devices",
        &[
            ("a name that no device has", &[("vlan = 120", "vlan = 120\nhost = \"fairlead-clients\"")]),
            ("a name that is another's", &[("vlan = 120", "vlan = 120\nhost = \"lo\"")]),
            ("no name at all", &[("vlan = 120", "vlan = 120\nhost = \"fl clients\"")]),
            ("the device of virtual addresses", &[("vlan = 120", "vlan = 120\nhost = \"fl-vips\"")]),
            (
                "one device for two interfaces",
                &[
                    ("vlan = 120", "vlan = 120\nhost = \"fl-0\""),
                    ("addresses = [\"10.20.0.1/24\"]", "addresses = [\"10.20.0.1/24\"]\nhost = \"fl-0\""),
                ],
            ),
            ("no packets for the kernel", &[("[cores]", "[limits]\nhost_packets_per_second = 0\n[cores]")]),
        ],
    );
}

#[test]
fn data_path() {
    golden(
        "data_path",
        &[(
            "rates, pieces and policies of the data path",
            &[
                ("[cores]", "[limits]\nicmp_errors_per_second = 0\nfragments_per_worker = 63\n[cores]"),
                ("pool = \"pair-1\"", "pool = \"pair-1\"\nunmatched = \"reject_now\""),
                ("", "[timeouts]\nreassembly = \"1m\"\n"),
            ],
        )],
    );
}

#[test]
fn names() {
    golden(
        "names",
        &[
            (
                "a port, a monitor and a pool nobody defined",
                &[
                    ("port = \"outer\"", "port = \"outside\""),
                    ("[\"sip-options\"]", "[\"sip-option\"]"),
                    ("pool = \"pair-1\"", "pool = \"pair1\""),
                ],
            ),
            (
                "a rule about nobody, and one about two",
                &[
                    (
                        "allow = [\"0.0.0.0/0\"]",
                        "rules = [{ from = [\"10.0.0.0/8\"], to = [\"sip-aa\", \"pair-1\"] }, { to = [\"sip-b\"] }]",
                    ),
                    ("{ name = \"sip-b\"", "{ name = \"pair-1\""),
                ],
            ),
            (
                "a member name in two pools",
                &[(
                    "",
                    "[[pool]]\nname = \"pair-2\"\nmembers = [{ name = \"sip-a\", address = \"10.20.0.21\" }]\nmonitors = [\"sip-options\"]\n",
                )],
            ),
            (
                "a port name twice",
                &[("name = \"inner\"", "name = \"outer\""), ("port = \"inner\"", "port = \"outer\"")],
            ),
        ],
    );
}

#[test]
fn network() {
    golden(
        "network",
        &[
            ("two interfaces on one VLAN", &[("port = \"inner\"", "port = \"outer\"\nvlan = 120")]),
            ("two interfaces untagged on one port", &[("vlan = 120\n", ""), ("port = \"inner\"", "port = \"outer\"")]),
            ("networks that overlap", &[("10.20.0.1/24", "192.0.2.129/25")]),
            ("a self-IP twice", &[("10.20.0.1/24", "10.20.0.1/24\", \"192.0.2.2/24")]),
            ("one NIC for two ports", &[("0000:3b:00.1", "0000:3B:00.0")]),
            ("a next hop nobody can reach", &[("via = \"192.0.2.1\"", "via = \"198.51.100.1\"")]),
            ("a next hop that is the appliance", &[("via = \"192.0.2.1\"", "via = \"192.0.2.2\"")]),
            ("two default routes", &[("[[monitor]]", "[[route]]\nvia = \"192.0.2.254\"\n\n[[monitor]]")]),
            ("a route to an interface's network", &[("to = \"default\"", "to = \"10.20.0.0/24\"")]),
            ("an interface's mtu above its port's", &[("vlan = 120", "vlan = 120\nmtu = 9000")]),
            ("a member in no network", &[("10.20.0.12", "10.20.1.12")]),
            (
                "a member that is the appliance, and one that is no host",
                &[("10.20.0.11", "10.20.0.1"), ("10.20.0.12", "10.20.0.255")],
            ),
        ],
    );
}

#[test]
fn neighbours() {
    let host = |keys: &str| format!("[[neighbour]]\n{keys}\n");
    let two =
        host("address = \"192.0.2.1\"\nmac = \"02:00:00:00:00:01\"") + &host("address = \"192.0.2.1\"\ntrusted = true");
    golden(
        "neighbours",
        &[
            ("what is no MAC", &[("", &host("address = \"192.0.2.1\"\nmac = \"02-00-00-00-00-01\""))]),
            ("the MAC of a group", &[("", &host("address = \"192.0.2.1\"\nmac = \"01:00:5e:00:00:12\""))]),
            ("nothing is said of it", &[("", &host("address = \"192.0.2.1\""))]),
            (
                "two things that contradict each other",
                &[("", &host("address = \"192.0.2.1\"\nmac = \"02:00:00:00:00:01\"\ntrusted = true"))],
            ),
            ("a host in no network", &[("", &host("address = \"198.51.100.1\"\ntrusted = true"))]),
            ("the appliance itself", &[("", &host("address = \"192.0.2.2\"\ntrusted = true"))]),
            ("a virtual address", &[("", &host("address = \"10.20.0.100\"\ntrusted = true"))]),
            ("one host twice", &[("", &two)]),
        ],
    );
}

#[test]
fn services() {
    let second = "[[pool]]\nname = \"pair-2\"\nmembers = [{ name = \"x\", address = \"10.20.0.21\" }, { name = \"y\", address = \"10.20.0.22\" }]\nmonitors = [\"sip-options\"]\n";
    let with = |rest: &str| format!("{second}{rest}");
    let same_port = with(
        "[[virtual_server]]\nname = \"sip-2\"\naddress = \"10.20.0.100\"\npool = \"pair-2\"\nlisten = [\"udp/5060\"]\n[[snat]]\npool = \"pair-2\"\naddress = \"10.20.0.100\"\n",
    );
    let same_snat = with(
        "[[virtual_server]]\nname = \"sip-2\"\naddress = \"10.20.0.100\"\npool = \"pair-2\"\nlisten = [\"udp/5070\"]\n[[snat]]\npool = \"pair-2\"\naddress = \"10.20.0.100\"\n",
    );
    let same_member = second.replace("10.20.0.21", "10.20.0.11");
    golden(
        "services",
        &[
            ("a virtual server on a self-IP", &[("\"10.20.0.100\"", "\"10.20.0.1\"")]),
            ("a virtual server on a member", &[("\"10.20.0.100\"", "\"10.20.0.11\"")]),
            ("a virtual server on the router", &[("\"10.20.0.100\"", "\"192.0.2.1\"")]),
            ("two virtual servers on one address and port", &[("", &same_port)]),
            ("two pools that are translated to one address", &[("", &same_snat)]),
            (
                "one service port of a pool on two addresses",
                &[(
                    "",
                    "[[virtual_server]]\nname = \"sip-2\"\naddress = \"10.20.0.101\"\npool = \"pair-1\"\nlisten = [\"udp/5060\"]\n",
                )],
            ),
            ("a member in two pools", &[("", &same_member)]),
            ("a SNAT address of nobody", &[("address = \"10.20.0.100\"\nexclude", "address = \"10.20.0.1\"\nexclude")]),
            ("two SNAT for one pool", &[("", "[[snat]]\npool = \"pair-1\"\naddress = \"10.20.0.100\"\n")]),
            (
                "a SNAT for a pool without a virtual server",
                &[("", &with("[[snat]]\npool = \"pair-2\"\naddress = \"10.20.0.102\"\n"))],
            ),
            (
                "more good monitors than there are",
                &[("monitors = [\"sip-options\"]", "monitors = [\"sip-options\"]\nrequire = 2")],
            ),
            (
                "a monitor twice, a service port twice",
                &[("[\"sip-options\"]", "[\"sip-options\", \"sip-options\"]"), ("\"tcp/5061\"", "\"udp/5060\"")],
            ),
        ],
    );
}

#[test]
fn monitors() {
    let tcp = "[[monitor]]\nname = \"tls-port\"\nkind = \"tcp\"\n\n[[pool]]";
    golden(
        "monitors",
        &[
            ("patience beyond the interval", &[("interval = \"500ms\"", "interval = \"500ms\"\ntimeout = \"16s\"")]),
            ("patience beyond the default interval", &[("interval = \"500ms\"", "timeout = \"1s\"")]),
            ("too fast and too slow, rise and fall", &[("\"500ms\"", "\"1ms\"\nrise = 0\nfall = 1000")]),
            (
                "no port to ask",
                &[
                    ("[[pool]]", tcp),
                    ("[\"sip-options\"]", "[\"sip-options\", \"tls-port\"]"),
                    ("\"udp/5060\", \"tcp/5060\", \"tcp/5061\"", "\"udp/5060\""),
                ],
            ),
            (
                "keys of another kind",
                &[("kind = \"sip\"", "kind = \"icmp\"\nup_codes = [\"2xx\"]\nport = 5060\nsend = \"x\"")],
            ),
            ("no code is good", &[("kind = \"sip\"", "kind = \"sip\"\nup_codes = [\"2xx\"]\ndown_codes = [\"any\"]")]),
            (
                "a SIP URI in pieces",
                &[("kind = \"sip\"", "kind = \"sip\"\nhost = \"sip:example.com:5060\"\nuser = \"a b\"")],
            ),
        ],
    );
}

#[test]
fn machine() {
    golden(
        "machine",
        &[
            ("a worker on the management core", &[("workers = [1]", "workers = [0]")]),
            ("two workers on one core", &[("workers = [1]", "workers = [1, 2, 1]")]),
            ("more packet buffers than memory", &[("[cores]", "[dpdk]\nmbufs = 1048575\n[cores]")]),
            (
                "pieces of datagrams that would starve the NICs",
                &[("[cores]", "[limits]\nfragments_per_worker = 16385\n[cores]")],
            ),
            (
                "few packet buffers, many workers",
                &[("workers = [1]", "workers = [1, 2, 3, 4]"), ("[cores]", "[dpdk]\nmbufs = 1023\n[cores]")],
            ),
            (
                "so many workers that the defaults do not do",
                &[("workers = [1]", "workers = [1, 2, 3, 4, 5, 6, 7, 8, 9]")],
            ),
            (
                "more pieces of datagrams than there can be packet buffers",
                &[("[cores]", "[limits]\nfragments_per_worker = 1048576\n[cores]"), ("[1]", "[1, 2, 3, 4, 5]")],
            ),
            ("an admin socket without a place", &[("[cores]", "[appliance]\nadmin_socket = \"admin.sock\"\n[cores]")]),
            (
                "events that no program is told of",
                &[(
                    "[cores]",
                    "[notify]\ncommand = [\"/bin/tell\"]\nevents = [\"switchover\", \"stop\", \"note\"]\n[cores]",
                )],
            ),
            (
                "a device with a name that is no device's",
                &[("[cores]", "[routes]\ndevice = \"fairlead-addresses\"\n[cores]")],
            ),
            ("no port and no interface", &[(super::GOOD, "")]),
        ],
    );
}

/// A pair whose servers' gateway floats.
const PAIR: (&str, &str) = ("[cores]", "[pair]\nvirtual_mac = true\n[cores]");
const GATEWAY: (&str, &str) =
    ("addresses = [\"10.20.0.1/24\"]", "addresses = [\"10.20.0.2/24\"]\nfloating = [\"10.20.0.1/24\"]\nvrid = 51");

#[test]
fn pairs() {
    golden(
        "pairs",
        &[
            ("what floats where there is nobody else", &[GATEWAY]),
            ("a virtual MAC without a virtual router", &[PAIR]),
            (
                "an address that is fixed as well, one of a member, and one twice",
                &[
                    PAIR,
                    (
                        "addresses = [\"10.20.0.1/24\"]",
                        "addresses = [\"10.20.0.2/24\"]\nfloating = [\"10.20.0.2/24\", \"10.20.0.11/24\", \"10.20.0.1/24\", \"10.20.0.1/24\"]\nvrid = 51",
                    ),
                ],
            ),
            (
                "an address that is the next hop of a route",
                &[
                    PAIR,
                    GATEWAY,
                    ("addresses = [\"192.0.2.2/24\"]", "addresses = [\"192.0.2.2/24\"]\nfloating = [\"192.0.2.1/24\"]"),
                ],
            ),
            (
                "addresses that no host has",
                &[
                    PAIR,
                    (
                        "addresses = [\"10.20.0.1/24\"]",
                        "addresses = [\"10.20.0.2/24\"]\nfloating = [\"10.20.0.0/24\", \"10.20.0.255/24\"]\nvrid = 51",
                    ),
                ],
            ),
            (
                "an address that is elsewhere, and one with another length",
                &[
                    PAIR,
                    (
                        "addresses = [\"10.20.0.1/24\"]",
                        "addresses = [\"10.20.0.2/24\"]\nfloating = [\"10.30.0.1/24\", \"10.20.0.1/25\"]\nvrid = 256",
                    ),
                ],
            ),
        ],
    );
    let rows: &[Row] = &[
        ("a gateway that stays", &[("[cores]", "[pair]\n[cores]")]),
        ("a virtual router that has no MAC", &[("[cores]", "[pair]\n[cores]"), GATEWAY]),
        ("as it should be", &[PAIR, GATEWAY]),
    ];
    insta::assert_snapshot!("pairs_warned", warned(rows).trim_end());
}

#[test]
fn everything_is_told_at_once_in_the_order_of_the_file() {
    golden(
        "several",
        &[(
            "eight mistakes",
            &[
                ("workers = [1]", "workers = [0]\nworker = 2"),
                ("vlan = 120", "vlan = 0"),
                ("via = \"192.0.2.1\"", "via = \"192.0.3.1\""),
                ("\"500ms\"", "\"500\""),
                ("10.20.0.12", "10.20.0.11"),
                ("[\"sip-options\"]", "[\"sip-optoins\"]"),
                ("10.20.0.100", "10.20.0.1"),
            ],
        )],
    );
}

#[test]
fn bytes_that_are_not_text_are_refused_in_place() {
    let errors = parse_bytes("fairlead.toml", b"[cores]\nmanagement = 0\n# caf\xe9\n").unwrap_err();
    insta::assert_snapshot!("bytes", errors.to_string());
}

#[test]
fn what_editors_of_windows_write_is_read_or_refused_in_words() {
    let windows = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    let [plain, windows] = [GOOD, &windows]
        .map(|text| parse_bytes("fairlead.toml", text.as_bytes()).unwrap_or_else(|why| panic!("{why}")));
    assert!(windows.intent == plain.intent && windows.settings == plain.settings);
    let utf16: Vec<u8> = "\u{feff}[cores]\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let refused = parse_bytes("fairlead.toml", &utf16).unwrap_err().to_string();
    assert!(refused.contains("fairlead.toml:1:1") && refused.contains("UTF-8"), "{refused}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table, a row a warning")]
fn what_is_allowed_and_unwise_is_a_warning() {
    let rows: &[Row] = &[
        ("cores that are not there", &[("workers = [1]", "workers = [64]")]),
        ("short timers", &[("", "[timeouts]\ntcp_opening = \"5s\"\ntcp_closing = \"1m\"\n")]),
        (
            "a pool without a virtual server, without a SNAT, with one member",
            &[(
                "",
                "[[pool]]\nname = \"pair-2\"\nmembers = [{ name = \"x\", address = \"10.20.0.21\" }]\nmonitors = [\"sip-options\"]\n",
            )],
        ),
        ("no real SIP answer is asked for", &[("kind = \"sip\"", "kind = \"tcp\"")]),
        ("a monitor nobody uses", &[("", "[[monitor]]\nname = \"alive\"\nkind = \"icmp\"\n")]),
        (
            "what another key leaves without effect",
            &[(
                "name = \"pair-1\"",
                "name = \"pair-1\"\nfail_back_after = \"5m\"\nfail_back_window = \"02:00-04:00\"\nflap_window = \"2m\"\nflap_quiet = \"9m\"\non_down = { udp = \"drain\" }",
            )],
        ),
        (
            "roles that nobody asks for",
            &[
                ("name = \"pair-1\"", "name = \"pair-1\"\nmode = \"round-robin\""),
                ("kind = \"sip\"", "kind = \"sip\"\nstandby_codes = [\"503\"]"),
            ],
        ),
        (
            "an address that the mode goes by anyway",
            &[("[[pool]]", "[[pool]]\nmode = \"source-hash\"\npersistence = \"source\"")],
        ),
        ("members that anybody may reach", &[("[direct_access]\nallow = [\"0.0.0.0/0\"]\n", "")]),
        (
            "answers that a rule does not name",
            &[
                ("allow = [\"0.0.0.0/0\"]", "rules = [{ from = [\"172.16.7.0/24\"], ports = [\"tcp/22\"] }]"),
                (
                    "[[snat]]\npool = \"pair-1\"\naddress = \"10.20.0.100\"\nexclude = [\"172.16.1.20/32\", \"172.16.2.0/24\"]",
                    "",
                ),
            ],
        ),
        ("a section that does not say who", &[("[direct_access]\nallow = [\"0.0.0.0/0\"]", "[direct_access]")]),
        (
            "answers that are shut out",
            &[
                ("0.0.0.0/0", "172.16.7.0/24"),
                (
                    "[[snat]]\npool = \"pair-1\"\naddress = \"10.20.0.100\"\nexclude = [\"172.16.1.20/32\", \"172.16.2.0/24\"]",
                    "",
                ),
            ],
        ),
        (
            "a refusal that is never held",
            &[
                ("name = \"pair-1\"", "name = \"pair-1\"\nmode = \"round-robin\""),
                ("listen = ", "unreachable = \"hold\"\nlisten = "),
            ],
        ),
        (
            "an address that does not leave with the members",
            &[("name = \"sip-1\"", "name = \"sip-1\"\nadvertise = \"always\"\nwithdraw_delay = \"5s\"")],
        ),
        ("routes of devices that are not there", &[("[cores]", "[routes]\nfrom_kernel = true\n\n[cores]")]),
        ("nobody behind a router", &[("[[route]]\nto = \"default\"\nvia = \"192.0.2.1\"\n", "")]),
        ("an exclusion of everything", &[("172.16.2.0/24", "default")]),
        (
            "fewer huge pages than packet buffers need",
            &[("[cores]", "[dpdk]\nhugepages = true\nmbufs = 16383\nmemory_mib = 128\n\n[cores]")],
        ),
    ];
    insta::assert_snapshot!("warnings", warned(rows).trim_end());
}

#[test]
fn that_nobody_is_enabled_is_a_warning() {
    let rows: &[Row] = &[
        (
            "nobody enabled",
            &[
                ("name = \"sip-a\",", "name = \"sip-a\", admin_state = \"draining\","),
                ("name = \"sip-b\",", "name = \"sip-b\", admin_state = \"offline\","),
            ],
        ),
        ("one who is not", &[("name = \"sip-b\",", "name = \"sip-b\", admin_state = \"offline\",")]),
    ];
    insta::assert_snapshot!("admin_states", warned(rows).trim_end());
}

#[test]
fn groups_and_slow_start_that_have_no_effect_are_a_warning() {
    let rows: &[Row] = &[
        (
            "how several share the work, in a pair",
            &[
                ("[[pool]]", "[[pool]]\nmin_active = 2\nslow_start = \"10s\""),
                ("name = \"sip-b\",", "name = \"sip-b\", priority = 5,"),
            ],
        ),
        ("groups of which there is one", &[("[[pool]]", "[[pool]]\nmode = \"round-robin\"\nmin_active = 2")]),
        (
            "groups that are always needed",
            &[
                ("[[pool]]", "[[pool]]\nmode = \"round-robin\"\nmin_active = 2"),
                ("name = \"sip-b\",", "name = \"sip-b\", priority = 5,"),
            ],
        ),
    ];
    insta::assert_snapshot!("groups", warned(rows).trim_end());
}

#[test]
fn a_limit_that_is_never_met_is_a_warning() {
    let rows: &[Row] = &[
        (
            "limits that others come before",
            &[
                ("name = \"sip-a\",", "name = \"sip-a\", connection_limit = 100, connection_rate_limit = 10,"),
                ("name = \"sip-b\",", "name = \"sip-b\", connection_limit = 100, connection_rate_limit = 10,"),
                ("listen = ", "connection_limit = 201\nconnection_rate_limit = 20\nlisten = "),
            ],
        ),
        ("a limit beyond what workers hold", &[("listen = ", "connection_limit = 1000001\nlisten = ")]),
    ];
    insta::assert_snapshot!("limits", warned(rows).trim_end());
}

/// The warnings about each file.
fn warned(rows: &[Row]) -> String {
    let mut out = String::new();
    for (about, edits) in rows {
        let configuration = parse_for(8, "fairlead.toml", &edited(edits)).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(configuration.warnings.iter().all(|warning| !warning.remedy.is_empty()), "{about}");
        let shown: Vec<String> = configuration.warnings.iter().map(ToString::to_string).collect();
        out += &format!("### {about}\n{}\n", shown.join("\n"));
    }
    out
}

#[test]
fn a_worker_may_share_the_only_core() {
    let text = edited(&[("workers = [1]", "workers = [0]")]);
    let configuration = parse_for(1, "fairlead.toml", &text).unwrap();
    assert_eq!(configuration.warnings.len(), 1);
    assert!(parse_for(2, "fairlead.toml", &text).is_err());
}
