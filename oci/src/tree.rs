//! The tree of a layer: every entry of one filesystem difference, sorted, with a Merkle digest. Pure data; knows no
//! disk and no tar.
//!
//! A tree is what lets Kiln select, compare and explain without a mount or a walk. It is kept flat, in depth-first
//! order ([`path`]), each directory followed by what it holds, children by name (bytes). The root itself is no
//! entry: an image layer says nothing of it. Looking a path up is a binary search; the end of each directory's
//! entries is kept beside it, so that its children are listed without comparing a path.
//!
//! A [`TreeBuilder`] makes trees ([`build`]), [`encoding`] stores them, and [`digest`] says what exactly is hashed:
//! everything but modification times.

pub mod build;
pub mod digest;
pub mod encoding;
pub mod path;

use std::sync::OnceLock;

pub use build::{TreeBuilder, TreeError};
pub use encoding::EncodingError;

use crate::digest::ContentDigest;

use digest::Digests;

/// The entries of one layer.
#[derive(Clone, Default)]
pub struct Tree {
    entries: Vec<Entry>,
    /// For each entry, the index after the last entry below it.
    ends: Vec<u32>,
    /// Made when first asked for: reading a tree from the store need not hash it.
    digests: OnceLock<Digests>,
}

/// One entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// From the root, without a leading or trailing `/`: `usr/bin/env`. Never empty, no `.` or `..` in it.
    pub path: Box<[u8]>,
    pub kind: Kind,
    pub meta: Meta,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file: bytes, and the blake3 of them.
    File {
        size: u64,
        content: ContentDigest,
    },
    /// A further name of a file of this layer, by that file's path. Of the names of one file, the first in tree
    /// order is the `File`. Its [`Meta`] is the file's.
    HardLink {
        target: Box<[u8]>,
    },
    /// A directory. An opaque one hides what the layers below hold at its path.
    Dir {
        opaque: bool,
    },
    Symlink {
        target: Box<[u8]>,
    },
    CharDevice {
        major: u32,
        minor: u32,
    },
    BlockDevice {
        major: u32,
        minor: u32,
    },
    Fifo,
    /// The path does not exist, whatever the layers below say. Its [`Meta`] is the default one.
    Whiteout,
}

/// What is said of every entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// Permission, set-id and sticky bits: `mode & 0o7777`. A symbolic link's is 0777.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Not part of any digest.
    pub mtime: Mtime,
    /// Sorted by name. Overlay's own (`trusted.overlay.*`, `user.overlay.*`) are never among them.
    pub xattrs: Vec<Xattr>,
}

/// An extended attribute: name and value.
pub type Xattr = (Box<[u8]>, Box<[u8]>);

/// A modification time: seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mtime {
    pub secs: i64,
    pub nanos: u32,
}

impl Tree {
    /// All entries, in tree order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn get(&self, path: &[u8]) -> Option<&Entry> {
        self.position(path).map(|index| &self.entries[index])
    }

    /// The index in [`Tree::entries`] of the entry at `path`.
    pub fn position(&self, path: &[u8]) -> Option<usize> {
        self.entries.binary_search_by(|entry| path::compare(&entry.path, path)).ok()
    }

    /// What the directory at `path` holds, by name; of the root when `path` is empty, nothing when it is no directory.
    pub fn children(&self, path: &[u8]) -> Children<'_> {
        let (next, end) = self.range_below(path).unwrap_or((0, 0));
        Children { tree: self, next, end }
    }

    /// The entry at `path` and all below it; all entries when `path` is empty, none when there is no such entry.
    pub fn subtree(&self, path: &[u8]) -> &[Entry] {
        if path.is_empty() {
            return &self.entries;
        }
        match self.position(path) {
            Some(index) => &self.entries[index..self.end(index)],
            None => &[],
        }
    }

    /// The file whose further name `entry` is; `entry` itself when it is no hard link.
    pub fn file_of<'a>(&'a self, entry: &'a Entry) -> &'a Entry {
        match &entry.kind {
            Kind::HardLink { target } => self.get(target).unwrap_or(entry),
            _ => entry,
        }
    }

    /// The content digest of the whole layer.
    pub fn digest(&self) -> ContentDigest {
        self.digests().root
    }

    /// The digest of the entry at `path`, its name and all below it.
    pub fn entry_digest(&self, path: &[u8]) -> Option<ContentDigest> {
        self.position(path).map(|index| self.digests().entries[index])
    }

    /// The digest of what the directory at `path` holds, whatever its own name, mode and owner are: what
    /// [`Tree::digest`] is for the root.
    pub fn contents_digest(&self, path: &[u8]) -> Option<ContentDigest> {
        let (from, to) = self.range_below(path)?;
        Some(digest::contents(self, &self.digests().entries, from, to))
    }

    /// The newest modification time; `None` of an empty tree.
    pub fn newest_mtime(&self) -> Option<Mtime> {
        self.entries.iter().map(|entry| entry.meta.mtime).max()
    }

    /// The bytes of all files together; one with several names counts once.
    pub fn total_size(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| if let Kind::File { size, .. } = entry.kind { size } else { 0 })
            .fold(0, u64::saturating_add)
    }

    /// Of the entry at `index`, the index after the last entry below it.
    fn end(&self, index: usize) -> usize {
        self.ends[index] as usize
    }

    /// The entries below the directory at `path`, from and to.
    fn range_below(&self, path: &[u8]) -> Option<(usize, usize)> {
        if path.is_empty() {
            return Some((0, self.entries.len()));
        }
        let index = self.position(path)?;
        matches!(self.entries[index].kind, Kind::Dir { .. }).then(|| (index + 1, self.end(index)))
    }

    fn digests(&self) -> &Digests {
        self.digests.get_or_init(|| Digests::of(self))
    }
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for Tree {}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.entries).finish()
    }
}

/// What a directory holds, by name.
#[derive(Debug, Clone)]
pub struct Children<'a> {
    tree: &'a Tree,
    next: usize,
    end: usize,
}

impl<'a> Iterator for Children<'a> {
    type Item = &'a Entry;

    fn next(&mut self) -> Option<&'a Entry> {
        if self.next >= self.end {
            return None;
        }
        let entry = &self.tree.entries[self.next];
        self.next = self.tree.end(self.next);
        Some(entry)
    }
}

impl Entry {
    /// The last component of the path.
    pub fn name(&self) -> &[u8] {
        path::name(&self.path)
    }

    pub fn is_dir(&self) -> bool {
        matches!(self.kind, Kind::Dir { .. })
    }

    /// The directory that stands where a layer holds something but says nothing of its parent: 0755, root's.
    pub fn implied_dir(path: &[u8]) -> Self {
        Self { path: path.into(), kind: Kind::Dir { opaque: false }, meta: Meta { mode: 0o755, ..Meta::default() } }
    }

    /// The path as messages show it.
    pub fn display(&self) -> String {
        path::display(&self.path)
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
