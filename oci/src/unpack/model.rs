//! What an archive has put into a directory so far. Pure; knows no disk.
//!
//! Paths are kept with their `/` as NUL, which no name can hold: sorted as bytes, they are then in tree order, and all
//! below a directory is one range. What has several names is kept once, by number.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use super::UnpackError;
use crate::digest::ContentDigest;
use crate::tree::{Entry, Kind, Meta, Tree, path};

/// How many links are followed for one path: as many as containerd follows.
pub(super) const MAX_LINKS: usize = 255;

/// All that is there.
#[derive(Debug, Default)]
pub(super) struct Model {
    nodes: BTreeMap<Box<[u8]>, Node>,
    files: Vec<File>,
    path_bytes: usize,
}

#[derive(Debug, Clone)]
enum Node {
    Dir {
        opaque: bool,
        meta: Meta,
    },
    /// By its index.
    File(usize),
    /// A link, a device, a fifo, a whiteout.
    Other(Kind, Meta),
}

#[derive(Debug)]
struct File {
    size: u64,
    content: ContentDigest,
    meta: Meta,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Nothing,
    Dir { opaque: bool },
    Whiteout,
    Other,
}

impl Model {
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn path_bytes(&self) -> usize {
        self.path_bytes
    }

    pub fn existing(&self, path: &[u8]) -> Existing {
        match self.nodes.get(&key(path)) {
            None => Existing::Nothing,
            Some(Node::Dir { opaque, .. }) => Existing::Dir { opaque: *opaque },
            Some(Node::Other(Kind::Whiteout, _)) => Existing::Whiteout,
            Some(Node::File(_) | Node::Other(..)) => Existing::Other,
        }
    }

    /// Where the directory `asked` really is, links followed, and how much of that exists.
    ///
    /// A whiteout on the way does not: a directory will take its place.
    pub fn resolve(&self, asked: &[u8]) -> Result<(Vec<u8>, usize), UnpackError> {
        // Where there is a directory, there are only directories on the way to it.
        if asked.is_empty() || matches!(self.existing(asked), Existing::Dir { .. }) {
            return Ok((asked.to_vec(), asked.len()));
        }
        let (mut at, mut known, mut links) = (Vec::new(), 0, 0);
        let mut rest: VecDeque<&[u8]> = components(asked).collect();
        while let Some(component) = rest.pop_front() {
            if component == b".." {
                at.truncate(path::parent(&at).len());
                known = known.min(at.len());
                continue;
            }
            let next = path::join(&at, component);
            if next.len() > path::MAX_PATH {
                return Err(UnpackError::Path { path: path::display(asked), reason: path::BadPath::TooLong });
            }
            let node = if known == at.len() { self.nodes.get(&key(&next)) } else { None };
            match node {
                None | Some(Node::Other(Kind::Whiteout, _)) => at = next,
                Some(Node::Dir { .. }) => {
                    known = next.len();
                    at = next;
                }
                Some(Node::Other(Kind::Symlink { target }, _)) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(UnpackError::TooManyLinks { path: path::display(asked) });
                    }
                    if target.starts_with(b"/") {
                        (at, known) = (Vec::new(), 0);
                    }
                    components(target).rev().for_each(|component| rest.push_front(component));
                }
                Some(Node::File(_) | Node::Other(..)) => {
                    let (path, file) = (path::display(asked), path::display(&next));
                    return Err(UnpackError::NotADirectory { path, file });
                }
            }
        }
        Ok((at, known))
    }

    /// Says whether there is something at `path` that can have further names.
    pub fn can_be_linked(&self, path: &[u8]) -> bool {
        self.existing(path) == Existing::Other
    }

    pub fn put_dir(&mut self, path: &[u8], opaque: bool, meta: Meta) {
        self.put(path, Node::Dir { opaque, meta });
    }

    pub fn put_file(&mut self, path: &[u8], size: u64, content: ContentDigest, meta: Meta) {
        self.files.push(File { size, content, meta });
        self.put(path, Node::File(self.files.len() - 1));
    }

    /// A further name for what is at `target`.
    pub fn put_link(&mut self, path: &[u8], target: &[u8]) {
        if let Some(node) = self.nodes.get(&key(target)).cloned() {
            self.put(path, node);
        }
    }

    pub fn put_other(&mut self, path: &[u8], kind: Kind, meta: Meta) {
        self.put(path, Node::Other(kind, meta));
    }

    pub fn mark_opaque(&mut self, path: &[u8]) {
        if let Some(Node::Dir { opaque, .. }) = self.nodes.get_mut(&key(path)) {
            *opaque = true;
        }
    }

    /// Removes what is at `path`, and all below it.
    pub fn remove(&mut self, path: &[u8]) {
        let from = key(path);
        if let Some(Node::Dir { .. }) = self.nodes.remove(&from) {
            let (first, after) = ([&from[..], &[0]].concat(), [&from[..], &[1]].concat());
            let bounds = (Bound::Included(&first[..]), Bound::Excluded(&after[..]));
            let below: Vec<_> = self.nodes.range::<[u8], _>(bounds).map(|(key, _)| key.clone()).collect();
            for key in below {
                self.path_bytes = self.path_bytes.saturating_sub(key.len());
                self.nodes.remove(&key);
            }
        }
        self.path_bytes = self.path_bytes.saturating_sub(from.len());
    }

    /// The tree of all that is there.
    pub fn into_tree(self) -> Tree {
        let mut first_names: Vec<Option<Box<[u8]>>> = vec![None; self.files.len()];
        let mut entries = Vec::with_capacity(self.nodes.len());
        for (key, node) in self.nodes {
            let path = path_of(&key);
            let (kind, meta) = match node {
                Node::Dir { opaque, meta } => (Kind::Dir { opaque }, meta),
                Node::Other(kind, meta) => (kind, meta),
                Node::File(index) => {
                    let File { size, content, meta } = &self.files[index];
                    let kind = match &first_names[index] {
                        Some(first) => Kind::HardLink { target: first.clone() },
                        None => Kind::File { size: *size, content: *content },
                    };
                    first_names[index].get_or_insert_with(|| path.clone());
                    (kind, meta.clone())
                }
            };
            entries.push(Entry { path, kind, meta });
        }
        Tree::from_sorted(entries)
    }

    fn put(&mut self, path: &[u8], node: Node) {
        if self.nodes.insert(key(path), node).is_none() {
            self.path_bytes += path.len();
        }
    }
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}

fn key(path: &[u8]) -> Box<[u8]> {
    path.iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).collect()
}

fn path_of(key: &[u8]) -> Box<[u8]> {
    key.iter().map(|byte| if *byte == 0 { b'/' } else { *byte }).collect()
}
