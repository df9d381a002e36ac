//! Makes the directory of a layer from its plan. Knows no base: what a plan says is all there is.
//!
//! 1. All directories, parents first.
//! 2. Everything else but further names of files, by directory, in parallel. A file whose bytes, attributes and time
//!    another layer already has is a hard link to it: layers never change. Other bytes are copied, small files through
//!    a buffer and hashed on the way, large ones by the kernel, which shares blocks where it can.
//! 3. Further names.
//! 4. The attributes of directories, children first, so that times stay.
//!
//! Every path is opened beneath the layer's own descriptor. Nothing is synchronised to the disk: that is the store's.

mod file;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use graph::Slot;
use oci::tree::{Entry, Kind, Meta, Mtime, Tree, path};
use oci::{ContentDigest, LayerId};
use rayon::prelude::*;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::{Bytes, Plan};
use crate::context::{Context, ContextError};

/// Entries of one directory that one task makes.
const BATCH: usize = 256;
/// Fewer entries than this are not worth a second thread.
const FEW: usize = 32;

/// Where bytes are, and where they need not be copied from.
pub struct Places<'a> {
    pub context: &'a (dyn Fn(Option<Slot>) -> Option<&'a Context> + Sync),
    /// The `fs` directory of a layer.
    pub layer: &'a (dyn Fn(&LayerId) -> Option<PathBuf> + Sync),
    /// The tree of a layer.
    pub tree: &'a (dyn Fn(&LayerId) -> Option<std::sync::Arc<Tree>> + Sync),
    pub links: Links,
}

/// Whether files may be shared with the layers they come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// `hint` is a layer that probably holds much of the same at the same paths.
    Allowed { hint: Option<LayerId> },
    /// What is made will be written to.
    Never,
}

