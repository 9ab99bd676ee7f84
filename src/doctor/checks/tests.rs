//! Findings from facts: for each check a box or an appliance that is well, and one that is not.

use super::{CHECKS, run};
use crate::config;
use crate::doctor::facts::{COUNTERS_BEFORE, ELSEWHERE, Elsewhere, Facts, File, Offloads, Tables, Unheard, history_of};
use crate::doctor::finding::FindingSeverity::{Error, Info, Ok as Well, Warning};
use crate::doctor::finding::{Diagnosis, FindingRow, FindingSeverity};
use crate::doctor::host::{Host, PROCESSES, Reading};
use serde_json::{Value, json};

const FILE: &str = include_str!("../../../tests/support/two-arm.toml");

/// A configuration, whose text is changed.
fn file(edits: &[(&str, &str)]) -> File {
    let mut text = FILE.to_owned();
    for (was, becomes) in edits {
        assert!(text.contains(was), "{was}");
        text = text.replace(was, becomes);
    }
    let read = config::parse_for(64, "lead.toml", &text).map(Box::new).map_err(|errors| errors.to_string());
    File { name: "lead.toml".into(), text, in_force: true, read }
}

fn host(readings: &[(&str, &str)]) -> Host {
    readings.iter().fold(Host::default(), |host, (place, text)| host.with(place, Reading::Text((*text).into())))
}

fn tables(answers: &[(&str, Value)]) -> Tables {
    let answers = answers.iter().map(|(name, answer)| ((*name).to_owned(), Ok(answer.clone()))).collect();
    Tables { answers, ..Tables::default() }
}

fn on_kernel() -> File {
    file(&[("0000:3b:00.0", "net_af_packet0,iface=outer0"), ("0000:3b:00.1", "net_af_packet1,iface=inner0")])
}

/// The findings of one check.
fn look(check: &str, facts: &Facts) -> Diagnosis {
    let diagnosis = run(facts, &[check.to_owned()]);
    let worst = CHECKS.iter().find(|row| row.name == check).expect("a check").worst;
    assert!(diagnosis.worst <= worst, "{check} found worse than its row says: {diagnosis:?}");
    diagnosis
}

/// The only finding of one check.
fn one(check: &str, facts: &Facts) -> FindingRow {
    let Diagnosis { findings, left_out, .. } = look(check, facts);
    assert_eq!((findings.len(), left_out.len()), (1, 0), "{check}: {findings:?} {left_out:?}");
    findings.into_iter().next().expect("one")
}

#[track_caller]
fn says(row: &FindingRow, severity: FindingSeverity, parts: &[&str]) {
    let all = format!("{}\n{}\n{}", row.what, row.evidence, row.remedy);
    assert_eq!(row.severity, severity, "{all}");
    parts.iter().for_each(|part| assert!(all.contains(part), "{part}: {all}"));
}

fn is_well(check: &str, facts: &Facts) {
    says(&one(check, facts), Well, &[]);
}

