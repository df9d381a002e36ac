//! The layer at the very bottom of a sandbox's overlay: nothing but empty mountpoints. Knows not what is mounted there.
//!
//! `/proc`, `/etc/resolv.conf` or the target of a cache mount need something to be mounted on. Were it made in the
//! merged root, the step's upper layer would have it, and its parents, as if the step had made them. So a directory
//! that holds just the mountpoints of a spec lies below all layers: what a layer has hides it, what no layer has is
//! there. Such a directory is kept and shared by all runs with the same mountpoints; its name is their hash.
//! Where layers hide it (a parent that is a link, or was deleted), mountpoints are made in the root after all.
//!
//! Two rules of BuildKit's stay: `/proc`, `/sys` and `/dev` are left in a root that had none ([`make_standard`]), and a
//! mountpoint of its own that a step changed the owner or mode of is not ([`remove_empty`]).

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::error::SandboxError;
use super::spec::{MountKind, RunSpec};

/// What a mountpoint has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File,
}

/// What every root has to have.
const STANDARD: [&str; 3] = ["proc", "sys", "dev"];

/// Makes those of the standard mountpoints in a step's layer that no layer below has.
pub fn make_standard(upper: &Path, is_below: impl Fn(&Path) -> bool) -> Result<(), SandboxError> {
    let time = Timespec { tv_sec: 0, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    for path in STANDARD.map(Path::new).into_iter().filter(|path| !is_below(path)) {
        let at = upper.join(path);
        let made = directory(&at)
            .and_then(|()| Ok(rustix::fs::utimensat(rustix::fs::CWD, &at, &times, AtFlags::SYMLINK_NOFOLLOW)?));
        made.map_err(|source| SandboxError::Prepare { path: at, source })?;
    }
    Ok(())
}

/// Takes out of a step's layer the mountpoints that it was given, and the directories to them, where no layer below has
/// them and nothing is in them: the overlay copied them up because the step changed their owner or mode.
pub fn remove_empty(
    upper: &Path,
    mountpoints: &BTreeMap<PathBuf, Kind>,
    is_below: impl Fn(&Path) -> bool,
) -> Result<(), SandboxError> {
    let failed = |path: &Path, errno: Errno| SandboxError::Prepare { path: upper.join(path), source: errno.into() };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(upper, flags, Mode::empty()).map_err(|errno| failed(Path::new(""), errno))?;
    for mountpoint in mountpoints.keys() {
        let own = |path: &&Path| !path.as_os_str().is_empty() && !STANDARD.map(Path::new).contains(path);
        for path in mountpoint.ancestors().take_while(own).take_while(|path| !is_below(path)) {
            match remove_one(&root, path) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR | Errno::LOOP) => break,
                Err(errno) => return Err(failed(path, errno)),
            }
        }
    }
    Ok(())
}

/// Removes an empty directory or file; its directory keeps its time.
fn remove_one(root: &OwnedFd, path: &Path) -> rustix::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (flags, resolve) = (OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, ResolveFlags::BENEATH);
    let dir = rustix::fs::openat2(root, parent, flags, Mode::empty(), resolve | ResolveFlags::NO_SYMLINKS)?;
    let name = path.file_name().unwrap_or_default();
    let before = rustix::fs::fstat(&dir)?;
    let stat = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => rustix::fs::unlinkat(&dir, name, AtFlags::REMOVEDIR)?,
        FileType::RegularFile if stat.st_size == 0 => rustix::fs::unlinkat(&dir, name, AtFlags::empty())?,
        _ => return Err(Errno::NOTEMPTY),
    }
    let time = |secs, nanos| Timespec { tv_sec: secs, tv_nsec: nanos };
    let times = Timestamps {
        last_access: time(before.st_atime, before.st_atime_nsec as _),
        last_modification: time(before.st_mtime, before.st_mtime_nsec as _),
    };
    rustix::fs::futimens(&dir, &times)
}

/// The mountpoints of a spec, relative to the root.
pub fn mountpoints(spec: &RunSpec) -> BTreeMap<PathBuf, Kind> {
    let standard = STANDARD.map(|path| (path, Kind::Directory));
    let files = spec.files.iter().map(|file| (file.target.as_str(), Kind::File));
    let mounts = spec.mounts.iter().map(|mount| (mount.target.as_str(), kind_of(&mount.kind)));
    let all = standard.into_iter().chain(files).chain(mounts);
    all.filter_map(|(path, kind)| Some((plain(path)?, kind))).collect()
}

