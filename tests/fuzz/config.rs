//! Any bytes as a configuration file: accepted or refused with reasons, never a panic. `tests/fuzz/search config any_bytes
//! 600` searches for longer; under `cargo test` it runs a short while on random bytes and on damaged examples.

use fairlead::cli::check;
use fairlead::config::parse_bytes;

const EXAMPLES: [&[u8]; 3] = [
    include_bytes!("../../dpdk-config/examples/two-arm.toml"),
    include_bytes!("../../dpdk-config/examples/two-pairs.toml"),
    include_bytes!("../../dpdk-config/examples/one-arm.toml"),
];

fn judge(bytes: &[u8]) {
    match parse_bytes("fuzz.toml", bytes) {
        Ok(configuration) => assert!(!check::text(&configuration).is_empty()),
        Err(errors) => {
            assert!(!errors.errors.is_empty());
            assert!(errors.errors.iter().all(|finding| !finding.remedy.is_empty()), "{errors}");
            let shown = errors.to_string();
            assert!(!shown.contains('\u{1b}') && !shown.contains('\r'), "{shown:?}");
        }
    }
}

#[test]
fn any_bytes() {
    bolero::check!().for_each(judge);
}

/// Replaces, at a place of an example, some bytes by others: near the truth, where the checks are.
#[test]
fn damaged_examples() {
    bolero::check!().with_type::<(u8, u16, u8, Vec<u8>)>().for_each(|(which, at, length, with)| {
        let mut file = EXAMPLES[usize::from(*which) % EXAMPLES.len()].to_vec();
        let at = usize::from(*at) % file.len();
        let end = (at + usize::from(*length)).min(file.len());
        file.splice(at..end, with.iter().copied());
        judge(&file);
    });
}

/// Moves a piece of an example elsewhere in it: valid pieces in wrong places.
#[test]
fn shuffled_examples() {
    bolero::check!().with_type::<(u8, u16, u8, u16)>().for_each(|(which, from, length, to)| {
        let file = EXAMPLES[usize::from(*which) % EXAMPLES.len()];
        let from = usize::from(*from) % file.len();
        let end = (from + usize::from(*length)).min(file.len());
        let to = usize::from(*to) % file.len();
        judge(&[&file[..to], &file[from..end], &file[to..]].concat());
    });
}
