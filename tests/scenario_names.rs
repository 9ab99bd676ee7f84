//! Every acceptance scenario, 1 to 90, has a test that carries its number (`s01_…` to `s90_…`): a row, a story of the whole
//! appliance, a test beside the module it is about, or one in the lab. This reads the sources, as `floors` does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const SCENARIOS: std::ops::RangeInclusive<u32> = 1..=90;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() => sources(&path, found),
            Some("rs" | "py") => found.push(path),
            _ => {}
        }
    }
}

/// The numbers in a test's name, such as 24 and 4 in `s24_t04_whoever_…`: those behind an `s`.
fn numbers(name: &str) -> impl Iterator<Item = u32> + '_ {
    name.split('_').take_while(|part| part.len() == 3).filter_map(|part| part.strip_prefix('s')?.parse().ok())
}

/// The name that a line defines: of a test function, or of a module whose tests share it.
fn defined(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let name = line.strip_prefix("fn ").or_else(|| line.strip_prefix("def test_"))?;
    name.split(['(', '<']).next()
}

#[test]
fn every_scenario_has_a_test_of_its_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    ["src", "tests"].iter().for_each(|folder| sources(&root.join(folder), &mut files));
    let mut told: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source can be read");
        for name in text.lines().filter_map(defined) {
            for number in numbers(name) {
                told.entry(number).or_default().insert(name.to_owned());
            }
        }
    }
    let missing: Vec<u32> = SCENARIOS.filter(|number| !told.contains_key(number)).collect();
    assert!(missing.is_empty(), "no test is named after {missing:?}");
    let strange: Vec<_> = told.iter().filter(|(number, _)| !SCENARIOS.contains(number)).collect();
    assert!(strange.is_empty(), "there is no such scenario: {strange:?}");
}

#[test]
fn a_name_tells_its_numbers() {
    assert_eq!(numbers("s24_t04_whoever_missed_it").collect::<Vec<_>>(), [24]);
    assert_eq!(numbers("s78_s36_a_neighbour").collect::<Vec<_>>(), [78, 36]);
    assert_eq!(numbers("said_of").count(), 0);
    assert_eq!(defined("    def test_s90_calls(self):"), Some("s90_calls"));
    assert_eq!(defined("fn s01_a(mut lab: Lab) {"), Some("s01_a"));
    assert_eq!(defined("let fn_ = 1;"), None);
}
