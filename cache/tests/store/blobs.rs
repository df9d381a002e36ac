//! Blobs: stored, verified, set aside when damaged.

use std::fs;
use std::io::Write;

use cache::{Boot, Error, Store};
use oci::Digest;

use crate::support::{Dir, count, flip};

#[test]
fn what_is_put_is_read() {
    let dir = Dir::new();
    let store = dir.open();
    let digest = store.put_blob(b"config").expect("stored");
    assert_eq!(digest, Digest::of(b"config"));
    assert!(store.has_blob(&digest).expect("asked"));
    assert_eq!(store.read_blob(&digest).expect("read"), b"config");
    assert_eq!(fs::read(store.blob_path(&digest)).expect("read"), b"config");
    assert_eq!(store.put_blob(b"config").expect("stored again"), digest);
}

#[test]
fn a_blob_written_in_pieces_is_verified() {
    let dir = Dir::new();
    let store = dir.open();
    let writer = |store: &Store| {
        let mut writer = store.blob_writer().expect("a writer");
        writer.write_all(b"one").expect("written");
        writer.write_all(b"two").expect("written");
        writer
    };
    let digest = Digest::of(b"onetwo");
    let wrong = writer(&store).commit(Some(Digest::of(b"other")));
    assert!(matches!(wrong, Err(Error::WrongDigest { found, .. }) if found == digest));
    drop(writer(&store));
    assert_eq!(count(&dir.root().join("blobs/sha256")), 0);
    assert_eq!(writer(&store).commit(Some(digest)).expect("committed"), (digest, 6));
    assert_eq!(writer(&store).commit(None).expect("committed"), (digest, 6));
    assert_eq!(store.read_blob(&digest).expect("read"), b"onetwo");
    store.tidy().expect("tidied");
    assert_eq!(count(&dir.root().join("trash")), 0);
}

#[test]
fn a_damaged_blob_is_set_aside() {
    let dir = Dir::new();
    let store = dir.open();
    let digest = store.put_blob(b"config").expect("stored");
    flip(&store.blob_path(&digest));
    assert_eq!(store.fsck(cache::Depth::Metadata).expect("checked").len(), 1);
    let Err(Error::Damaged { aside, .. }) = store.read_blob(&digest) else { panic!("damage went unseen") };
    assert!(aside.exists());
    assert!(!store.has_blob(&digest).expect("asked"));
    assert!(matches!(store.read_blob(&digest), Err(Error::Missing { .. })));
    store.put_blob(b"config").expect("stored again");
    assert_eq!(store.read_blob(&digest).expect("read"), b"config");
}

#[test]
fn a_blob_of_another_boot_is_verified_before_it_counts() {
    let dir = Dir::new();
    let first = Store::open_in_boot(&dir.root(), Boot::named("one")).expect("a store");
    let whole = first.put_blob(b"whole").expect("stored");
    let cut = first.put_blob(b"cut").expect("stored");
    drop(first);
    let second = Store::open_in_boot(&dir.root(), Boot::named("two")).expect("a store");
    fs::write(second.blob_path(&cut), b"").expect("cut off, as a power loss does");
    assert!(second.has_blob(&whole).expect("asked"));
    assert!(!second.has_blob(&cut).expect("asked"));
    assert_eq!(second.fsck(cache::Depth::Contents).expect("checked"), []);
}
