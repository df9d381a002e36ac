//! A layer being planned: what it will hold, over a base that it does not change. Pure; knows no disk.
//!
//! Nothing of the base is in the draft except the directories on the way to what is new, with the base's attributes.
//! Files are kept apart from their names, so that further names of one file stay one file however they are moved
//! about: when the draft is done, the first name in order becomes the file and the others hard links to it.

use oci::ContentDigest;
use oci::tree::{Entry, Kind, Meta, Mtime};

use super::listing::{FileNode, Listing, Lookup, Node, NodeKind, Place};
use super::{Bytes, CopyError, Ids, path};
use crate::context::ContextError;

const SET_GROUP_ID: u32 = 0o2000;

/// A layer being planned.
pub struct Draft<'a> {
    pub(super) base: Option<&'a dyn Listing>,
    pub(super) root: Dir,
    pub(super) files: Vec<File>,
}

#[derive(Debug, Default)]
pub struct Dir {
    pub meta: Meta,
    /// What the base has in it shows through.
    below: bool,
    /// What the base has in it is hidden.
    opaque: bool,
    /// By name.
    children: Vec<(Box<[u8]>, Item)>,
}

/// Small, as most are files: a hundred thousand of them are common.
#[derive(Debug)]
pub enum Item {
    Dir(Box<Dir>),
    File(FileId),
    /// A link, a device or a fifo.
    Other(Box<Node>),
    Whiteout,
}

/// A file of the draft, whatever its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileId(usize);

#[derive(Debug)]
pub struct File {
    pub meta: Meta,
    pub size: u64,
    /// `None` until it is hashed.
    pub content: Option<ContentDigest>,
    pub bytes: Bytes,
}

/// What is at a path of the base with the draft on it.
pub enum Found {
    Nothing,
    /// In the base alone.
    Base(Node),
    /// In the draft, as this child.
    Draft(usize),
}

/// What a new directory gets.
#[derive(Debug, Clone, Copy)]
pub struct NewDir {
    pub mode: u32,
    /// `None`: what `mkdir` by root gives.
    pub ids: Option<Ids>,
    pub mtime: Mtime,
}

impl<'a> Draft<'a> {
    pub fn new(base: Option<&'a dyn Listing>) -> Self {
        Self { base, root: Dir { below: base.is_some(), ..Dir::default() }, files: Vec::new() }
    }

    pub fn add_file(&mut self, file: File) -> FileId {
        add_file(&mut self.files, file)
    }

    /// The directory at `path` and those on the way, brought in from the base where they are not here.
    pub fn dir(&mut self, path: &[u8]) -> Result<&mut Dir, CopyError> {
        let base = self.base;
        let mut dir = &mut self.root;
        let mut here = Vec::new();
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            here = path::join(&here, name);
            let at = match dir.find(base, &here, name)? {
                Found::Draft(at) => at,
                Found::Base(node) if node.is_dir() => dir.insert(name, Item::dir(Dir::of_base(node.meta))),
                Found::Base(_) | Found::Nothing => return Err(CopyError::NotADirectory { path: path::show(&here) }),
            };
            dir = dir.child_dir(at).ok_or_else(|| CopyError::NotADirectory { path: path::show(&here) })?;
        }
        Ok(dir)
    }

    /// Makes the directories of `path` that do not exist. Touches nothing when all do.
    pub fn make_dirs(&mut self, path: &[u8], new: NewDir) -> Result<(), CopyError> {
        match self.lookup(path)? {
            Some(node) if node.is_dir() => return Ok(()),
            Some(_) => return Err(CopyError::NotADirectory { path: path::show(path) }),
            None => {}
        }
        self.make_dirs(path::parent(path), new)?;
        let base = self.base;
        let dir = self.dir(path::parent(path))?;
        let made = Dir::new(new.meta_in(&dir.meta), dir.hides(base, path)?);
        dir.insert(path::base(path), Item::dir(made));
        Ok(())
    }

    /// Removes `path` and all in it, if there is anything.
    pub fn remove(&mut self, path: &[u8]) -> Result<(), CopyError> {
        if self.lookup(path)?.is_none() {
            return Ok(());
        }
        let base = self.base;
        let dir = self.dir(path::parent(path))?;
        let name = path::base(path);
        if dir.below_has(base, path)?.is_some() {
            dir.insert(name, Item::Whiteout);
        } else if let Ok(at) = dir.position(name) {
            dir.children.remove(at);
        }
        Ok(())
    }

    /// The entries in order, and where the bytes of each file are.
    pub fn finish(self) -> Result<(Vec<Entry>, Vec<Option<Bytes>>), CopyError> {
        let count = self.root.count();
        let mut flat = Flat {
            files: self.files.into_iter().map(Named::New).collect(),
            entries: Vec::with_capacity(count),
            bytes: Vec::with_capacity(count),
            path: Vec::new(),
        };
        flat.dir(self.root)?;
        Ok((flat.entries, flat.bytes))
    }
}

