//! Directories of a context, read by descriptor. Knows no bytes of files.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use cache::contexts::{Stamp, StatKey};
use oci::tree::{Meta, Mtime, Xattr};
use rayon::prelude::*;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;

use super::{Context, ContextError, Dir, Entry, Verdict, What, show};
use crate::copy::listing::ReadFile;
use crate::copy::path;

/// What one `getdents64` call may fill.
const NAMES_BUFFER: usize = 32 << 10;

impl Context {
    /// Reads `dir`, which is at `path` and open as `fd`, and all below it.
    pub(super) fn read_all(&self, dir: &Dir, fd: OwnedFd, path: &[u8]) -> Result<(), ContextError> {
        let entries = match dir.entries.get() {
            Some(entries) => entries,
            None => self.read_into(dir, &fd, path)?,
        };
        let below: Vec<(&[u8], &Dir)> = entries
            .iter()
            .filter_map(|entry| match &entry.what {
                What::Dir { dir, .. } => Some((&*entry.name, dir)),
                What::File { .. }
                | What::Symlink { .. }
                | What::CharDevice { .. }
                | What::BlockDevice { .. }
                | What::Fifo => None,
            })
            .collect();
        below.par_iter().try_for_each(|(name, dir)| {
            let here = path::join(path, name);
            self.read_all(dir, open_dir_at(fd.as_fd(), name, &here)?, &here)
        })
    }

    /// Reads `dir`, which is open as `fd`.
    pub(super) fn read_into<'a>(&self, dir: &'a Dir, fd: &OwnedFd, path: &[u8]) -> Result<&'a [Entry], ContextError> {
        let entries = self.read_dir(fd, path)?;
        if dir.xattrs.get().is_none() {
            let _ = dir.xattrs.set(dir_xattrs(fd, path)?);
        }
        Ok(dir.entries.get_or_init(|| entries))
    }

    fn read_dir(&self, fd: &OwnedFd, path: &[u8]) -> Result<Vec<Entry>, ContextError> {
        let mut buffer = vec![MaybeUninit::uninit(); NAMES_BUFFER];
        let mut names = RawDir::new(fd, &mut buffer);
        let mut entries = Vec::new();
        let mut here = path.to_vec();
        if !here.is_empty() {
            here.push(b'/');
        }
        let length = here.len();
        while let Some(found) = names.next() {
            let found = found.map_err(failed(path))?;
            let name = found.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            here.truncate(length);
            here.extend_from_slice(name.to_bytes());
            let verdict = self.rules.verdict(&here);
            // A hidden file costs no `statx` where the directory tells that it is one.
            let maybe_dir = matches!(found.file_type(), FileType::Directory | FileType::Unknown);
            if verdict == Verdict::Hidden || (verdict == Verdict::HiddenUnlessWithin && !maybe_dir) {
                continue;
            }
            entries.extend(self.read_entry(fd.as_fd(), name, &here, verdict)?);
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        here.truncate(length);
        self.recall(&entries, here);
        Ok(entries)
    }

    /// Finds the digests again that earlier builds made. In order, as they are kept.
    fn recall(&self, entries: &[Entry], mut path: Vec<u8>) {
        if self.known.is_empty() {
            return;
        }
        let mut cursor = self.known.cursor();
        let length = path.len();
        for entry in entries {
            let What::File { stamp, read, .. } = &entry.what else { continue };
            path.truncate(length);
            path.extend_from_slice(&entry.name);
            if let Some(content) = cursor.lookup(&path, stamp) {
                let _ = read.set(ReadFile { content, xattrs: Vec::new() });
            }
        }
    }

    fn read_entry(
        &self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        path: &[u8],
        verdict: Verdict,
    ) -> Result<Option<Entry>, ContextError> {
        let stat = match rustix::fs::statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS) {
            Ok(stat) => stat,
            // Removed since the directory was read: as if it had never been there.
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(path)(errno)),
        };
        let kind = FileType::from_raw_mode(stat.stx_mode.into());
        if verdict != Verdict::Seen && kind != FileType::Directory {
            return Ok(None);
        }
        let (major, minor) = (stat.stx_rdev_major, stat.stx_rdev_minor);
        let meta = meta_of(&stat);
        let what = match kind {
            FileType::RegularFile => What::File { stamp: key_of(&stat), links: stat.stx_nlink, read: OnceLock::new() },
            FileType::Directory => What::Dir { dir: Dir::default(), verdict },
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(dir, name, Vec::new()).map_err(failed(path))?;
                What::Symlink { target: target.into_bytes().into() }
            }
            FileType::CharacterDevice => What::CharDevice { major, minor },
            FileType::BlockDevice => What::BlockDevice { major, minor },
            FileType::Fifo => What::Fifo,
            FileType::Socket | FileType::Unknown => return Ok(None),
        };
        Ok(Some(Entry { name: name.to_bytes().into(), meta, what }))
    }
}

fn key_of(stat: &Statx) -> StatKey {
    let time = |secs, nanos| Stamp { secs, nanos };
    StatKey {
        device: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
        inode: stat.stx_ino,
        size: stat.stx_size,
        mtime: time(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
        ctime: time(stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
    }
}

fn meta_of(stat: &Statx) -> Meta {
    let mtime = Mtime { secs: stat.stx_mtime.tv_sec, nanos: stat.stx_mtime.tv_nsec };
    Meta { mode: u32::from(stat.stx_mode) & 0o7777, mtime, ..Meta::default() }
}

pub(super) fn root_meta(root: &OwnedFd) -> Result<Meta, ContextError> {
    let stat = rustix::fs::statx(root, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).map_err(failed(b"."))?;
    Ok(meta_of(&stat))
}

/// The directory at `path` beneath `root`, no link on the way.
pub(super) fn open_dir(root: &OwnedFd, path: &[u8]) -> Result<OwnedFd, ContextError> {
    let name = if path.is_empty() { b".".as_slice() } else { path };
    open_dir_at(root.as_fd(), name, path)
}

fn open_dir_at(dir: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<OwnedFd, ContextError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat2(dir, name, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
        .map_err(failed(path))
}

/// The file `name` of `dir`, if it is still the one with `stamp`. What is no regular file blocks nobody.
pub(super) fn open_file(dir: &OwnedFd, name: &[u8], path: &[u8], stamp: &StatKey) -> Result<OwnedFd, ContextError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let file = match rustix::fs::openat2(dir, name, flags, Mode::empty(), resolve) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::NOTDIR) => {
            return Err(ContextError::Changed { path: show(path) });
        }
        Err(errno) => return Err(failed(path)(errno)),
    };
    check(&file, path, stamp)?;
    Ok(file)
}

/// Fails unless `file` is in the state that `stamp` tells of.
pub(super) fn check(file: &OwnedFd, path: &[u8], stamp: &StatKey) -> Result<(), ContextError> {
    let stat = rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).map_err(failed(path))?;
    let regular = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::RegularFile;
    if regular && key_of(&stat) == *stamp { Ok(()) } else { Err(ContextError::Changed { path: show(path) }) }
}

pub(super) fn dir_xattrs(dir: &OwnedFd, path: &[u8]) -> Result<Vec<Xattr>, ContextError> {
    crate::xattr::of(dir.as_fd()).map_err(failed(path))
}

pub(super) fn failed(path: &[u8]) -> impl FnOnce(Errno) -> ContextError {
    let path = show(path);
    move |errno| ContextError::Read { path, source: errno.into() }
}
