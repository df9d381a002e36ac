//! The file ops: COPY, ADD, WORKDIR's mkdir, here-documents. Knows no store and no Dockerfile.
//!
//! **A file op is planned before it is done, and its plan is the tree of the layer it will make** ([`plan`]): every
//! entry with its path, attributes and content digest, and for every file where its bytes are. So the layer's id is
//! known before a byte is copied, and a layer that the store has is not made again, whatever it lands on. Then the
//! plan is carried out ([`apply`]).
//!
//! Planning reads the source's listing and the base's, both through [`listing::Listing`], and hashes the files of a
//! build context that were selected. It writes nothing.

pub mod apply;
pub mod draft;
pub mod listing;
pub mod mode;
pub mod path;
pub mod pattern;
pub mod plan;
pub mod select;
pub mod stack;

use std::collections::BTreeMap;

use graph::Slot;
use graph::op::{Copy, FileOp, Owner};
use oci::LayerId;
use oci::tree::{Tree, TreeBuilder, TreeError};

use crate::context::ContextError;
use draft::Draft;
use listing::{Listing, Node, NodeKind, Place};

/// Files that are read before what they were told is put where it belongs.
const AT_ONCE: usize = 8192;

/// What a file op will make.
#[derive(Debug)]
pub struct Plan {
    pub tree: Tree,
    /// For each file of the tree, where its bytes are.
    pub bytes: BytesByPath,
    /// What is to be unpacked before it can be planned. With any, `tree` is not yet the whole layer.
    pub archives: Vec<Archive>,
}

/// Paths, sorted, and where their bytes are. A list, as there may be very many and they are all known at once.
#[derive(Debug, Default)]
pub struct BytesByPath(Vec<(Box<[u8]>, Bytes)>);

/// Where the bytes of a file are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bytes {
    Inline(Box<[u8]>),
    /// In the directory that the input at `from` names.
    Local {
        from: Option<Slot>,
        path: Box<[u8]>,
    },
    /// In a layer.
    Layer {
        layer: LayerId,
        path: Box<[u8]>,
    },
}

/// An archive whose contents are copied, once they have been unpacked.
#[derive(Debug)]
pub struct Archive {
    pub bytes: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ids {
    pub uid: u32,
    pub gid: u32,
}

/// What a file op reads from.
pub struct Sources<'a> {
    /// By slot. `None`: scratch.
    pub inputs: &'a [Option<&'a dyn Listing>],
    /// Looks names up in the base.
    pub users: &'a dyn Fn(&Owner) -> Result<Ids, CopyError>,
    /// Whether these bytes are an archive that ADD unpacks.
    pub is_archive: &'a dyn Fn(&Bytes) -> Result<bool, CopyError>,
    /// What came out of an archive, once it has been unpacked somewhere.
    pub unpacked: &'a dyn Fn(&Bytes) -> Option<&'a dyn Listing>,
}

/// Why a file op cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("`{path}` not found{}", hidden(ignored_by.as_deref()))]
    NotFound { path: String, ignored_by: Option<String> },
    #[error(
        "nothing matches `{pattern}`, and nothing of `{dir}` is copied elsewhere\nhint: a pattern may match nothing only in a directory that this build takes something of"
    )]
    NothingMatches { pattern: String, dir: String },
    #[error(
        "there is no `/etc/passwd` to look `{name}` up in\nhint: use the number; `FROM scratch` and `--link` have no base"
    )]
    NoAccounts { name: String },
    #[error(
        "`{path}` links to nothing\nhint: with `--exclude` or `--parents`, exclude such a link of the source's root too"
    )]
    LinkToNothing { path: String },
    #[error(
        "no `{path}` with its parents\nhint: `--parents` keeps what is named below the source's root: name it, as in `*`"
    )]
    NoParents { path: String },
    #[error("`{path}` does not exist in the destination")]
    Missing { path: String },
    #[error("`{path}` exists already")]
    Exists { path: String },
    #[error("`{path}` is not a directory")]
    NotADirectory { path: String },
    #[error("cannot copy to non-directory `{path}`")]
    OverFile { path: String },
    #[error("cannot replace the directory `{path}` with a file")]
    OverDirectory { path: String },
    #[error("the root cannot be removed")]
    RemoveRoot,
    #[error("`{path}` leads through too many symbolic links")]
    LinkLoop { path: String },
    #[error("`{mode}` is not a mode\nhint: write it as `755` or `u=rwX,go=rX`")]
    Mode { mode: String },
    #[error("the op names input {slot}, which it does not have")]
    NoInput { slot: u16 },
    #[error("`{path}` was planned and never read")]
    NotHashed { path: String },
    #[error(transparent)]
    Pattern(#[from] pattern::PatternError),
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error("what is copied cannot be a layer")]
    Tree(#[from] TreeError),
    #[error("{message}")]
    Other { message: String },
}

