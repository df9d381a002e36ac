//! Makes trees of entries that come in any order. Knows no disk and no tar.
//!
//! 1. Each entry is checked and brought to its one form when it is pushed.
//! 2. Entries are sorted; of two at one path the later one stays.
//! 3. Directories that paths imply are added. What is no directory must hold nothing.
//! 4. Of the names of one file, the first becomes the `File` and the others hard links to it. A hard link to
//!    something else than a file (tar can say that of a symbolic link) becomes a copy of it.

use super::path::{self, BadPath};
use super::{Entry, Kind, Meta, Tree, Xattr};

/// The kernel's `XATTR_SIZE_MAX`.
pub const MAX_XATTR_VALUE: usize = 64 << 10;
/// The kernel's `XATTR_NAME_MAX`.
pub const MAX_XATTR_NAME: usize = 255;
/// Entries in one tree.
pub const MAX_ENTRIES: usize = 10_000_000;
/// Bytes of all paths of one tree together: what keeps a tree of very deep paths within the memory of a machine.
pub const MAX_PATH_BYTES: usize = 1 << 30;
/// Hard links that name hard links, one after the other, before a file comes.
const MAX_LINK_HOPS: usize = 64;

/// Why entries are no tree.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TreeError {
    #[error("the path `{path}` cannot be in a layer: {reason}")]
    Path { path: String, reason: BadPath },
    #[error("`{path}` holds `{child}`, but is no directory")]
    NotADirectory { path: String, child: String },
    #[error("the hard link `{path}` names `{target}`, which is no file of the same layer")]
    HardLink { path: String, target: String },
    #[error(
        "the target of the symbolic link `{path}` is empty, longer than {} bytes, or holds a NUL byte",
        path::MAX_PATH
    )]
    Symlink { path: String },
    #[error("the extended attribute `{name}` of `{path}` is larger than the kernel allows, or its name is not allowed")]
    Xattr { path: String, name: String },
    #[error("a layer can have {MAX_ENTRIES} entries at most, and {MAX_PATH_BYTES} bytes of paths")]
    TooMany,
}

/// Collects entries, and makes a [`Tree`] of them.
#[derive(Debug, Default)]
pub struct TreeBuilder {
    entries: Vec<Entry>,
}

impl TreeBuilder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry. It replaces one that was added before at the same path.
    pub fn push(&mut self, mut entry: Entry) -> Result<(), TreeError> {
        normalise(&mut entry)?;
        if self.entries.len() >= MAX_ENTRIES {
            return Err(TreeError::TooMany);
        }
        self.entries.push(entry);
        Ok(())
    }

    /// The tree of all entries that were added.
    pub fn build(mut self) -> Result<Tree, TreeError> {
        let in_order = |pair: &[Entry]| path::compare(&pair[0].path, &pair[1].path).is_lt();
        if !self.entries.windows(2).all(in_order) {
            self.entries.sort_by(|a, b| path::compare(&a.path, &b.path));
            keep_last(&mut self.entries);
        }
        let mut entries = add_implied(self.entries)?;
        settle_hard_links(&mut entries)?;
        let path_bytes: usize = entries.iter().map(|entry| entry.path.len()).sum();
        if entries.len() > MAX_ENTRIES || path_bytes > MAX_PATH_BYTES {
            return Err(TreeError::TooMany);
        }
        Ok(Tree::from_sorted(entries))
    }
}

impl Tree {
    /// Of entries that are known to be sorted, complete and checked.
    pub(crate) fn from_sorted(entries: Vec<Entry>) -> Self {
        let ends = ends(&entries);
        Self { entries, ends, digests: std::sync::OnceLock::new() }
    }
}

/// Checks what one entry says by itself, and brings it to its one form.
pub(crate) fn normalise(entry: &mut Entry) -> Result<(), TreeError> {
    path::check(&entry.path).map_err(|reason| TreeError::Path { path: entry.display(), reason })?;
    entry.meta.mode &= 0o7777;
    entry.meta.mtime.nanos = entry.meta.mtime.nanos.min(999_999_999);
    match &entry.kind {
        Kind::Symlink { target } => {
            if target.is_empty() || target.len() > path::MAX_PATH || target.contains(&0) {
                return Err(TreeError::Symlink { path: entry.display() });
            }
            entry.meta.mode = 0o777;
        }
        Kind::Whiteout => entry.meta = Meta::default(),
        Kind::File { .. }
        | Kind::HardLink { .. }
        | Kind::Dir { .. }
        | Kind::CharDevice { .. }
        | Kind::BlockDevice { .. }
        | Kind::Fifo => {}
    }
    if entry.meta.xattrs.is_empty() {
        return Ok(());
    }
    normalise_xattrs(&mut entry.meta.xattrs).map_err(|name| TreeError::Xattr {
        path: path::display(&entry.path),
        name: String::from_utf8_lossy(&name).into_owned(),
    })
}

