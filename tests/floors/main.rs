//! Imports go down only, between the floors and inside each, and `unsafe` stays behind its fence.
//!
//! Reads the sources as text. What a floor may name is written here once; a module that is missing here is an error, so
//! a new one has to be put on a floor.

mod inside;
mod paths;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module, and what it may name besides itself. An entry that no source needs is an error too.
const FLOORS: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("chance", &[]),
    ("wire", &[]),
    ("capture_file", &[]),
    ("flow", &["wire", "time", "chance"]),
    ("policy", &["wire", "chance"]),
    ("io", &[]),
    ("netlink", &["wire"]),
    ("events", &["policy"]),
    ("engine", &["flow", "policy", "wire", "time"]),
    ("monitor", &["policy", "wire", "time"]),
    ("handover", &["flow", "policy", "wire", "time"]),
    ("worker", &["engine", "flow", "policy", "io", "wire", "time"]),
    ("dpdk", &["io"]),
    ("config", &["events", "io", "netlink", "policy", "wire"]),
    ("admin", &["config", "events", "policy", "wire", "time"]),
    ("sync", &["worker", "handover", "engine", "flow", "wire", "time"]),
    ("host", &["worker", "netlink", "policy", "wire", "time"]),
    ("import", &["config", "policy"]),
    ("doctor", &["admin", "config", "events", "import", "policy"]),
    ("support", &[]),
    ("explain", &["admin", "config", "engine", "flow", "policy", "wire", "time"]),
    ("channel", &["sync", "worker", "time"]),
    ("probe", &["monitor", "policy", "wire", "time"]),
    (
        "control",
        &[
            "explain", "config", "admin", "host", "probe", "sync", "handover", "worker", "engine", "events", "monitor",
            "flow", "netlink", "policy", "io", "wire", "time",
        ],
    ),
    ("replay", &["control", "worker", "engine", "flow", "policy", "io", "capture_file", "wire", "time"]),
    (
        "cli",
        &[
            "channel",
            "support",
            "doctor",
            "replay",
            "capture_file",
            "control",
            "config",
            "import",
            "admin",
            "events",
            "policy",
            "time",
            "wire",
        ],
    ),
    ("programs", &["control", "time"]),
    ("keepalived", &["control", "netlink", "policy"]),
    ("peer", &["channel", "control", "config", "sync", "worker", "policy", "time"]),
    (
        "app",
        &[
            "programs",
            "keepalived",
            "channel",
            "peer",
            "control",
            "config",
            "admin",
            "dpdk",
            "netlink",
            "handover",
            "host",
            "worker",
            "engine",
            "events",
            "flow",
            "policy",
            "io",
            "wire",
            "time",
        ],
    ),
    ("lib", &[]),
    ("main", &["cli", "programs", "app", "dpdk"]),
];

#[test]
fn imports_go_down_only() {
    let mut faults = Vec::new();
    let mut needed = BTreeSet::new();
    for (file, text) in sources() {
        let module = module_of(&file);
        let Some((_, allowed)) = FLOORS.iter().find(|(name, _)| *name == module) else {
            faults.push(format!("{}: module `{module}` is on no floor; put it on one in this test", file.display()));
            continue;
        };
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for named in named_modules(line) {
                needed.insert((module.clone(), named.to_owned()));
                if named != module && !allowed.contains(&named) && module != "lib" {
                    faults.push(format!("{}:{}: `{module}` may not name `{named}`", file.display(), at + 1));
                }
            }
        }
    }
    for (module, allowed) in FLOORS {
        let idle = allowed.iter().filter(|named| !needed.contains(&((*module).to_owned(), (**named).to_owned())));
        faults.extend(idle.map(|named| format!("`{module}` does not name `{named}`: take it out of FLOORS")));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_engine_sees_no_bytes_and_no_clock() {
    for (file, text) in sources() {
        let module = module_of(&file);
        if ["wire", "flow", "policy", "io", "engine", "monitor", "worker"].contains(&module.as_str()) {
            let code = without_tests(&text);
            for clock in ["Instant::now", "SystemTime", "std::time::Instant"] {
                assert!(!code.contains(clock), "{} reads a clock: {clock}", file.display());
            }
        }
        if module == "engine" {
            assert!(!text.contains("&[u8]") && !text.contains("&mut [u8]"), "{} sees bytes", file.display());
        }
    }
}

#[test]
fn unsafe_code_is_in_dpdk_alone() {
    for (file, text) in sources() {
        let code: Vec<_> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
        let used = code.iter().any(|line| {
            ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|form| line.contains(form))
        });
        assert!(!used || module_of(&file) == "dpdk", "{} holds unsafe code", file.display());
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 40, "the sources were not found");
    found
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

/// The top module a file belongs to.
fn module_of(file: &Path) -> String {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let inside = file.strip_prefix(&src).unwrap();
    inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// Top modules that a line names by `crate::name`, or `fairlead::name` as the program does.
fn named_modules(line: &str) -> Vec<&str> {
    ["crate::", "fairlead::"]
        .iter()
        .flat_map(|root| line.match_indices(root))
        .filter(|(at, _)| !line[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$'))
        .map(|(at, word)| {
            let rest = &line[at + word.len()..];
            &rest[..rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())]
        })
        .filter(|name| FLOORS.iter().any(|(module, _)| module == name))
        .collect()
}

fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}
