//! Arrows inside a folder go down only: its files name each other without circles, and never its head.

use super::paths::{code, named};
use super::sources;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What the files of a folder may name of its head although it is defined there: a type whose methods take more than one
/// file, and a helper of one line.
const OF_THE_HEAD: &[(&str, &[&str])] = &[("flow/table", &["FlowTable", "FlowId", "Slot", "SlotHint"])];

/// A folder of sources and the file that stands at its head.
struct Folder {
    name: String,
    path: Vec<String>,
    head: String,
    /// The modules in it, each with the text of all its files and where each of them stands.
    modules: BTreeMap<String, Vec<(Vec<String>, String)>>,
}

/// Which modules of a folder each of them names.
type Arrows = BTreeMap<String, BTreeSet<String>>;

#[test]
fn inside_a_folder_arrows_go_down_only() {
    let faults: Vec<String> = folders().iter().flat_map(Folder::faults).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

impl Folder {
    fn faults(&self) -> Vec<String> {
        let exports = self.exports();
        let allowed = OF_THE_HEAD.iter().find(|(name, _)| *name == self.name).map_or(&[][..], |(_, types)| types);
        let mut faults = Vec::new();
        let mut arrows = Arrows::new();
        for (module, files) in &self.modules {
            for path in files.iter().flat_map(|(here, text)| named(text, here)) {
                let Some(name) = path.strip_prefix(self.path.as_slice()).and_then(|rest| rest.first()) else {
                    continue;
                };
                let target = exports.get(name).unwrap_or(name);
                if self.modules.contains_key(target) {
                    arrows.entry(module.clone()).or_default().insert(target.clone());
                } else if name != "self" && !allowed.contains(&name.as_str()) {
                    faults.push(format!("{}/{module} names `{name}` of the head: move it down", self.name));
                }
            }
        }
        for (module, targets) in &arrows {
            let circle = targets.iter().find(|target| *target != module && reaches(&arrows, target, module));
            if let Some(target) = circle {
                faults.push(format!("{}: `{module}` names `{target}`, which leads back to it", self.name));
            }
        }
        faults.dedup();
        faults
    }

    /// What the head exports of its modules, and of which.
    fn exports(&self) -> BTreeMap<String, String> {
        let exported = code(&self.head).replace("pub use ", "use self::").replace("pub(crate) use ", "use self::");
        let paths = named(&exported, &self.path).into_iter();
        paths.filter_map(|path| Some((path.last()?.clone(), path.get(self.path.len())?.clone()))).collect()
    }
}

/// Whether one can come from `from` to `to`.
fn reaches(arrows: &Arrows, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(module) = open.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module) {
            open.extend(arrows.get(module).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

fn folders() -> Vec<Folder> {
    let files: BTreeMap<PathBuf, String> = sources().into_iter().collect();
    let mut folders: BTreeMap<PathBuf, Folder> = BTreeMap::new();
    let head_of = |home: &Path| {
        let head = files.get(&home.join("mod.rs")).or_else(|| files.get(&home.with_extension("rs")));
        head.cloned().unwrap_or_default()
    };
    for (file, text) in &files {
        let here = module_path(file);
        let homes: Vec<PathBuf> = (1..here.len()).map(|depth| src().join(here[..depth].join("/"))).collect();
        if homes.iter().zip(&here[1..]).any(|(home, module)| is_for_tests(&head_of(home), module)) {
            continue;
        }
        for (depth, home) in (1..).zip(homes) {
            let (path, module, head) = (here[..depth].to_vec(), here[depth].clone(), head_of(&home));
            let name = path.join("/");
            let new = || Folder { name, path, head, modules: BTreeMap::new() };
            let folder = folders.entry(home).or_insert_with(new);
            folder.modules.entry(module).or_default().push((here.clone(), text.clone()));
        }
    }
    assert!(folders.len() > 10, "the folders were not found");
    folders.into_values().collect()
}

fn is_for_tests(head: &str, module: &str) -> bool {
    let declared = ["", "pub ", "pub(crate) "].map(|shown| format!("#[cfg(test)]\n{shown}mod {module};"));
    declared.iter().any(|declaration| head.contains(declaration.as_str()))
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The module that a file is, from the crate's root.
fn module_path(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix(src()).unwrap().with_extension("");
    let mut path: Vec<String> = inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}
