//! Trees: their order, their digests, their bytes.

use std::time::Instant;

use expect_test::expect;
use proptest::prelude::*;

use super::testing::{any_tree, show, tree};
use super::*;

#[test]
fn entries_come_in_any_order() {
    let made = tree("b/c/d file x\na-b file y\na file z\nb dir\nb/c-1 link ../x\na-b file again");
    expect![[r#"
        a file 1
        a-b file 5
        b dir
        b/c dir
        b/c/d file 1
        b/c-1 link ../x
    "#]]
    .assert_eq(&show(&made));
    let names: Vec<_> = made.children(b"b").map(Entry::display).collect();
    assert_eq!(names, ["/b/c", "/b/c-1"]);
    assert_eq!(made.children(b"").count(), 3);
    assert_eq!(made.children(b"a").count(), 0);
    assert_eq!(made.subtree(b"b/c").len(), 2);
    assert_eq!(made.total_size(), 7);
    assert_eq!(made.get(b"b/c").map(|dir| dir.meta.mode), Some(0o755));
}

#[test]
fn the_first_name_of_a_file_is_the_file() {
    let made = tree("m file bytes\nz hard m\na hard z\nl link x\nk hard l");
    expect![[r#"
        a file 5
        k link x
        l link x
        m hard a
        z hard a
    "#]]
    .assert_eq(&show(&made));
    assert_eq!(made.file_of(made.get(b"z").expect("z")).path[..], *b"a");
}

#[test]
fn what_is_no_tree_is_refused() {
    let build = |lines: &[(&str, Kind)]| {
        let mut builder = TreeBuilder::new();
        for (path, kind) in lines {
            builder.push(Entry { path: path.as_bytes().into(), kind: kind.clone(), meta: Meta::default() })?;
        }
        builder.build()
    };
    let hard = |target: &str| Kind::HardLink { target: target.as_bytes().into() };
    let message = |lines: &[(&str, Kind)]| build(lines).expect_err("refused").to_string();
    expect!["`/a` holds `/a/b`, but is no directory"].assert_eq(&message(&[("a/b", Kind::Fifo), ("a", Kind::Fifo)]));
    expect!["the path `/../a` cannot be in a layer: it has a `.` or `..` component"]
        .assert_eq(&message(&[("../a", Kind::Fifo)]));
    expect!["the hard link `/a` names `/b`, which is no file of the same layer"]
        .assert_eq(&message(&[("a", hard("b")), ("b", hard("a"))]));
    expect!["the hard link `/a` names `/d`, which is no file of the same layer"]
        .assert_eq(&message(&[("a", hard("d")), ("d", Kind::Dir { opaque: false })]));
}

/// The digests of stored layers and the keys made of them depend on these: a new value needs a new version.
#[test]
fn the_digest_is_what_it_was() {
    expect!["blake3:ffff4b52fdad6e275c6e5b3e8cf28b6b78ed12feaf7f0dc90564bb9948e2b77c"]
        .assert_eq(&Tree::default().digest().to_string());
    let made = tree("a opaque\na/f file hello\na/h hard a/f\nb link a\nc wh\nd fifo\ne char");
    expect!["blake3:ba5673b1cedc323859a2ac35a5849987ec956ff47e3fadbe9cfd68a9d9ee933b"]
        .assert_eq(&made.digest().to_string());
    let mut xattr = made.entries().to_vec();
    xattr[0].meta.xattrs.push((b"user.x"[..].into(), b"y"[..].into()));
    expect!["blake3:6a57fb60918b1e54cf0201f34e9a2eca01911a1a146b6e4c3fffa2127e52899c"]
        .assert_eq(&Tree::from_sorted(xattr).digest().to_string());
}

#[test]
fn the_digest_tells_contents_not_times() {
    let made = tree("a dir\na/f file hello\na/g file x");
    let mut later = made.entries().to_vec();
    later[1].meta.mtime = Mtime { secs: 9, nanos: 1 };
    let later = Tree::from_sorted(later);
    assert_eq!(later.digest(), made.digest());
    assert_eq!(later.newest_mtime(), Some(Mtime { secs: 9, nanos: 1 }));
    for change in ["a dir\na/f file hellp\na/g file x", "a dir\na/f file hello", "a opaque\na/f file hello\na/g file x"]
    {
        assert_ne!(tree(change).digest(), made.digest(), "{change}");
    }
    assert_eq!(tree("f file hello\ng file x").digest(), made.contents_digest(b"a").expect("a directory"));
    assert_eq!(tree("a dir\na/f file hello\nb fifo").entry_digest(b"a/f"), made.entry_digest(b"a/f"));
}

#[test]
fn damaged_bytes_are_an_error() {
    let bytes = tree("a dir\na/f file hello\na/g hard a/f\nb wh\nc link x").to_bytes();
    assert_eq!(Tree::from_bytes(b""), Err(EncodingError::Version));
    for length in 0..bytes.len() {
        assert!(Tree::from_bytes(&bytes[..length]).is_err());
    }
    // With a checksum that is right, what it covers must still be a tree.
    let body = bytes.len() - 32;
    for at in 12..body {
        for bit in 0..8 {
            let mut bad = bytes[..body].to_vec();
            bad[at] ^= 1 << bit;
            bad.extend_from_slice(blake3::hash(&bad).as_bytes());
            if let Ok(read) = Tree::from_bytes(&bad) {
                let mut builder = TreeBuilder::new();
                read.entries().iter().for_each(|entry| builder.push(entry.clone()).expect("a good entry"));
                assert_eq!(builder.build().expect("a tree"), read);
            }
        }
    }
}

#[test]
fn few_bytes_do_not_claim_many_entries() {
    let mut bytes = b"kiln.tree.1\n\xff\xff\xff\xff\x7f".to_vec();
    bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
    assert_eq!(Tree::from_bytes(&bytes), Err(EncodingError::Malformed { at: 17 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_back(tree in any_tree(30)) {
        let read = Tree::from_bytes(&tree.to_bytes()).expect("our own bytes");
        prop_assert_eq!(&read, &tree);
        prop_assert_eq!(read.digest(), tree.digest());
    }

    #[test]
    fn any_bytes_are_read_without_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = [&b"kiln.tree.1\n"[..], &body].concat();
        bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
        let _ = Tree::from_bytes(&bytes);
    }
}

/// A measurement, printed with `--nocapture`; what it asserts is only that the figures exist.
#[test]
fn a_hundred_thousand_entries() {
    let entries: Vec<Entry> = (0..100_000_u32)
        .map(|i| Entry {
            path: format!("usr/lib/node_modules/package-{}/lib/deep/file-{i}.js", i.wrapping_mul(7919) % 1000)
                .into_bytes()
                .into(),
            kind: Kind::File { size: 100, content: ContentDigest::of(&i.to_le_bytes()) },
            meta: Meta { mode: 0o644, mtime: Mtime { secs: 1_700_000_000, nanos: 123 }, ..Meta::default() },
        })
        .collect();
    let started = Instant::now();
    let mut builder = TreeBuilder::new();
    entries.into_iter().for_each(|entry| builder.push(entry).expect("a good entry"));
    let made = builder.build().expect("a tree");
    let sorted = started.elapsed();
    let digest = made.digest();
    let built = started.elapsed();
    let bytes = made.to_bytes();
    let started = Instant::now();
    let read = Tree::from_bytes(&bytes).expect("our own bytes");
    println!("build {built:?} (sort {sorted:?}), decode {:?}, {} bytes", started.elapsed(), bytes.len());
    assert_eq!(read.digest(), digest);
}
