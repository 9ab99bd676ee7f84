//! A network namespace of a test's own, with a kernel whose links it may make and remove.

use std::process::Command;

/// A namespace in which anybody may do anything.
const NAMESPACE: &[&str] = &["unshare", "--user", "--map-root-user", "--net"];
/// Set in the process that has it.
const INSIDE: &str = "FAIRLEAD_TEST_NAMESPACE";

/// Runs `body` in a process and a network namespace of its own. `name` is that of the calling test.
pub fn in_namespace(name: &str, body: impl FnOnce()) {
    started_by(NAMESPACE, name, body);
}

/// Runs `body` in a process that the command `starter` starts. `name` is that of the calling test.
pub fn started_by(starter: &[&str], name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some_and(|inside| inside == name) {
        return body();
    }
    let program = std::env::current_exe().unwrap();
    let mut process = Command::new(starter[0]);
    process.args(&starter[1..]).arg(program).args(["--exact", name, "--nocapture"]).env(INSIDE, name);
    let output = process.output().expect("the process starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{name}: {}\n{said}", output.status);
}

/// What `ip` (iproute2) prints, which must succeed.
pub fn ip(words: &str) -> String {
    let output = Command::new("ip").args(words.split(' ')).output().expect("iproute2");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
