//! The Merkle digests of a tree. Knows nothing of how a tree is made or stored.
//!
//! ## What is hashed
//!
//! Everything but modification times, which say when a layer was made and not what is in it. Numbers are
//! little-endian; *text* is its length as a `u32` and its bytes.
//!
//! The digest of an **entry** is blake3 of:
//!
//! | what | as |
//! |---|---|
//! | kind | one byte: 1 file, 2 hard link, 3 directory, 4 symbolic link, 5 character device, 6 block device, 7 fifo, 8 whiteout |
//! | mode, uid, gid | `u32` each |
//! | name (the last component) | text |
//! | extended attributes, by name | their number as a `u32`; name and value of each as texts |
//! | file | size as a `u64`, the 32 bytes of the blake3 of its bytes |
//! | hard link | the path of its file, text |
//! | symbolic link | target, text |
//! | device | major and minor, `u32` each |
//! | directory | one byte, 1 when opaque; the digests of its children by name, 32 bytes each |
//!
//! The digest of the **contents of a directory**, and so of a **tree**, is blake3 of the 13 bytes
//! `kiln tree v1\n` and the digests of the children by name. An empty tree has one, too.

use crate::digest::ContentDigest;

use super::{Entry, Kind, Tree};

const CONTENTS: &[u8] = b"kiln tree v1\n";

/// The digests of one tree.
#[derive(Debug, Clone)]
pub(super) struct Digests {
    pub root: ContentDigest,
    /// Of each entry, in tree order.
    pub entries: Vec<ContentDigest>,
}

impl Digests {
    pub fn of(tree: &Tree) -> Self {
        let mut digests = vec![ContentDigest::from_bytes([0; 32]); tree.len()];
        let mut bytes = Vec::with_capacity(512);
        // Backwards, children come before the directory that holds them.
        for (index, entry) in tree.entries().iter().enumerate().rev() {
            bytes.clear();
            write_entry(entry, &mut bytes);
            if entry.is_dir() {
                write_children(tree, &digests, index + 1..tree.end(index), &mut bytes);
            }
            digests[index] = ContentDigest::of(&bytes);
        }
        Self { root: contents(tree, &digests, 0, tree.len()), entries: digests }
    }
}

/// The digest of what a directory holds: the entries `from` to `to` and what is below them.
pub(super) fn contents(tree: &Tree, digests: &[ContentDigest], from: usize, to: usize) -> ContentDigest {
    let mut bytes = CONTENTS.to_vec();
    write_children(tree, digests, from..to, &mut bytes);
    ContentDigest::of(&bytes)
}

fn write_children(tree: &Tree, digests: &[ContentDigest], range: std::ops::Range<usize>, bytes: &mut Vec<u8>) {
    let mut child = range.start;
    while child < range.end {
        bytes.extend_from_slice(digests[child].as_bytes());
        child = tree.end(child);
    }
}

fn write_entry(entry: &Entry, bytes: &mut Vec<u8>) {
    bytes.push(kind_number(&entry.kind));
    for number in [entry.meta.mode, entry.meta.uid, entry.meta.gid] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    write_text(entry.name(), bytes);
    write_length(entry.meta.xattrs.len(), bytes);
    for (name, value) in &entry.meta.xattrs {
        write_text(name, bytes);
        write_text(value, bytes);
    }
    match &entry.kind {
        Kind::File { size, content } => {
            bytes.extend_from_slice(&size.to_le_bytes());
            bytes.extend_from_slice(content.as_bytes());
        }
        Kind::HardLink { target } | Kind::Symlink { target } => write_text(target, bytes),
        Kind::Dir { opaque } => bytes.push(u8::from(*opaque)),
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            bytes.extend_from_slice(&major.to_le_bytes());
            bytes.extend_from_slice(&minor.to_le_bytes());
        }
        Kind::Fifo | Kind::Whiteout => {}
    }
}

/// The number of a kind, in digests and in the encoding.
pub(super) fn kind_number(kind: &Kind) -> u8 {
    match kind {
        Kind::File { .. } => 1,
        Kind::HardLink { .. } => 2,
        Kind::Dir { .. } => 3,
        Kind::Symlink { .. } => 4,
        Kind::CharDevice { .. } => 5,
        Kind::BlockDevice { .. } => 6,
        Kind::Fifo => 7,
        Kind::Whiteout => 8,
    }
}

fn write_text(text: &[u8], bytes: &mut Vec<u8>) {
    write_length(text.len(), bytes);
    bytes.extend_from_slice(text);
}

fn write_length(length: usize, bytes: &mut Vec<u8>) {
    let length = u32::try_from(length).expect("the builder limits names, targets and attributes");
    bytes.extend_from_slice(&length.to_le_bytes());
}
