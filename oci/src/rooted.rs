//! Work inside a directory that never gets out of it. Knows no layer and no tar.
//!
//! Every path is opened from the root's descriptor by `openat2` with `RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS`: a
//! link that someone puts in the way, even between two calls, is an error and never a way out. The directory used last
//! stays open, since neighbours come together; it is a descriptor that can only be used to go on from (`O_PATH`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, openat, openat2, statat, unlinkat};
use rustix::io::Errno;

use crate::tree::path;

const INSIDE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory, and what is inside it.
pub(crate) struct Rooted {
    root: OwnedFd,
    /// The directory that was used last, and its path.
    last: Option<(Vec<u8>, OwnedFd)>,
}

impl Rooted {
    /// Links on the way to `root` itself are followed: that path is the caller's.
    pub fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: openat(CWD, root, flags, Mode::empty())?, last: None })
    }

    /// The directory at `dir`; the root when that is empty.
    pub fn dir(&mut self, dir: &[u8]) -> io::Result<BorrowedFd<'_>> {
        if dir.is_empty() {
            return Ok(self.root.as_fd());
        }
        if self.last.as_ref().is_none_or(|(path, _)| path != dir) {
            let fd = open_inside(self.root.as_fd(), dir, DIRECTORY)?;
            self.last = Some((dir.to_vec(), fd));
        }
        match &self.last {
            Some((_, fd)) => Ok(fd.as_fd()),
            None => Ok(self.root.as_fd()),
        }
    }

    /// The directory that holds `path`, and the name in it.
    pub fn parent<'p>(&mut self, path: &'p [u8]) -> io::Result<(BorrowedFd<'_>, &'p [u8])> {
        Ok((self.dir(path::parent(path))?, path::name(path)))
    }

    /// Removes what is at `path`, and all below it. Nothing there is no error.
    pub fn remove(&mut self, path: &[u8]) -> io::Result<()> {
        // It may be the directory that is open, or one above it.
        self.last = None;
        let (dir, name) = self.parent(path)?;
        remove_in(dir, name)
    }
}

fn open_inside(dir: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    openat2(dir, path, flags, Mode::empty(), INSIDE).map_err(explained)
}

/// An error of `openat2` that is about the call itself, which never refuses these flags with `EPERM`, says so.
fn explained(errno: Errno) -> io::Error {
    match errno {
        Errno::NOSYS | Errno::PERM => io::Error::new(
            io::ErrorKind::Unsupported,
            "the system call `openat2` is refused; it needs Linux 5.6, and a container whose seccomp profile knows it",
        ),
        other => other.into(),
    }
}

fn remove_in(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    // One directory is open at a time, whatever the depth is: what it holds is moved out of the recursion by names.
    let mut names: Vec<Vec<u8>> = vec![name.to_vec()];
    while let Some(path) = names.last().cloned() {
        match unlinkat(dir, &path[..], AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {
                names.pop();
                continue;
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let inside = open_inside(dir, &path, flags)?;
        for entry in Dir::read_from(&inside)? {
            let entry = entry?;
            let child = entry.file_name().to_bytes();
            if child == b"." || child == b".." {
                continue;
            }
            match unlinkat(&inside, child, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::ISDIR | Errno::PERM) => names.push(path::join(&path, child)),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Says whether `name` in `dir` is a directory; a link to one is not.
pub(crate) fn is_dir(dir: BorrowedFd<'_>, name: &[u8]) -> bool {
    statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_refused_call_is_told_from_a_refused_path() {
        assert!(explained(Errno::NOSYS).to_string().contains("openat2"));
        assert_eq!(explained(Errno::LOOP).raw_os_error(), Some(Errno::LOOP.raw_os_error()));
    }

    #[test]
    fn links_do_not_lead_out() {
        let outside = tempfile::tempdir().expect("a directory");
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(dir.path().join("a/b/c")).expect("made");
        fs::create_dir(outside.path().join("kept")).expect("made");
        symlink(outside.path(), dir.path().join("a/out")).expect("made");
        symlink("b", dir.path().join("a/in")).expect("made");
        let mut rooted = Rooted::open(dir.path()).expect("opened");
        assert!(rooted.dir(b"a/b").is_ok());
        for path in [&b"a/out"[..], b"a/out/kept", b"a/in", b"..", b"a/../..", b"/"] {
            assert!(rooted.dir(path).is_err(), "{}", path::display(path));
        }
        rooted.remove(b"a").expect("removed");
        rooted.remove(b"a").expect("nothing there is no error");
        assert!(!dir.path().join("a").exists() && outside.path().join("kept").exists());
    }
}
