//! What a copy reads from: a tree of entries, wherever it is. A build context and a stack of layers are both one.

use oci::tree::{Meta, Xattr};
use oci::{ContentDigest, LayerId};

use crate::context::ContextError;

/// Tells of one path. Links are not followed.
pub trait Lookup {
    /// The entry at `path`: clean, from the root, no leading `/`; the root itself is the empty path.
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, ContextError>;
}

/// A tree that can be copied from.
pub trait Listing: Lookup + Sync {
    /// What the directory at `path` holds, by name.
    fn children(&self, path: &[u8]) -> Result<Vec<Child>, ContextError>;

    /// Says that all under `path` is going to be asked for.
    fn prefetch(&self, path: &[u8]) -> Result<(), ContextError>;

    /// Reads the files at `paths`, those whose node had no digest.
    fn read(&self, paths: &[&[u8]]) -> Result<Vec<ReadFile>, ContextError>;

    /// The rule that keeps `path` from being seen, if it is there and some rule does.
    fn hidden_by(&self, path: &[u8]) -> Option<String>;

    /// The paths, wildcards and all, that a build asks this for, where it is there for them only. `None`: it is there
    /// as a whole.
    fn asked(&self) -> Option<&[String]> {
        None
    }
}

/// What a directory holds: a name and what is there.
pub type Child = (Box<[u8]>, Node);

/// An entry, as `lstat` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub kind: NodeKind,
    pub meta: Meta,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    File(FileNode),
    Dir,
    Symlink { target: Box<[u8]> },
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
    Fifo,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileNode {
    pub size: u64,
    /// `None`: not read yet.
    pub content: Option<ContentDigest>,
    /// The same for all names of one file that has several.
    pub link: Option<LinkId>,
    /// Where its bytes are.
    pub place: Place,
}

/// What reading a file tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFile {
    pub content: ContentDigest,
    pub xattrs: Vec<Xattr>,
}

/// Tells files with several names apart, within one listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u64, pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the directory that is listed.
    Here,
    /// In this layer, at the same path.
    Layer(LayerId),
}

impl Node {
    pub fn is_dir(&self) -> bool {
        matches!(self.kind, NodeKind::Dir)
    }
}

/// Scratch: a root with nothing in it.
pub struct Empty;

impl Lookup for Empty {
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, ContextError> {
        let root = || Node { kind: NodeKind::Dir, meta: Meta { mode: 0o755, ..Meta::default() } };
        Ok(path.is_empty().then(root))
    }
}

impl Listing for Empty {
    fn children(&self, _path: &[u8]) -> Result<Vec<Child>, ContextError> {
        Ok(Vec::new())
    }

    fn prefetch(&self, _path: &[u8]) -> Result<(), ContextError> {
        Ok(())
    }

    fn read(&self, _paths: &[&[u8]]) -> Result<Vec<ReadFile>, ContextError> {
        Ok(Vec::new())
    }

    fn hidden_by(&self, _path: &[u8]) -> Option<String> {
        None
    }
}