pub(super) fn add_file(files: &mut Vec<File>, file: File) -> FileId {
    files.push(file);
    FileId(files.len() - 1)
}

impl Lookup for Draft<'_> {
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, ContextError> {
        let mut dir = &self.root;
        let mut here = Vec::new();
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            here = path::join(&here, name);
            let last = here.len() == path.len();
            match dir.position(name).map(|at| &dir.children[at].1) {
                Ok(Item::Dir(child)) => dir = child,
                Ok(Item::File(id)) if last => return Ok(Some(self.files[id.0].as_node())),
                Ok(Item::Other(node)) if last => return Ok(Some(Node::clone(node))),
                Ok(Item::File(_) | Item::Other(_) | Item::Whiteout) => return Ok(None),
                Err(_) if dir.below => return self.base.map_or(Ok(None), |base| base.lookup(path)),
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(Node { kind: NodeKind::Dir, meta: dir.meta.clone() }))
    }
}

impl Item {
    pub fn dir(dir: Dir) -> Self {
        Self::Dir(Box::new(dir))
    }

    pub fn other(node: Node) -> Self {
        Self::Other(Box::new(node))
    }
}

impl File {
    fn as_node(&self) -> Node {
        let file = FileNode { size: self.size, content: self.content, link: None, place: Place::Here };
        Node { kind: NodeKind::File(file), meta: self.meta.clone() }
    }
}

impl NewDir {
    /// In a directory with the set-group-ID bit, `mkdir` gives that directory's group and the bit, and BuildKit's
    /// `mkdir` is the kernel's. A change of owner leaves the bit on a directory.
    fn meta_in(self, parent: &Meta) -> Meta {
        let inherited = parent.mode & SET_GROUP_ID;
        let group = if inherited == 0 { 0 } else { parent.gid };
        let Ids { uid, gid } = self.ids.unwrap_or(Ids { uid: 0, gid: group });
        Meta { mode: self.mode | inherited, uid, gid, mtime: self.mtime, xattrs: Vec::new() }
    }
}

impl Dir {
    pub fn new(meta: Meta, opaque: bool) -> Self {
        Self { meta, below: false, opaque, children: Vec::new() }
    }

    /// A directory that the base has.
    pub fn of_base(meta: Meta) -> Self {
        Self { meta, below: true, opaque: false, children: Vec::new() }
    }

    /// What is at `path`, which is `name` in this directory.
    pub fn find(&self, base: Option<&dyn Listing>, path: &[u8], name: &[u8]) -> Result<Found, CopyError> {
        match self.position(name) {
            Ok(at) if matches!(self.children[at].1, Item::Whiteout) => Ok(Found::Nothing),
            Ok(at) => Ok(Found::Draft(at)),
            Err(_) => Ok(self.below_has(base, path)?.map_or(Found::Nothing, Found::Base)),
        }
    }

    /// Whether a new directory at `path`, in this one, has to hide a directory of the base.
    pub fn hides(&self, base: Option<&dyn Listing>, path: &[u8]) -> Result<bool, CopyError> {
        Ok(self.below_has(base, path)?.is_some_and(|node| node.is_dir()))
    }

    pub fn child(&self, at: usize) -> &Item {
        &self.children[at].1
    }

