//! The reference documentation is what the program says it is.

use crate::config::reference;

#[test]
fn the_reference_in_the_repository_is_up_to_date() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("dpdk-config/reference.md");
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    if written != reference() && std::env::var_os("FAIRLEAD_BLESS").is_some() {
        std::fs::write(&path, reference()).unwrap();
        return;
    }
    assert!(
        written == reference(),
        "dpdk-config/reference.md is not what the keys say: run this test with FAIRLEAD_BLESS=1"
    );
}
