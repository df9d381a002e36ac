//! Trees for tests: written as text, and made at random.

use proptest::prelude::*;

use super::{Entry, Kind, Meta, Mtime, Tree, TreeBuilder};
use crate::digest::ContentDigest;

/// Makes a tree of lines: `path`, then `dir`, `opaque`, `file BYTES`, `link TARGET`, `hard TARGET`, `wh`, `fifo`, `char`.
pub fn tree(lines: &str) -> Tree {
    let mut builder = TreeBuilder::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        builder.push(entry(line)).expect(line);
    }
    builder.build().expect(lines)
}

fn entry(line: &str) -> Entry {
    let mut words = line.splitn(3, ' ');
    let path = words.next().expect("a path").as_bytes().into();
    let what = words.next().expect("a kind");
    let rest = words.next().unwrap_or_default().as_bytes();
    let (kind, mode) = match what {
        "dir" => (Kind::Dir { opaque: false }, 0o755),
        "opaque" => (Kind::Dir { opaque: true }, 0o755),
        "file" => (Kind::File { size: rest.len() as u64, content: ContentDigest::of(rest) }, 0o644),
        "link" => (Kind::Symlink { target: rest.into() }, 0o777),
        "hard" => (Kind::HardLink { target: rest.into() }, 0o644),
        "wh" => (Kind::Whiteout, 0),
        "fifo" => (Kind::Fifo, 0o600),
        "char" => (Kind::CharDevice { major: 1, minor: 3 }, 0o666),
        _ => panic!("no such kind: {line}"),
    };
    Entry { path, kind, meta: Meta { mode, ..Meta::default() } }
}

/// The tree as [`tree`] reads it, but for the bytes of files.
pub fn show(tree: &Tree) -> String {
    let mut text = String::new();
    for Entry { path, kind, .. } in tree.entries() {
        let path = String::from_utf8_lossy(path);
        let what = match kind {
            Kind::Dir { opaque: false } => "dir".to_owned(),
            Kind::Dir { opaque: true } => "opaque".to_owned(),
            Kind::File { size, .. } => format!("file {size}"),
            Kind::Symlink { target } => format!("link {}", String::from_utf8_lossy(target)),
            Kind::HardLink { target } => format!("hard {}", String::from_utf8_lossy(target)),
            Kind::Whiteout => "wh".to_owned(),
            Kind::Fifo => "fifo".to_owned(),
            Kind::CharDevice { .. } => "char".to_owned(),
            Kind::BlockDevice { .. } => "block".to_owned(),
        };
        text += &format!("{path} {what}\n");
    }
    text
}

/// The bytes of a file of [`any_tree`], by its size.
pub fn bytes_of(size: u64) -> Vec<u8> {
    (0..size).map(|i| (i * 7 + size) as u8).collect()
}

/// Any entry that can be made on a disk, with few names so that entries meet.
fn any_entry() -> impl Strategy<Value = Entry> {
    let name = prop_oneof![Just("a"), Just("b"), Just("a-"), Just("c.d"), Just("ü")];
    let path = prop::collection::vec(name, 1..4).prop_map(|names| names.join("/").into_bytes());
    let kind = prop_oneof![
        4 => (0..3000_u64).prop_map(|size| Kind::File { size, content: ContentDigest::of(&bytes_of(size)) }),
        3 => any::<bool>().prop_map(|opaque| Kind::Dir { opaque }),
        1 => Just(Kind::Symlink { target: b"a/b"[..].into() }),
        1 => Just(Kind::Symlink { target: b"../../..//x"[..].into() }),
        1 => Just(Kind::Whiteout),
        1 => Just(Kind::Fifo),
        2 => prop_oneof![Just("a"), Just("b"), Just("a/b")].prop_map(|path| Kind::HardLink { target: path.as_bytes().into() }),
    ];
    let mode = prop_oneof![Just(0o755), Just(0o644), Just(0o4711), Just(0o1777), Just(0)];
    let xattrs = prop_oneof![4 => Just(vec![]), 1 => Just(vec![(b"user.x"[..].into(), b"1\n2\0"[..].into())])];
    (path, kind, mode, 0..3_u32, -2..3_i64, xattrs).prop_map(|(path, kind, mode, id, secs, xattrs)| {
        let xattrs = if matches!(kind, Kind::File { .. } | Kind::Dir { .. }) { xattrs } else { vec![] };
        let meta = Meta { mode, uid: id * 1000, gid: id * 3_000_000, mtime: Mtime { secs, nanos: 0 }, xattrs };
        Entry { path: path.into(), kind, meta }
    })
}

/// Any tree of up to `size` entries: of entries at random, those that fit what is there already.
pub fn any_tree(size: usize) -> impl Strategy<Value = Tree> {
    prop::collection::vec(any_entry(), 0..size).prop_map(|entries| {
        let mut kept: Vec<Entry> = Vec::new();
        for entry in entries {
            kept.push(entry);
            if build(&kept).is_none() {
                kept.pop();
            }
        }
        build(&kept).expect("each entry was tried")
    })
}

fn build(entries: &[Entry]) -> Option<Tree> {
    let mut builder = TreeBuilder::new();
    for entry in entries {
        builder.push(entry.clone()).ok()?;
    }
    builder.build().ok()
}
