//! The layer at the very bottom of a sandbox's overlay: nothing but empty mountpoints. Knows not what is mounted there.
//!
//! `/proc`, `/etc/resolv.conf` or the target of a cache mount need something to be mounted on. Were it made in the
//! merged root, the step's upper layer would have it, and its parents, as if the step had made them. So a directory
//! that holds just the mountpoints of a spec lies below all layers: what a layer has hides it, what no layer has is
//! there. Such a directory is kept and shared by all runs with the same mountpoints; its name is their hash.
//! Where layers hide it (a parent that is a link, or was deleted), mountpoints are made in the root after all.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use super::error::SandboxError;
use super::spec::{MountKind, RunSpec};

/// What a mountpoint has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File,
}

/// The mountpoints of a spec, relative to the root.
pub fn mountpoints(spec: &RunSpec) -> BTreeMap<PathBuf, Kind> {
    let standard = ["/proc", "/sys", "/dev"].map(|path| (path, Kind::Directory));
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
    let mounted = ["proc", "sys", "dev"].iter().any(|top| plain.starts_with(top));
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
