//! The check of one layer: its tree file, and whether its directory has exactly the entries of its tree. Knows no
//! database.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use oci::tree::{Entry, Kind};
use oci::{ContentDigest, LayerId, Tree};

use super::Depth;

/// What is wrong with the layer in `dir`, whose tree file had digest `sum`; the first thing found.
pub(super) fn what_is_wrong(dir: &Path, id: &LayerId, sum: &[u8], depth: Depth) -> Option<String> {
    check(dir, id, sum, depth).err()
}

fn check(dir: &Path, id: &LayerId, sum: &[u8], depth: Depth) -> Result<(), String> {
    let bytes = fs::read(dir.join("tree")).map_err(|error| format!("its tree cannot be read: {error}"))?;
    if ContentDigest::of(&bytes).as_bytes().as_slice() != sum {
        return Err("its tree is not what was written".to_owned());
    }
    let tree = Tree::from_bytes(&bytes).map_err(|error| error.to_string())?;
    match id {
        LayerId::Built(expected) if tree.digest() != *expected => {
            return Err(format!("its tree has digest `{}`", tree.digest()));
        }
        LayerId::Built(_) | LayerId::Pulled(_) => {}
    }
    check_files(&dir.join("fs"), &tree, depth)
}

/// Walks the directory: every entry must be in the tree, and there must be as many as there.
fn check_files(root: &Path, tree: &Tree, depth: Depth) -> Result<(), String> {
    let mut dirs: Vec<Vec<u8>> = vec![Vec::new()];
    let mut seen = 0;
    while let Some(dir) = dirs.pop() {
        let host = root.join(std::ffi::OsStr::from_bytes(&dir));
        for item in fs::read_dir(&host).map_err(|error| told(&dir, &error))? {
            let item = item.map_err(|error| told(&dir, &error))?;
            let name = item.file_name().into_vec();
            let path = if dir.is_empty() { name } else { [&dir[..], b"/", &name].concat() };
            let metadata = item.metadata().map_err(|error| told(&path, &error))?;
            let entry = tree.get(&path).ok_or_else(|| format!("`{}` is not in its tree", shown(&path)))?;
            check_entry(&item.path(), &metadata, entry, tree, depth)
                .map_err(|reason| format!("`{}` {reason}", shown(&path)))?;
            seen += 1;
            if metadata.is_dir() {
                dirs.push(path);
            }
        }
    }
    if seen == tree.len() {
        return Ok(());
    }
    let gone = tree.entries().iter().find(|entry| {
        let path = root.join(std::ffi::OsStr::from_bytes(&entry.path));
        fs::symlink_metadata(path).is_err()
    });
    Err(gone.map_or_else(|| "its files change".to_owned(), |entry| format!("`{}` is gone", entry.display())))
}

fn check_entry(host: &Path, metadata: &Metadata, entry: &Entry, tree: &Tree, depth: Depth) -> Result<(), String> {
    let told = |error: io::Error| format!("cannot be read: {error}");
    let kind = metadata.file_type();
    let numbers = || (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
    // A further name of a file is that file.
    let same = tree.file_of(entry);
    let is_that_kind = match &same.kind {
        Kind::File { .. } => kind.is_file(),
        Kind::HardLink { .. } => true,
        Kind::Dir { .. } => kind.is_dir(),
        Kind::Symlink { target } => {
            kind.is_symlink() && fs::read_link(host).map_err(told)?.as_os_str().as_bytes() == &**target
        }
        Kind::CharDevice { major, minor } => kind.is_char_device() && numbers() == (*major, *minor),
        Kind::BlockDevice { major, minor } => kind.is_block_device() && numbers() == (*major, *minor),
        Kind::Fifo => kind.is_fifo(),
        Kind::Whiteout => kind.is_char_device() && numbers() == (0, 0),
    };
    if !is_that_kind {
        return Err("is of another kind than in its tree".to_owned());
    }
    if matches!(entry.kind, Kind::Whiteout) {
        return Ok(());
    }
    let mode = if kind.is_symlink() { same.meta.mode } else { metadata.mode() & 0o7777 };
    if mode != same.meta.mode {
        return Err(format!("has mode {mode:o} instead of {:o}", same.meta.mode));
    }
    // Only root can give files away; for anybody else the owners are in the tree alone.
    let is_root = rustix::process::geteuid().is_root();
    if is_root && (metadata.uid(), metadata.gid()) != (same.meta.uid, same.meta.gid) {
        let (uid, gid) = (metadata.uid(), metadata.gid());
        return Err(format!("belongs to {uid}:{gid} instead of {}:{}", same.meta.uid, same.meta.gid));
    }
    if let Kind::File { size, content } = &same.kind {
        if metadata.len() != *size {
            return Err(format!("has {} bytes instead of {size}", metadata.len()));
        }
        if depth == Depth::Contents && hash(host).map_err(told)? != *content {
            return Err("has other contents than in its tree".to_owned());
        }
    }
    Ok(())
}

fn hash(path: &Path) -> io::Result<ContentDigest> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(ContentDigest::from_bytes(*hasher.finalize().as_bytes()))
}

fn told(path: &[u8], error: &io::Error) -> String {
    format!("`{}` cannot be read: {error}", shown(path))
}

fn shown(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path).escape_debug())
}