    pub fn child_dir(&mut self, at: usize) -> Option<&mut Dir> {
        match &mut self.children[at].1 {
            Item::Dir(dir) => Some(&mut **dir),
            Item::File(_) | Item::Other(_) | Item::Whiteout => None,
        }
    }

    /// Puts `item` at `name`, in the place of what is there; says at which place among the children.
    pub fn insert(&mut self, name: &[u8], item: Item) -> usize {
        match self.position(name) {
            Ok(at) => {
                self.children[at].1 = item;
                at
            }
            Err(at) => {
                self.children.insert(at, (name.into(), item));
                at
            }
        }
    }

    pub fn reserve(&mut self, more: usize) {
        self.children.reserve(more);
    }

    fn below_has(&self, base: Option<&dyn Listing>, path: &[u8]) -> Result<Option<Node>, CopyError> {
        match base {
            Some(base) if self.below => Ok(base.lookup(path)?),
            Some(_) | None => Ok(None),
        }
    }

    /// Names mostly come in order, so that the end is the place.
    fn position(&self, name: &[u8]) -> Result<usize, usize> {
        match self.children.last() {
            Some((last, _)) if **last >= *name => self.children.binary_search_by(|(other, _)| (**other).cmp(name)),
            Some(_) | None => Err(self.children.len()),
        }
    }

    fn count(&self) -> usize {
        let inner = |item: &Item| match item {
            Item::Dir(dir) => dir.count(),
            Item::File(_) | Item::Other(_) | Item::Whiteout => 0,
        };
        self.children.iter().map(|(_, item)| 1 + inner(item)).sum()
    }
}

/// A draft on its way to a list.
struct Flat {
    files: Vec<Named>,
    entries: Vec<Entry>,
    bytes: Vec<Option<Bytes>>,
    path: Vec<u8>,
}

/// Whether a file has got its first name.
enum Named {
    New(File),
    At(Box<[u8]>, Meta),
}

impl Flat {
    fn dir(&mut self, dir: Dir) -> Result<(), CopyError> {
        let length = self.path.len();
        for (name, item) in dir.children {
            if length > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(&name);
            self.item(item)?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn item(&mut self, item: Item) -> Result<(), CopyError> {
        match item {
            Item::Dir(mut dir) => {
                self.push(Kind::Dir { opaque: dir.opaque }, std::mem::take(&mut dir.meta), None);
                return self.dir(*dir);
            }
            Item::File(id) => self.file(id)?,
            Item::Other(node) => {
                let Node { kind, meta } = *node;
                let kind = match kind {
                    NodeKind::Symlink { target } => Kind::Symlink { target },
                    NodeKind::CharDevice { major, minor } => Kind::CharDevice { major, minor },
                    NodeKind::BlockDevice { major, minor } => Kind::BlockDevice { major, minor },
                    NodeKind::Fifo => Kind::Fifo,
                    NodeKind::File(_) | NodeKind::Dir => return Ok(()),
                };
                self.push(kind, meta, None);
            }
            Item::Whiteout => self.push(Kind::Whiteout, Meta::default(), None),
        }
        Ok(())
    }

    fn file(&mut self, id: FileId) -> Result<(), CopyError> {
        match std::mem::replace(&mut self.files[id.0], Named::At(self.path.as_slice().into(), Meta::default())) {
            Named::New(file) => {
                let content = file.content.ok_or_else(|| CopyError::NotHashed { path: path::show(&self.path) })?;
                self.files[id.0] = Named::At(self.path.as_slice().into(), file.meta.clone());
                self.push(Kind::File { size: file.size, content }, file.meta, Some(file.bytes));
            }
            Named::At(target, meta) => {
                self.push(Kind::HardLink { target: target.clone() }, meta.clone(), None);
                self.files[id.0] = Named::At(target, meta);
            }
        }
        Ok(())
    }

    fn push(&mut self, kind: Kind, meta: Meta, bytes: Option<Bytes>) {
        self.entries.push(Entry { path: self.path.as_slice().into(), kind, meta });
        self.bytes.push(bytes);
    }
}
