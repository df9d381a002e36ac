//! Makes the entries of a layer in a directory, in overlayfs form. Knows no tar; decides nothing but what the machine
//! grants.
//!
//! What is asked for is what [`Entry`]'s types say; paths are taken literally and below the directory ([`Rooted`]).
//! Directories are made with mode 0700 and get their own mode, owner and times at the end, when nothing more comes
//! into them. Owners come before attributes and modes, since the kernel takes set-id bits and capabilities from a file
//! that changes hands. What cannot be done without privilege is told in a [`Note`], not an error: the tree has it all
//! the same.
//!
//! [`Entry`]: crate::tree::Entry

use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, chmodat, chownat,
    fchmod, fchown, fsetxattr, fstat, futimens, linkat, lsetxattr, makedev, mkdirat, mknodat, openat, symlinkat,
    utimensat,
};
use rustix::io::Errno;

use crate::rooted::Rooted;
use crate::tree::{Kind, Meta, Mtime, path};

/// Whether files get the owners that the layer gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// They do. Needs root, or root of a user namespace in which the ids exist.
    Keep,
    /// They belong to who makes them.
    Ours,
}

/// Under which names overlayfs looks for its marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlayMarks {
    /// `trusted.overlay.*`: root's.
    Trusted,
    /// `user.overlay.*`: of overlays mounted with `userxattr` in a user namespace.
    User,
}

/// What was left out on the disk, though it is in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Only root can make a device.
    Device { path: String },
    /// The filesystem or our privileges do not allow this extended attribute.
    Xattr { path: String, name: String },
    /// The archive marks the root itself as opaque, which no layer can say.
    OpaqueRoot,
    /// More of the same.
    AndMore,
}

/// Notes beyond this many say nothing new.
const MAX_NOTES: usize = 50;

/// A directory in which entries are made.
pub(crate) struct Disk {
    rooted: Rooted,
    ownership: Ownership,
    marks: OverlayMarks,
    /// What the kernel takes off the modes of new files, and whose they are. `None`: not known.
    fresh: Option<Fresh>,
    notes: Vec<Note>,
}

#[derive(Clone, Copy)]
struct Fresh {
    umask: u32,
    uid: u32,
    gid: u32,
}

impl Disk {
    pub fn open(root: &Path, ownership: Ownership, marks: OverlayMarks) -> io::Result<Self> {
        let rooted = Rooted::open(root)?;
        Ok(Self { rooted, ownership, marks, fresh: probe(root), notes: Vec::new() })
    }

    pub fn note(&mut self, note: Note) {
        match self.notes.len() {
            0..MAX_NOTES => self.notes.push(note),
            MAX_NOTES => self.notes.push(Note::AndMore),
            _ => {}
        }
    }

    pub fn into_notes(self) -> Vec<Note> {
        self.notes
    }

    pub fn rooted(&mut self) -> &mut Rooted {
        &mut self.rooted
    }

    pub fn make_dir(&mut self, path: &[u8]) -> io::Result<()> {
        let (dir, name) = self.rooted.parent(path)?;
        Ok(mkdirat(dir, name, Mode::RWXU)?)
    }

