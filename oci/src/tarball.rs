//! tar streams, member by member: POSIX ustar, PAX and GNU, read and written. Knows no layer and no disk.
//!
//! Reading trusts nothing ([`read`]); writing always says the same of the same ([`write`]). Other crates' readers lose
//! extended attributes whose value has a newline in it, which `security.capability` can.
//!
//! The format: POSIX.1-2017 `pax`, "ustar Interchange Format" and "pax Extended Header"; GNU's own types are in
//! the manual of GNU tar, "Basic Tar Format" and "Sparse Formats".

pub mod read;
pub mod sparse;
pub mod write;

use crate::tree::{Meta, Xattr};

/// A header, and what data is padded to.
pub(crate) const BLOCK: usize = 512;
/// What PAX puts before the name of an extended attribute (Schily's star began it; all container tools use it).
pub(crate) const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";

/// One member of a tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// As the archive says it, with all that may be wrong with it.
    pub path: Vec<u8>,
    pub kind: MemberKind,
    pub meta: Meta,
}

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A file of `size` bytes. When there are `extents`, they are all that its data holds; the rest is zeros.
    File {
        size: u64,
        extents: Option<Vec<Extent>>,
    },
    HardLink {
        target: Vec<u8>,
    },
    Symlink {
        target: Vec<u8>,
    },
    CharDevice {
        major: u32,
        minor: u32,
    },
    BlockDevice {
        major: u32,
        minor: u32,
    },
    Dir,
    Fifo,
}

/// A part of a sparse file that has data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    pub offset: u64,
    pub size: u64,
}

/// How much data is padded with.
pub(crate) fn padding(size: u64) -> usize {
    let over = (size % BLOCK as u64) as usize;
    if over == 0 { 0 } else { BLOCK - over }
}

/// The attribute as PAX names it.
pub(crate) fn xattr_key((name, _): &Xattr) -> Vec<u8> {
    [XATTR_PREFIX, name].concat()
}

#[cfg(test)]
mod tests;
