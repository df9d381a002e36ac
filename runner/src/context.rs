//! A directory of this machine to copy from: a build context. Knows nothing of layers and destinations.
//!
//! 1. Nothing is looked at before it is asked for; a directory is read once, and shared by all copies of a build.
//!    All below a path is read by several threads ([`Listing::prefetch`]).
//! 2. Names are opened relative to the directory's descriptor, links never followed (`openat2`, beneath the root), and
//!    what is no regular file is never opened to be read. Sockets are left out, as BuildKit does.
//! 3. A file's bytes are read only when a copy takes it ([`hash`]). A digest of an earlier build is used again for the
//!    same device, inode, size, mtime and ctime; such a record also says that the file has no extended attributes.
//! 4. A file that is not what it was when it was listed is [`ContextError::Changed`]; the caller scans anew.
//!
//! Entries belong to root, whoever owns them here.

mod hash;
mod read;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use cache::contexts::{StatFile, StatFileWriter, StatKey};
use oci::tree::{Meta, Xattr};
use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::copy::listing::{Child, FileNode, LinkId, Listing, Lookup, Node, NodeKind, Place, ReadFile};
use crate::copy::path;

/// Which paths of a context are not to be seen. The program implements it with the rules of `.dockerignore`.
pub trait IgnoreRules: Send + Sync {
    /// `path` is relative to the context, without a leading or trailing `/`.
    fn verdict(&self, path: &[u8]) -> Verdict;

    /// The rule that hides `path`, as people wrote it.
    fn rule_for(&self, path: &[u8]) -> Option<String>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Seen,
    /// Neither it nor anything in it is seen.
    Hidden,
    /// It is seen only if something in it is.
    HiddenUnlessWithin,
}

/// What went wrong with a context.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    #[error("cannot read `{path}` of the build context")]
    Read { path: String, source: io::Error },
    #[error("cannot open the build context `{}`", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("`{path}` of the build context changes while it is read")]
    Changed { path: String },
    #[error("`{path}` is not in the build context any more")]
    Gone { path: String },
}

/// A directory to copy from.
pub struct Context {
    dir: PathBuf,
    root: OwnedFd,
    rules: Arc<dyn IgnoreRules>,
    known: StatFile,
    /// A file was read whose digest was not known.
    learned: AtomicBool,
    opened: SystemTime,
    top: Dir,
    asked: Option<Vec<String>>,
}

#[derive(Default)]
struct Dir {
    entries: OnceLock<Vec<Entry>>,
    xattrs: OnceLock<Vec<Xattr>>,
}

struct Entry {
    name: Box<[u8]>,
    meta: Meta,
    what: What,
}

enum What {
    File { stamp: StatKey, links: u32, read: OnceLock<ReadFile> },
    Dir { dir: Dir, verdict: Verdict },
    Symlink { target: Box<[u8]> },
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
    Fifo,
}

impl Context {
    pub fn open(dir: &Path, rules: Arc<dyn IgnoreRules>, known: StatFile) -> Result<Self, ContextError> {
        let opened = SystemTime::now();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(dir, flags, Mode::empty())
            .map_err(|errno| ContextError::Open { path: dir.to_owned(), source: errno.into() })?;
        Ok(Self {
            dir: dir.to_owned(),
            root,
            rules,
            known,
            learned: AtomicBool::new(false),
            opened,
            top: Dir::default(),
            asked: None,
        })
    }

    /// The same, known to be asked for these paths only; they may hold wildcards.
    #[must_use]
    pub fn asked_for(self, paths: Vec<String>) -> Self {
        Self { asked: Some(paths), ..self }
    }

