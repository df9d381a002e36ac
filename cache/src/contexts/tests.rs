//! Stat records: what is found again, and what is not trusted.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use oci::ContentDigest;
use proptest::prelude::*;

use super::*;

fn key(n: u64) -> StatKey {
    let stamp = Stamp { secs: 1_700_000_000 + n.cast_signed(), nanos: 5 };
    StatKey { device: 1, inode: n, size: n * 3, mtime: stamp, ctime: stamp }
}

fn digest(n: u64) -> ContentDigest {
    ContentDigest::of(&n.to_le_bytes())
}

fn saved(paths: &[&[u8]]) -> (tempfile::TempDir, StatFile) {
    let dir = tempfile::tempdir().expect("a directory");
    let target = dir.path().join("records");
    let mut writer = StatFileWriter::new(SystemTime::now());
    for (path, n) in paths.iter().zip(0..) {
        writer.add(path, &key(n), digest(n));
    }
    writer.save(&target).expect("saved");
    let file = StatFile::open(&target);
    (dir, file)
}

#[test]
fn a_digest_is_given_for_the_same_file_only() {
    let (_dir, file) = saved(&[b"a", b"b"]);
    assert_eq!(file.lookup(b"b", &key(1)), Some(digest(1)));
    assert_eq!(file.lookup(b"c", &key(1)), None);
    let other = Stamp { secs: 1_700_000_001, nanos: 6 };
    for changed in [
        StatKey { device: 2, ..key(1) },
        StatKey { inode: 2, ..key(1) },
        StatKey { size: 4, ..key(1) },
        StatKey { mtime: other, ..key(1) },
        StatKey { ctime: other, ..key(1) },
    ] {
        assert_eq!(file.lookup(b"b", &changed), None, "{changed:?}");
    }
}

#[test]
fn a_file_changed_too_recently_is_not_saved() {
    let start = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let old = Stamp { secs: 1_699_999_990, nanos: 1 };
    let at = |secs: i64, nanos| Stamp { secs: 1_700_000_000 + secs, nanos };
    let settled = |mtime, ctime| StatKey { mtime, ctime, ..key(0) }.is_settled(start);
    assert!(settled(old, old));
    assert!(settled(at(-1, 979_000_000), old));
    assert!(!settled(at(-1, 981_000_000), old), "within a tick of the scan's start");
    assert!(!settled(old, at(-1, 981_000_000)));
    assert!(!settled(old, at(5, 1)), "written after the scan began");
    assert!(!settled(at(-1, 0), at(-1, 0)), "times of whole seconds are coarser");
    assert!(settled(at(-3, 0), at(-3, 0)));
}

#[test]
fn what_is_no_stat_file_is_empty() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("records");
    assert!(StatFile::open(&path).is_empty());
    for bytes in [&b""[..], b"KILNSTAT", &[0; 32], &[0xff; 400]] {
        fs::write(&path, bytes).expect("written");
        assert!(StatFile::open(&path).is_empty());
    }
}

/// No flipped bit anywhere gives a digest that was not saved.
#[test]
fn damage_is_as_if_it_were_not_there() {
    let (dir, _) = saved(&[b"a", b"a/b", b"a-b"]);
    let path = dir.path().join("records");
    let sound = fs::read(&path).expect("read");
    for at in 0..sound.len() {
        for bit in [1, 0x80] {
            let mut bytes = sound.clone();
            bytes[at] ^= bit;
            fs::write(&path, &bytes).expect("written");
            let file = StatFile::open(&path);
            let mut cursor = file.cursor();
            for (name, n) in [(&b"a"[..], 0), (b"a/b", 1), (b"a-b", 2)] {
                for found in [file.lookup(name, &key(n)), cursor.lookup(name, &key(n))] {
                    assert!(found.is_none() || found == Some(digest(n)), "byte {at}");
                }
            }
        }
        fs::write(&path, &sound[..at]).expect("written");
        assert!(StatFile::open(&path).is_empty(), "cut off at {at}");
    }
}

proptest! {
    #[test]
    fn what_is_added_in_any_order_is_found_in_any_order(
        names in proptest::collection::vec("[a-c/.-]{1,6}", 0..40),
        asked in proptest::collection::vec("[a-c/.-]{1,6}", 0..40),
    ) {
        let mut names: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
        names.sort_unstable();
        names.dedup();
        let (_dir, file) = saved(&names);
        let mut cursor = file.cursor();
        for name in names.iter().copied().chain(asked.iter().map(String::as_bytes)) {
            let expected = names.iter().position(|known| *known == name).map(|n| n as u64);
            let asked_for = key(expected.unwrap_or(0));
            prop_assert_eq!(file.lookup(name, &asked_for), expected.map(digest));
            prop_assert_eq!(cursor.lookup(name, &asked_for), expected.map(digest));
        }
    }

    #[test]
    fn the_order_is_that_of_components(a in "[ab/.-]{0,5}", b in "[ab/.-]{0,5}") {
        let components = |path: &str| path.split('/').map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
        prop_assert_eq!(walk_order(a.as_bytes(), b.as_bytes()), components(&a).cmp(&components(&b)));
    }
}

/// Ten times the time it takes: what it guards against is a table that is decoded, or looked up in a database.
#[test]
fn a_hundred_thousand_records_are_opened_at_once() {
    let paths: Vec<String> = (0..100_000).map(|n| format!("src/dir{:03}/file{:03}.rs", n / 500, n % 500)).collect();
    let paths: Vec<&[u8]> = paths.iter().map(|path| path.as_bytes()).collect();
    let (dir, _) = saved(&paths);
    let start = Instant::now();
    let file = StatFile::open(&dir.path().join("records"));
    assert!(start.elapsed() < Duration::from_millis(10), "{:?}", start.elapsed());
    let mut cursor = file.cursor();
    let found = paths.iter().zip(0..).filter(|(path, n)| cursor.lookup(path, &key(*n)).is_some()).count();
    assert_eq!(found, 100_000);
}
