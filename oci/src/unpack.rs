//! Unpacks a tar that nobody vouches for into a directory in overlayfs form, and tells its tree.
//!
//! The directory must be empty. So all that is in it is known: a model of it is kept ([`model`]), and every path of
//! the archive is resolved on the model, links that the archive planted included, as a process would resolve it whose
//! root the directory is. What comes out is a path free of links, and it is opened as such ([`crate::disk`]): were
//! there a link on the disk after all, that would be an error. Nothing is ever read from the disk.
//!
//! As containerd unpacks, so does this:
//!
//! * `..` and absolute names stay inside the root. Directories that are not named but needed are made.
//! * Of several members at one path the last one counts; a directory over a directory keeps what is in it.
//! * In a layer, `.wh.NAME` says that `NAME` is gone, and `.wh..wh..opq` that its directory hides what is below it.
//!   Both speak of the layers below alone, never of this one, whatever the order. Other `.wh..wh.*` are passed over.
//! * Hard links lead to what the same archive has brought.
//! * The members' times and modes are kept, set-id bits included; owners when [`Ownership`] says so.

mod model;

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::digest::ContentDigest;
use crate::disk::{self, Disk};
use crate::tarball::read::{Reader, TarError};
use crate::tarball::{Extent, Member, MemberKind};
use crate::tree::build::{self, MAX_ENTRIES};
use crate::tree::path::{self, BadPath};
use crate::tree::{Entry, Kind, Meta, Tree, TreeError};

pub use crate::disk::{Note, OverlayMarks, Ownership};

use model::{Existing, Model};

/// What is read of a large file at a time.
const CHUNK: usize = 256 << 10;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// How an archive is unpacked.
#[derive(Debug, Clone)]
pub struct Options {
    pub whiteouts: Whiteouts,
    pub ownership: Ownership,
    pub marks: OverlayMarks,
    pub limits: Limits,
}

/// What names that begin with `.wh.` mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whiteouts {
    /// What the OCI spec says (`layer.md#whiteouts`): the archive is a layer.
    Convert,
    /// Nothing: the archive is somebody's files.
    Literal,
}

/// How much an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub entries: usize,
    /// Of all files together, holes included.
    pub bytes: u64,
}

/// What was unpacked.
#[derive(Debug)]
pub struct Unpacked {
    pub tree: Tree,
    /// What could not be made on the disk.
    pub notes: Vec<Note>,
}

/// Why an archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    #[error(transparent)]
    Tar(#[from] TarError),
    #[error(transparent)]
    Entry(#[from] TreeError),
    #[error("the archive has the path `{path}`, which no layer can have: {reason}")]
    Path { path: String, reason: BadPath },
    #[error("`{path}`: `{file}`, which the archive has too, is no directory")]
    NotADirectory { path: String, file: String },
    #[error("`{path}`: more than {} symbolic links lead on, one to the next", model::MAX_LINKS)]
    TooManyLinks { path: String },
    #[error("the hard link `{path}` names `{target}`, which is no file that came before it in the archive")]
    HardLink { path: String, target: String },
    #[error("`{path}` marks nothing as removed")]
    Whiteout { path: String },
    #[error("the archive has more than {limit} entries")]
    TooManyEntries { limit: usize },
    #[error("the files of the archive have more than {limit} bytes together")]
    TooLarge { limit: u64 },
    #[error("cannot make `{path}`: {source}")]
    Disk { path: String, source: io::Error },
}

impl Options {
    /// For layers. Owners are kept, and overlayfs's marks are its own, when this is root.
    pub fn layer() -> Self {
        let is_root = rustix::process::geteuid().is_root();
        Self {
            whiteouts: Whiteouts::Convert,
            ownership: if is_root { Ownership::Keep } else { Ownership::Ours },
            marks: if is_root { OverlayMarks::Trusted } else { OverlayMarks::User },
            limits: Limits::default(),
        }
    }

    /// For archives that are no layers, as ADD unpacks them.
    pub fn archive() -> Self {
        Self { whiteouts: Whiteouts::Literal, ..Self::layer() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: MAX_ENTRIES, bytes: 1 << 44 }
    }
}

/// Unpacks `tar`, which is read to its end, into the empty directory `dir`.
pub fn unpack(tar: impl Read, dir: &Path, options: &Options) -> Result<Unpacked, UnpackError> {
    let at_dir = |source| UnpackError::Disk { path: dir.display().to_string(), source };
    let disk = Disk::open(dir, options.ownership, options.marks).map_err(at_dir)?;
    let mut unpacker = Unpacker { reader: Reader::new(tar), disk, model: Model::default(), options, bytes: 0 };
    while let Some(member) = unpacker.reader.next_member()? {
        unpacker.member(member)?;
    }
    unpacker.reader.drain()?;
    unpacker.finish()
}

struct Unpacker<'a, R> {
    reader: Reader<R>,
    disk: Disk,
    model: Model,
    options: &'a Options,
    /// Of all files so far.
    bytes: u64,
}

