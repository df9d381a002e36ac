//! Trees packed as tars, always the same.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::Arc;
use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::tree::TreeBuilder;
use crate::tree::testing::{any_tree, bytes_of, show, tree};
use crate::unpack::{self, unpack};
use crate::view::View;

/// Makes a layer's files, as [`bytes_of`] has them: all that packing reads from the disk.
fn write_files(tree: &Tree, dir: &Path) {
    for entry in tree.entries() {
        let path = dir.join(std::str::from_utf8(&entry.path).expect("text"));
        match &entry.kind {
            Kind::Dir { .. } => fs::create_dir(path).expect("made"),
            Kind::File { size, .. } => fs::write(path, bytes_of(*size)).expect("written"),
            Kind::HardLink { target } => {
                fs::hard_link(dir.join(std::str::from_utf8(target).expect("text")), path).expect("linked");
            }
            _ => {}
        }
    }
}

fn pack(tree: &Tree, dir: &Path) -> Vec<u8> {
    let mut tar = Vec::new();
    let packed = write_hashed(&Source::layer(tree, dir), Options::default(), &mut tar).expect("packed");
    assert_eq!(packed, Packed { diff_id: DiffId(Digest::of(&tar)), size: tar.len() as u64 });
    tar
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_packed_is_unpacked(tree in any_tree(25)) {
        let (from, to) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        write_files(&tree, from.path());
        let tar = pack(&tree, from.path());
        let unpacked = unpack(&tar[..], to.path(), &unpack::Options::layer()).expect("our own tar");
        prop_assert_eq!(&unpacked.tree, &tree);
        prop_assert_eq!(unpacked.notes, vec![]);
        prop_assert_eq!(pack(&unpacked.tree, to.path()), tar);
    }

    #[test]
    fn a_view_is_packed_and_copied_whole(layers in prop::collection::vec(any_tree(10), 1..4)) {
        let dirs: Vec<_> = layers.iter().map(|_| tempfile::tempdir().expect("a directory")).collect();
        layers.iter().zip(&dirs).for_each(|(tree, dir)| write_files(tree, dir.path()));
        let merged = View::new(layers.into_iter().map(Arc::new).collect()).merged();
        let paths: Vec<_> = dirs.iter().map(|dir| dir.path().to_owned()).collect();
        let source = Source::merged(&merged, paths);
        let mut tar = Vec::new();
        write(&source, Options::default(), &mut tar).expect("packed");
        let to = tempfile::tempdir().expect("a directory");
        let unpacked = unpack(&tar[..], to.path(), &unpack::Options::layer()).expect("our own tar");
        prop_assert_eq!(&unpacked.tree, &merged.tree);

        let dest = tempfile::tempdir().expect("a directory");
        for _ in 0..2 {
            copy::copy(&source, dest.path()).expect("copied");
            for entry in merged.tree.entries() {
                let path = dest.path().join(std::str::from_utf8(&entry.path).expect("text"));
                let meta = fs::symlink_metadata(&path).expect("copied");
                prop_assert_eq!(meta.is_dir(), entry.is_dir());
                if let Kind::File { size, .. } = merged.tree.file_of(entry).kind {
                    prop_assert!(fs::read(&path).expect("a file") == bytes_of(size));
                }
            }
        }
    }
}

#[test]
fn times_are_clamped_and_whole() {
    let mut builder = TreeBuilder::new();
    for (path, secs) in [("new", 2_000), ("old", 5)] {
        let meta = Meta { mtime: Mtime { secs, nanos: 7 }, ..Meta::default() };
        builder.push(Entry { path: path.as_bytes().into(), kind: Kind::Fifo, meta }).expect("pushed");
    }
    let (tree, dir) = (builder.build().expect("a tree"), tempfile::tempdir().expect("a directory"));
    let mut tar = Vec::new();
    write(&Source::layer(&tree, dir.path()), Options { latest: Some(1_000) }, &mut tar).expect("packed");
    let unpacked = unpack(&tar[..], dir.path(), &unpack::Options::layer()).expect("our own tar");
    let times: Vec<_> = unpacked.tree.entries().iter().map(|entry| entry.meta.mtime).collect();
    assert_eq!(times, [Mtime { secs: 1_000, nanos: 0 }, Mtime { secs: 5, nanos: 0 }]);
}

