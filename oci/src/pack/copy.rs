//! Copies what a view shows to a directory of the user's. Knows no tar.
//!
//! The directory may hold something already, of an export before, or anything. What has the name of an entry gives way
//! to it, unless both are directories; the rest stays. No link in the directory is followed: one in the place of a
//! directory is replaced like anything else, so that an image cannot lead the next export out of it. Files belong to
//! who runs Kiln, as BuildKit's local output does it, and lose set-id bits thereby, directories too.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::{Files, PackError, Source};
use crate::disk::{self, Disk, Note, OverlayMarks, Ownership};
use crate::rooted;
use crate::tree::{Entry, Kind, Meta, path};

/// Copies `source` into the directory `dest`, which must exist.
pub fn copy(source: &Source<'_>, dest: &Path) -> Result<Vec<Note>, PackError> {
    let at_dest = |error| PackError::Make { path: dest.display().to_string(), source: error };
    let disk = Disk::open(dest, Ownership::Ours, OverlayMarks::Trusted).map_err(at_dest)?;
    let mut copier = Copier { files: Files::open(source)?, disk };
    for (index, entry) in source.tree.entries().iter().enumerate() {
        copier.entry(index, entry)?;
    }
    for entry in source.tree.entries().iter().rev().filter(|entry| entry.is_dir()) {
        copier.disk.finish_dir(&entry.path, false, &ours(entry)).map_err(at(entry))?;
    }
    Ok(copier.disk.into_notes())
}

struct Copier<'a> {
    files: Files<'a>,
    disk: Disk,
}

impl Copier<'_> {
    fn entry(&mut self, index: usize, entry: &Entry) -> Result<(), PackError> {
        let made = match self.make(index, entry) {
            Err(error) if is_in_the_way(&error) => {
                if entry.is_dir() && self.is_dir(&entry.path).map_err(at(entry))? {
                    return Ok(());
                }
                self.disk.remove(&entry.path).map_err(at(entry))?;
                self.make(index, entry)
            }
            made => made,
        };
        made?;
        Ok(())
    }

    fn make(&mut self, index: usize, entry: &Entry) -> Result<(), PackError> {
        let (path, meta) = (&entry.path[..], ours(entry));
        match &entry.kind {
            Kind::Dir { .. } => self.disk.make_dir(path).map_err(at(entry)),
            Kind::File { size, .. } => self.file(index, entry, *size),
            Kind::HardLink { target } => self.disk.hard_link(path, target).map_err(at(entry)),
            Kind::Symlink { target } => self.disk.symlink(path, target, &meta).map_err(at(entry)),
            Kind::CharDevice { .. } | Kind::BlockDevice { .. } | Kind::Fifo => {
                self.disk.node(path, &entry.kind, &meta).map_err(at(entry))
            }
            // A layer alone has them; in a directory of the user's, they say nothing.
            Kind::Whiteout => Ok(()),
        }
    }

    fn file(&mut self, index: usize, entry: &Entry, size: u64) -> Result<(), PackError> {
        let meta = ours(entry);
        let fd = self.disk.create(&entry.path, meta.mode).map_err(at(entry))?;
        if size > 0 {
            self.files.read(index, &entry.path, size, |bytes| disk::write_all(&fd, bytes).map_err(at(entry)))?;
        }
        self.disk.finish_file(&fd, &entry.path, &meta).map_err(at(entry))
    }

    fn is_dir(&mut self, path: &[u8]) -> io::Result<bool> {
        let (dir, name) = self.disk.rooted().parent(path)?;
        Ok(rooted::is_dir(dir, name))
    }
}

/// What an entry says, but for what only its own owner may have.
fn ours(entry: &Entry) -> Meta {
    let mut meta = entry.meta.clone();
    meta.mode &= if entry.is_dir() { 0o1777 } else { 0o777 };
    meta.xattrs.retain(|(name, _)| name.starts_with(b"user."));
    meta
}

fn is_in_the_way(error: &PackError) -> bool {
    matches!(error, PackError::Make { source, .. } if source.raw_os_error() == Some(Errno::EXIST.raw_os_error()))
}

fn at(entry: &Entry) -> impl Fn(io::Error) -> PackError + '_ {
    move |source| PackError::Make { path: path::display(&entry.path), source }
}
