//! One file of a new layer: linked to one that is the same, or its bytes copied and checked.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use oci::tree::{Entry, Tree, path};
use oci::{ContentDigest, LayerId};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::{ApplyError, Bytes, Links, Places, Plan, failed, open_beneath, times};

/// Files up to this size are hashed while they are copied.
const SMALL: usize = 256 << 10;

/// The layers that bytes come from, or that may have the same files.
pub(super) struct Layers {
    open: BTreeMap<LayerId, (OwnedFd, Arc<Tree>)>,
    hint: Option<LayerId>,
}

impl Layers {
    pub fn open(plan: &Plan, places: &Places<'_>) -> Result<Self, ApplyError> {
        let named = plan.bytes.values().filter_map(|bytes| match bytes {
            Bytes::Layer { layer, .. } => Some(*layer),
            Bytes::Inline(_) | Bytes::Local { .. } => None,
        });
        let mut open = BTreeMap::new();
        let hint = match places.links {
            Links::Allowed { hint } => hint,
            Links::Never => None,
        };
        for layer in named.chain(hint) {
            if open.contains_key(&layer) {
                continue;
            }
            let Some((fs, tree)) = (places.layer)(&layer).zip((places.tree)(&layer)) else { continue };
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            match rustix::fs::open(&fs, flags, Mode::empty()) {
                Ok(fd) => drop(open.insert(layer, (fd, tree))),
                // A hint that is gone is none.
                Err(_) if Some(layer) == hint => {}
                Err(errno) => return Err(ApplyError::Layer { layer, path: "/".to_owned(), source: errno.into() }),
            }
        }
        let hint = hint.filter(|hint| open.contains_key(hint));
        Ok(Self { open, hint })
    }
}

/// Makes files, one after the other.
pub(super) struct Maker<'a, 'p> {
    plan: &'a Plan,
    places: &'a Places<'p>,
    layers: &'a Layers,
    buffer: Vec<u8>,
}

impl<'a, 'p> Maker<'a, 'p> {
    pub fn new(plan: &'a Plan, places: &'a Places<'p>, layers: &'a Layers) -> Self {
        Self { plan, places, layers, buffer: Vec::new() }
    }

    pub fn file(&mut self, dir: &OwnedFd, entry: &Entry, size: u64, content: ContentDigest) -> Result<(), ApplyError> {
        let bytes = self.plan.bytes.get(&entry.path).ok_or_else(|| ApplyError::NoBytes { path: entry.display() })?;
        let source = match bytes {
            Bytes::Layer { layer, path } => Some((*layer, &**path)),
            Bytes::Inline(_) | Bytes::Local { .. } => None,
        };
        let hint = self.layers.hint.map(|hint| (hint, &*entry.path));
        let mut same = [source, hint].into_iter().flatten();
        if self.places.links != Links::Never && same.any(|(layer, path)| self.link(dir, entry, layer, path)) {
            return Ok(());
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, entry.name(), flags, Mode::RUSR | Mode::WUSR)
            .map_err(failed("make", &entry.path))?;
        self.fill(&file, entry, bytes, (size, content))?;
        set_meta(&file, entry).map_err(failed("set the attributes of", &entry.path))
    }

    /// Links to the file at `path` of `layer`, if it is the same in all that can be seen of it.
    fn link(&self, dir: &OwnedFd, entry: &Entry, layer: LayerId, path: &[u8]) -> bool {
        let Some((fs, tree)) = self.layers.open.get(&layer) else {
            return false;
        };
        let same = tree
            .get(path)
            .map(|other| tree.file_of(other))
            .is_some_and(|other| other.kind == entry.kind && other.meta == entry.meta);
        // A file can have only so many names, and a store may lie across file systems: then it is copied.
        same && rustix::fs::linkat(fs, path, dir, entry.name(), AtFlags::empty()).is_ok()
    }

    fn fill(
        &mut self,
        file: &OwnedFd,
        entry: &Entry,
        bytes: &Bytes,
        expected: (u64, ContentDigest),
    ) -> Result<(), ApplyError> {
        match bytes {
            Bytes::Inline(bytes) => write_all(file, bytes).map_err(failed("write", &entry.path)),
            Bytes::Layer { layer, path } => {
                let unreadable =
                    |errno: Errno| ApplyError::Layer { layer: *layer, path: path::display(path), source: errno.into() };
                let (fs, _) = self.layers.open.get(layer).ok_or_else(|| unreadable(Errno::NOENT))?;
                let from = open_beneath(fs, path, OFlags::RDONLY).map_err(unreadable)?;
                match self.copy(&from, file, entry, expected)? {
                    Some(found) => Err(ApplyError::Damaged { path: path::display(path), expected: expected.1, found }),
                    None => Ok(()),
                }
            }
            Bytes::Local { from, path } => {
                let context =
                    (self.places.context)(*from).ok_or_else(|| ApplyError::NoBytes { path: entry.display() })?;
                let source = context.open_file(path)?;
                if self.copy(&source, file, entry, expected)?.is_some() {
                    return Err(crate::context::ContextError::Changed { path: path::display(path) }.into());
                }
                // What was hashed on the way is what it should be, whatever happened to the file.
                if is_small(expected.0) { Ok(()) } else { Ok(context.check(&source, path)?) }
            }
        }
    }

    /// Copies, and gives the digest of what was copied if it is another than the expected one.
    fn copy(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        entry: &Entry,
        (size, content): (u64, ContentDigest),
    ) -> Result<Option<ContentDigest>, ApplyError> {
        if !is_small(size) {
            copy_large(from, to, size).map_err(failed("copy", &entry.path))?;
            return Ok(None);
        }
        self.buffer.resize(SMALL, 0);
        let size = usize::try_from(size).unwrap_or(SMALL);
        let mut length = 0;
        while length < size {
            match rustix::io::read(from, &mut self.buffer[length..size]) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(failed("read the source of", &entry.path)(errno)),
            }
        }
        let bytes = &self.buffer[..length];
        let found = ContentDigest::of(bytes);
        if found != content {
            return Ok(Some(found));
        }
        write_all(to, bytes).map_err(failed("write", &entry.path))?;
        Ok(None)
    }
}

fn is_small(size: u64) -> bool {
    size <= SMALL as u64
}

fn copy_large(from: &OwnedFd, to: &OwnedFd, size: u64) -> rustix::io::Result<()> {
    let mut left = size;
    while left > 0 {
        let want = usize::try_from(left.min(1 << 30)).unwrap_or(1 << 30);
        match rustix::fs::copy_file_range(from, None, to, None, want) {
            // Shorter than it was: the check of its stamp will tell.
            Ok(0) => return Ok(()),
            Ok(copied) => left -= copied as u64,
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::PERM) => {
                return copy_by_hand(from, to);
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn copy_by_hand(from: &OwnedFd, to: &OwnedFd) -> rustix::io::Result<()> {
    let mut buffer = vec![0; SMALL];
    loop {
        match rustix::io::read(from, &mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => write_all(to, &buffer[..length])?,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// The owner before the mode: a change of owner takes the set-id bits away.
fn set_meta(file: &OwnedFd, entry: &Entry) -> rustix::io::Result<()> {
    let meta = &entry.meta;
    if (meta.uid, meta.gid) != (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()) {
        crate::owner::set_open(file, meta.uid, meta.gid)?;
    }
    rustix::fs::fchmod(file, Mode::from_raw_mode(meta.mode))?;
    crate::xattr::set(file.as_fd(), &meta.xattrs)?;
    rustix::fs::futimens(file, &times(meta.mtime))
}
