//! Whatever arrives at a whole worker, or at several, and whatever management does meanwhile: nothing panics, every frame
//! is counted to its end, what comes out is whole, buffers and snapshots are returned, and the tables drain.
//!
//! The input is a script, read a few bytes a step, so that a search guided by coverage can change one step at a time.
//! Run briefly by `cargo test`; `tests/fuzz/search engine any_script 600` searches for longer.

use super::script::Play;

#[test]
fn any_script() {
    bolero::check!().with_max_len(1_024).for_each(|bytes: &[u8]| Play::new(bytes).until_its_end());
}

/// Scripts that once ended badly, each with what had happened.
#[test]
fn scripts_that_once_ended_badly() {
    const SCRIPTS: &[(&str, &[u8])] = &[];
    for (what, script) in SCRIPTS {
        println!("{what}");
        Play::new(script).until_its_end();
    }
}
