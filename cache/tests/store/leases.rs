//! Leases and what dead processes leave.

use std::fs;

use cache::{Depth, Error, Store};
use oci::ContentDigest;

use crate::support::{Dir, count, ingest, layer};

#[test]
fn what_a_dead_process_left_is_put_away() {
    let dir = Dir::new();
    drop(dir.open());
    let left = dir.root().join("ingest/7");
    fs::create_dir(&left).expect("made");
    fs::write(left.join("f"), b"rubbish").expect("written");
    let orphan = dir.root().join("layers").join(oci::LayerId::Built(ContentDigest::of(b"x")).dir_name());
    fs::create_dir(&orphan).expect("made");
    let store = dir.open();
    assert!(!left.exists());
    assert!(!orphan.exists(), "killed between the rename and the row");
    assert_eq!(store.fsck(Depth::Contents).expect("checked"), []);
    store.tidy().expect("tidied");
    assert_eq!(count(&dir.root().join("trash")), 0);
}

#[test]
fn what_a_live_process_makes_is_left_alone() {
    let dir = Dir::new();
    let first = dir.open();
    let (making, id, tree) = ingest(&first, "f", b"slow");
    let second = dir.open();
    assert_eq!(second.fsck(Depth::Contents).expect("checked"), []);
    second.tidy().expect("tidied");
    first.commit_layer(making, id, &tree).expect("committed");
    assert!(second.has_layer(&id).expect("asked"));
}

#[test]
fn leases_are_used_again() {
    let dir = Dir::new();
    for _ in 0..3 {
        let store = dir.open();
        layer(&store, "f", b"x");
        drop(store);
        assert_eq!(count(&dir.root().join("ingest")), 0);
    }
    let (_first, _second) = (dir.open(), dir.open());
    assert_eq!(count(&dir.root().join("leases")), 2);
}

#[test]
fn what_is_no_store_of_ours_is_refused() {
    let dir = Dir::new();
    fs::create_dir(dir.root()).expect("made");
    fs::write(dir.root().join("thesis.tex"), b"").expect("written");
    assert!(matches!(Store::open(&dir.root()), Err(Error::NotAStore { .. })));
    assert_eq!(count(&dir.root()), 1);

    let dir = Dir::new();
    drop(dir.open());
    fs::write(dir.root().join("version"), b"kiln store 7\n").expect("written");
    let Err(error) = Store::open(&dir.root()) else { panic!("opened") };
    let text = error.to_string();
    assert!(text.contains("kiln store 7") && text.contains("kiln store 1") && text.contains("hint: "), "{text}");
}

#[test]
fn a_store_half_made_is_made() {
    let dir = Dir::new();
    fs::create_dir_all(dir.root().join("blobs")).expect("made");
    let store = dir.open();
    assert_eq!(store.fsck(Depth::Contents).expect("checked"), []);
}

#[test]
fn many_may_make_one_store_at_once() {
    let dir = Dir::new();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let dir = &dir;
            scope.spawn(move || layer(&dir.open(), "f", &[n % 3]));
        }
    });
    assert_eq!(count(&dir.root().join("layers")), 3);
    assert_eq!(dir.open().fsck(Depth::Contents).expect("checked"), []);
}

#[test]
fn a_cache_mount_is_one_directory_per_id() {
    let dir = Dir::new();
    let store = dir.open();
    let path = store.cache_mount("../../etc").expect("made");
    assert!(path.starts_with(dir.root().join("mounts")) && path.is_dir());
    assert_eq!(store.cache_mount("../../etc").expect("made"), path);
    assert_ne!(store.cache_mount("/root/.npm").expect("made"), path);
    let held = store.lock_mount("id", &mut || true).expect("asked");
    assert!(store.lock_mount("id", &mut || false).expect("asked").is_none());
    drop(held);
    assert!(store.lock_mount("id", &mut || false).expect("asked").is_some());
}
