//! What a process changed, as a tree: the upper directory of an overlay, read. Knows nothing of the layers below it.
//!
//! Overlay writes three things in its own way: a whiteout is a character device 0:0, a directory that hides what is
//! below it carries the `opaque` attribute, and its other attributes are its own business ([`crate::xattr`] leaves
//! them out). Renamed directories and metadata-only copies are never switched on, so a file in the upper directory
//! is whole. Names of one file are found by its inode. Sockets belong to processes that are gone, and are removed.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci::ContentDigest;
use oci::tree::{Entry, Kind, Meta, Mtime, Tree, TreeBuilder, TreeError, Xattr, path};
use rayon::prelude::*;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Statx, StatxFlags};
use rustix::io::Errno;

const NAMES_BUFFER: usize = 16 << 10;
const BUFFER: usize = 128 << 10;
/// Fewer files than this are not worth a second thread.
const FEW: usize = 16;

/// Why a layer could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error("cannot open the layer `{}`", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot {action} `{path}` of the new layer")]
    Read { action: &'static str, path: String, source: io::Error },
    #[error("what the step made cannot be a layer")]
    Tree(#[from] TreeError),
}

/// The tree of the layer whose directory is `fs`.
pub fn capture(fs: &Path) -> Result<Tree, CaptureError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(fs, flags, Mode::empty())
        .map_err(|errno| CaptureError::Open { path: fs.to_owned(), source: errno.into() })?;
    let mut walk = Walk::default();
    walk.dir(&root, &mut Vec::new())?;
    let Walk { mut entries, files, .. } = walk;
    let read: Vec<(usize, FileParts)> = if files.len() < FEW {
        let mut buffer = vec![0; BUFFER];
        files
            .iter()
            .map(|&at| Ok((at, read_file(&root, &entries[at].path, &mut buffer)?)))
            .collect::<Result<_, CaptureError>>()?
    } else {
        let read = |buffer: &mut Vec<u8>, &at: &usize| Ok((at, read_file(&root, &entries[at].path, buffer)?));
        files.par_iter().map_init(|| vec![0; BUFFER], read).collect::<Result<_, CaptureError>>()?
    };
    for (at, parts) in read {
        entries[at].kind = Kind::File { size: parts.size, content: parts.content };
        entries[at].meta.xattrs = parts.xattrs;
    }
    let mut tree = TreeBuilder::new();
    for entry in entries {
        tree.push(entry)?;
    }
    Ok(tree.build()?)
}

/// What has been found so far.
#[derive(Default)]
struct Walk {
    entries: Vec<Entry>,
    /// Which of the entries are files, to be read.
    files: Vec<usize>,
    /// The first name that was found of each file with several.
    linked: BTreeMap<(u64, u64), Box<[u8]>>,
}

struct FileParts {
    size: u64,
    content: ContentDigest,
    xattrs: Vec<Xattr>,
}

impl Walk {
    fn dir(&mut self, fd: &OwnedFd, path: &mut Vec<u8>) -> Result<(), CaptureError> {
        let mut buffer = vec![MaybeUninit::uninit(); NAMES_BUFFER];
        let mut names = RawDir::new(fd, &mut buffer);
        let mut found = Vec::new();
        while let Some(name) = names.next() {
            let name = name.map_err(failed("list", path))?.file_name().to_owned();
            if !matches!(name.to_bytes(), b"." | b"..") {
                found.push(name);
            }
        }
        // So that the first name found of a file is the first in the tree.
        found.sort_unstable();
        let length = path.len();
        for name in found {
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name.to_bytes());
            self.entry(fd.as_fd(), &name, path)?;
            path.truncate(length);
        }
        Ok(())
    }

    fn entry(&mut self, dir: BorrowedFd<'_>, name: &CStr, path: &mut Vec<u8>) -> Result<(), CaptureError> {
        let stat = rustix::fs::statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)
            .map_err(failed("stat", path))?;
        let (major, minor) = (stat.stx_rdev_major, stat.stx_rdev_minor);
        let mut meta = meta_of(&stat);
        let kind = match FileType::from_raw_mode(stat.stx_mode.into()) {
            FileType::RegularFile => {
                let inode = (rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino);
                match self.linked.get(&inode).filter(|_| stat.stx_nlink > 1) {
                    Some(target) => Kind::HardLink { target: target.clone() },
                    None => {
                        if stat.stx_nlink > 1 {
                            self.linked.insert(inode, path.as_slice().into());
                        }
                        self.files.push(self.entries.len());
                        // Until it is read.
                        Kind::File { size: stat.stx_size, content: ContentDigest::from_bytes([0; 32]) }
                    }
                }
            }
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(dir, name, flags, Mode::empty()).map_err(failed("open", path))?;
                meta.xattrs = crate::xattr::of(fd.as_fd()).map_err(failed("read the attributes of", path))?;
                let kind = Kind::Dir { opaque: crate::xattr::is_opaque(fd.as_fd()) };
                self.entries.push(Entry { path: path.as_slice().into(), kind, meta });
                return self.dir(&fd, path);
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(dir, name, Vec::new()).map_err(failed("read the link", path))?;
                Kind::Symlink { target: target.into_bytes().into() }
            }
            FileType::CharacterDevice if (major, minor) == (0, 0) => Kind::Whiteout,
            FileType::CharacterDevice => Kind::CharDevice { major, minor },
            FileType::BlockDevice => Kind::BlockDevice { major, minor },
            FileType::Fifo => Kind::Fifo,
            FileType::Socket | FileType::Unknown => {
                return rustix::fs::unlinkat(dir, name, AtFlags::empty()).map_err(failed("remove the socket", path));
            }
        };
        self.entries.push(Entry { path: path.as_slice().into(), kind, meta });
        Ok(())
    }
}