    /// The same directory, nothing of it read yet; every file will be read again.
    pub fn afresh(&self) -> Result<Self, ContextError> {
        let afresh = Self::open(&self.dir, Arc::clone(&self.rules), StatFile::empty())?;
        Ok(Self { asked: self.asked.clone(), ..afresh })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file at `path`, to be read, if it is what it was when it was listed.
    pub fn open_file(&self, path: &[u8]) -> Result<OwnedFd, ContextError> {
        read::open_file(&self.root, path, path, self.stamp(path)?)
    }

    /// Fails unless `file`, which is at `path`, is still what it was when it was listed.
    pub fn check(&self, file: &OwnedFd, path: &[u8]) -> Result<(), ContextError> {
        read::check(file, path, self.stamp(path)?)
    }

    fn stamp(&self, path: &[u8]) -> Result<&StatKey, ContextError> {
        match self.entry(path)? {
            Some(Entry { what: What::File { stamp, .. }, .. }) => Ok(stamp),
            Some(_) | None => Err(ContextError::Gone { path: show(path) }),
        }
    }

    /// Saves to `target` what was read, for the next build; does nothing where nothing new was.
    pub fn save(&self, target: &Path) -> Result<(), cache::Error> {
        if !self.learned.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut writer = StatFileWriter::new(self.opened);
        self.top.record(&mut Vec::new(), &mut writer);
        writer.save(target)
    }

    fn entry(&self, path: &[u8]) -> Result<Option<&Entry>, ContextError> {
        let mut dir = &self.top;
        let mut here = Vec::new();
        for name in path.split(|&byte| byte == b'/') {
            let entries = self.entries(dir, &here)?;
            let Ok(at) = entries.binary_search_by(|entry| (*entry.name).cmp(name)) else {
                return Ok(None);
            };
            let entry = &entries[at];
            here = path::join(&here, name);
            if here.len() == path.len() {
                return Ok(self.is_seen(entry, &here)?.then_some(entry));
            }
            let What::Dir { dir: inner, .. } = &entry.what else {
                return Ok(None);
            };
            dir = inner;
        }
        Ok(None)
    }

    /// What `dir` holds, which is at `path`.
    fn entries<'a>(&self, dir: &'a Dir, path: &[u8]) -> Result<&'a [Entry], ContextError> {
        if let Some(entries) = dir.entries.get() {
            return Ok(entries);
        }
        let fd = read::open_dir(&self.root, path)?;
        self.read_into(dir, &fd, path)
    }

    /// `entry`, which is at `path`, as others see it.
    fn node(&self, entry: &Entry, path: &[u8]) -> Result<Node, ContextError> {
        let mut node = entry.node();
        if let What::Dir { dir, .. } = &entry.what {
            if dir.xattrs.get().is_none() {
                let _ = dir.xattrs.set(read::dir_xattrs(&read::open_dir(&self.root, path)?, path)?);
            }
            node.meta.xattrs = dir.xattrs.get().cloned().unwrap_or_default();
        }
        Ok(node)
    }

    fn is_seen(&self, entry: &Entry, path: &[u8]) -> Result<bool, ContextError> {
        let What::Dir { dir, verdict: Verdict::HiddenUnlessWithin } = &entry.what else {
            return Ok(true);
        };
        for child in self.entries(dir, path)? {
            if self.is_seen(child, &path::join(path, &child.name))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Every path is seen.
pub struct NothingIgnored;

impl IgnoreRules for NothingIgnored {
    fn verdict(&self, _path: &[u8]) -> Verdict {
        Verdict::Seen
    }

    fn rule_for(&self, _path: &[u8]) -> Option<String> {
        None
    }
}

impl Dir {
    /// A record also says that the file has no extended attributes.
    fn record(&self, path: &mut Vec<u8>, writer: &mut StatFileWriter) {
        let length = path.len();
        for entry in self.entries.get().into_iter().flatten() {
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(&entry.name);
            match &entry.what {
                What::File { stamp, read, .. } => {
                    if let Some(read) = read.get().filter(|read| read.xattrs.is_empty()) {
                        writer.add(path, stamp, read.content);
                    }
                }
                What::Dir { dir, .. } => dir.record(path, writer),
                What::Symlink { .. } | What::CharDevice { .. } | What::BlockDevice { .. } | What::Fifo => {}
            }
            path.truncate(length);
        }
    }
}

impl Entry {
    fn node(&self) -> Node {
        let mut meta = self.meta.clone();
        let kind = match &self.what {
            What::File { stamp, links, read } => {
                let link = (*links > 1).then_some(LinkId(stamp.device, stamp.inode));
                if let Some(read) = read.get() {
                    meta.xattrs.clone_from(&read.xattrs);
                }
                let content = read.get().map(|read| read.content);
                NodeKind::File(FileNode { size: stamp.size, content, link, place: Place::Here })
            }
            What::Dir { .. } => NodeKind::Dir,
            What::Symlink { target } => NodeKind::Symlink { target: target.clone() },
            What::CharDevice { major, minor } => NodeKind::CharDevice { major: *major, minor: *minor },
            What::BlockDevice { major, minor } => NodeKind::BlockDevice { major: *major, minor: *minor },
            What::Fifo => NodeKind::Fifo,
        };
        Node { kind, meta }
    }
}

impl Lookup for Context {
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, ContextError> {
        if path.is_empty() {
            return Ok(Some(Node { kind: NodeKind::Dir, meta: read::root_meta(&self.root)? }));
        }
        self.entry(path)?.map(|entry| self.node(entry, path)).transpose()
    }
}

impl Listing for Context {
    fn children(&self, path: &[u8]) -> Result<Vec<Child>, ContextError> {
        let dir = if path.is_empty() {
            &self.top
        } else {
            match self.entry(path)? {
                Some(Entry { what: What::Dir { dir, .. }, .. }) => dir,
                Some(_) | None => return Ok(Vec::new()),
            }
        };
        let entries = self.entries(dir, path)?;
        let mut children = Vec::with_capacity(entries.len());
        for entry in entries {
            let node = match &entry.what {
                What::Dir { .. } => {
                    let here = path::join(path, &entry.name);
                    if !self.is_seen(entry, &here)? {
                        continue;
                    }
                    self.node(entry, &here)?
                }
                What::File { .. }
                | What::Symlink { .. }
                | What::CharDevice { .. }
                | What::BlockDevice { .. }
                | What::Fifo => entry.node(),
            };
            children.push((entry.name.clone(), node));
        }
        Ok(children)
    }

    fn prefetch(&self, path: &[u8]) -> Result<(), ContextError> {
        let dir = if path.is_empty() {
            &self.top
        } else {
            match self.entry(path)? {
                Some(Entry { what: What::Dir { dir, .. }, .. }) => dir,
                Some(_) | None => return Ok(()),
            }
        };
        self.read_all(dir, read::open_dir(&self.root, path)?, path)
    }

    fn read(&self, paths: &[&[u8]]) -> Result<Vec<ReadFile>, ContextError> {
        self.hash_all(paths)
    }

    fn hidden_by(&self, path: &[u8]) -> Option<String> {
        let resolve = ResolveFlags::BENEATH;
        let name = if path.is_empty() { b".".as_slice() } else { path };
        rustix::fs::openat2(&self.root, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve).ok()?;
        self.rules.rule_for(path)
    }

    fn asked(&self) -> Option<&[String]> {
        self.asked.as_deref()
    }
}

fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests;
