//! Packs layers, or the one filesystem that a view shows, as tar: always the same bytes of the same tree. Also copies
//! such a filesystem to a directory ([`copy`]). Knows no store and no compression.
//!
//! The tree says what there is; only the bytes of files come from the disk, each opened below its layer's directory,
//! never through a link. A file that no longer has the size that the tree says is an error, not a broken layer.
//!
//! Members come in tree order, a directory's opaque mark right after it. In a layer, whiteouts and opaque marks become
//! `.wh.` names (OCI image spec, `layer.md#whiteouts`) with mode, owner and time zero. So no file can have such a name
//! itself. How headers are written is [`crate::tarball::write`]'s to say.

pub mod copy;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use rustix::fs::{Mode, OFlags, openat};
use sha2::{Digest as _, Sha256};

use crate::digest::{DiffId, Digest};
use crate::rooted::Rooted;
use crate::tarball::write::Writer;
use crate::tarball::{Member, MemberKind};
use crate::tree::{Entry, Kind, Meta, Mtime, Tree, path};
use crate::view::Merged;

/// What is read of a file at a time, and what is handed to the hashing thread.
const CHUNK: usize = 256 << 10;
/// Chunks that are on their way to the hashing thread or back.
const CHUNKS: usize = 8;

/// A tree, and where the bytes of its files are.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    tree: &'a Tree,
    /// The directories in overlayfs form, and for each entry which one has it; the first one when that is absent.
    dirs: Vec<PathBuf>,
    layer_of: Option<&'a [usize]>,
}

/// How a tar is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Times after this one, in seconds since 1970, are set to it: `SOURCE_DATE_EPOCH`.
    pub latest: Option<i64>,
}

/// A tar that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    pub diff_id: DiffId,
    pub size: u64,
}

/// Why a tree was not packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("cannot read `{path}`: {source}")]
    Read { path: String, source: io::Error },
    #[error(
        "`{path}` has {found} bytes, and {expected} when its layer was made: the store was changed behind our back"
    )]
    Size { path: String, expected: u64, found: String },
    #[error("`{path}` cannot be in a layer: the names that begin with `.wh.` say what a layer removes")]
    WhiteoutName { path: String },
    #[error("cannot write the archive: {0}")]
    Write(#[source] io::Error),
    #[error("cannot make `{path}`: {source}")]
    Make { path: String, source: io::Error },
}

impl<'a> Source<'a> {
    /// A layer whose directory in overlayfs form is `dir`.
    pub fn layer(tree: &'a Tree, dir: &Path) -> Self {
        Self { tree, dirs: vec![dir.to_owned()], layer_of: None }
    }

    /// What a view shows, of layers whose directories are `dirs`, bottom first.
    pub fn merged(merged: &'a Merged, dirs: Vec<PathBuf>) -> Self {
        Self { tree: &merged.tree, dirs, layer_of: Some(&merged.layer_of) }
    }
}

/// Writes `source` as tar. Returns how many bytes that are.
pub fn write(source: &Source<'_>, options: Options, out: impl Write) -> Result<u64, PackError> {
    let mut packer = Packer { files: Files::open(source)?, out: Writer::new(out), options, within: Vec::new() };
    packer.entries(source)?;
    packer.out.finish().map_err(PackError::Write)
}

/// Writes several sources as one tar, each in a directory of its own. Returns how many bytes that are.
pub fn write_in_dirs(sources: &[(String, Source<'_>)], options: Options, out: impl Write) -> Result<u64, PackError> {
    let mut out = Writer::new(out);
    for (dir, source) in sources {
        let mtime = Mtime { secs: options.latest.unwrap_or(0), nanos: 0 };
        let meta = Meta { mode: 0o755, mtime, ..Meta::default() };
        let path = format!("{dir}/").into_bytes();
        out.begin(&Member { path, kind: MemberKind::Dir, meta }).map_err(PackError::Write)?;
        let mut packer = Packer { files: Files::open(source)?, out, options, within: dir.clone().into_bytes() };
        packer.entries(source)?;
        out = packer.out;
    }
    out.finish().map_err(PackError::Write)
}

/// Writes `source` as tar, and tells its diff id. Another thread hashes meanwhile.
pub fn write_hashed(source: &Source<'_>, options: Options, out: impl Write) -> Result<Packed, PackError> {
    thread::scope(|scope| {
        let (full, to_hash) = mpsc::sync_channel::<Vec<u8>>(CHUNKS);
        let (emptied, empty) = mpsc::channel();
        let hashing = scope.spawn(move || {
            let mut sha256 = Sha256::new();
            for mut chunk in to_hash {
                sha256.update(&chunk);
                chunk.clear();
                // The writer is gone when it is done or has failed: it needs no more chunks.
                let _ = emptied.send(chunk);
            }
            sha256.finalize()
        });
        let mut chunked = Chunked { out, chunk: Vec::with_capacity(CHUNK), full, empty };
        let size = write(source, options, &mut chunked);
        let sent = chunked.send();
        drop(chunked);
        let sha256 = hashing.join().map_err(|_| PackError::Write(io::Error::other("the hashing thread ended early")));
        let (size, sha256) = (size?, sha256?);
        sent.map_err(PackError::Write)?;
        Ok(Packed { diff_id: DiffId(Digest::from_bytes(sha256.into())), size })
    })
}

/// Gathers what is written into chunks, which go out, to be hashed, and back.
struct Chunked<W> {
    out: W,
    chunk: Vec<u8>,
    full: mpsc::SyncSender<Vec<u8>>,
    empty: mpsc::Receiver<Vec<u8>>,
}

impl<W: Write> Chunked<W> {
    fn send(&mut self) -> io::Result<()> {
        self.out.write_all(&self.chunk)?;
        let next = self.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(CHUNK));
        let chunk = std::mem::replace(&mut self.chunk, next);
        self.full.send(chunk).map_err(|_| io::Error::other("the hashing thread ended early"))
    }
}

impl<W: Write> Write for Chunked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK {
            self.send()?;
        }
        let now = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..now]);
        Ok(now)
    }

    /// What is gathered goes out when it is enough, or at the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Packer<'a, W> {
    files: Files<'a>,
    out: Writer<W>,
    options: Options,
    /// The directory that all of it goes to; empty for the archive's root.
    within: Vec<u8>,
}