fn normalise_xattrs(xattrs: &mut Vec<Xattr>) -> Result<(), Box<[u8]>> {
    xattrs.retain(|(name, _)| !is_overlays_own(name));
    for (name, value) in xattrs.iter() {
        let bad_name = name.is_empty() || name.len() > MAX_XATTR_NAME || name.contains(&0);
        if bad_name || value.len() > MAX_XATTR_VALUE {
            return Err(name.clone());
        }
    }
    xattrs.sort_by(|a, b| a.0.cmp(&b.0));
    xattrs.reverse();
    xattrs.dedup_by(|a, b| a.0 == b.0);
    xattrs.reverse();
    Ok(())
}

/// Says whether overlayfs keeps its own notes under this name: they are about layers, not in them.
pub fn is_overlays_own(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

/// Of several entries at one path, which are neighbours by now, the last.
fn keep_last(entries: &mut Vec<Entry>) {
    entries.dedup_by(|later, kept| {
        let same = later.path == kept.path;
        if same {
            std::mem::swap(later, kept);
        }
        same
    });
}

fn add_implied(entries: Vec<Entry>) -> Result<Vec<Entry>, TreeError> {
    let mut all: Vec<Entry> = Vec::with_capacity(entries.len());
    // The directories that hold the entry before, as indexes of `all`, outermost first.
    let mut open: Vec<usize> = Vec::new();
    for entry in entries {
        while open.last().is_some_and(|dir| !path::is_below(&entry.path, &all[*dir].path)) {
            open.pop();
        }
        let mut known = open.last().map_or(0, |dir| all[*dir].path.len() + 1);
        while let Some(slash) = entry.path[known..].iter().position(|byte| *byte == b'/') {
            let dir = &entry.path[..known + slash];
            // A non-directory at `dir` would be the entry just before: what is below it follows it at once.
            if all.last().is_some_and(|last| *last.path == *dir) {
                return Err(TreeError::NotADirectory { path: path::display(dir), child: entry.display() });
            }
            open.push(all.len());
            all.push(Entry::implied_dir(dir));
            known += slash + 1;
        }
        if entry.is_dir() {
            open.push(all.len());
        }
        all.push(entry);
    }
    Ok(all)
}

/// Brings each group of names of one file to its one form.
fn settle_hard_links(entries: &mut [Entry]) -> Result<(), TreeError> {
    let mut links = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if let Kind::HardLink { target } = &entry.kind {
            let file = find_file(entries, target)
                .ok_or_else(|| TreeError::HardLink { path: entry.display(), target: path::display(target) })?;
            links.push((file, index));
        }
    }
    links.sort_unstable();
    for group in links.chunk_by(|a, b| a.0 == b.0) {
        let (file, first_link) = group[0];
        let Entry { kind, meta, .. } = entries[file].clone();
        let names = group.iter().map(|(_, link)| *link);
        if !matches!(kind, Kind::File { .. }) {
            for link in names {
                entries[link].kind = kind.clone();
                entries[link].meta = meta.clone();
            }
            continue;
        }
        let first = file.min(first_link);
        let target = entries[first].path.clone();
        for name in names.chain([file]) {
            entries[name].kind = Kind::HardLink { target: target.clone() };
            entries[name].meta = meta.clone();
        }
        entries[first].kind = kind;
    }
    Ok(())
}

/// The index of what a hard link to `target` comes to in the end.
fn find_file(entries: &[Entry], target: &[u8]) -> Option<usize> {
    let mut target = target;
    for _ in 0..MAX_LINK_HOPS {
        let index = entries.binary_search_by(|entry| path::compare(&entry.path, target)).ok()?;
        match &entries[index].kind {
            Kind::HardLink { target: next } => target = next,
            Kind::Dir { .. } | Kind::Whiteout => return None,
            Kind::File { .. }
            | Kind::Symlink { .. }
            | Kind::CharDevice { .. }
            | Kind::BlockDevice { .. }
            | Kind::Fifo => return Some(index),
        }
    }
    None
}

fn ends(entries: &[Entry]) -> Vec<u32> {
    let index_of = |index: usize| u32::try_from(index).expect("a tree has at most ten million entries");
    let mut ends: Vec<u32> = (0..entries.len()).map(|index| index_of(index + 1)).collect();
    let mut open: Vec<usize> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        while let Some(dir) = open.last().copied().filter(|dir| !path::is_below(&entry.path, &entries[*dir].path)) {
            ends[dir] = index_of(index);
            open.pop();
        }
        if entry.is_dir() {
            open.push(index);
        }
    }
    for dir in open {
        ends[dir] = index_of(entries.len());
    }
    ends
}
