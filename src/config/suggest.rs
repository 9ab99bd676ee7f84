//! "Did you mean": the known word nearest to an unknown one; and lists of words.

use std::fmt::Display;

/// What a file written before the first release may hold, and the word for it now.
const RENAMED: &[(&str, &str)] = &[
    ("stall", "stall_threshold"),
    ("memory", "memory_mib"),
    ("echo", "icmp_echo"),
    ("untranslated_udp_ports", "no_snat_udp_ports"),
    ("fragments", "reassembly"),
    ("pause", "sleep"),
    ("when-active", "selective"),
];

/// The candidate that `word` was renamed to or is a typing mistake away from, if one is near enough.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    let distance = |candidate| match RENAMED.contains(&(word, candidate)) {
        true => 0,
        false => distance(&folded(word), &folded(candidate)),
    };
    candidates
        .into_iter()
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean "x"?` when a candidate is near, else `otherwise`.
pub(super) fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>, otherwise: &str) -> String {
    match nearest(word, candidates) {
        Some(candidate) => format!("did you mean \"{candidate}\"?"),
        None => otherwise.into(),
    }
}

/// `"a", "b" and "c"`
pub(super) fn listed(words: &[&str]) -> String {
    match words.split_last() {
        None => "none is defined".into(),
        Some((last, [])) => quoted([last]),
        Some((last, rest)) => format!("{} and {}", quoted(rest), quoted([last])),
    }
}

/// `"a", "b"`
pub(super) fn quoted<W: Display>(words: impl IntoIterator<Item = W>) -> String {
    words.into_iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

fn folded(word: &str) -> Vec<char> {
    word.chars().take(64).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one into the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                if swapped { best.min(rows[i - 2][j - 2] + 1) } else { best }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_are_near_and_other_words_are_not() {
        let words = ["address", "addresses", "fail_back", "mtu", "workers"];
        assert_eq!(nearest("adress", words), Some("address"));
        assert_eq!(nearest("fail-back", words), Some("fail_back"));
        assert_eq!(nearest("mut", words), Some("mtu"));
        assert_eq!(nearest("Workers", words), Some("workers"));
        assert_eq!(nearest("gateway", words), None);
        assert_eq!(nearest("fragments", ["icmp", "reassembly"]), Some("reassembly"));
        assert_eq!(nearest("fragments", words), None);
        assert_eq!(nearest("", words), None);
    }
}