    /// Gives a directory its mode, owner, attributes and time.
    pub fn finish_dir(&mut self, path: &[u8], opaque: bool, meta: &Meta) -> io::Result<()> {
        let (dir, name) = self.rooted.parent(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(dir, name, flags, Mode::empty())?;
        if opaque {
            let mark = match self.marks {
                OverlayMarks::Trusted => "trusted.overlay.opaque",
                OverlayMarks::User => "user.overlay.opaque",
            };
            fsetxattr(&fd, mark, b"y", XattrFlags::empty())?;
        }
        self.finish_fd(&fd, path, meta, None)
    }

    /// A new and empty file. [`Disk::finish_file`] is to follow.
    pub fn create(&mut self, path: &[u8], mode: u32) -> io::Result<OwnedFd> {
        let (dir, name) = self.rooted.parent(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(dir, name, flags, Mode::from_raw_mode(mode & 0o777))?)
    }

    /// Gives a file that was created with `meta.mode` the rest of what `meta` says.
    pub fn finish_file(&mut self, fd: &OwnedFd, path: &[u8], meta: &Meta) -> io::Result<()> {
        self.finish_fd(fd, path, meta, self.fresh.map(|fresh| meta.mode & 0o777 & !fresh.umask))
    }

    /// `mode`: which one it has.
    fn finish_fd(&mut self, fd: &OwnedFd, path: &[u8], meta: &Meta, mode: Option<u32>) -> io::Result<()> {
        if self.must_chown(meta) {
            fchown(fd, Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)))?;
        }
        for (name, value) in &meta.xattrs {
            if let Err(error) = fsetxattr(fd, &name[..], value, XattrFlags::empty()) {
                self.xattr_failed(error, path, name)?;
            }
        }
        if mode != Some(meta.mode) {
            fchmod(fd, Mode::from_raw_mode(meta.mode))?;
        }
        Ok(futimens(fd, &times(meta.mtime))?)
    }

    pub fn symlink(&mut self, path: &[u8], target: &[u8], meta: &Meta) -> io::Result<()> {
        let (dir, name) = self.rooted.parent(path)?;
        symlinkat(target, dir, name)?;
        self.finish_other(path, meta)
    }

    /// A device or a fifo.
    pub fn node(&mut self, path: &[u8], kind: &Kind, meta: &Meta) -> io::Result<()> {
        let (file_type, device) = match kind {
            Kind::CharDevice { major, minor } => (FileType::CharacterDevice, makedev(*major, *minor)),
            Kind::BlockDevice { major, minor } => (FileType::BlockDevice, makedev(*major, *minor)),
            Kind::Fifo => (FileType::Fifo, 0),
            Kind::File { .. } | Kind::HardLink { .. } | Kind::Dir { .. } | Kind::Symlink { .. } | Kind::Whiteout => {
                return Err(io::Error::other("not a device"));
            }
        };
        let (dir, name) = self.rooted.parent(path)?;
        match mknodat(dir, name, file_type, Mode::from_raw_mode(meta.mode), device) {
            Err(Errno::PERM) if *kind != Kind::Fifo => {
                self.note(Note::Device { path: path::display(path) });
                return Ok(());
            }
            made => made?,
        }
        self.finish_other(path, meta)?;
        let (dir, name) = self.rooted.parent(path)?;
        Ok(chmodat(dir, name, Mode::from_raw_mode(meta.mode), AtFlags::empty())?)
    }

    /// What overlayfs takes for "not there". Needs no privilege.
    pub fn whiteout(&mut self, path: &[u8]) -> io::Result<()> {
        let (dir, name) = self.rooted.parent(path)?;
        Ok(mknodat(dir, name, FileType::CharacterDevice, Mode::empty(), makedev(0, 0))?)
    }

    /// A further name of what is at `target`, which is not followed.
    pub fn hard_link(&mut self, path: &[u8], target: &[u8]) -> io::Result<()> {
        let (dir, name) = self.rooted.parent(target)?;
        let dir = rustix::io::fcntl_dupfd_cloexec(dir, 3)?;
        let (new_dir, new_name) = self.rooted.parent(path)?;
        Ok(linkat(dir, name, new_dir, new_name, AtFlags::empty())?)
    }

    pub fn remove(&mut self, path: &[u8]) -> io::Result<()> {
        self.rooted.remove(path)
    }

    /// Owner, attributes and time of what cannot be opened.
    fn finish_other(&mut self, path: &[u8], meta: &Meta) -> io::Result<()> {
        let must_chown = self.must_chown(meta);
        let (dir, name) = self.rooted.parent(path)?;
        if must_chown {
            let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
            chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        utimensat(dir, name, &times(meta.mtime), AtFlags::SYMLINK_NOFOLLOW)?;
        let failed: Vec<_> = meta
            .xattrs
            .iter()
            .filter_map(|(key, value)| Some((key, set_xattr_of_name(dir, name, key, value).err()?)))
            .collect();
        failed.into_iter().try_for_each(|(key, error)| self.xattr_failed(error, path, key))
    }

    fn must_chown(&self, meta: &Meta) -> bool {
        let is_so = self.fresh.is_some_and(|fresh| (fresh.uid, fresh.gid) == (meta.uid, meta.gid));
        self.ownership == Ownership::Keep && !is_so
    }

    fn xattr_failed(&mut self, error: Errno, path: &[u8], name: &[u8]) -> io::Result<()> {
        match error {
            // What the filesystem does not know, what is not for us, and what the kernel wants in another form.
            Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS | Errno::INVAL => {
                let name = String::from_utf8_lossy(name).into_owned();
                self.note(Note::Xattr { path: path::display(path), name });
                Ok(())
            }
            _ => Err(error.into()),
        }
    }
}

/// There is no `setxattrat` before Linux 6.13; the way through `/proc` reaches the same name in the same directory.
fn set_xattr_of_name(dir: BorrowedFd<'_>, name: &[u8], key: &[u8], value: &[u8]) -> Result<(), Errno> {
    let path = [format!("/proc/self/fd/{}/", dir.as_raw_fd()).as_bytes(), name].concat();
    lsetxattr(path, key, value, XattrFlags::empty())
}

/// Makes a file without a name to see what becomes of modes and owners here.
fn probe(root: &Path) -> Option<Fresh> {
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    let stat = fstat(openat(CWD, root, flags, Mode::from_raw_mode(0o777)).ok()?).ok()?;
    Some(Fresh { umask: 0o777 & !stat.st_mode, uid: stat.st_uid, gid: stat.st_gid })
}

fn times(mtime: Mtime) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() },
    }
}

/// Writes all of `bytes` to a file.
pub(crate) fn write_all(fd: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    FdWriter(fd.as_fd()).write_all(bytes)
}

struct FdWriter<'a>(BorrowedFd<'a>);

impl Write for FdWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self.0, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
