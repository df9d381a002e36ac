//! Replays what fuzzing has found worth keeping: each file of `fuzz/corpus/<target>/`.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn every_kept_input_comes_back() {
    for target in fuzz::TARGETS {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        let mut files: Vec<_> = fs::read_dir(&dir)
            .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
            .map(|entry| entry.expect("the corpus can be read").path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{} is empty", dir.display());
        for file in files {
            let bytes = fs::read(&file).expect("the corpus can be read");
            let begun = Instant::now();
            (target.run)(&bytes);
            assert!(begun.elapsed() < Duration::from_secs(5), "{} took {:?}", file.display(), begun.elapsed());
        }
    }
}