impl<W: Write> Packer<'_, W> {
    fn entries(&mut self, source: &Source<'_>) -> Result<(), PackError> {
        source.tree.entries().iter().enumerate().try_for_each(|(index, entry)| self.entry(index, entry))
    }

    fn place(&self, path: &[u8]) -> Vec<u8> {
        if self.within.is_empty() { path.to_vec() } else { path::join(&self.within, path) }
    }

    fn entry(&mut self, index: usize, entry: &Entry) -> Result<(), PackError> {
        if entry.name().starts_with(b".wh.") {
            return Err(PackError::WhiteoutName { path: entry.display() });
        }
        let kind = match &entry.kind {
            Kind::Whiteout => return self.mark(&entry.path, path::name(&entry.path)),
            Kind::File { size, .. } => MemberKind::File { size: *size, extents: None },
            Kind::HardLink { target } => MemberKind::HardLink { target: self.place(target) },
            Kind::Dir { .. } => MemberKind::Dir,
            Kind::Symlink { target } => MemberKind::Symlink { target: target.to_vec() },
            Kind::CharDevice { major, minor } => MemberKind::CharDevice { major: *major, minor: *minor },
            Kind::BlockDevice { major, minor } => MemberKind::BlockDevice { major: *major, minor: *minor },
            Kind::Fifo => MemberKind::Fifo,
        };
        let mut path = self.place(&entry.path);
        if entry.is_dir() {
            path.push(b'/');
        }
        let meta = Meta { mtime: self.clamp(entry.meta.mtime), ..entry.meta.clone() };
        self.out.begin(&Member { path, kind, meta }).map_err(PackError::Write)?;
        match &entry.kind {
            Kind::File { size, .. } if *size > 0 => {
                let out = &mut self.out;
                self.files.read(index, &entry.path, *size, |bytes| out.data(bytes).map_err(PackError::Write))
            }
            Kind::Dir { opaque: true } => self.mark(&path::join(&entry.path, b"."), b".wh..opq"),
            _ => Ok(()),
        }
    }

    /// An empty file beside `path`, `.wh.` before `name`.
    fn mark(&mut self, path: &[u8], name: &[u8]) -> Result<(), PackError> {
        let path = self.place(&path::join(path::parent(path), &[b".wh.", name].concat()));
        let kind = MemberKind::File { size: 0, extents: None };
        self.out.begin(&Member { path, kind, meta: Meta::default() }).map_err(PackError::Write)
    }

    fn clamp(&self, mtime: Mtime) -> Mtime {
        match self.options.latest {
            Some(secs) if mtime.secs >= secs => Mtime { secs, nanos: 0 },
            _ => mtime,
        }
    }
}

/// The files of a source.
struct Files<'a> {
    dirs: Vec<Rooted>,
    layer_of: Option<&'a [usize]>,
    buffer: Vec<u8>,
}

impl<'a> Files<'a> {
    fn open(source: &Source<'a>) -> Result<Self, PackError> {
        let open = |dir: &PathBuf| {
            Rooted::open(dir).map_err(|source| PackError::Read { path: dir.display().to_string(), source })
        };
        let dirs = source.dirs.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { dirs, layer_of: source.layer_of, buffer: vec![0; CHUNK] })
    }

    /// The file at `path`, which is that of the entry at `index`.
    fn open_file(&mut self, index: usize, path: &[u8]) -> io::Result<std::os::fd::OwnedFd> {
        let layer = self.layer_of.and_then(|layer_of| layer_of.get(index)).copied().unwrap_or(0);
        let rooted = self.dirs.get_mut(layer).ok_or_else(|| io::Error::other("there is no such layer"))?;
        let (dir, name) = rooted.parent(path)?;
        // Not blocking: a fifo in the place of a file must not hold us up.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat(dir, name, flags, Mode::empty())?)
    }

    /// Hands the bytes of a file out, which must be `size`.
    fn read(
        &mut self,
        index: usize,
        path: &[u8],
        size: u64,
        mut put: impl FnMut(&[u8]) -> Result<(), PackError>,
    ) -> Result<(), PackError> {
        let failed = |source| PackError::Read { path: path::display(path), source };
        let file = self.open_file(index, path).map_err(failed)?;
        let mut done = 0;
        loop {
            // One byte more is asked for than there should be. A regular file gives less only at its end, so that one
            // call is enough for a small one.
            let left = usize::try_from(size - done).map_or(CHUNK, |left| (left + 1).min(CHUNK));
            let read = rustix::io::read(&file, &mut self.buffer[..left]).map_err(|error| failed(error.into()))?;
            let wrong = |found: String| PackError::Size { path: path::display(path), expected: size, found };
            if read as u64 > size - done {
                return Err(wrong("more".to_owned()));
            }
            done += read as u64;
            put(&self.buffer[..read])?;
            match read {
                _ if done == size && read < left => return Ok(()),
                0 => return Err(wrong(done.to_string())),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
