//! Lists of CPUs as the kernel writes them.

use std::collections::BTreeSet;

/// More CPUs than there are: what is beyond is not believed.
const MOST: usize = 65_536;

/// Such as `0-3,8`; words among them, as `isolcpus` allows, are passed over.
pub fn list(text: &str) -> BTreeSet<usize> {
    let mut cpus = BTreeSet::new();
    for range in text.trim().split(',') {
        // `0-7:2/4` of a boot parameter: groups are read as the whole range.
        let range = range.split(':').next().unwrap_or(range).trim();
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>())
            && last < MOST
        {
            cpus.extend(first..=last);
        }
    }
    cpus
}

/// In words: `2, 3`.
pub fn shown<'c>(cpus: impl IntoIterator<Item = &'c usize>) -> String {
    cpus.into_iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_the_kernel_and_of_boot_parameters() {
        let cpus = |text: &str| list(text).into_iter().collect::<Vec<_>>();
        assert_eq!(cpus("0-3,8\n"), [0, 1, 2, 3, 8]);
        assert_eq!(cpus("managed_irq,domain,2-3"), [2, 3]);
        assert_eq!(cpus("\n"), [0; 0]);
        assert_eq!(cpus("3-1,0-99999999"), [0; 0]);
        assert_eq!(shown(&list("2-3")), "2, 3");
    }
}