#[test]
fn every_check_is_named_once_and_says_what_it_looks_at() {
    for row in CHECKS {
        assert!(row.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", row.name);
        assert_eq!(CHECKS.iter().filter(|other| other.name == row.name).count(), 1, "{}", row.name);
        assert!(!row.about.is_empty() && !row.about.ends_with('.'), "{}", row.name);
    }
}

#[test]
fn without_anything_every_check_is_left_out_or_finds_nothing() {
    let nobody = Tables { nobody: Some("there is no such socket".into()), ..Tables::default() };
    let facts = Facts { tables: nobody, ..Facts::default() };
    let diagnosis = run(&facts, &[]);
    assert!(!diagnosis.running && diagnosis.file.is_none());
    let bad: Vec<_> = diagnosis.findings.iter().filter(|row| row.severity > Info && row.check != "time-sync").collect();
    assert!(bad.is_empty(), "{bad:?}");
    assert!(diagnosis.left_out.iter().any(|row| row.check == "offloads" && row.why.contains("--config")));
    assert!(diagnosis.left_out.iter().any(|row| row.check == "alarms" && row.why == "no appliance answers"));
}

#[test]
fn the_files_faults_are_those_of_check() {
    let warned = Facts { file: Some(file(&[("[direct_access]\nallow = [\"0.0.0.0/0\"]\n", "")])), ..Facts::default() };
    let row = one("file", &warned);
    says(&row, Warning, &["lead.toml"]);
    assert!(!row.remedy.is_empty());
    let refused =
        Facts { file: Some(file(&[("pool = \"pair-1\"\nlisten", "pool = \"pair-2\"\nlisten")])), ..Facts::default() };
    says(&one("file", &refused), Error, &["would be refused", "fairlead check lead.toml"]);
    is_well("file", &Facts { file: Some(file(&[])), ..Facts::default() });
    let lacks =
        Some(vec!["port outer: 0000:3b:00.0: no driver has it: `dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0`".into()]);
    let facts = Facts { file: Some(file(&[])), lacks, ..Facts::default() };
    says(&one("machine", &facts), Error, &["no driver has it", "dpdk-devbind.py --bind=vfio-pci"]);
    let lacks = [
        "[cores] workers: core 6 is not there, or may not be used: this process may use 2 cores: 0, 1",
        "[dpdk] hugepages: none: reserve",
    ];
    let facts = Facts { lacks: Some(lacks.map(str::to_owned).into()), ..facts };
    says(&one("machine", &facts), Error, &["may use 2 cores: 0, 1\n", "name cores of this machine"]);
}

#[test]
fn an_appliance_that_may_not_be_asked_is_not_one_that_does_not_run() {
    let unheard = Unheard {
        is_silent: false,
        why: "/run/fairlead/admin.sock: you may not open it".into(),
        remedy: "ask as root (sudo), or join the group".into(),
    };
    let tables = |is_silent| {
        let unheard = Unheard { is_silent, ..unheard.clone() };
        Tables { nobody: Some("you may not".into()), unheard: Some(unheard), ..Tables::default() }
    };
    let pages = host(&[
        ("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "2048"),
        ("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "0"),
    ])
    .with("sys/kernel/mm/hugepages", Reading::Folder(vec!["hugepages-2048kB".into()]));
    let asked = file(&[("[cores]\n", "[dpdk]\nhugepages = true\nmemory_mib = 1024\n\n[cores]\n")]);
    let facts = Facts { host: pages, file: Some(asked), tables: tables(false), ..Facts::default() };
    says(&one("appliance", &facts), Warning, &["you may not ask it", "admin.sock", "ask as root"]);
    // Its huge pages may be in its use.
    is_well("huge-pages", &facts);
    for check in ["machine", "alarms", "losses"] {
        let left_out = look(check, &facts).left_out;
        assert!(left_out[0].why.contains("you may not ask the appliance: ask as root"), "{left_out:?}");
    }
    says(&one("appliance", &Facts { tables: tables(true), ..facts }), Error, &["does not answer"]);
    is_well("appliance", &running(vec![]));
}

#[test]
fn memory() {
    let pages = |nr: &str, free: &str| {
        host(&[
            ("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", nr),
            ("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", free),
        ])
        .with("sys/kernel/mm/hugepages", Reading::Folder(vec!["hugepages-2048kB".into()]))
    };
    let asked = file(&[("[cores]\n", "[dpdk]\nhugepages = true\nmemory_mib = 1024\n\n[cores]\n")]);
    let facts = |host| Facts { host, file: Some(asked.clone()), ..Facts::default() };
    is_well("huge-pages", &facts(pages("2048", "2048")));
    // Never fewer than there are: 496 MiB are in somebody's use.
    let few = pages("264", "16");
    let command = "echo 760 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
    says(&one("huge-pages", &facts(few.clone())), Error, &["32 MiB are free", command]);
    let unread = few.with("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", Reading::Unread("denied".into()));
    let unread = look("huge-pages", &facts(unread));
    assert!(unread.findings.is_empty() && unread.left_out[0].why.contains("cannot be read"), "{unread:?}");
    let tight = file(&[("[cores]\n", "[dpdk]\nhugepages = true\nmbufs = 16383\nmemory_mib = 128\n\n[cores]\n")]);
    let tight = |free: &str| Facts { file: Some(tight.clone()), ..facts(pages("200", free)) };
    let row = one("huge-pages", &tight("64"));
    says(&row, Error, &["231 MiB of huge pages are needed, and 128 MiB are free", "memory_mib = 128, mbufs = 16383"]);
    says(&row, Error, &["echo 252 >", "raise [dpdk] memory_mib to 232"]);
    is_well("huge-pages", &tight("116"));
    // An appliance that runs has taken them.
    let running = Facts { tables: tables(&[("status", json!({}))]), ..facts(pages("2048", "0")) };
    is_well("huge-pages", &running);
    let nodes = pages("2048", "2048")
        .with("sys/devices/system/node", Reading::Folder(vec!["node0".into(), "node1".into(), "online".into()]))
        .with("sys/devices/system/node/node0/cpulist", Reading::Text("0".into()))
        .with("sys/devices/system/node/node1/cpulist", Reading::Text("1-3".into()));
    says(&one("huge-pages", &facts(nodes.clone())), Warning, &["node1 has workers and no huge pages"]);
    let of_node = |nr: &str| {
        let place = "sys/devices/system/node/node1/hugepages";
        let host =
            nodes.clone().with(place, Reading::Folder(vec!["hugepages-1048576kB".into(), "hugepages-2048kB".into()]));
        let host = host.with(&format!("{place}/hugepages-2048kB/nr_hugepages"), Reading::Text(nr.into()));
        host.with(&format!("{place}/hugepages-1048576kB/nr_hugepages"), Reading::Text("0".into()))
    };
    let node1 = "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages";
    says(&one("huge-pages", &facts(of_node("0"))), Warning, &[&format!("echo 512 > {node1}")]);
    // Where they are missing, they are to be where the workers are.
    let free = "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
    let short = of_node("100").with(free, Reading::Text("12".into()));
    says(&one("huge-pages", &facts(short)), Error, &[&format!("echo 600 > {node1}")]);
    let says_of =
        |text: &str| Facts { host: host(&[("sys/kernel/mm/transparent_hugepage/enabled", text)]), ..Facts::default() };
    is_well("transparent-huge-pages", &says_of("always [madvise] never"));
    says(&one("transparent-huge-pages", &says_of("always madvise [never]")), Warning, &["madvise >"]);
    let swaps = |lines: &str| Facts { host: host(&[("proc/swaps", lines)]), ..Facts::default() };
    is_well("swap", &swaps("Filename Type Size Used Priority"));
    says(
        &one("swap", &swaps("Filename\n/dev/sda2 partition 999 12 -2")),
        Warning,
        &["12 KiB used", "swapoff /dev/sda2"],
    );
}

#[test]
fn cores() {
    let bare = host(&[("proc/cmdline", "quiet"), ("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "1,5")])
        .with("proc/irq", Reading::Folder(vec!["24".into(), "25".into(), "26".into()]))
        .with("proc/irq/24/effective_affinity_list", Reading::Text("1".into()))
        .with("proc/irq/25/effective_affinity_list", Reading::Text("0".into()))
        .with("proc/irq/26/effective_affinity_list", Reading::Text("0-7".into()))
        .with("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", Reading::Text("powersave".into()));
    let facts =
        |edits: &[(&str, &str)], host: &Host| Facts { host: host.clone(), file: Some(file(edits)), ..Facts::default() };
    let found = look("isolated-cores", &facts(&[], &bare)).findings;
    assert_eq!(found.len(), 2);
    says(&found[0], Warning, &["other programs may run on worker core 1", "isolcpus=1"]);
    says(&found[1], Warning, &["nohz_full=1"]);
    says(&one("interrupts", &facts(&[], &bare)), Warning, &["worker core 1 serves 1 interrupt", ": 24;"]);
    says(&one("governor", &facts(&[], &bare)), Warning, &["powersave", "cpupower"]);
    says(&one("siblings", &facts(&[], &bare)), Warning, &["with CPU 5", "cpu5/online"]);
    // Cores that are shared on purpose.
    let shared = [("workers = [1]", "workers = [1]\nidle = \"sleep\"")];
    says(&one("governor", &facts(&shared, &bare)), Info, &[]);
    let well = bare
        .with("proc/cmdline", Reading::Text("isolcpus=managed_irq,domain,1-3 nohz_full=1-3".into()))
        .with("proc/irq/24/effective_affinity_list", Reading::Text("0".into()))
        .with("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", Reading::Text("1".into()))
        .with("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", Reading::Text("performance".into()));
    for check in ["isolated-cores", "interrupts", "governor", "siblings"] {
        is_well(check, &facts(&[], &well));
    }
    let two = [("workers = [1]", "workers = [1, 5]")];
    let both = well
        .with("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", Reading::Text("1,5".into()))
        .with("sys/devices/system/cpu/cpu5/topology/thread_siblings_list", Reading::Text("1,5".into()));
    let row = one("siblings", &facts(&two, &both));
    says(&row, Warning, &["with worker core 5", "one CPU of each core only"]);
    assert!(!row.remedy.contains("online"), "a worker's CPU is not taken from it: {}", row.remedy);
    // Nor that of management, or the first.
    let near = both.with("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", Reading::Text("0-1".into()));
    let row = one("siblings", &facts(&[], &near));
    assert!(!row.remedy.contains("online") && row.what.contains("the management core"), "{row:?}");
}

#[test]
fn what_is_to_be_done_about_cores_leaves_the_box_one_without_a_worker() {
    let online = |cpus: &str| {
        host(&[("proc/cmdline", "isolcpus=3"), ("sys/devices/system/cpu/online", cpus)])
            .with("proc/irq", Reading::Folder(vec!["24".into()]))
            .with("proc/irq/24/effective_affinity_list", Reading::Text("1".into()))
    };
    let facts =
        |edits: &[(&str, &str)], cpus: &str| Facts { host: online(cpus), file: Some(file(edits)), ..Facts::default() };
    let row = |check: &str, facts: &Facts| look(check, facts).findings.remove(0);
    says(&row("isolated-cores", &facts(&[], "0-3")), Warning, &["isolcpus=1,3 "]);
    says(&row("isolated-cores", &facts(&[], "1,3")), Warning, &["no core would be left", "give the box more cores"]);
    says(&row("interrupts", &facts(&[], "0-3")), Warning, &["echo 0 > /proc/irq/24"]);
    // Management shares a worker's core.
    let shared = [("management = 0", "management = 1")];
    if file(&shared).read.is_ok() {
        says(&row("interrupts", &facts(&shared, "1-3")), Warning, &["echo 2 > /proc/irq/24"]);
    }
    let alone = row("interrupts", &facts(&[], "1"));
    assert!(alone.remedy.contains("no core without a worker") && !alone.remedy.contains("echo"), "{alone:?}");
}

#[test]
fn nics() {
    let place = "sys/bus/pci/devices/0000:3b:00.0";
    let host = host(&[
        (&format!("{place}/numa_node"), "1"),
        ("sys/devices/system/node/node1/cpulist", "8-15"),
        ("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y"),
    ])
    .with(&format!("{place}/driver"), Reading::Link("vfio-pci".into()));
    let port = json!([{"name": "outer", "device": "0000:3b:00.0", "driver": "net_ice", "firmware": "4.40", "mac": "", "link": "up",
        "link_changes": 0, "resets": 0, "removals": 0, "speed_mbps": null, "mtu": 1500, "rx_queues": 1, "tx_queues": 1, "rx_frames": 0,
        "rx_bytes": 0, "rx_missed": 0, "rx_errors": 0, "tx_frames": 0, "tx_bytes": 0, "tx_errors": 0, "rss": "", "arrived": 0,
        "handed_off": 0}]);
    let facts = Facts { host, file: Some(file(&[])), tables: tables(&[("ports", port)]), ..Facts::default() };
    says(&one("numa", &facts), Warning, &["port outer", "NUMA node 1", "choose among 8-15"]);
    let found = look("nics", &facts);
    says(&found.findings[0], Warning, &["no IOMMU", "iommu=pt"]);
    says(&found.findings[1], Info, &["kernel driver vfio-pci, DPDK driver net_ice, firmware 4.40"]);
    assert!(found.left_out[0].why.contains("port inner"));
    let node = |reading: Reading| {
        let nodes = Reading::Folder(vec!["node0".into(), "node1".into()]);
        let host = facts.host.clone().with("sys/devices/system/node", nodes);
        look("numa", &Facts { host: host.with(&format!("{place}/numa_node"), reading), ..facts.clone() })
    };
    for (reading, why) in [
        (Reading::Text("-1".into()), "does not say on which of 2 NUMA nodes"),
        (Reading::Unread("denied".into()), "cannot be read: denied"),
        (Reading::Text("7".into()), "there is no /sys/devices/system/node/node7/cpulist"),
    ] {
        let found = node(reading);
        assert!(found.findings.is_empty() && found.left_out[0].why.contains(why), "{found:?}");
    }
}

#[test]
fn of_an_interface_on_xdp_the_queues_are_compared_and_the_kernel_gets_nothing() {
    let of = |queues: &str, workers: &str| {
        let device = format!("net_af_xdp0,iface=outer0{queues}");
        file(&[("0000:3b:00.0", &device), ("workers = [1]", &format!("workers = [{workers}]"))])
    };
    let host = host(&[
        ("proc/sys/net/ipv4/conf/outer0/forwarding", "1"),
        ("proc/net/fib_trie", "|-- 10.20.0.100\n/32 host LOCAL\n"),
    ])
    .with("sys/class/net/outer0/queues", Reading::Folder(["rx-0", "rx-1", "tx-0"].map(str::to_owned).into()));
    let by =
        |queues: &str, workers: &str| Facts { host: host.clone(), file: Some(of(queues, workers)), ..Facts::default() };
    let facts = |queues: &str| by(queues, "1");
    let found = look("nics", &facts(""));
    says(
        &found.findings[0],
        Error,
        &["it reads 1 of the 2 queues of interface outer0", "ethtool -L outer0 combined 1"],
    );
    assert!(look("nics", &by(",start_queue=0,queue_count=2", "1, 5")).findings.is_empty());
    let found = look("nics", &facts(",queue_count=2"));
    says(&found.findings[0], Error, &["it reads 1 of the 2 queues", "read by 1 at most", "as many [cores] workers"]);
    let found = look("nics", &facts(",start_queue=1"));
    let remedy = &found.findings[0].remedy;
    assert!(remedy.starts_with("start_queue=0") && !remedy.contains("ethtool"), "{remedy}");
    is_well("kernel-forwarding", &facts(""));
    says(&one("kernel-addresses", &facts("")), Warning, &["reach the box itself"]);
}

#[test]
fn what_the_kernel_does_beneath_and_beside_is_named_with_its_command() {
    let well = host(&[
        ("sys/class/net/outer0/mtu", "1500"),
        ("sys/class/net/inner0/mtu", "1500"),
        ("proc/sys/net/ipv4/conf/outer0/forwarding", "0"),
        ("proc/sys/net/ipv4/conf/inner0/forwarding", "0"),
        ("proc/net/fib_trie", "|-- 127.0.0.1\n/32 host LOCAL\n"),
    ]);
    let offloads = |outer: &[&str]| -> Offloads {
        let outer = outer.iter().map(|it| (*it).to_owned()).collect();
        [("outer0".to_owned(), Ok(outer)), ("inner0".to_owned(), Ok(Vec::new()))].into()
    };
    let facts = |host: &Host, joined: &[&str]| Facts {
        host: host.clone(),
        file: Some(on_kernel()),
        offloads: offloads(joined),
        ..Facts::default()
    };
    for check in ["offloads", "mtu", "kernel-forwarding", "kernel-addresses"] {
        is_well(check, &facts(&well, &[]));
    }
    says(&one("offloads", &facts(&well, &["gro", "lro"])), Error, &["port outer", "ethtool -K outer0 gro off lro off"]);
    let small = well.clone().with("sys/class/net/inner0/mtu", Reading::Text("1400".into()));
    says(&one("mtu", &facts(&small, &[])), Error, &["inner0 carries 1400 bytes", "ip link set inner0 mtu 1500"]);
    let large = well.clone().with("sys/class/net/inner0/mtu", Reading::Text("9000".into()));
    says(&one("mtu", &facts(&large, &[])), Info, &["mtu = 9000"]);
    let router = well.clone().with("proc/sys/net/ipv4/conf/outer0/forwarding", Reading::Text("1".into()));
    says(
        &one("kernel-forwarding", &facts(&router, &[])),
        Error,
        &["beside Fairlead", "net.ipv4.conf.outer0.forwarding=0"],
    );
    let owner = well.with("proc/net/fib_trie", Reading::Text("|-- 10.20.0.100\n/32 host LOCAL\n".into()));
    says(&one("kernel-addresses", &facts(&owner, &[])), Error, &["the kernel has 10.20.0.100", "ip address del"]);
    // What the kernel is given is no mistake.
    let at_devices = |edits: &[(&str, &str)], address: &str| {
        let base = [("0000:3b:00.0", "net_af_packet0,iface=outer0"), ("0000:3b:00.1", "net_af_packet1,iface=inner0")];
        let owner = host(&[("proc/net/fib_trie", &format!("|-- {address}\n/32 host LOCAL\n"))]);
        Facts { file: Some(file(&[&base, edits].concat())), ..facts(&owner, &[]) }
    };
    let inner = "addresses = [\"10.20.0.1/24\"]";
    let device = format!("{inner}\nhost = \"fl-servers\"");
    says(&one("kernel-addresses", &at_devices(&[], "10.20.0.1")), Error, &["the kernel has 10.20.0.1"]);
    is_well("kernel-addresses", &at_devices(&[(inner, &device)], "10.20.0.1"));
    let advertised = ("listen = ", "advertise = \"always\"\nlisten = ");
    is_well("kernel-addresses", &at_devices(&[advertised], "10.20.0.100"));
    let moved = ("[cores]", "[pair]\nkeepalived = \"/run/fairlead/keepalived.fifo\"\n[cores]");
    is_well("kernel-addresses", &at_devices(&[moved], "10.20.0.100"));
    // The machine that is asked has an address of its own that is one of the appliance's, where that is: nothing is to be deleted here.
    for there in [Elsewhere::Process(4711), Elsewhere::Interface("outer0".into())] {
        let facts = Facts { elsewhere: Some(there), ..at_devices(&[], "192.0.2.2") };
        for check in ["offloads", "mtu", "kernel-forwarding", "kernel-addresses"] {
            let Diagnosis { findings, left_out, .. } = look(check, &facts);
            assert!(findings.is_empty() && left_out[0].why == ELSEWHERE, "{check}: {findings:?} {left_out:?}");
        }
    }
    let elsewhere = look("mtu", &facts(&Host::default(), &[]));
    assert!(
        elsewhere.left_out.iter().all(|row| row.why.contains("network namespace")) && elsewhere.left_out.len() == 2
    );
}

#[test]
fn clocks() {
    let source = |text: &str| Facts {
        host: host(&[("sys/devices/system/clocksource/clocksource0/current_clocksource", text)]),
        ..Facts::default()
    };
    is_well("clock", &source("tsc"));
    says(&one("clock", &source("kvm-clock")), Info, &[]);
    says(&one("clock", &source("hpet")), Warning, &["clocksource=tsc"]);
    let keeper = |names: &[&str]| Facts {
        host: Host::default().with(PROCESSES, Reading::Folder(names.iter().map(|it| (*it).to_owned()).collect())),
        ..Facts::default()
    };
    is_well("time-sync", &keeper(&["bash", "chronyd"]));
    says(&one("time-sync", &keeper(&["bash", "kthreadd"])), Warning, &["no program keeps the calendar", "chrony"]);
    // In a container whoever keeps the clock of its host is not seen.
    let inside = look("time-sync", &keeper(&["bash", "fairlead"]));
    assert!(inside.findings.is_empty() && inside.left_out[0].why.contains("its host's"), "{inside:?}");
    says(&one("time-sync", &keeper(&["systemd-timesyn"])), Warning, &["has not been set"]);
}

fn counters(now: &[(&str, u64)], before: &[(&str, u64)]) -> Vec<(&'static str, Value)> {
    let rows = |counts: &[(&str, u64)]| -> Value {
        counts.iter().map(|(name, value)| json!({"name": name, "value": value, "explanation": ""})).collect()
    };
    vec![("counters", rows(now)), (COUNTERS_BEFORE, rows(before))]
}

fn status(alarms: &[&str]) -> Value {
    let alarms: Vec<Value> = alarms.iter().map(|it| json!({"since": "2026-11-22T13:04:05Z", "message": it})).collect();
    json!({"version": "1", "name": "lead", "uptime_s": 9, "epoch": 1, "workers": [], "ports": [], "virtual_servers": [],
        "last_switchover": null, "alarms": alarms, "settings": 0})
}

fn running(mut answers: Vec<(&'static str, Value)>) -> Facts {
    let usual = [
        ("status", status(&[])),
        ("flows", json!({"rows": []})),
        ("ports", json!([])),
        ("neighbours", json!([])),
        ("routes", json!([])),
        ("members", json!([])),
        ("probes", json!([])),
        ("counters", json!([])),
        (COUNTERS_BEFORE, json!([])),
    ];
    for (name, answer) in usual {
        if !answers.iter().any(|(other, _)| *other == name) {
            answers.push((name, answer));
        }
    }
    Facts { file: Some(file(&[])), tables: tables(&answers), ..Facts::default() }
}

#[test]
fn s106_duplicate_addresses_and_proxy_arp_are_named_and_other_alarms_are_passed_on() {
    let alarms = [
        "duplicate address: 02:00:00:00:00:99 on interface servers claims 10.20.0.100, which is ours: find the host with that MAC and remove the address from it",
        "router 192.0.2.1 at 02:00:00:00:00:01 answers ARP for 192.0.2.2, which is ours: switch proxy ARP off at its interface towards clients",
        "pool pair-1: no member is up",
    ];
    let facts = running(vec![("status", status(&alarms))]);
    says(&one("duplicate-address", &facts), Error, &["02:00:00:00:00:99", "claims 10.20.0.100", "remove the address"]);
    says(&one("proxy-arp", &facts), Warning, &["router 192.0.2.1", "switch proxy ARP off"]);
    says(&one("alarms", &facts), Warning, &["no member is up", "since 2026-11-22"]);
    let alarm = |code: &str, severity: &str, message: &str, object: &str| {
        json!({"id": 7, "code": code, "severity": severity, "since": "2026-11-22T13:04:05Z", "message": message,
            "interface": "clients", "object": object, "remedy": "Do this."})
    };
    let with = |alarms: Value, routes: Value| {
        let mut status = status(&[]);
        status["alarms"] = alarms;
        running(vec![("status", status), ("routes", routes)])
    };
    // By their codes, whatever their words are; how grave they are is theirs.
    let coded = with(
        json!([
            alarm("address.duplicate", "warning", "somebody has 10.20.0.100", "10.20.0.100"),
            alarm("address.proxy-arp", "warning", "somebody answers for us", "192.0.2.2"),
            alarm("pool.no-member", "critical", "nobody: duplicate address: is a part of these words", "pair-1"),
        ]),
        json!([]),
    );
    says(
        &one("duplicate-address", &coded),
        Error,
        &["somebody has 10.20.0.100", "Do this.", "address.duplicate (warning)"],
    );
    says(&one("proxy-arp", &coded), Warning, &["somebody answers for us", "Do this."]);
    says(&one("alarms", &coded), Error, &["nobody: duplicate", "pool.no-member (critical)", "Do this."]);
    // What the check of routes tells is not told twice.
    let lost = json!([alarm("next-hop.unreachable", "critical", "next hop 192.0.2.1 is silent", "192.0.2.1")]);
    let route = |to: &str| json!({"to": to, "via": "192.0.2.1", "interface": "clients", "kind": "static", "next_hop": "failed"});
    let facts = with(lost.clone(), json!([route("0.0.0.0/0"), route("172.16.0.0/12")]));
    is_well("alarms", &facts);
    says(
        &one("asymmetric-route", &facts),
        Error,
        &["ARP for 192.0.2.1, the next hop towards 0.0.0.0/0, 172.16.0.0/12", "next-hop.unreachable (critical)"],
    );
    says(&one("alarms", &with(lost, json!([]))), Error, &["next hop 192.0.2.1 is silent"]);
    let neighbour = |address: &str, role: &str| {
        json!({"interface": "clients", "address": address, "mac": "02:00:00:00:00:01",
        "state": "reachable", "role": role, "since": "2026-11-22T13:04:05Z"})
    };
    let several = json!([
        neighbour("192.0.2.1", "router"),
        neighbour("192.0.2.7", ""),
        neighbour("192.0.2.8", ""),
        neighbour("192.0.2.9", "")
    ]);
    says(
        &one("proxy-arp", &running(vec![("neighbours", several)])),
        Warning,
        &["answers ARP for 4 addresses", "192.0.2.1 (router)"],
    );
    let seen = running(counters(&[("punt_arp_conflict", 3)], &[("punt_arp_conflict", 3)]));
    says(&one("duplicate-address", &seen), Info, &["since the start"]);
}

fn member(name: &str, address: &str, spoke_ms: Option<u64>) -> Value {
    json!({"name": name, "pool": "pair-1", "address": address, "state": "up", "admin": "enabled", "role": "active", "reason": "200 OK",
        "since": "2026-11-22T13:04:05Z", "probes": [{"monitor": "sip-options", "state": "up", "last_rtt_us": 400, "reason": "200 OK"}],
        "flows": 1, "udp_idle_ms": 0, "spoke_ms": spoke_ms})
}

fn flow(path: &str, [original, translated]: [[&str; 2]; 2], state: &str, idle_ms: u64) -> Value {
    json!({"worker": 0, "flow": "0-5.1", "path": path, "protocol": "tcp", "original": {"src": original[0], "dst": original[1]},
        "translated": {"src": translated[0], "dst": translated[1]}, "member": "sip-a", "state": state, "idle_ms": idle_ms,
        "expires_in_ms": 1})
}

const CALL: [[&str; 2]; 2] = [["172.16.5.5:40000", "10.20.0.100:5060"], ["172.16.5.5:40000", "10.20.0.11:5060"]];

#[test]
fn s106_a_member_whose_answers_do_not_come_back_has_another_gateway() {
    let facts = |flows: Value, spoke: Option<u64>, counted: &[(&str, u64)]| {
        let mut answers =
            vec![("members", json!([member("sip-a", "10.20.0.11", spoke)])), ("flows", json!({"rows": flows}))];
        answers.extend(counters(counted, counted));
        running(answers)
    };
    let opening = |idle| flow("service", CALL, "opening", idle);
    let silent = one("member-gateway", &facts(json!([opening(1_200)]), Some(10), &[]));
    says(
        &silent,
        Error,
        &[
            "member sip-a answers probes",
            "default gateway",
            "no SYN-ACK passed",
            "ip route replace default via",
            "10.20.0.1",
        ],
    );
    is_well("member-gateway", &facts(json!([opening(20)]), Some(10), &[]));
    // Another connection was answered since.
    let answered = json!([opening(1_200), flow("service", CALL, "established", 30)]);
    is_well("member-gateway", &facts(answered, Some(10), &[]));
    let before = json!([opening(1_200), flow("service", CALL, "established", 60_000)]);
    says(&one("member-gateway", &facts(before, Some(10), &[])), Error, &[]);
    let unanswered = [("redelivery_expired", 12)];
    says(
        &one("member-gateway", &facts(json!([]), None, &unanswered)),
        Error,
        &["never", "12", "SIP requests that nobody answered"],
    );
    let later = [("redelivery_expired", 12), ("redelivery_answered", 900)];
    says(&one("member-gateway", &facts(json!([]), Some(60_000), &later)), Warning, &["60 s ago"]);
    is_well("member-gateway", &facts(json!([]), Some(5_000), &later));
    is_well("member-gateway", &facts(json!([]), Some(10), &later));
    // A standby, and whoever has not been called yet, has proved nothing.
    let left_out = |facts: &Facts| {
        let Diagnosis { findings, left_out, .. } = look("member-gateway", facts);
        assert!(findings.is_empty() && left_out.len() == 1, "{findings:?} {left_out:?}");
        left_out[0].why.clone()
    };
    let mut standby = member("sip-a", "10.20.0.11", None);
    (standby["role"], standby["udp_idle_ms"]) = ("standby".into(), Value::Null);
    let quiet = |flows: Value| {
        let mut answers = vec![("members", json!([standby])), ("flows", json!({"rows": flows}))];
        answers.extend(counters(&[], &[]));
        running(answers)
    };
    assert_eq!(left_out(&quiet(json!([]))), "member sip-a: nothing has been sent through it yet, as far as is known");
    let why = left_out(&quiet(json!([opening(20)])));
    assert_eq!(why, "member sip-a: nothing of it has passed yet, though something was sent to it");
    is_well("member-gateway", &quiet(json!([flow("service", CALL, "established", 30)])));
    let outward = [["10.20.0.11:40000", "172.16.1.20:2020"], ["10.20.0.100:40000", "172.16.1.20:2020"]];
    is_well("member-gateway", &quiet(json!([flow("outward", outward, "established", 30)])));
}

#[test]
fn s106_a_route_that_only_one_direction_takes_is_named() {
    let answered = json!({"rows": [flow("service", CALL, "answered", 2_000)]});
    let found = one("asymmetric-route", &running(vec![("flows", answered)]));
    says(
        &found,
        Warning,
        &["the SYN-ACK for 172.16.5.5 passed", "fairlead explain tcp 10.20.0.100:5060 172.16.5.5:40000"],
    );
    let rising = running(counters(&[("event_unmatched_from_member", 9)], &[("event_unmatched_from_member", 2)]));
    says(&one("asymmetric-route", &rising), Warning, &["7 of it in the last second"]);
    let route = json!([{"to": "0.0.0.0/0", "via": "192.0.2.1", "interface": "clients", "kind": "static", "next_hop": "failed"}]);
    says(&one("asymmetric-route", &running(vec![("routes", route)])), Warning, &["nobody answers ARP for 192.0.2.1"]);
    is_well("asymmetric-route", &running(vec![]));
}

#[test]
fn s106_holes_in_the_path_are_told_from_path_mtu_discovery() {
    let once = running(counters(&[("drop_too_big", 3)], &[("drop_too_big", 3)]));
    says(&one("mtu-hole", &once), Info, &["path MTU discovery", "servers 1500"]);
    let rising = running(counters(&[("drop_too_big", 30)], &[("drop_too_big", 3)]));
    says(
        &one("mtu-hole", &rising),
        Warning,
        &["MTU hole", "ICMP type 3 code 4 is filtered", "27 of it in the last second"],
    );
    let tags = running(counters(&[("drop_unknown_interface", 5)], &[]));
    says(&one("vlans", &tags), Warning, &["VLAN tag", "clients VLAN 120", "servers untagged"]);
    // Broadcasts of other VLANs are usual on a trunk, and nothing to speak of while everybody answers.
    let foreign = |rows: Value| {
        let mut answers = counters(&[("ignored_other_vlan", 5)], &[]);
        answers.push(("neighbours", rows));
        running(answers)
    };
    let lost = |interface: &str, role: &str| {
        json!([{"interface": interface, "address": "10.20.0.12", "mac": null, "state": "failed", "role": role,
            "since": "2026-11-22T13:04:05Z"}])
    };
    is_well("vlans", &foreign(json!([])));
    is_well("vlans", &foreign(lost("servers", "")));
    says(
        &one("vlans", &foreign(lost("servers", "member sip-b"))),
        Warning,
        &["member sip-b at 10.20.0.12 does not answer ARP", "another VLAN", "fairlead capture --reason other_vlan"],
    );
    says(&one("vlans", &foreign(lost("clients", "router"))), Info, &["another VLAN"]);
    let full = running(counters(&[("drop_transmit_full", 5), ("stalls", 2)], &[("stalls", 2)]));
    let found = look("losses", &full).findings;
    says(&found[0], Warning, &["transmit queues were full"]);
    says(&found[1], Info, &["stall"]);
}

fn probe(kind: &str, state: &str, ok: u64, reason: &str) -> Value {
    json!({"member": "sip-a", "pool": "pair-1", "monitor": if kind == "icmp" { "alive" } else { "sip-options" }, "type": kind, "state": state,
        "reason": reason, "since": "2026-11-22T13:04:05Z", "last_rtt_us": 1, "sent": 9, "ok": ok, "failed": 9})
}

#[test]
fn s106_icmp_that_is_filtered_is_seen_by_what_else_is_answered() {
    let both = json!([probe("icmp", "down", 0, "no answer in 400ms"), probe("sip/udp 5060", "up", 9, "200 OK")]);
    says(&one("icmp", &running(vec![("probes", both)])), Warning, &["no echo request", "filtered"]);
    // Since somebody wrote a rule into a firewall.
    let since = json!([probe("icmp", "down", 700, "no answer in 400ms"), probe("sip/udp 5060", "up", 9, "200 OK")]);
    says(&one("icmp", &running(vec![("probes", since)])), Warning, &["no echo request", "filtered"]);
    let silent = json!([probe("sip/udp 5060", "down", 0, "no answer in 400ms")]);
    let neighbour = json!([{"interface": "servers", "address": "10.20.0.11", "mac": "02:00:00:00:00:01", "state": "reachable",
        "role": "member sip-a", "since": "2026-11-22T13:04:05Z"}]);
    says(&one("icmp", &running(vec![("probes", silent), ("neighbours", neighbour)])), Info, &["ICMP port unreachable"]);
    is_well(
        "icmp",
        &running(vec![(
            "probes",
            json!([probe("icmp", "up", 9, "answered"), probe("sip/udp 5060", "up", 9, "200 OK")]),
        )]),
    );
}

#[test]
fn s106_a_member_that_answers_late_is_told_before_it_is_found_dead() {
    let facts = |times: &[Option<u64>]| {
        let past: Vec<Value> = times
            .iter()
            .map(|rtt| {
                json!({"monitor": "sip-options", "kind": "sip/udp 5060", "time": "2026-11-22T13:04:05Z",
                "result": if rtt.is_some() { "good" } else { "silent" }, "rtt_us": rtt, "reason": ""})
            })
            .collect();
        let mut facts = running(vec![("probes", json!([probe("sip/udp 5060", "up", 9, "200 OK")]))]);
        facts.tables.answers.insert(history_of("sip-a"), Ok(past.into()));
        facts
    };
    is_well("late-answers", &facts(&[Some(900); 8]));
    let late = facts(&[Some(250_000), Some(260_000), Some(1_000), Some(270_000)]);
    says(
        &one("late-answers", &late),
        Warning,
        &["member sip-a answers probes late", "65 % of the timeout", "timeout 400 ms", "CPU"],
    );
    says(&one("late-answers", &facts(&[Some(380_000); 4])), Error, &["it is sick"]);
    says(
        &one("late-answers", &facts(&[Some(900), Some(900), None, Some(900)])),
        Warning,
        &["misses probes", "1 of 4 probes failed"],
    );
}

/// One line for all of them, and nothing to mend.
#[test]
fn virtual_servers_that_everybody_may_call_are_worth_knowing() {
    let allow = |networks: &str| {
        let edit = format!("listen = [\"udp/5060\", \"tcp/5060\", \"tcp/5061\"]\nallow = {networks}");
        let listen = "listen = [\"udp/5060\", \"tcp/5060\", \"tcp/5061\"]";
        Facts { file: Some(file(&[(listen, &edit)])), ..Facts::default() }
    };
    for open in ["[\"default\"]", "[\"0.0.0.0/1\", \"128.0.0.0/1\"]", "[\"172.16.0.0/12\", \"0.0.0.0/0\"]"] {
        says(&one("callers", &allow(open)), Info, &["everybody", "sip-1", "allow = ["]);
    }
    is_well("callers", &allow("[\"172.16.0.0/12\"]"));
    let unsaid = Facts { file: Some(file(&[])), ..Facts::default() };
    says(&one("callers", &unsaid), Info, &["everybody", "sip-1"]);
}

#[test]
fn s106_an_exclusion_that_was_forgotten_is_seen_by_what_members_reach_translated() {
    let to = |dst: &'static str, state, idle| {
        flow("outbound", [["10.20.0.11:41000", dst], ["10.20.0.100:41000", dst]], state, idle)
    };
    let facts = |flows: Value| running(vec![("flows", json!({"rows": flows}))]);
    let found = one(
        "exclusions",
        &facts(json!([to("172.16.1.21:2020", "established", 5), to("172.16.1.21:2020", "opening", 1_500)])),
    );
    says(
        &found,
        Warning,
        &[
            "sip-a reaches 172.16.1.21:2020 (tcp) translated",
            "10.20.0.100",
            "2 flows, 1 of them unanswered",
            "fairlead exclude add pair-1 172.16.1.21/32",
        ],
    );
    is_well("exclusions", &facts(json!([to("172.16.9.9:5060", "established", 5), to("8.8.8.8:53", "established", 5)])));
    // What is excluded has the member's own address.
    let own = flow("outbound", [["10.20.0.11:41000", "172.16.1.20:2020"]; 2], "established", 5);
    is_well("exclusions", &facts(json!([own])));
}

#[test]
fn keep_alives_are_those_of_the_statistics() {
    let report = |sample: u32, warnings: &[&str]| json!({"sample": sample, "since": "2026-11-22T13:04:05Z", "rows": [], "refreshes": [], "not_counted": 0, "warnings": warnings});
    let off = look("keep-alives", &running(vec![("sip", report(0, &[]))]));
    assert!(off.findings.is_empty() && off.left_out[0].why.contains("[sip] sample = 1"));
    let short = "virtual server sip-1: half of the keep-alives that were seen come 300 s or more after the one before, [timeouts] udp is 120 s: write a longer [timeouts] udp";
    says(
        &one("keep-alives", &running(vec![("sip", report(1, &[short]))])),
        Warning,
        &["keep-alives", "write a longer [timeouts] udp"],
    );
    is_well("keep-alives", &running(vec![("sip", report(1, &[]))]));
}
