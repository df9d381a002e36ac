//! The tree of a layer: every entry of one filesystem difference, sorted, with a Merkle digest. Pure data; knows no
//! disk and no tar.
//!
//! A tree is what lets Kiln select, compare and explain without a mount or a walk. It is kept flat, in depth-first
//! order, each directory followed by what it holds, children by name (bytes). The root itself is no entry: an
//! image layer says nothing of it.
//!
//! ## What is hashed
//!
//! The content digest of an entry is blake3 over its name, kind, mode, uid, gid, xattrs and, by kind, the size and
//! content digest of the file, the target of the link, the numbers of the device, or the digests of the
//! directory's children in order. Whiteouts and opaque marks are entries like others. **Modification times are
//! not hashed**: they say when a layer was made, not what is in it.

use crate::digest::ContentDigest;

/// The entries of one layer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    entries: Vec<Entry>,
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
    File { size: u64, content: ContentDigest },
    /// A further name of a file of this layer, by that file's path.
    HardLink { target: Box<[u8]> },
    /// A directory. An opaque one hides what the layers below hold at its path.
    Dir { opaque: bool },
    Symlink { target: Box<[u8]> },
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
    Fifo,
    /// The path does not exist, whatever the layers below say. Its [`Meta`] is the default one.
    Whiteout,
}

/// What is said of every entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// Permission, set-id and sticky bits: `mode & 0o7777`.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Not part of any digest.
    pub mtime: Mtime,
    /// Sorted by name. Overlay's own (`trusted.overlay.*`, `user.overlay.*`) are never among them.
    pub xattrs: Vec<(Box<[u8]>, Box<[u8]>)>,
}

/// A modification time: seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mtime {
    pub secs: i64,
    pub nanos: u32,
}