fn meta_of(stat: &Statx) -> Meta {
    let (uid, gid) = crate::owner::recorded(stat.stx_uid, stat.stx_gid);
    Meta {
        mode: u32::from(stat.stx_mode) & 0o7777,
        uid,
        gid,
        mtime: Mtime { secs: stat.stx_mtime.tv_sec, nanos: stat.stx_mtime.tv_nsec },
        xattrs: Vec::new(),
    }
}

fn read_file(root: &OwnedFd, path: &[u8], buffer: &mut [u8]) -> Result<FileParts, CaptureError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(root, path, flags, Mode::empty()).map_err(failed("open", path))?;
    let mut hasher = blake3::Hasher::new();
    let mut size = 0;
    loop {
        match rustix::io::read(&file, &mut *buffer) {
            Ok(0) => break,
            Ok(length) => {
                hasher.update(&buffer[..length]);
                size += length as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(failed("read", path)(errno)),
        }
    }
    let xattrs = crate::xattr::of(file.as_fd()).map_err(failed("read the attributes of", path))?;
    Ok(FileParts { size, content: ContentDigest::from_bytes(*hasher.finalize().as_bytes()), xattrs })
}

fn failed(action: &'static str, path: &[u8]) -> impl FnOnce(Errno) -> CaptureError {
    let path = path::display(path);
    move |errno| CaptureError::Read { action, path, source: errno.into() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn an_upper_directory_is_read() {
        let dir = tempfile::TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("d/sub")).unwrap();
        fs::write(at("d/a"), "one").unwrap();
        fs::hard_link(at("d/a"), at("d/sub/b")).unwrap();
        fs::write(at("d-x"), "").unwrap();
        fs::set_permissions(at("d-x"), fs::Permissions::from_mode(0o4711)).unwrap();
        symlink("a", at("l")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(at("s")).unwrap());
        if rustix::process::geteuid().is_root() {
            rustix::fs::mknodat(rustix::fs::CWD, at("gone"), FileType::CharacterDevice, Mode::empty(), 0).unwrap();
            let fd = rustix::fs::open(at("d/sub"), OFlags::RDONLY, Mode::empty()).unwrap();
            crate::xattr::set_opaque(fd.as_fd()).unwrap();
        }
        let tree = capture(dir.path()).unwrap();
        let kind = |path: &str| tree.get(path.as_bytes()).map(|entry| entry.kind.clone());
        assert_eq!(kind("d/a"), Some(Kind::File { size: 3, content: ContentDigest::of(b"one") }));
        assert_eq!(kind("d/sub/b"), Some(Kind::HardLink { target: b"d/a".as_slice().into() }));
        assert_eq!(tree.get(b"d-x").unwrap().meta.mode, 0o4711);
        assert_eq!(kind("l"), Some(Kind::Symlink { target: b"a".as_slice().into() }));
        assert_eq!(kind("s"), None);
        assert!(!at("s").exists());
        assert_eq!(tree.get(b"d/a").unwrap().meta.mtime.secs, fs::metadata(at("d/a")).unwrap().mtime());
        if rustix::process::geteuid().is_root() {
            assert_eq!(kind("gone"), Some(Kind::Whiteout));
            assert_eq!(kind("d/sub"), Some(Kind::Dir { opaque: true }));
            assert!(tree.get(b"d/sub").unwrap().meta.xattrs.is_empty());
        }
    }

    #[test]
    fn many_files_are_read_in_parallel_to_the_same_tree() {
        let dir = tempfile::TempDir::new().unwrap();
        for i in 0..200 {
            fs::create_dir_all(dir.path().join(format!("d{}", i % 7))).unwrap();
            fs::write(dir.path().join(format!("d{}/f{i}", i % 7)), i.to_string()).unwrap();
        }
        let tree = capture(dir.path()).unwrap();
        assert_eq!(tree.len(), 207);
        assert_eq!(tree.get(b"d3/f10").unwrap().kind, Kind::File { size: 2, content: ContentDigest::of(b"10") });
        assert_eq!(tree.digest(), capture(dir.path()).unwrap().digest());
    }
}