#[test]
fn what_is_not_as_the_tree_says_is_an_error() {
    let tree = tree("a dir\na/f file hello");
    let error = |make: &dyn Fn(&Path)| {
        let dir = tempfile::tempdir().expect("a directory");
        make(dir.path());
        write(&Source::layer(&tree, dir.path()), Options::default(), io::sink()).expect_err("refused").to_string()
    };
    let with = |bytes: &'static [u8]| {
        error(&move |dir: &Path| {
            fs::create_dir(dir.join("a")).expect("made");
            fs::write(dir.join("a/f"), bytes).expect("written");
        })
    };
    assert!(with(b"hell").starts_with("`/a/f` has 4 bytes, and 5 when"), "{}", with(b"hell"));
    assert!(with(b"hello!").starts_with("`/a/f` has more bytes, and 5 when"));
    assert!(error(&|_| ()).starts_with("cannot read `/a/f`: No such file"));
    let outside = tempfile::tempdir().expect("a directory");
    fs::write(outside.path().join("f"), b"hello").expect("written");
    assert!(error(&|dir| symlink(outside.path(), dir.join("a")).expect("linked")).starts_with("cannot read `/a/f`"));
}

#[test]
fn a_file_cannot_be_named_like_a_whiteout() {
    let (tree, dir) = (tree("a/.wh.b fifo"), tempfile::tempdir().expect("a directory"));
    let error = write(&Source::layer(&tree, dir.path()), Options::default(), io::sink()).expect_err("refused");
    assert!(error.to_string().starts_with("`/a/.wh.b` cannot be in a layer"));
}

/// An image that is exported twice into one directory must not lead the second export out of it.
#[test]
fn a_copy_follows_no_link_in_its_destination() {
    let (from, dest) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let outside = tempfile::tempdir().expect("a directory");
    fs::create_dir(from.path().join("a")).expect("made");
    fs::write(from.path().join("a/f"), b"hello").expect("written");
    symlink(outside.path(), dest.path().join("a")).expect("linked");
    fs::write(dest.path().join("kept"), b"").expect("written");
    let tree = tree("a dir\na/f file hello");
    copy::copy(&Source::layer(&tree, from.path()), dest.path()).expect("copied");
    assert_eq!(fs::read_dir(outside.path()).expect("read").count(), 0);
    assert_eq!(fs::read(dest.path().join("a/f")).expect("read"), b"hello");
    assert_eq!(fs::symlink_metadata(dest.path().join("a/f")).expect("there").mode() & 0o7777, 0o644);
    assert!(dest.path().join("kept").exists());
    assert_eq!(show(&tree), "a dir\na/f file 5\n");
}

#[test]
fn a_copy_has_no_set_id_bits() {
    let (from, dest) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    fs::create_dir(from.path().join("d")).expect("made");
    fs::write(from.path().join("d/f"), b"").expect("written");
    let mut builder = TreeBuilder::new();
    let empty = Kind::File { size: 0, content: crate::digest::ContentDigest::of(b"") };
    for (path, kind, mode) in [("d", Kind::Dir { opaque: false }, 0o7777), ("d/f", empty, 0o6755)] {
        let meta = Meta { mode, uid: 1, gid: 1, ..Meta::default() };
        builder.push(Entry { path: path.as_bytes().into(), kind, meta }).expect("pushed");
    }
    let tree = builder.build().expect("a tree");
    copy::copy(&Source::layer(&tree, from.path()), dest.path()).expect("copied");
    let mode = |path: &str| fs::metadata(dest.path().join(path)).expect("there").mode() & 0o7777;
    assert_eq!((mode("d"), mode("d/f")), (0o1777, 0o755));
}

/// A measurement, printed with `--nocapture`; it asserts that what was unpacked is what was packed.
#[test]
fn many_small_files() {
    let count = if cfg!(debug_assertions) { 2_000 } else { 100_000 };
    let mut builder = TreeBuilder::new();
    for i in 0..count {
        let kind = Kind::File { size: 900, content: crate::digest::ContentDigest::of(&bytes_of(900)) };
        let meta = Meta { mode: 0o644, mtime: Mtime { secs: 1_700_000_000, nanos: 0 }, ..Meta::default() };
        let path = format!("usr/lib/p{}/f{i}", i / 50).into_bytes().into();
        builder.push(Entry { path, kind, meta }).expect("pushed");
    }
    let tree = builder.build().expect("a tree");
    let (from, to) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    write_files(&tree, from.path());
    let started = Instant::now();
    let mut tar = Vec::new();
    write(&Source::layer(&tree, from.path()), Options::default(), &mut tar).expect("packed");
    let packed = started.elapsed();
    let started = Instant::now();
    write_hashed(&Source::layer(&tree, from.path()), Options::default(), io::sink()).expect("packed");
    let hashed = started.elapsed();
    let started = Instant::now();
    let unpacked = unpack(&tar[..], to.path(), &unpack::Options::layer()).expect("our own tar");
    println!("{count} files: packed {packed:?}, packed and hashed {hashed:?}, unpacked {:?}", started.elapsed());
    assert_eq!(unpacked.tree, tree);
}
