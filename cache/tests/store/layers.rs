//! Layers: committed, lost, damaged.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cache::{Boot, Committed, Depth, Error, Store};
use oci::{DiffId, Digest};

use crate::support::{Dir, count, ingest, key, layer, record};

#[test]
fn a_layer_is_there_once_it_is_committed() {
    let dir = Dir::new();
    let store = dir.open();
    let (ingest, id, tree) = ingest(&store, "f", b"hello");
    assert!(!store.has_layer(&id).expect("asked"));
    assert!(matches!(store.layer_fs(&id), Err(Error::Missing { .. })));
    assert_eq!(store.commit_layer(ingest, id, &tree).expect("committed"), Committed::New);
    assert!(store.has_layer(&id).expect("asked"));
    assert_eq!(fs::read(store.layer_fs(&id).expect("here").join("f")).expect("read"), b"hello");
    assert_eq!(*store.tree(&id).expect("a tree"), tree);

    // Another process sees the same.
    let other = dir.open();
    assert_eq!(*other.tree(&id).expect("a tree"), tree);
    let row = other.layer_row(&id).expect("asked").expect("a row");
    assert_eq!((row.size, row.diff_id), (5, None));
    assert_eq!(other.fsck(Depth::Contents).expect("checked"), []);
}

/// Two steps that make the same contents: the first layer stays, with its times.
#[test]
fn the_first_of_two_equal_layers_stands() {
    let dir = Dir::new();
    let store = dir.open();
    let id = layer(&store, "f", b"same");
    let path = store.layer_fs(&id).expect("here").join("f");
    let before = fs::metadata(&path).expect("a file").modified().expect("a time");
    let (second, second_id, tree) = ingest(&store, "f", b"same");
    assert_eq!(second_id, id);
    assert_eq!(store.commit_layer(second, id, &tree).expect("committed"), Committed::Known);
    assert_eq!(fs::metadata(&path).expect("a file").modified().expect("a time"), before);
    assert_eq!(count(&dir.root().join("layers")), 1);
}

#[test]
fn a_dropped_ingest_leaves_nothing_to_see() {
    let dir = Dir::new();
    let store = dir.open();
    let (ingest, id, _) = ingest(&store, "f", b"gone");
    let path = ingest.fs().to_owned();
    drop(ingest);
    assert!(!path.exists());
    assert!(!store.has_layer(&id).expect("asked"));
    store.tidy().expect("tidied");
    assert_eq!(count(&dir.root().join("trash")), 0);
}

/// The root directory of a layer is what every user of a container walks through.
#[test]
fn the_root_of_a_layer_can_be_entered_by_all_and_the_store_by_its_owner_only() {
    let dir = Dir::new();
    let store = dir.open();
    let id = layer(&store, "f", b"x");
    let mode = |path| fs::metadata(path).expect("metadata").permissions().mode() & 0o7777;
    assert_eq!(mode(store.layer_fs(&id).expect("here")), 0o755);
    for name in ["", "layers", "mounts", "ingest", "blobs/sha256"] {
        assert_eq!(mode(dir.root().join(name)), 0o700, "{name}");
    }
}

/// What a power loss may have cut off is not used; what was synced before is.
#[test]
fn a_layer_of_another_boot_counts_only_if_it_was_synced() {
    let dir = Dir::new();
    let open = |boot: &str| Store::open_in_boot(&dir.root(), Boot::named(boot)).expect("a store");
    let first = open("one");
    let synced = layer(&first, "f", b"synced");
    first.tidy().expect("tidied");
    let lost = layer(&first, "f", b"lost");
    first.put_record(&key("lost"), &record(&[lost])).expect("recorded");
    first.put_record(&key("synced"), &record(&[synced])).expect("recorded");
    drop(first);

    let second = open("two");
    assert!(second.has_layer(&synced).expect("asked"));
    assert!(second.record(&key("synced")).expect("asked").is_some());
    assert!(!second.has_layer(&lost).expect("asked"));
    assert!(second.tree(&lost).is_err());
    assert_eq!(second.record(&key("lost")).expect("asked"), None);

    // Made again, it takes the place of what is there.
    let path = dir.root().join("layers").join(lost.dir_name());
    fs::write(path.join("fs/f"), b"").expect("cut off, as a power loss does");
    assert_eq!(layer(&second, "f", b"lost"), lost);
    assert_eq!(fs::read(path.join("fs/f")).expect("read"), b"lost");
    assert_eq!(second.fsck(Depth::Contents).expect("checked"), []);
}

#[test]
fn lost_layers_are_put_away_in_the_background() {
    let dir = Dir::new();
    let first = Store::open_in_boot(&dir.root(), Boot::named("one")).expect("a store");
    let lost = layer(&first, "f", b"lost");
    drop(first);
    let second = Store::open_in_boot(&dir.root(), Boot::named("two")).expect("a store");
    second.tidy().expect("tidied");
    assert!(!dir.root().join("layers").join(lost.dir_name()).exists());
    assert_eq!(second.fsck(Depth::Contents).expect("checked"), []);
}

#[test]
fn a_diff_id_leads_to_the_layer_made_here() {
    let dir = Dir::new();
    let store = dir.open();
    let id = layer(&store, "f", b"x");
    let diff_id = DiffId(Digest::of(b"tar"));
    assert_eq!(store.layer_of_diff_id(&diff_id).expect("asked"), None);
    store.set_diff_id(&id, diff_id, 1024).expect("noted");
    assert_eq!(store.layer_of_diff_id(&diff_id).expect("asked"), Some(id));
    let row = store.layer_row(&id).expect("asked").expect("a row");
    assert_eq!((row.diff_id, row.tar_size), (Some(diff_id), Some(1024)));
}
