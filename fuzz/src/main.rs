//! The targets under libFuzzer: `FUZZ_TARGET` names one. Built by `fuzz/run.sh`.
#![no_main]

use std::sync::OnceLock;

use fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    static TARGET: OnceLock<&Target> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("FUZZ_TARGET is `{name}`"))
    });
    (target.run)(bytes);
});
