//! The program itself, as a shell starts it: help, wrong usage, nobody there, an appliance that answers.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

fn fairlead(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fairlead"));
    command.args(args).env_remove("FAIRLEAD_SOCKET");
    command
}

fn ran(args: &[&str]) -> (Option<i32>, String, String) {
    read(fairlead(args).output().expect("it starts"))
}

fn read(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// An appliance that answers each client with the lines it is given, after it has read one request; gives the requests.
fn appliance(socket: &Path, answers: &'static [&'static str]) -> thread::JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(socket).expect("a socket");
    thread::spawn(move || {
        let answer = |answer: &&str| {
            let (stream, _) = listener.accept().expect("a client");
            let mut request = String::new();
            BufReader::new(&stream).read_line(&mut request).expect("a request");
            (&stream).write_all(answer.as_bytes()).expect("the client reads");
            request
        };
        answers.iter().map(answer).collect()
    })
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let (code, out, err) = ran(&["--help"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let words = "run check replay status members virtual-servers probes flows snat neighbours routes ports interfaces counters \
                 switchovers latency sip member pool exclude probe log diff reload confirm history rollback save doctor support completion manual";
    for first in words.split(' ') {
        assert!(out.lines().any(|line| line.trim_start().starts_with(first)), "{first}: {out}");
    }
    for part in ["Exit codes:", "3  the appliance cannot be reached", "--socket", "FAIRLEAD_SOCKET"] {
        assert!(out.contains(part), "{part}: {out}");
    }
}

#[test]
fn s192_monitoring_reads_one_line_also_without_an_appliance() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    let (code, out, err) = ran(&["alarms", "--check", "--socket", socket.to_str().unwrap()]);
    assert_eq!((code, err.as_str(), out.lines().count()), (Some(2), "", 1), "{out}");
    let expected = format!("CRITICAL: no appliance answers at {}: there is no such socket, ", socket.display());
    assert!(out.starts_with(&expected), "{out}");
    const REFUSAL: &[&str] =
        &["{\"id\":1,\"ok\":false,\"error\":{\"code\":\"busy\",\"message\":\"too many clients\"}}\n"];
    let requests = appliance(&socket, REFUSAL);
    let asked = ran(&["alarms", "--check", "--socket", socket.to_str().unwrap()]);
    requests.join().unwrap();
    assert_eq!(asked, (Some(3), "UNKNOWN: too many clients\n".to_owned(), String::new()));
}