impl<R: Read> Unpacker<'_, R> {
    fn member(&mut self, member: Member) -> Result<(), UnpackError> {
        let asked = clean(&member.path);
        if asked.is_empty() {
            // The root, of which a layer says nothing.
            return Ok(());
        }
        check(&asked)?;
        if self.options.whiteouts == Whiteouts::Convert
            && let Some(hidden) = path::name(&asked).strip_prefix(b".wh.")
        {
            return self.whiteout(&asked, hidden);
        }
        let path = self.place(&asked)?;
        match member.kind {
            MemberKind::Dir => self.dir(&path, member.meta),
            MemberKind::File { size, extents } => self.file(&path, member.meta, size, extents),
            MemberKind::HardLink { target } => self.hard_link(&path, &target),
            MemberKind::Symlink { target } => self.other(&path, Kind::Symlink { target: target.into() }, member.meta),
            // On a disk, this one is a whiteout, and overlayfs would take it for one.
            MemberKind::CharDevice { major: 0, minor: 0 } => self.hide(&path),
            MemberKind::CharDevice { major, minor } => {
                self.other(&path, Kind::CharDevice { major, minor }, member.meta)
            }
            MemberKind::BlockDevice { major, minor } => {
                self.other(&path, Kind::BlockDevice { major, minor }, member.meta)
            }
            MemberKind::Fifo => self.other(&path, Kind::Fifo, member.meta),
        }
    }

    /// Where `asked` really is, its directory made if need be.
    fn place(&mut self, asked: &[u8]) -> Result<Vec<u8>, UnpackError> {
        let dir = self.directory(path::parent(asked))?;
        let path = path::join(&dir, path::name(asked));
        check(&path)?;
        Ok(path)
    }

    /// Where the directory `asked` really is. What is missing of it is made.
    fn directory(&mut self, asked: &[u8]) -> Result<Vec<u8>, UnpackError> {
        let (dir, known) = self.model.resolve(asked)?;
        if known == dir.len() {
            return Ok(dir);
        }
        check(&dir)?;
        let ends = (known + 1..=dir.len()).filter(|end| dir.get(*end).is_none_or(|byte| *byte == b'/'));
        for end in ends {
            let implied = Entry::implied_dir(&dir[..end]);
            self.dir(&dir[..end], implied.meta)?;
        }
        Ok(dir)
    }

    fn dir(&mut self, path: &[u8], meta: Meta) -> Result<(), UnpackError> {
        let entry = self.entry(path, Kind::Dir { opaque: false }, meta)?;
        let existing = self.model.existing(path);
        let opaque = match existing {
            Existing::Dir { opaque } => opaque,
            // What is below is gone, and then there is a new directory.
            Existing::Whiteout => true,
            Existing::Nothing | Existing::Other => false,
        };
        if !matches!(existing, Existing::Dir { .. }) {
            self.clear(path, existing)?;
            self.disk.make_dir(path).map_err(at(path))?;
        }
        self.model.put_dir(path, opaque, entry.meta);
        self.within_limit()
    }

    fn file(&mut self, path: &[u8], meta: Meta, size: u64, extents: Option<Vec<Extent>>) -> Result<(), UnpackError> {
        let limit = self.options.limits.bytes;
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > limit {
            return Err(UnpackError::TooLarge { limit });
        }
        let entry = self.entry(path, Kind::File { size, content: ContentDigest::from_bytes([0; 32]) }, meta)?;
        self.clear(path, self.model.existing(path))?;
        let fd = self.disk.create(path, entry.meta.mode).map_err(at(path))?;
        let content = match extents {
            None => self.write(&fd, path)?,
            Some(extents) => self.write_sparse(&fd, path, size, &extents)?,
        };
        self.disk.finish_file(&fd, path, &entry.meta).map_err(at(path))?;
        self.model.put_file(path, size, content, entry.meta);
        self.within_limit()
    }

    fn write(&mut self, fd: &OwnedFd, path: &[u8]) -> Result<ContentDigest, UnpackError> {
        if let Some(bytes) = self.reader.data_at_once()? {
            if !bytes.is_empty() {
                disk::write_all(fd, bytes).map_err(at(path))?;
            }
            return Ok(ContentDigest::of(bytes));
        }
        let mut hasher = blake3::Hasher::new();
        loop {
            match self.reader.data(CHUNK)? {
                [] => return Ok(ContentDigest::from_bytes(hasher.finalize().into())),
                part => {
                    hasher.update(part);
                    disk::write_all(fd, part).map_err(at(path))?;
                }
            }
        }
    }

    fn write_sparse(
        &mut self,
        fd: &OwnedFd,
        path: &[u8],
        size: u64,
        extents: &[Extent],
    ) -> Result<ContentDigest, UnpackError> {
        let mut hasher = blake3::Hasher::new();
        let mut end = 0;
        for extent in extents {
            hash_zeros(&mut hasher, extent.offset - end);
            end = extent.offset + extent.size;
            rustix::fs::seek(fd, rustix::fs::SeekFrom::Start(extent.offset))
                .map_err(io::Error::from)
                .map_err(at(path))?;
            let mut left = extent.size;
            while left > 0 {
                let part = self.reader.data(usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK)))?;
                hasher.update(part);
                disk::write_all(fd, part).map_err(at(path))?;
                left -= part.len() as u64;
            }
        }
        hash_zeros(&mut hasher, size - end);
        rustix::fs::ftruncate(fd, size).map_err(io::Error::from).map_err(at(path))?;
        Ok(ContentDigest::from_bytes(hasher.finalize().into()))
    }

    fn hard_link(&mut self, path: &[u8], target: &[u8]) -> Result<(), UnpackError> {
        let no_file = || UnpackError::HardLink { path: path::display(path), target: path::display(target) };
        let asked = clean(target);
        let (dir, known) = self.model.resolve(path::parent(&asked))?;
        if asked.is_empty() || known != dir.len() {
            return Err(no_file());
        }
        let target = path::join(&dir, path::name(&asked));
        if !self.model.can_be_linked(&target) || path::is_below(&target, path) {
            return Err(no_file());
        }
        if target == path {
            return Ok(());
        }
        self.clear(path, self.model.existing(path))?;
        self.disk.hard_link(path, &target).map_err(at(path))?;
        self.model.put_link(path, &target);
        self.within_limit()
    }

    fn other(&mut self, path: &[u8], kind: Kind, meta: Meta) -> Result<(), UnpackError> {
        let Entry { kind, meta, .. } = self.entry(path, kind, meta)?;
        self.clear(path, self.model.existing(path))?;
        match &kind {
            Kind::Symlink { target } => self.disk.symlink(path, target, &meta),
            node => self.disk.node(path, node, &meta),
        }
        .map_err(at(path))?;
        self.model.put_other(path, kind, meta);
        self.within_limit()
    }

    /// `.wh.` and then `hidden`.
    fn whiteout(&mut self, asked: &[u8], hidden: &[u8]) -> Result<(), UnpackError> {
        if hidden == b".wh..opq" {
            let dir = self.directory(path::parent(asked))?;
            if dir.is_empty() {
                self.disk.note(Note::OpaqueRoot);
            } else {
                self.model.mark_opaque(&dir);
            }
            return Ok(());
        }
        if hidden.starts_with(b".wh.") {
            return Ok(());
        }
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(UnpackError::Whiteout { path: path::display(asked) });
        }
        let path = self.place(&path::join(path::parent(asked), hidden))?;
        self.hide(&path)
    }

    /// Hides what the layers below have at `path`, and nothing of this layer.
    fn hide(&mut self, path: &[u8]) -> Result<(), UnpackError> {
        match self.model.existing(path) {
            Existing::Dir { .. } => self.model.mark_opaque(path),
            Existing::Whiteout | Existing::Other => {}
            Existing::Nothing => {
                self.disk.whiteout(path).map_err(at(path))?;
                self.model.put_other(path, Kind::Whiteout, Meta::default());
            }
        }
        self.within_limit()
    }

    /// Makes room for something else.
    fn clear(&mut self, path: &[u8], existing: Existing) -> Result<(), UnpackError> {
        if existing == Existing::Nothing {
            return Ok(());
        }
        self.model.remove(path);
        self.disk.remove(path).map_err(at(path))
    }

    /// What the tree will have, checked and in its one form.
    fn entry(&self, path: &[u8], kind: Kind, meta: Meta) -> Result<Entry, UnpackError> {
        let mut entry = Entry { path: path.into(), kind, meta };
        build::normalise(&mut entry)?;
        Ok(entry)
    }

    fn within_limit(&self) -> Result<(), UnpackError> {
        let limit = self.options.limits.entries.min(MAX_ENTRIES);
        if self.model.len() > limit || self.model.path_bytes() > build::MAX_PATH_BYTES {
            return Err(UnpackError::TooManyEntries { limit });
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Unpacked, UnpackError> {
        let tree = self.model.into_tree();
        // Backwards: a directory is done when all that is in it is.
        for entry in tree.entries().iter().rev() {
            if let Kind::Dir { opaque } = entry.kind {
                self.disk.finish_dir(&entry.path, opaque, &entry.meta).map_err(at(&entry.path))?;
            }
        }
        Ok(Unpacked { tree, notes: self.disk.into_notes() })
    }
}

/// The path without `.`, empty components and `..`, which stops at the root.
fn clean(path: &[u8]) -> Vec<u8> {
    let mut clean: Vec<&[u8]> = Vec::new();
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => drop(clean.pop()),
            name => clean.push(name),
        }
    }
    clean.join(&b'/')
}

fn check(path: &[u8]) -> Result<(), UnpackError> {
    path::check(path).map_err(|reason| UnpackError::Path { path: path::display(path), reason })
}

fn at(path: &[u8]) -> impl FnOnce(io::Error) -> UnpackError + '_ {
    move |source| UnpackError::Disk { path: path::display(path), source }
}

fn hash_zeros(hasher: &mut blake3::Hasher, mut count: u64) {
    while count > 0 {
        let now = usize::try_from(count).map_or(ZEROS.len(), |count| count.min(ZEROS.len()));
        hasher.update(&ZEROS[..now]);
        count -= now as u64;
    }
}

#[cfg(test)]
mod tests;