/// Why a layer's directory could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("cannot {action} `{path}` of the new layer")]
    Write { action: &'static str, path: String, source: io::Error },
    #[error("cannot read `{path}` of layer {layer}")]
    Layer { layer: LayerId, path: String, source: io::Error },
    #[error("`{path}` has other bytes than its layer's tree says: expected {expected}, found {found}")]
    Damaged { path: String, expected: ContentDigest, found: ContentDigest },
    #[error("the plan does not say where the bytes of `{path}` are")]
    NoBytes { path: String },
    #[error(transparent)]
    Context(#[from] ContextError),
}

/// Makes what `plan` says in the empty directory `fs`.
pub fn apply(plan: &Plan, fs: &Path, places: &Places<'_>) -> Result<(), ApplyError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(fs, flags, Mode::empty()).map_err(failed("open", b""))?;
    let entries = plan.tree.entries();
    for entry in entries.iter().filter(|entry| entry.is_dir()) {
        rustix::fs::mkdirat(&root, &*entry.path, Mode::RWXU).map_err(failed("make the directory", &entry.path))?;
    }
    let layers = file::Layers::open(plan, places)?;
    let batches = batches(entries);
    let work = |(dir, batch): &(&[u8], Vec<&Entry>)| -> Result<(), ApplyError> {
        let dir = open_dir(&root, dir)?;
        let mut maker = file::Maker::new(plan, places, &layers);
        batch.iter().try_for_each(|entry| make(&dir, entry, &mut maker))
    };
    if entries.len() < FEW {
        batches.iter().try_for_each(work)?;
    } else {
        batches.par_iter().try_for_each(work)?;
    }
    for entry in entries {
        if let Kind::HardLink { target } = &entry.kind {
            rustix::fs::linkat(&root, &**target, &root, &*entry.path, AtFlags::empty())
                .map_err(failed("link", &entry.path))?;
        }
    }
    entries.iter().rev().try_for_each(|entry| finish_dir(&root, entry))
}

/// What is neither a directory nor a further name, by directory.
fn batches(entries: &[Entry]) -> Vec<(&[u8], Vec<&Entry>)> {
    let mut batches: Vec<(&[u8], Vec<&Entry>)> = Vec::new();
    // The batch of each directory on the way to the entry at hand.
    let mut open: Vec<(&[u8], Option<usize>)> = vec![(b"", None)];
    for entry in entries {
        let parent = super::path::parent(&entry.path);
        while open.last().is_some_and(|(dir, _)| *dir != parent) && open.len() > 1 {
            open.pop();
        }
        match &entry.kind {
            Kind::Dir { .. } => open.push((&entry.path, None)),
            Kind::HardLink { .. } => {}
            Kind::File { .. }
            | Kind::Symlink { .. }
            | Kind::CharDevice { .. }
            | Kind::BlockDevice { .. }
            | Kind::Fifo
            | Kind::Whiteout => {
                let Some((_, batch)) = open.last_mut() else { continue };
                match batch {
                    Some(at) if batches[*at].1.len() < BATCH => batches[*at].1.push(entry),
                    Some(_) | None => {
                        *batch = Some(batches.len());
                        batches.push((parent, vec![entry]));
                    }
                }
            }
        }
    }
    batches
}

fn make(dir: &OwnedFd, entry: &Entry, maker: &mut file::Maker<'_, '_>) -> Result<(), ApplyError> {
    let name = entry.name();
    let node = |kind, device| {
        rustix::fs::mknodat(dir, name, kind, Mode::from_raw_mode(entry.meta.mode), device)
            .map_err(failed("make", &entry.path))
    };
    match &entry.kind {
        Kind::File { size, content } => return maker.file(dir, entry, *size, *content),
        Kind::Symlink { target } => {
            rustix::fs::symlinkat(&**target, dir, name).map_err(failed("make the link", &entry.path))?;
        }
        Kind::CharDevice { major, minor } => node(FileType::CharacterDevice, rustix::fs::makedev(*major, *minor))?,
        Kind::BlockDevice { major, minor } => node(FileType::BlockDevice, rustix::fs::makedev(*major, *minor))?,
        Kind::Fifo => node(FileType::Fifo, 0)?,
        Kind::Whiteout => return node(FileType::CharacterDevice, 0),
        Kind::Dir { .. } | Kind::HardLink { .. } => return Ok(()),
    }
    set_meta(dir, name, &entry.meta, matches!(entry.kind, Kind::Symlink { .. }))
        .map_err(failed("set the attributes of", &entry.path))
}

fn finish_dir(root: &OwnedFd, entry: &Entry) -> Result<(), ApplyError> {
    let Kind::Dir { opaque } = entry.kind else {
        return Ok(());
    };
    let set = || -> rustix::io::Result<()> {
        if opaque || !entry.meta.xattrs.is_empty() {
            let dir = open_beneath(root, &entry.path, OFlags::RDONLY | OFlags::DIRECTORY)?;
            crate::xattr::set(dir.as_fd(), &entry.meta.xattrs)?;
            if opaque {
                crate::xattr::set_opaque(dir.as_fd())?;
            }
        }
        set_meta(root, &entry.path, &entry.meta, false)
    };
    set().map_err(failed("set the attributes of", &entry.path))
}

fn set_meta(dir: &OwnedFd, name: &[u8], meta: &Meta, is_link: bool) -> rustix::io::Result<()> {
    crate::owner::set(dir, name, meta.uid, meta.gid)?;
    if !is_link {
        rustix::fs::chmodat(dir, name, Mode::from_raw_mode(meta.mode), AtFlags::empty())?;
    }
    rustix::fs::utimensat(dir, name, &times(meta.mtime), AtFlags::SYMLINK_NOFOLLOW)
}

fn times(mtime: Mtime) -> Timestamps {
    let time = Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() };
    Timestamps { last_access: time, last_modification: time }
}

/// The file at `path` of the layer whose directory is `fs`, to be read.
pub fn open_in_layer(fs: &Path, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    let root = rustix::fs::open(fs, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    open_beneath(&root, path, OFlags::RDONLY | OFlags::NONBLOCK)
}

fn open_dir(root: &OwnedFd, path: &[u8]) -> Result<OwnedFd, ApplyError> {
    let name = if path.is_empty() { b".".as_slice() } else { path };
    open_beneath(root, name, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed("open", path))
}

fn open_beneath(root: &OwnedFd, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty(), resolve)
}

fn failed(action: &'static str, path: &[u8]) -> impl FnOnce(Errno) -> ApplyError {
    let path = path::display(path);
    move |errno| ApplyError::Write { action, path, source: errno.into() }
}