#[test]
fn the_version_says_which_dpdk() {
    let (code, out, _) = ran(&["--version"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with(concat!("fairlead ", env!("CARGO_PKG_VERSION"), "\n")), "{out}");
    assert!(out.lines().nth(1).is_some_and(|line| line.contains("DPDK")), "{out}");
}

#[test]
fn bad_usage_is_two() {
    let rows: [(&[&str], &str); 6] = [
        (&[], "Usage"),
        (&["frobnicate"], "unrecognized subcommand 'frobnicate'"),
        (&["member", "enable"], "MEMBER"),
        (&["flows", "--client", "me"], "--client"),
        (&["exclude", "add", "p", "10.1.0.0/8"], "10.0.0.0/8"),
        (&["run"], "--config"),
    ];
    for (args, part) in rows {
        let (code, out, err) = ran(args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}");
        assert!(err.contains(part), "{args:?}: {err}");
    }
}

#[test]
fn a_bad_file_is_two_and_every_error_is_printed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bad.toml");
    std::fs::write(&file, "[appliance]\nnmae = 1\nlog = \"loud\"\n").unwrap();
    let (code, out, err) = ran(&["check", file.to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("nmae") && err.contains("log"), "{err}");
    let (code, _, err) = ran(&["check", directory.path().join("none.toml").to_str().unwrap()]);
    assert_eq!(code, Some(2));
    assert!(err.contains("none.toml"), "{err}");
}

#[test]
fn a_good_file_is_described() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("good.toml");
    std::fs::write(&file, testbench::TWO_ARM).unwrap();
    let (code, out, err) = ran(&["check", file.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    for part in ["lead-1", "outer", "sip-a", "10.20.0.100"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert_eq!(out.lines().last(), Some(format!("{}: valid", file.display()).as_str()));
    std::fs::write(&file, testbench::TWO_ARM.replacen("workers = [1]", "workers = [1000]", 1)).unwrap();
    let (_, out, _) = ran(&["check", file.to_str().unwrap()]);
    assert_eq!(out.lines().last(), Some(format!("{}: valid (1 warning)", file.display()).as_str()));
}

#[test]
fn a_file_may_come_from_standard_input_and_what_is_found_be_json() {
    let check = |text: &str, args: &[&str]| {
        let mut command = fairlead(&[&["check", "-"], args].concat());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
        read(child.wait_with_output().expect("it ends"))
    };
    let (code, out, err) = check(testbench::TWO_ARM, &[]);
    assert_eq!((code, out.lines().last(), err.as_str()), (Some(0), Some("(standard input): valid"), ""));
    let (code, out, err) = check("[cores]\nworkers = [1]\nworker = 2\n", &["--json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, err.as_str(), &report["valid"], &report["error_count"]), (Some(2), "", &false.into(), &1.into()));
    let first = &report["errors"][0];
    assert_eq!((&first["line"], &first["column"]), (&3.into(), &1.into()), "{out}");
    let (code, out, _) = check(&testbench::TWO_ARM.replacen("workers = [1]", "workers = [1000]", 1), &["--json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &report["valid"], &report["warnings"][0]["key"]),
        (Some(0), &true.into(), &"cores.workers".into())
    );
}

#[test]
fn a_file_that_this_machine_cannot_run_is_one_when_it_is_compared() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("elsewhere.toml");
    std::fs::write(&file, testbench::TWO_ARM.replacen("workers = [", "workers = [1023, ", 1)).unwrap();
    let file = file.to_str().unwrap();
    let (code, out, err) = ran(&["check", "--quiet", file]);
    assert!(
        code == Some(0) && out.starts_with("warning: ") && err.is_empty(),
        "what somebody should look at: {out}{err}"
    );
    assert!(out.contains("there is no core 1023 on this machine") && !out.contains("valid"), "and nothing else: {out}");
    let (code, again, err) = ran(&["check", "--quiet", "--here", file]);
    assert_eq!((code, again), (Some(1), out));
    assert!(
        err.contains("this machine cannot run")
            && err.contains("core 1023 is not there, or may not be used: this process may use "),
        "{err}"
    );
    let unit = include_str!("../dpdk-config/systemd/fairlead.service");
    let before = unit.lines().find_map(|line| line.strip_prefix("ExecStartPre=-")).expect("a line");
    assert_eq!(before, "/usr/bin/fairlead check --quiet --here /etc/fairlead/fairlead.toml");
}

/// Whoever may not look into the folder is not advised to move away what is in it.
#[cfg(feature = "dpdk")]
#[test]
fn a_user_who_may_not_start_it_is_told_who_may() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    let directory = tempfile::tempdir().unwrap();
    let (state, file) = (directory.path().join("state"), directory.path().join("lead.toml"));
    std::fs::create_dir(&state).unwrap();
    for (path, mode) in [(directory.path(), 0o755), (state.as_path(), 0o700)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    if std::os::unix::fs::chown(&state, Some(0), Some(0)).is_err() {
        eprintln!("only root can become another user");
        return;
    }
    let text = format!(
        "[appliance]\nstate = \"{}\"\n{}",
        state.display(),
        testbench::TWO_ARM.replacen("[appliance]\n", "", 1)
    );
    std::fs::write(&file, text).unwrap();
    let mut run = fairlead(&["run", "--config", file.to_str().unwrap()]);
    let (code, _, err) = read(run.uid(65_534).gid(65_534).output().expect("it starts"));
    assert_eq!(code, Some(1), "{err}");
    let place = state.join("configurations.json");
    let expected = format!(
        "fairlead: {} may not be read by this user: run it as root (sudo), or systemctl start fairlead\n",
        place.display()
    );
    assert_eq!(err, expected);
}

#[test]
fn files_of_another_balancer_become_one_that_check_accepts() {
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/src/import/bigip/tests");
    let (base, conf) = (format!("{files}/pair_base.conf"), format!("{files}/pair.conf"));
    let directory = tempfile::tempdir().unwrap();
    let new = directory.path().join("fairlead.toml");
    let new = new.to_str().unwrap();
    let (code, out, err) = ran(&["import", &base, &conf]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("[[virtual_server]]") && err.contains("severe"), "{out}{err}");
    let (code, nothing, _) = ran(&["import", "--output", new, &base, &conf]);
    assert_eq!((code, nothing.as_str()), (Some(0), ""));
    assert_eq!(std::fs::read_to_string(new).unwrap(), out);
    assert_eq!(ran(&["check", "--quiet", new]), (Some(0), String::new(), String::new()));
    let (code, _, err) = ran(&["import", "--output", new, &base, &conf]);
    assert!(
        code == Some(1) && err.contains(&format!("{new}: it is there already")),
        "a file that is there stays: {err}"
    );
    let (code, out, _) = ran(&["import", "--json", &base, &conf]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(code == Some(0) && report["findings"][0]["severity"] == "severe" && report["file"].is_string());
    let (code, out, _) = ran(&["import", "--explain", "p_sips", &base, &conf]);
    assert!(code == Some(0) && out.contains("pair.conf:") && out.contains("[[pool]]"), "{out}");
    let (code, _, err) = ran(&["import", "--explain", "nobody", &base, &conf]);
    assert!(code == Some(1) && err.contains("nobody"), "{err}");
    let (code, _, err) = ran(&["import", &conf]);
    assert!(code == Some(1) && err.contains("bigip_base.conf") && err.contains("check"), "{err}");
    let (code, out, err) = ran(&["import", "--from", "ipvs", &conf]);
    assert!(code == Some(2) && out.is_empty() && err.contains("pair.conf:"), "{err}");
    let (code, _, err) = ran(&["import", new, "/nowhere.conf"]);
    assert!(code == Some(2) && err.contains("/nowhere.conf"), "{err}");
}

#[test]
fn without_an_appliance_the_doctor_looks_at_the_file_and_says_what_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let (good, bad) = (directory.path().join("good.toml"), directory.path().join("bad.toml"));
    std::fs::write(&good, testbench::TWO_ARM).unwrap();
    std::fs::write(&bad, "[appliance]\nnmae = 1\n").unwrap();
    let socket = directory.path().join("none.sock").display().to_string();
    let doctor = |file: &Path, more: &[&str]| {
        let file = file.display().to_string();
        ran(&[&["--socket", &socket, "doctor", "--config", &file, "--only", "file"], more].concat())
    };
    let (code, out, err) = doctor(&good, &["--only", "alarms"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    for part in
        ["ok: file", "left out: alarms: no appliance answers", "no appliance: ", "none.sock: there is no such socket"]
    {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (code, out, _) = doctor(&bad, &["--json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["worst"], &report["running"]), (Some(5), &"error".into(), &false.into()), "{out}");
    let (code, _, err) = doctor(&good, &["--only", "nothing"]);
    assert!(code == Some(2) && err.contains("nothing"), "{err}");
    let (code, _, err) = doctor(&directory.path().join("none.toml"), &[]);
    assert!(code == Some(2) && err.contains("none.toml"), "{err}");
    let (code, out, _) = ran(&["doctor", "--list"]);
    assert!(code == Some(0) && out.contains("member-gateway") && out.contains("WORST"), "{out}");
}

#[test]
fn without_an_appliance_the_archive_holds_what_there_is_and_names_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let (file, archive) = (directory.path().join("lead.toml"), directory.path().join("it.tar.gz"));
    std::fs::write(&file, format!("# password = \"hunter2\"\n{}", testbench::TWO_ARM)).unwrap();
    let socket = directory.path().join("none.sock").display().to_string();
    let (file, output) = (file.display().to_string(), archive.display().to_string());
    let support = |more: &[&str]| {
        ran(&[&["--socket", &socket, "support", "--config", &file, "--output", &output], more].concat())
    };
    let (code, out, err) = support(&[]);
    assert_eq!((code, out.trim_end()), (Some(0), output.as_str()), "{err}");
    assert!(err.contains("missing: tables: ") && err.contains("there is no such socket"), "{err}");
    let mut tape = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(&archive).unwrap()));
    let mut all = String::new();
    for entry in tape.entries().unwrap() {
        let mut entry = entry.unwrap();
        all += &format!("\n== {}\n", entry.path().unwrap().display());
        std::io::Read::read_to_string(&mut entry, &mut all).unwrap();
    }
    for part in [
        "/configuration/file.toml",
        "# password = \"(blanked)\"",
        "sip-options",
        "/versions.txt",
        "/doctor.txt",
        "/manifest.json",
    ] {
        assert!(all.contains(part), "{part}");
    }
    assert!(!all.contains("hunter2"));
    let (code, _, err) = support(&[]);
    assert!(code == Some(1) && err.contains("is there already") && err.contains("--force"), "{err}");
    assert_eq!(support(&["--force"]).0, Some(0));
}

#[test]
fn nobody_there_is_three_with_socket_reason_and_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    let name = socket.to_str().unwrap();
    let (code, out, err) = ran(&["--socket", name, "members"]);
    assert_eq!((code, out.as_str()), (Some(3), ""));
    assert!(err.contains(name) && err.contains("not running") && err.contains("systemctl start fairlead"), "{err}");

    drop(UnixListener::bind(&socket).unwrap());
    let (code, _, err) = read(fairlead(&["status"]).env("FAIRLEAD_SOCKET", &socket).output().unwrap());
    assert_eq!(code, Some(3));
    assert!(err.contains(name) && err.contains("nothing listens"), "{err}");
}

#[test]
fn an_appliance_that_does_not_answer_is_three_when_the_time_is_up() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    let name = socket.to_str().unwrap();
    // Stopped, it accepts nobody; the kernel takes the connection, and what is asked, all the same.
    let _listener = UnixListener::bind(&socket).unwrap();
    for words in [&["status"][..], &["members", "--json"], &["reload"], &["status", "--watch"]] {
        let (code, out, err) = ran(&[&["--socket", name, "--timeout", "1"], words].concat());
        assert_eq!((code, out.as_str()), (Some(3), ""), "{words:?}: {err}");
        assert!(err.contains(&format!("does not answer at {name}: nothing came in 1 s")), "{err}");
        assert!(err.contains("systemctl status fairlead") && err.contains("--timeout"), "{err}");
    }
}

#[test]
fn the_unit_runs_what_the_handbook_installs_and_reloads_by_the_command_so_that_systemctl_fails_with_it() {
    let unit = include_str!("../dpdk-config/systemd/fairlead.service");
    let [started, reloaded] = ["ExecStart=", "ExecReload="].map(|key| {
        let line = unit.lines().find_map(|line| line.strip_prefix(key)).expect(key);
        line.split(' ').collect::<Vec<_>>()
    });
    assert_eq!(started[0], reloaded[0], "one program");
    let (directory, _) = started[0].rsplit_once('/').expect("a path");
    let page = include_str!("../docs/src/install.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let copied = format!("copy `target/release/fairlead` to `{directory}`");
    assert!(page.contains(&copied), "docs/src/install.md says another place");
    let (code, _, err) = ran(&[&reloaded[1..], &["--help"]].concat());
    assert_eq!((reloaded[1], code), ("reload", Some(0)), "{err}");
}

/// Systemd's default would end the whole unit with it.
#[test]
fn a_program_of_a_monitor_that_is_killed_for_memory_does_not_take_the_unit_with_it() {
    let unit = include_str!("../dpdk-config/systemd/fairlead.service");
    assert!(unit.lines().any(|line| line == "OOMPolicy=continue"));
}

#[test]
fn an_answer_is_shown_as_a_table_or_as_json() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    let answer = concat!(
        r#"{"id":1,"ok":true,"epoch":42,"more":true,"data":[{"to":"0.0.0.0/0","via":"192.0.2.1","interface":"clients","#,
        r#""kind":"static","next_hop":"reachable"}]}"#,
        "\n",
        r#"{"id":1,"ok":true,"epoch":42,"data":[{"to":"10.20.0.0/24","via":null,"interface":"servers","#,
        r#""kind":"connected","next_hop":null}]}"#,
        "\n"
    );
    let requests = appliance(&socket, Box::leak(Box::new([answer, answer])));
    let (code, out, err) = ran(&["--socket", socket.to_str().unwrap(), "routes"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let expected = "TO            VIA        INTERFACE  KIND       NEXT HOP   MAC\n\
                    default       192.0.2.1  clients    static     reachable  -\n\
                    10.20.0.0/24  -          servers    connected  -          -\n";
    assert_eq!(out, expected);
    let (code, out, _) = ran(&["routes", "--json", "--socket", socket.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    let rows: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(rows.as_array().map(Vec::len), Some(2));
    for request in requests.join().unwrap() {
        let request: serde_json::Value = serde_json::from_str(&request).unwrap();
        assert_eq!(request, serde_json::json!({ "id": 1, "command": "routes", "args": {} }));
    }
}

#[test]
fn what_is_watched_as_json_is_a_line_each_time() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    let answer = "{\"id\":1,\"ok\":true,\"epoch\":42,\"data\":[{\"to\":\"0.0.0.0/0\",\"via\":\"192.0.2.1\",\"interface\":\"clients\",\
                  \"kind\":\"static\",\"next_hop\":\"reachable\"}]}\n";
    let requests = appliance(&socket, Box::leak(Box::new([answer, answer])));
    let (code, out, _) = ran(&["--socket", socket.to_str().unwrap(), "routes", "--json", "--watch", "1"]);
    assert_eq!((code, requests.join().unwrap().len()), (Some(3), 2), "it ends with the appliance");
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert!(lines.iter().all(|line| line[0]["via"] == "192.0.2.1"), "{out}");
}

#[test]
fn what_is_watched_says_when_and_how_often() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    let requests = appliance(&socket, &["{\"id\":1,\"ok\":true,\"epoch\":42,\"data\":[]}\n"]);
    let (_, out, _) = ran(&["--socket", socket.to_str().unwrap(), "routes", "--watch", "1"]);
    assert_eq!(requests.join().unwrap().len(), 1);
    let head = out.lines().next().unwrap_or_default();
    assert!(head.contains(" UTC · ") && head.ends_with(" · every 1s"), "{out}");
}

#[test]
fn counters_may_be_asked_for_what_moves_meanwhile_and_only_for_drops() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    let answer = |dropped: u64| {
        let row = |name: &str, value: u64| format!(r#"{{"name":"{name}","value":{value},"explanation":"x"}}"#);
        let rows = [row("received", 3 * dropped), row("drop_no_route", dropped), row("drop_no_flow", 7)].join(",");
        &*format!(r#"{{"id":1,"ok":true,"epoch":42,"data":[{rows}]}}"#).leak()
    };
    let answers = [answer(5), answer(9)].map(|line| &*format!("{line}\n").leak());
    let requests = appliance(&socket, Box::leak(Box::new(answers)));
    let (code, out, err) =
        ran(&["--socket", socket.to_str().unwrap(), "counters", "--drops", "--during", "1", "--json"]);
    assert_eq!((code, requests.join().unwrap().len(), err.as_str()), (Some(0), 2, ""));
    let rows: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(rows, serde_json::json!([{"name": "drop_no_route", "value": 4, "explanation": "x"}]));
}

/// What an appliance says of a drain that has come so far.
macro_rules! drain {
    ($state:literal, $outcome:literal, $connections:literal, $left:literal) => {
        concat!(
            r#"{"id":1,"ok":true,"epoch":42,"data":{"member":"sip-a","pool":"pair-1","state":""#,
            $state,
            r#"","outcome":""#,
            $outcome,
            r#"","connections":"#,
            $connections,
            r#","others":3,"counted":"SNAT mappings","direct":0,"udp_idle_ms":null,"until":"2026-11-22T13:34:05.000000Z","left_s":"#,
            $left,
            "}}\n"
        )
    };
}

const DRAIN_BEGUN: &str = "{\"id\":1,\"ok\":true,\"epoch\":42,\"data\":[]}\n";

#[test]
fn s99_who_waits_for_a_drain_sees_a_line_for_each_change_until_its_end() {
    let ends = [
        ("drained", "drained completely", Some(0)),
        ("offline", "taken offline, as its time was up: 1 TCP connection reset", Some(0)),
        ("ended", "not drained: it is enabled", Some(1)),
    ];
    // At once, as each waits for seconds.
    thread::scope(|scope| {
        for ((state, outcome, expected), json) in ends.into_iter().flat_map(|end| [(end, false), (end, true)]) {
            scope.spawn(move || {
                let (code, out, err) = waited_for(state, json);
                assert_eq!((code, err.as_str()), (expected, ""), "{out}");
                match json {
                    true => {
                        let lines: Vec<serde_json::Value> =
                            out.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
                        let connections: Vec<_> = lines.iter().map(|line| line["connections"].as_u64()).collect();
                        assert_eq!(connections, [Some(2), Some(1), Some(0)]);
                        assert_eq!(lines[2]["state"], state);
                    }
                    false => assert_eq!(
                        out,
                        format!(
                            "sip-a: 2 TCP connections, 3 SNAT mappings; 1m00s left\n\
                             sip-a: 1 TCP connection, 3 SNAT mappings; 58s left\nsip-a: {outcome}\n"
                        )
                    ),
                }
            });
        }
    });
}

/// A drain of a minute that is waited for, and comes to this end.
fn waited_for(state: &str, json: bool) -> (Option<i32>, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    let last: &'static str = match state {
        "drained" => drain!("drained", "drained completely", 0, 57),
        "offline" => drain!("offline", "taken offline, as its time was up: 1 TCP connection reset", 0, 0),
        _ => drain!("ended", "not drained: it is enabled", 0, 0),
    };
    let answers = [
        DRAIN_BEGUN,
        drain!("running", "draining", 2, 60),
        drain!("running", "draining", 2, 59),
        drain!("running", "draining", 1, 58),
        last,
    ];
    let requests = appliance(&socket, Box::leak(Box::new(answers)));
    let words = ["--socket", socket.to_str().unwrap(), "member", "drain", "sip-a", "--for", "1m", "--wait"];
    let ended = ran(&[&words[..], if json { &["--json"] } else { &[] }].concat());
    let requests = requests.join().unwrap();
    let limited = r#""command":"member-set","args":{"member":"sip-a","admin":"draining","for_s":60}"#;
    assert!(requests[0].contains(limited), "{}", requests[0]);
    let asks = r#""command":"drain-report","args":{"member":"sip-a"}"#;
    assert!(requests[1..].iter().all(|request| request.contains(asks)), "each on a connection of its own");
    ended
}

#[test]
fn s99_who_stops_waiting_leaves_the_drain_as_it_is_and_reads_that() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    let running: &str = drain!("running", "draining", 2, 60);
    // It is asked once, and no more unless the signal is late.
    let answers = [DRAIN_BEGUN, running, running, running, running, running];
    drop(appliance(&socket, Box::leak(Box::new(answers))));
    let words = ["--socket", socket.to_str().unwrap(), "member", "drain", "sip-a", "--wait"];
    let mut child = fairlead(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut first = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    out.read_line(&mut first).expect("a line");
    assert_eq!(first, "sip-a: 2 TCP connections, 3 SNAT mappings; 1m00s left\n");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    let (code, _, err) = read(child.wait_with_output().unwrap());
    assert_eq!(code, Some(1), "{err}");
    let said = "fairlead: interrupted: sip-a is still drained, and taken offline in 1m00s; `fairlead member enable sip-a` ends that\n";
    assert_eq!(err, said);
}

#[test]
fn a_refusal_is_one_and_a_bad_file_on_reload_is_two() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    let requests = appliance(
        &socket,
        &[
            "{\"id\":1,\"ok\":false,\"error\":{\"code\":\"unknown-member\",\"message\":\"no member `x`\\u001b[2J\"}}\n",
            "{\"id\":1,\"ok\":false,\"error\":{\"code\":\"bad-file\",\"message\":\"line 1\\nline 2\"}}\n",
            "{\"id\":1,\"ok\":false,\"error\":{\"code\":\"a-code-of-tomorrow\",\"message\":\"later\"}}\n",
            "{\"id\":1,\"ok\":true,\"epo",
            "HTTP/1.1 400 Bad Request\n",
        ],
    );
    let socket = socket.to_str().unwrap();
    let asked = |args: &[&str]| ran(&[&["--socket", socket], args].concat());
    let (code, out, err) = asked(&["member", "drain", "x"]);
    assert_eq!((code, out.as_str(), err.as_str()), (Some(1), "", "fairlead: no member `x`?[2J\n"));
    let (code, _, err) = asked(&["reload"]);
    assert_eq!((code, err.as_str()), (Some(2), "fairlead: line 1\nline 2\n"));
    let (code, _, err) = asked(&["pool", "force", "p", "m"]);
    assert_eq!((code, err.as_str()), (Some(1), "fairlead: later\n"));
    let (code, _, err) = asked(&["status"]);
    assert_eq!(code, Some(3));
    assert!(err.contains("closed the connection before"), "{err}");
    let (code, _, err) = asked(&["status"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("cannot be read"), "{err}");
    let requests = requests.join().unwrap();
    let drain = r#""command":"member-set","args":{"member":"x","admin":"draining"}"#;
    assert!(requests[0].contains(drain), "{}", requests[0]);
    assert!(requests[2].contains(r#""args":{"pool":"p","member":"m"}"#), "{}", requests[2]);
}

#[test]
fn a_broken_pipe_is_no_failure() {
    let (nobody, pipe) = std::io::pipe().expect("a pipe");
    drop(nobody);
    let child = fairlead(&["completion", "bash"]).stdout(pipe).stderr(Stdio::piped()).spawn().expect("it starts");
    let (code, _, err) = read(child.wait_with_output().unwrap());
    assert_eq!((code, err.as_str()), (Some(0), ""));
}

#[test]
fn each_shell_has_its_completion_and_there_is_a_manual() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, out, _) = ran(&["completion", shell]);
        assert_eq!(code, Some(0));
        assert!(out.contains("switchovers") && out.contains("offline"), "{shell}");
        let (_, manual, _) = ran(&["manual"]);
        assert!(manual.contains(shell), "{shell}: the manual does not name it");
    }
    let (code, out, _) = ran(&["manual"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("run listens where its file says"), "what FAIRLEAD_SOCKET does not do");
    for section in ["FILES", "SIGNALS", "EXAMPLES", "\"SEE ALSO\""] {
        assert!(out.contains(&format!("\n.SH {section}\n")), "{section}: {out}");
    }
    assert_eq!(out.matches("Give up when nothing comes").count(), 1, "once, not with each command");
    let (_, help, _) = ran(&["completion", "--help"]);
    assert!(help.contains("/bash-completion/completions/fairlead"), "where it belongs: {help}");
    assert!(out.contains(".TH fairlead 1") && out.contains("\\fBpool force\\fR <POOL> <MEMBER>"), "{out}");
}

#[test]
fn bash_completes_names_that_the_appliance_knows() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("completes.sh");
    let (_, script, _) = ran(&["completion", "bash"]);
    let row = |name: &str, pool: &str| format!("  {{\n    \"name\": \"{name}\",\n    \"pool\": \"{pool}\"\n  }}");
    let members = format!("[\n{},\n{}\n]", row("sip-a", "pair-1"), row("sip-b", "pair-1"));
    let completed = |line: &str| {
        let words: Vec<String> = line.split(' ').map(|word| format!("'{word}'")).collect();
        let test = format!(
            "{script}\nfairlead() {{ [ \"$3\" = members ] && printf '%s' '{members}'; }}\nCOMP_WORDS=({})\nCOMP_CWORD={}\n\
             _fairlead_with_names fairlead {} ''\nprintf '%s ' \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            words.len() - 1,
            words[words.len() - 1]
        );
        std::fs::write(&file, test).unwrap();
        let (_, out, err) = read(Command::new("bash").arg("--norc").arg(&file).output().expect("bash"));
        assert_eq!(err, "", "{line}");
        out.trim().to_owned()
    };
    for (line, names) in [
        ("fairlead member drain ", "sip-a sip-b"),
        ("fairlead member drain sip-b", "sip-b"),
        ("fairlead pool force ", "pair-1"),
        ("fairlead pool force pair-1 ", "sip-a sip-b"),
        ("fairlead flows --member sip-", "sip-a sip-b"),
    ] {
        assert_eq!(completed(line), names, "{line}");
    }
    assert!(completed("fairlead member drain --").contains("--wait"));
    assert!(completed("fairlead sw").contains("switchovers"));
}

/// The session in README.md is that of a real run. What can be checked without another one: the heads of its tables
/// are those of today.
#[test]
fn the_session_in_the_readme_is_not_out_of_date() {
    let read = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path);
    let heads = |text: &str| -> Vec<Vec<String>> {
        let heads = text
            .lines()
            .filter(|line| line.contains("  ") && !line.chars().any(|c| c.is_lowercase() || c.is_numeric()));
        heads
            .map(|line| line.split("  ").map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect())
            .collect()
    };
    let page = read("README.md");
    let session = page.split("```console\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a session");
    let mut tables = 0;
    for shown in session.split("$ fairlead ").skip(1) {
        let command = shown.split_whitespace().next().unwrap();
        let golden = match command {
            "run" => continue,
            "status" => "one_screen".to_owned(),
            command => format!("{command}_table"),
        };
        let today = heads(&read(&format!("src/cli/snapshots/fairlead__cli__golden__{golden}.snap")));
        for head in heads(shown) {
            assert!(today.contains(&head), "{command}: {head:?} is not among {today:?}");
            tables += 1;
        }
    }
    assert_eq!(tables, 6);
}

fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// Who asks reads the file, since the appliance may not be allowed to.
#[test]
fn a_file_to_compare_with_is_read_by_the_command() {
    let directory = tempfile::tempdir().unwrap();
    let (socket, file) = (directory.path().join("admin.sock"), directory.path().join("new.toml"));
    std::fs::write(&file, "# mine\n").unwrap();
    let preview = r#"{"changes":[],"refused":null,"resteered":0,"cut":0,"keep_source":0,"unchanged":3,"exact":true,"impact":[],"lose_active":[]}"#;
    let appliance =
        appliance(&socket, leaked_all([leaked(format!("{{\"id\":1,\"ok\":true,\"epoch\":1,\"data\":{preview}}}\n"))]));
    let (socket, file) = (socket.to_str().unwrap(), file.to_str().unwrap());
    assert_eq!(ran(&["--socket", socket, "diff", file]), (Some(0), "no difference\n".into(), String::new()));
    let asked: serde_json::Value = serde_json::from_str(&appliance.join().unwrap()[0]).unwrap();
    assert_eq!((asked["command"].as_str(), asked["args"]["text"].as_str()), (Some("diff"), Some("# mine\n")));
    assert_eq!(asked["args"]["name"].as_str(), Some(file));
    let (code, out, err) = ran(&["--socket", socket, "diff", "/nowhere/new.toml"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("/nowhere/new.toml"), "{err}");
}

/// TOML forbids control characters of ASCII alone, and a terminal obeys others too.
#[test]
fn what_a_terminal_would_obey_is_not_passed_on_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    let ran_with = |data: serde_json::Value, args: &[&str]| {
        let _ = std::fs::remove_file(&socket);
        let answer = leaked(format!("{{\"id\":1,\"ok\":true,\"epoch\":1,\"data\":{data}}}\n"));
        let appliance = appliance(&socket, leaked_all([answer]));
        let (code, out, err) = ran(&[&["--socket", socket.to_str().unwrap()][..], args].concat());
        appliance.join().unwrap();
        assert_eq!((code, err.as_str()), (Some(0), ""));
        out
    };
    let row = serde_json::json!([{
        "number": 1, "since": "2026-11-22T13:34:05.000000Z", "cause": "start", "changes": "\u{9b}2Jname \u{202e}",
        "in_force": true, "unconfirmed": false,
    }]);
    let table = ran_with(row.clone(), &["history"]);
    assert!(table.contains("?2Jname ?"), "{table}");
    let json = ran_with(row.clone(), &["history", "--json"]);
    assert!(json.contains("\\u009b2Jname \\u202e") && !json.contains(['\u{9b}', '\u{202e}']), "{json}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), row);
    // Into a file it is written as it was.
    let text = "# \u{9b}2J\n";
    assert_eq!(ran_with(serde_json::json!({ "number": 1, "text": text }), &["history", "show", "1"]), text);
}

fn leaked_all<const N: usize>(answers: [&'static str; N]) -> &'static [&'static str] {
    Box::leak(Box::new(answers))
}

#[test]
fn an_admin_state_is_written_at_its_member_and_comments_stay() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("fairlead.toml");
    let text = "[[pool]]\nmembers = [ # ours\n  { name = \"sip-a\" }, # rack 7\n  { name = \"sip-b\", admin_state = \"offline\" }, # why\n]\n";
    std::fs::write(&file, text).unwrap();
    let good = |data: serde_json::Value| leaked(format!("{{\"id\":1,\"ok\":true,\"epoch\":1,\"data\":{data}}}\n"));
    let row = |member: &str, admin: &str| serde_json::json!({ "pool": "pair-1", "member": member, "admin": admin });
    let members = [row("sip-a", "draining"), row("sip-b", "enabled")];
    let plan =
        good(serde_json::json!({ "file": file, "text": text, "exclusions": [], "members": members, "settings": [] }));
    let preview = good(serde_json::json!({
        "changes": [], "refused": null, "resteered": 0, "cut": 0, "keep_source": 0, "unchanged": 0, "exact": true,
        "impact": [], "lose_active": [],
    }));
    let change = serde_json::json!({
        "kind": "changed", "what": "member sip-a: admin_state", "before": "enabled", "after": "draining", "live": true,
    });
    let reloaded = serde_json::json!({ "changes": [change], "number": 7 });
    for json in [false, true] {
        std::fs::write(&file, text).unwrap();
        let socket = directory.path().join("admin.sock");
        let _ = std::fs::remove_file(&socket);
        let appliance = appliance(&socket, leaked_all([plan, preview, good(reloaded.clone())]));
        let asked =
            [&["--socket", socket.to_str().unwrap(), "save"][..], if json { &["--json"] } else { &[] }].concat();
        let (code, out, err) = ran(&asked);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        match json {
            true => assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap(), reloaded),
            false => {
                let saved = format!("saved in {}\n", file.display());
                assert_eq!(out, saved + "member sip-a: admin_state enabled → draining\n");
            }
        }
        let written = text.replace("\"sip-a\"", "\"sip-a\", admin_state = \"draining\"").replace("offline", "enabled");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), written);
        appliance.join().unwrap();
    }
}

#[test]
fn what_was_set_is_written_into_the_file_that_is_in_force_and_into_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("fairlead.toml");
    let text = "[[snat]]\npool = \"pair-1\" # ours\nexclude = [\"10.1.0.0/16\"]\n";
    std::fs::write(&file, text).unwrap();
    let good = |data: serde_json::Value| leaked(format!("{{\"id\":1,\"ok\":true,\"epoch\":1,\"data\":{data}}}\n"));
    let pool = serde_json::json!({ "pool": "pair-1", "added": ["10.9.0.0/16"], "removed": ["10.1.0.0/16"] });
    let plan = good(serde_json::json!({ "file": file, "text": text, "exclusions": [pool], "settings": [] }));
    let preview = |refused: Option<&str>| {
        good(serde_json::json!({
            "changes": [], "refused": refused, "resteered": 0, "cut": 0, "keep_source": 0, "unchanged": 0, "exact": true,
            "impact": [], "lose_active": [],
        }))
    };
    let reloaded = good(serde_json::json!({ "changes": [], "number": 7 }));
    let run = |answers: &'static [&'static str], args: &[&str]| {
        let socket = directory.path().join("admin.sock");
        let _ = std::fs::remove_file(&socket);
        let appliance = appliance(&socket, answers);
        let ended = ran(&[&["--socket", socket.to_str().unwrap()][..], args].concat());
        (ended, appliance.join().unwrap())
    };
    let ((code, _, err), _) = run(leaked_all([plan, preview(Some("no"))]), &["save"]);
    assert!(code == Some(1) && err.contains("nothing was written: a reload would be refused: no"), "{err}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let ((code, out, err), asked) = run(leaked_all([plan, preview(None), reloaded]), &["save"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, format!("saved in {}\nconfiguration reloaded: no difference\n", file.display()));
    let written = "[[snat]]\npool = \"pair-1\" # ours\nexclude = [\"10.9.0.0/16\"]\n";
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written);
    let sent: serde_json::Value = serde_json::from_str(&asked[1]).unwrap();
    assert_eq!((sent["command"].as_str(), sent["args"]["text"].as_str()), (Some("diff"), Some(written)));
    assert!(asked[2].contains("\"reload\""), "{asked:?}");
    // What the file has no key for is not written, which is said, and why.
    let forced = serde_json::json!({
        "kind": "choice", "pool": "pair-1", "what": "sip-b", "setting": "forced active", "file": "automatic selection",
        "since": "2026-11-22T13:34:05.000000Z",
    });
    let left = good(serde_json::json!({
        "file": file, "text": written, "exclusions": [], "settings": [forced.clone()],
        "kept_in": "/var/lib/fairlead/operator.json", "log_level": "debug",
    }));
    let reloaded = good(serde_json::json!({ "changes": [], "number": 7, "settings": [forced] }));
    let ((code, out, err), _) = run(leaked_all([left, reloaded]), &["save"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let said = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("not written: 1 setting below, because the file has no key for forced choices"), "{out}");
    assert!(said.contains("/var/lib/fairlead/operator.json keeps them over restarts"), "{out}");
    assert!(said.contains("not written: log level debug, because it was set for this run alone"), "{out}");
    assert!(said.contains("sip-b forced active"), "{out}");
    // The file is another one by now than the one in force.
    let ((code, _, err), _) = run(leaked_all([plan]), &["save"]);
    assert!(code == Some(1) && err.contains("is not what is in force") && err.contains("`fairlead diff`"), "{err}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written);
}

/// A pcap file of one datagram from a client to the virtual server, in microseconds.
fn capture_of_a_request() -> Vec<u8> {
    use fairlead::wire::{Mac, build::Build};
    let macs = [Mac([0, 0x50, 0x56, 0, 2, 1]), Mac([0, 0x1b, 0x21, 0, 0, 1])];
    let request = Build::udp("172.16.5.5:5060", "10.20.0.100:5060").macs(macs[0], macs[1]).payload(b"OPTIONS").bytes();
    let length = request.len() as u32;
    let words = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 1, 1_795_176_000, 0, length, length];
    words.iter().flat_map(|word: &u32| word.to_le_bytes()).chain(request).collect()
}

#[test]
fn s103_what_was_there_stays_until_a_replay_has_written_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let [file, capture, out, link] = ["fairlead.toml", "in.pcap", "out.pcapng", "link.pcapng"].map(path);
    std::fs::write(&file, testbench::bench::File::two_arm().0).unwrap();
    std::fs::write(&capture, capture_of_a_request()).unwrap();
    assert_eq!(ran(&["replay", &capture, &out, "--config", &file]).0, Some(0));
    // Neither what cannot be read nor what is no capture touches it.
    let before = std::fs::read(&out).unwrap();
    for expected in ["/nowhere.pcapng", &file] {
        let (code, _, err) = ran(&["replay", &capture, &out, "--config", &file, "--expect", expected]);
        assert!(code == Some(2) && err.contains(expected), "{err}");
        assert!(std::fs::read(&out).unwrap() == before, "{expected}");
    }
    std::os::unix::fs::symlink(&out, &link).unwrap();
    let (code, _, err) = ran(&["replay", &capture, &link, "--config", &file, "--down", "sip-a"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink() && std::fs::read(&out).unwrap() != before);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 4, "nothing is left beside");
}

#[test]
fn s103_a_capture_is_replayed_and_compared() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let [file, capture, out, other] = ["fairlead.toml", "in.pcap", "out.pcapng", "other.pcapng"].map(path);
    std::fs::write(&file, testbench::bench::File::two_arm().0).unwrap();
    std::fs::write(&capture, capture_of_a_request()).unwrap();
    let (code, text, err) = ran(&["replay", &capture, &out, "--config", &file]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{text}");
    for line in [
        "captured           1 frame in 0µs",
        "forwarded          1",
        "dropped            0",
        "our MACs           outer 00:1b:21:00:00:01 (capture)",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let (code, text, err) = ran(&["replay", &capture, "--config", &file, "--expect", &out]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(text.ends_with("as expected: 1 frame compared, no difference\n"), "{text}");
    let (code, text, _) = ran(&["replay", &capture, "--config", &file, "--expect", &out, "--active", "sip-b"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("different: first on port inner, caused by frame 1, expected as frame 2: byte"), "{text}");
    let (code, text, _) = ran(&["replay", &capture, &other, "--config", &file, "--down", "sip-a", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["forwarded"], &report["difference"]), (Some(0), &1.into(), &serde_json::Value::Null));
    let rows: [(&[&str], &str); 8] = [
        (&["replay", &capture, &capture, "--config", &file], "which is read: name another OUT"),
        (&["replay", &file, "--config", &file], "this is no capture file: pcap and pcapng are read"),
        (&["replay", "/nowhere.pcap", "--config", &file], "cannot read /nowhere.pcap"),
        (&["replay", "/dev/null", "--config", &file], "it is read twice, which only a file can be"),
        (&["replay", &capture, "--config", &capture], "in.pcap"),
        (&["replay", &capture, "--config", &file, "--active", "nobody"], "it has sip-a, sip-b"),
        (
            &["replay", &capture, "--config", &file, "--switchover", "soon=sip-b"],
            "write a time and a member, such as 12.5=sip-b",
        ),
        (
            &["replay", &capture, "--config", &file, "--mac", "outer=ff:ff:ff:ff:ff:ff"],
            "such as outside=02:00:00:00:00:01",
        ),
    ];
    for (args, part) in rows {
        let (code, out, err) = ran(args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}: {err}");
        assert!(err.contains(part), "{args:?}: {err}");
    }
    let (code, _, err) = ran(&["replay", &capture, "/nowhere/out.pcapng", "--config", &file]);
    assert!(code == Some(1) && err.contains("cannot write /nowhere/out.pcapng"), "{err}");
    let (code, help, _) = ran(&["replay", "--help"]);
    assert!(code == Some(0) && help.contains("Example:") && help.contains("--expect out.pcapng"), "{help}");
}