/// A bind mount's target is what its source is.
pub fn kind_of(mount: &MountKind) -> Kind {
    match mount {
        MountKind::Bind { source } if fs::metadata(source).is_ok_and(|meta| !meta.is_dir()) => Kind::File,
        MountKind::Bind { .. } | MountKind::Tmpfs { .. } => Kind::Directory,
        MountKind::File { .. } => Kind::File,
    }
}

/// The path in the root, unless it goes through `..` or into what is mounted anyway.
fn plain(path: &str) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => plain.push(name),
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    let depth = plain.components().count();
    let mounted = STANDARD.iter().any(|top| plain.starts_with(top));
    (depth == 1 || depth > 1 && !mounted).then_some(plain)
}

/// Makes the directory, if it is not there already: whole, or not at all.
pub fn prepare(stub: &Path, mountpoints: &BTreeMap<PathBuf, Kind>) -> Result<(), SandboxError> {
    let failed = |source| SandboxError::Prepare { path: stub.to_owned(), source };
    if stub.exists() {
        return Ok(());
    }
    let begun = stub.with_extension(format!("{}-{:?}", std::process::id(), std::thread::current().id()));
    fill(&begun, mountpoints).map_err(failed)?;
    match fs::rename(&begun, stub) {
        Ok(()) => Ok(()),
        // Someone else was quicker.
        Err(_) if stub.exists() => fs::remove_dir_all(&begun).map_err(failed),
        Err(source) => Err(failed(source)),
    }
}

/// The name of the directory for these mountpoints.
pub fn name(mountpoints: &BTreeMap<PathBuf, Kind>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (path, kind) in mountpoints {
        hasher.update(path.as_os_str().as_encoded_bytes());
        hasher.update(match kind {
            Kind::Directory => b"\0d",
            Kind::File => b"\0f",
        });
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

fn fill(stub: &Path, mountpoints: &BTreeMap<PathBuf, Kind>) -> io::Result<()> {
    directory(stub)?;
    for (path, kind) in mountpoints {
        let mut at = stub.to_owned();
        for component in path.parent().into_iter().flat_map(Path::components) {
            at.push(component);
            directory(&at)?;
        }
        let at = stub.join(path);
        match kind {
            Kind::Directory => directory(&at)?,
            // A file that is a directory for another mountpoint fails where it is mounted, and is named there.
            Kind::File if at.exists() => {}
            Kind::File => {
                fs::write(&at, b"")?;
                fs::set_permissions(&at, Permissions::from_mode(0o644))?;
            }
        }
    }
    Ok(())
}

fn directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o755)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // The parent is a file for another mountpoint.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_outside_of_what_is_mounted() {
        let cases = [
            ("/etc/hosts", Some("etc/hosts")),
            ("/root/.cache/", Some("root/.cache")),
            ("/proc", Some("proc")),
            ("/proc/x", None),
            ("/dev/shm", None),
            ("/a/../../etc", None),
            ("/", None),
        ];
        for (path, expected) in cases {
            assert_eq!(plain(path).as_deref(), expected.map(Path::new), "{path}");
        }
    }

    #[test]
    fn what_is_left_of_mountpoints() {
        let dir = tempfile::tempdir().unwrap();
        make_standard(dir.path(), |path| path == Path::new("sys")).unwrap();
        assert!(dir.path().join("proc").is_dir() && dir.path().join("dev").is_dir());
        assert!(!dir.path().join("sys").exists());
        for path in ["a/b/c", "d/e", "f/g", "h"] {
            fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        fs::write(dir.path().join("f/x"), "").unwrap();
        std::os::unix::fs::symlink("h", dir.path().join("l")).unwrap();
        let targets = ["a/b/c", "d/e", "f/g", "l/z", "none/x", "proc"];
        let mountpoints = targets.map(|path| (path.into(), Kind::Directory)).into();
        remove_empty(dir.path(), &mountpoints, |path| path == Path::new("d/e")).unwrap();
        let left = |path: &str| dir.path().join(path).exists();
        assert!(!left("a") && left("d/e") && left("f/x") && !left("f/g") && left("h") && left("l") && left("proc"));
    }

    #[test]
    fn is_made_once_and_holds_the_mountpoints() {
        let dir = tempfile::tempdir().unwrap();
        let points = BTreeMap::from([("proc".into(), Kind::Directory), ("etc/hosts".into(), Kind::File)]);
        let stub = dir.path().join(name(&points));
        prepare(&stub, &points).unwrap();
        prepare(&stub, &points).unwrap();
        assert!(stub.join("proc").is_dir() && stub.join("etc/hosts").is_file());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
