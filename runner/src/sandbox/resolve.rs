//! Finds a path inside a root that others may have filled with traps, and makes what is missing of it.
//! Knows nothing of mounts.
//!
//! The path is walked one name at a time, from descriptor to descriptor, no link ever followed by the kernel: a link's
//! text is put in front of what is left of the path, an absolute one starts again at the root, and `..` takes the
//! descriptor that was had before, at the root the root. So whatever else changes the tree meanwhile, nothing outside
//! of it can be reached. When all is there and no one plays tricks, one `openat2` does the same.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, readlinkat, statx};
use rustix::io::Errno;

use super::stub::Kind;

const FLAGS: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
const MOST_LINKS: u32 = 40;

/// What is at `path`, all links taken inside of `root`.
pub fn inside(root: BorrowedFd<'_>, path: &str) -> io::Result<OwnedFd> {
    Ok(openat2(root, path, FLAGS, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)?)
}

/// What is at `path` when no link is on the way, and nothing otherwise.
pub fn plainly(root: BorrowedFd<'_>, path: &str) -> io::Result<OwnedFd> {
    Ok(openat2(root, path, FLAGS, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS)?)
}

/// Like `inside`, and makes what is missing; what was made is added to `made`, outermost first.
pub fn ensure(root: BorrowedFd<'_>, path: &str, kind: Kind, made: &mut Vec<PathBuf>) -> io::Result<OwnedFd> {
    match inside(root, path) {
        // Missing, or renamed under our feet.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EAGAIN)) => {
            Walk::new(root, path)?.run(kind, made)
        }
        found => found,
    }
}

struct Walk {
    /// The directories from the root to where we are, with their names.
    open: Vec<(OsString, OwnedFd)>,
    left: VecDeque<OsString>,
    links: u32,
}

impl Walk {
    fn new(root: BorrowedFd<'_>, path: &str) -> io::Result<Walk> {
        let root = root.try_clone_to_owned()?;
        let mut walk = Walk { open: vec![(OsString::new(), root)], left: VecDeque::new(), links: 0 };
        walk.prepend(OsStr::new(path));
        Ok(walk)
    }

    fn run(mut self, kind: Kind, made: &mut Vec<PathBuf>) -> io::Result<OwnedFd> {
        while let Some(name) = self.left.pop_front() {
            if name == ".." {
                if self.open.len() > 1 {
                    self.open.pop();
                }
                continue;
            }
            let missing = if self.left.is_empty() { kind } else { Kind::Directory };
            let found = match openat(self.here()?, &name, FLAGS | OFlags::NOFOLLOW, Mode::empty()) {
                Ok(found) => found,
                Err(Errno::NOENT) => self.make(&name, missing, made)?,
                Err(error) => return Err(error.into()),
            };
            if is_link(&found)? {
                self.follow(&found)?;
            } else {
                self.open.push((name, found));
            }
        }
        self.open.pop().map(|(_, fd)| fd).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
    }

    fn here(&self) -> io::Result<BorrowedFd<'_>> {
        self.open.last().map(|(_, fd)| fd.as_fd()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
    }

    fn make(&self, name: &OsStr, kind: Kind, made: &mut Vec<PathBuf>) -> io::Result<OwnedFd> {
        let here = self.here()?;
        match kind {
            Kind::Directory => mkdirat(here, name, Mode::from_raw_mode(0o755))?,
            Kind::File => {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                drop(openat(here, name, flags, Mode::from_raw_mode(0o644))?);
            }
        }
        let mut path: PathBuf = self.open.iter().map(|(name, _)| name).collect();
        path.push(name);
        made.push(path);
        Ok(openat(here, name, FLAGS | OFlags::NOFOLLOW, Mode::empty())?)
    }

    fn follow(&mut self, link: &OwnedFd) -> io::Result<()> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(io::Error::from_raw_os_error(libc::ELOOP));
        }
        let text = OsString::from_vec(readlinkat(link, "", Vec::new())?.into_bytes());
        if text.as_bytes().starts_with(b"/") {
            self.open.truncate(1);
        }
        self.prepend(&text);
        Ok(())
    }

    fn prepend(&mut self, path: &OsStr) {
        for component in Path::new(path).components().rev() {
            match component {
                Component::Normal(name) => self.left.push_front(name.to_owned()),
                Component::ParentDir => self.left.push_front("..".into()),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
    }
}

fn is_link(fd: &OwnedFd) -> io::Result<bool> {
    Ok(file_type(fd.as_fd())? == FileType::Symlink)
}

pub fn file_type(fd: BorrowedFd<'_>) -> io::Result<FileType> {
    let found = statx(fd, "", rustix::fs::AtFlags::EMPTY_PATH, rustix::fs::StatxFlags::TYPE)?;
    Ok(FileType::from_raw_mode(u32::from(found.stx_mode)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn made(root: &Path, path: &str, kind: Kind) -> io::Result<Vec<PathBuf>> {
        let fd = fs::File::open(root)?;
        let mut made = Vec::new();
        ensure(fd.as_fd(), path, kind, &mut made)?;
        Ok(made)
    }

    #[test]
    fn makes_what_is_missing_and_tells() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(made(dir.path(), "/a/b/c", Kind::File).unwrap(), ["a", "a/b", "a/b/c"].map(PathBuf::from));
        assert!(dir.path().join("a/b/c").is_file());
        assert!(made(dir.path(), "/a/b", Kind::Directory).unwrap().is_empty());
        assert_eq!(made(dir.path(), "/x/../y/", Kind::Directory).unwrap(), ["x", "y"].map(PathBuf::from));
    }

    #[test]
    fn links_never_lead_out() {
        let outside = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        symlink(outside.path(), dir.path().join("absolute")).unwrap();
        symlink("../../../../../../up", dir.path().join("relative")).unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        made(dir.path(), "/absolute/x", Kind::Directory).unwrap();
        assert_eq!(made(dir.path(), "/relative/y", Kind::Directory).unwrap(), ["up", "up/y"].map(PathBuf::from));
        assert!(made(dir.path(), "/loop/x", Kind::Directory).is_err());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        let inner = dir.path().join(outside.path().strip_prefix("/").unwrap()).join("x");
        assert!(inner.is_dir(), "the link's path, inside the root");
    }
}
