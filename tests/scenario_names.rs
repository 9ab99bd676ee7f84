//! The table of acceptance scenarios (`tests/scenarios.md`) and the tests agree: a row names a test that exists and carries
//! the row's number, and a number that a test carries (`s18_…`) has a row. This reads the sources, as `floors` does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Names of tests, by the scenario whose number they carry.
type Names = BTreeMap<u32, BTreeSet<String>>;

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

/// The numbers in a test's name, of two digits or three, such as 78 and 36 in `s78_s36_a_neighbour`.
fn numbers(name: &str) -> impl Iterator<Item = u32> + '_ {
    name.split('_')
        .take_while(|part| (3..=4).contains(&part.len()))
        .map_while(|part| part.strip_prefix('s')?.parse().ok())
}

/// The name that a line defines: of a test function, or of a module whose tests share it.
fn defined(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let name = line.strip_prefix("fn ").or_else(|| line.strip_prefix("def test_"))?;
    name.split(['(', '<']).next()
}

/// Number and test of a row of the table.
fn row(line: &str) -> Option<(u32, &str)> {
    let mut cells = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim);
    let number = cells.next()?.parse().ok()?;
    Some((number, cells.nth(1)?.trim_matches('`')))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn names_of_tests() -> Names {
    let mut files = Vec::new();
    ["src", "tests"].iter().for_each(|folder| sources(&root().join(folder), &mut files));
    let mut names = Names::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source can be read");
        for name in text.lines().filter_map(defined) {
            numbers(name).for_each(|number| {
                names.entry(number).or_default().insert(name.to_owned());
            });
        }
    }
    names
}

#[test]
fn the_table_of_scenarios_and_the_tests_agree() {
    let table = std::fs::read_to_string(root().join("tests/scenarios.md")).expect("the table can be read");
    let rows: Vec<_> = table.lines().filter_map(row).collect();
    let order: Vec<u32> = rows.iter().map(|(number, _)| *number).collect();
    assert_eq!(order, (1..=order.len() as u32).collect::<Vec<_>>(), "a row for each number, in order");
    assert!(order.len() >= 90, "the table has lost rows");

    let tests = names_of_tests();
    let missing: Vec<_> =
        rows.iter().filter(|(number, test)| !tests.get(number).is_some_and(|names| names.contains(*test))).collect();
    assert!(missing.is_empty(), "the table names tests that do not exist: {missing:#?}");
    let strange: Vec<_> = tests.iter().filter(|(number, _)| !order.contains(number)).collect();
    assert!(strange.is_empty(), "no row of the table has the number of {strange:#?}");
}

#[test]
fn nothing_refers_to_papers_outside_the_tree() {
    let papers: Vec<String> = ["deployment", "performance", "features"].map(|name| format!("{name}.md")).into();
    let mut files = Vec::new();
    ["src", "tests", "benches", "scripts"].iter().for_each(|folder| sources(&root().join(folder), &mut files));
    files.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source can be read");
        for paper in &papers {
            assert!(!text.contains(paper.as_str()), "{} refers to {paper}, which is not in the tree", file.display());
        }
    }
}

#[test]
fn a_name_says_its_numbers() {
    assert_eq!(numbers("s24_whoever_missed_it").collect::<Vec<_>>(), [24]);
    assert_eq!(numbers("s78_s36_a_neighbour").collect::<Vec<_>>(), [78, 36]);
    assert_eq!(numbers("s100_s07_what_passes").collect::<Vec<_>>(), [100, 7]);
    assert_eq!(["said_of", "soon_s10", "s1_a"].map(|name| numbers(name).count()), [0; 3]);
    assert_eq!(defined("    def test_s90_calls(self):"), Some("s90_calls"));
    assert_eq!(defined("fn s01_a(mut lab: Lab) {"), Some("s01_a"));
    assert_eq!(defined("let fn_ = 1;"), None);
    assert_eq!(row("| 7 | Members reach it | `s07_what_goes` |"), Some((7, "s07_what_goes")));
    assert_eq!(row("|---|---|---|"), None);
}