fn hidden(rule: Option<&str>) -> String {
    rule.map(|rule| format!(": it is hidden by {rule}")).unwrap_or_default()
}

/// Plans `op` on `base`.
pub fn plan(op: &FileOp, base: Option<&dyn Listing>, sources: &Sources<'_>) -> Result<Plan, CopyError> {
    let mut draft = Draft::new(base);
    let mut archives = Vec::new();
    for action in &op.actions {
        plan::act(&mut draft, action, sources, &mut archives)?;
    }
    read_files(&mut draft, sources)?;
    let (entries, places) = draft.finish()?;
    let mut tree = TreeBuilder::new();
    let mut bytes = Vec::with_capacity(entries.len());
    for (entry, place) in entries.into_iter().zip(places) {
        bytes.extend(place.map(|place| (entry.path.clone(), place)));
        tree.push(entry)?;
    }
    Ok(Plan { tree: tree.build()?, bytes: BytesByPath::new(bytes), archives })
}

/// Reads the files that were selected and whose digest nobody knows, all of one source at once.
fn read_files(draft: &mut Draft<'_>, sources: &Sources<'_>) -> Result<(), CopyError> {
    let mut unread: BTreeMap<Option<Slot>, Vec<usize>> = BTreeMap::new();
    for (at, file) in draft.files.iter().enumerate() {
        if let (None, Bytes::Local { from, .. }) = (file.content, &file.bytes) {
            unread.entry(*from).or_default().push(at);
        }
    }
    for (from, files) in unread {
        let listing = sources.listing(from, draft.base)?;
        for files in files.chunks(AT_ONCE) {
            let paths: Vec<&[u8]> = files
                .iter()
                .filter_map(|&at| match &draft.files[at].bytes {
                    Bytes::Local { path, .. } => Some(&**path),
                    Bytes::Inline(_) | Bytes::Layer { .. } => None,
                })
                .collect();
            let read = listing.read(&paths)?;
            for (&at, read) in files.iter().zip(read) {
                draft.files[at].content = Some(read.content);
                draft.files[at].meta.xattrs = read.xattrs;
            }
        }
    }
    Ok(())
}

impl BytesByPath {
    fn new(mut places: Vec<(Box<[u8]>, Bytes)>) -> Self {
        places.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Self(places)
    }

    pub fn get(&self, path: &[u8]) -> Option<&Bytes> {
        let at = self.0.binary_search_by(|(other, _)| (**other).cmp(path)).ok()?;
        Some(&self.0[at].1)
    }

    pub fn values(&self) -> impl Iterator<Item = &Bytes> {
        self.0.iter().map(|(_, bytes)| bytes)
    }
}

impl Sources<'_> {
    fn listing<'s>(&'s self, from: Option<Slot>, base: Option<&'s dyn Listing>) -> Result<&'s dyn Listing, CopyError> {
        match from {
            Some(slot) => {
                let input = self.inputs.get(usize::from(slot.0)).ok_or(CopyError::NoInput { slot: slot.0 })?;
                Ok(input.unwrap_or(&listing::Empty))
            }
            None => Ok(base.unwrap_or(&listing::Empty)),
        }
    }

    fn ids(&self, owner: Option<&Owner>) -> Result<Option<Ids>, CopyError> {
        owner.map(|owner| (self.users)(owner)).transpose()
    }

    /// The bytes of `node`, if they are an archive.
    fn archive(&self, copy: &Copy, path: &[u8], node: &Node) -> Result<Option<Bytes>, CopyError> {
        let NodeKind::File(file) = &node.kind else {
            return Ok(None);
        };
        let bytes = match file.place {
            Place::Here => Bytes::Local { from: copy.from, path: path.into() },
            Place::Layer(layer) => Bytes::Layer { layer, path: path.into() },
        };
        Ok((self.is_archive)(&bytes)?.then_some(bytes))
    }
}

impl CopyError {
    fn not_found(listing: &dyn Listing, src: &str, path: &[u8]) -> Self {
        Self::NotFound { path: src.to_owned(), ignored_by: listing.hidden_by(path) }
    }
}

#[cfg(test)]
mod tests;
