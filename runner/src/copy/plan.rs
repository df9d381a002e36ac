//! The actions of a file op, done on a draft. Pure but for what the source's listing reads.
//!
//! The rules are those of BuildKit's file op (`solver/llbsolver/file`) and of `tonistiigi/fsutil/copy`:
//!
//! 1. A destination that ends in `/` is made; else the directory it is in. New directories are 0755 (or `--chmod`'s
//!    digits) and belong to root (or `--chown`), or as `mkdir` makes them below one with the set-group-ID bit.
//! 2. Links in the destination are followed inside the root; in the source, only the path itself, and only when asked.
//! 3. A directory goes *into* a destination that exists, unless its contents alone are copied; so does a file if the
//!    destination is a directory.
//! 4. A directory that exists keeps its attributes if it is the destination itself, and takes the source's below it.
//! 5. A file takes the place of anything but a directory; a directory takes the place of nothing but a directory;
//!    `replace_existing` lifts both.

use std::collections::BTreeMap;

use graph::op::{Copy, FileAction};
use oci::ContentDigest;
use oci::tree::{Meta, Mtime, Xattr};

use super::draft::{Dir, Draft, File, FileId, Found, Item, NewDir, add_file};
use super::listing::{FileNode, LinkId, Listing, Lookup, Node, NodeKind, Place};
use super::mode::Chmod;
use super::path::{self, LastLink};
use super::pattern::Patterns;
use super::select::{Filter, Selected, expand, select};
use super::{Archive, Bytes, CopyError, Ids, Sources};

const LINK_MODE: u32 = 0o777;

/// Does `action` on `draft`.
pub fn act(
    draft: &mut Draft<'_>,
    action: &FileAction,
    sources: &Sources<'_>,
    archives: &mut Vec<Archive>,
) -> Result<(), CopyError> {
    match action {
        FileAction::Copy(copy) => copy_all(draft, copy, sources, archives),
        FileAction::Mkdir { path, mode, make_parents, owner, mtime } => {
            let at = path::resolve(draft, path.as_bytes(), LastLink::Follow)?;
            if !make_parents {
                let parent = path::parent(&at);
                draft.lookup(parent)?.ok_or_else(|| CopyError::Missing { path: path::show(parent) })?;
                if draft.lookup(&at)?.is_some() {
                    return Ok(());
                }
            }
            let ids = sources.ids(owner.as_ref())?;
            draft.make_dirs(&at, new_dir(mode & 0o777, ids, *mtime))
        }
        FileAction::Mkfile { path, mode, contents, owner, mtime } => {
            let new = Meta { mode: mode & 0o777, mtime: time(*mtime).unwrap_or_default(), ..Meta::default() };
            make_file(draft, path, contents, new, sources.ids(owner.as_ref())?)
        }
        FileAction::Symlink { target, link, owner, mtime } => {
            let at = path::resolve(draft, link.as_bytes(), LastLink::Follow)?;
            if draft.lookup(&at)?.is_some() {
                return Err(CopyError::Exists { path: path::show(&at) });
            }
            let ids = sources.ids(owner.as_ref())?.unwrap_or_default();
            let meta = Meta {
                mode: LINK_MODE,
                uid: ids.uid,
                gid: ids.gid,
                mtime: time(*mtime).unwrap_or_default(),
                xattrs: Vec::new(),
            };
            let node = Node { kind: NodeKind::Symlink { target: target.as_bytes().into() }, meta };
            draft.dir(path::parent(&at))?.insert(path::base(&at), Item::other(node));
            Ok(())
        }
        FileAction::Rm { path, allow_not_found, allow_wildcard } => {
            remove(draft, path, *allow_not_found, *allow_wildcard)
        }
    }
}

fn make_file(draft: &mut Draft<'_>, path: &str, contents: &[u8], new: Meta, ids: Option<Ids>) -> Result<(), CopyError> {
    let at = path::resolve(draft, path.as_bytes(), LastLink::Follow)?;
    let mut meta = match draft.lookup(&at)? {
        Some(node) if matches!(node.kind, NodeKind::File(_)) => Meta { mtime: new.mtime, ..node.meta },
        Some(_) => return Err(CopyError::OverDirectory { path: path::show(&at) }),
        None => new,
    };
    if let Some(ids) = ids {
        (meta.uid, meta.gid) = (ids.uid, ids.gid);
    }
    let file = File {
        meta,
        size: contents.len() as u64,
        content: Some(ContentDigest::of(contents)),
        bytes: Bytes::Inline(contents.into()),
    };
    let id = draft.add_file(file);
    draft.dir(path::parent(&at))?.insert(path::base(&at), Item::File(id));
    Ok(())
}

fn remove(draft: &mut Draft<'_>, path: &str, allow_not_found: bool, allow_wildcard: bool) -> Result<(), CopyError> {
    let paths = match (allow_wildcard, draft.base) {
        (true, Some(base)) => expand(base, path, LastLink::Keep)?,
        (true, None) | (false, _) => vec![path::clean(path.as_bytes())],
    };
    for path in paths {
        if path.is_empty() {
            return Err(CopyError::RemoveRoot);
        }
        let at = path::resolve(draft, &path, LastLink::Keep)?;
        if !allow_not_found && draft.lookup(&path::resolve(draft, &path, LastLink::Follow)?)?.is_none() {
            return Err(CopyError::Missing { path: path::show(&path) });
        }
        draft.remove(&at)?;
    }
    Ok(())
}

fn copy_all(
    draft: &mut Draft<'_>,
    copy: &Copy,
    sources: &Sources<'_>,
    archives: &mut Vec<Archive>,
) -> Result<(), CopyError> {
    let listing = sources.listing(copy.from, draft.base)?;
    let last = if copy.follow_symlinks { LastLink::Follow } else { LastLink::Keep };
    if !copy.create_dest_path {
        let dest = path::resolve(draft, copy.dest.as_bytes(), LastLink::Follow)?;
        let parent = path::parent(&dest);
        draft.lookup(parent)?.ok_or_else(|| CopyError::Missing { path: path::show(parent) })?;
    }
    let matches =
        if copy.allow_wildcard { expand(listing, &copy.src, last)? } else { vec![path::clean(copy.src.as_bytes())] };
    if matches.is_empty() && !copy.allow_empty_wildcard {
        return Err(CopyError::not_found(listing, &copy.src, &path::clean(copy.src.as_bytes())));
    }
    let filter =
        Filter { include: Patterns::new(&copy.include_patterns)?, exclude: Patterns::new(&copy.exclude_patterns)? };
    let ids = sources.ids(copy.owner.as_ref())?;
    let chmod = copy.mode.as_ref().map(Chmod::new).transpose()?;
    for src in matches {
        let at = path::resolve(listing, &src, last)?;
        let node = listing.lookup(&at)?.ok_or_else(|| CopyError::not_found(listing, &copy.src, &at))?;
        check_required(copy, listing, &at)?;
        if copy.unpack_archives
            && let Some(bytes) = sources.archive(copy, &at, &node)?
        {
            let dest = path::resolve(draft, copy.dest.as_bytes(), LastLink::Follow)?;
            draft.make_dirs(&dest, new_dir(0o755, ids, copy.mtime))?;
            match (sources.unpacked)(&bytes) {
                Some(unpacked) => copy_unpacked(draft, copy, unpacked, ids)?,
                None => archives.push(Archive { bytes }),
            }
            continue;
        }
        let one = One { copy, listing, ids, chmod: chmod.as_ref(), filter: &filter };
        one.copy(draft, &src, &at, node)?;
    }
    Ok(())
}

/// What must be there is looked for behind the source, whose own links were followed to `at`; none is from there on.
fn check_required(copy: &Copy, listing: &dyn Listing, at: &[u8]) -> Result<(), CopyError> {
    // Patterns that are all blank match nothing, which is what `--parents` makes of `.` and `/`.
    let is_blank = |pattern: &String| pattern.trim().is_empty();
    if !copy.include_patterns.is_empty()
        && copy.include_patterns.iter().all(is_blank)
        && let Some(required) = copy.required_paths.first()
    {
        return Err(CopyError::NoParents { path: required.clone() });
    }
    for required in &copy.required_paths {
        let behind = required.strip_prefix(copy.src.trim_end_matches('/')).unwrap_or(required);
        let path = path::join(at, &path::clean(behind.as_bytes()));
        if listing.lookup(&path)?.is_none() {
            return Err(CopyError::not_found(listing, required, &path));
        }
    }
    Ok(())
}

/// ADD of an archive: what came out of it takes the place of what is there. Modes are the archive's.
fn copy_unpacked(
    draft: &mut Draft<'_>,
    copy: &Copy,
    unpacked: &dyn Listing,
    ids: Option<Ids>,
) -> Result<(), CopyError> {
    let copy = Copy {
        dest: format!("{}/", copy.dest),
        mode: None,
        dir_contents_only: true,
        replace_existing: true,
        ..copy.clone()
    };
    let root = unpacked.lookup(b"")?.ok_or_else(|| CopyError::not_found(unpacked, &copy.src, b""))?;
    let one = One { copy: &copy, listing: unpacked, ids, chmod: None, filter: &Filter::default() };
    one.copy(draft, b"", b"", root)
}

/// The copy of one source.
struct One<'a> {
    copy: &'a Copy,
    listing: &'a dyn Listing,
    ids: Option<Ids>,
    chmod: Option<&'a Chmod>,
    filter: &'a Filter,
}

impl One<'_> {
    fn copy(&self, draft: &mut Draft<'_>, src: &[u8], at: &[u8], node: Node) -> Result<(), CopyError> {
        let parents = new_dir(self.chmod.map_or(0o755, Chmod::for_parents), self.ids, self.copy.mtime);
        let mut dest = path::resolve(draft, self.copy.dest.as_bytes(), LastLink::Follow)?;
        let ensured = if path::names_directory(&self.copy.dest) {
            dest.clone()
        } else {
            let dir = path::parent(&path::clean(self.copy.dest.as_bytes())).to_vec();
            path::resolve(draft, &dir, LastLink::Follow)?
        };
        draft.make_dirs(&ensured, parents)?;
        let there = draft.lookup(&dest)?;
        let contents = self.copy.dir_contents_only && node.is_dir();
        let into = match &there {
            Some(_) if node.is_dir() => !contents,
            Some(there) => there.is_dir(),
            None => false,
        };
        if into {
            dest = path::join(&dest, path::base(src));
        }
        let target = if contents && there.is_none() { &dest[..] } else { path::parent(&dest) };
        draft.make_dirs(target, parents)?;
        let selected = select(self.listing, at, node, self.filter)?;
        self.check_links(at, &selected)?;
        Merge::new(self, draft.base).run(draft, at, &dest, selected)
    }
}

impl One<'_> {
    /// With patterns, BuildKit follows the links directly in the root of the source to tell whether the copy has been done
    /// already, and one that leads nowhere is an error.
    fn check_links(&self, at: &[u8], selected: &Selected) -> Result<(), CopyError> {
        let has_patterns = !self.filter.include.is_empty() || !self.filter.exclude.is_empty();
        if !at.is_empty() || !has_patterns || !self.copy.follow_symlinks {
            return Ok(());
        }
        for child in selected.children.iter().filter(|child| matches!(child.node.kind, NodeKind::Symlink { .. })) {
            let target = path::resolve(self.listing, &child.name, LastLink::Follow)?;
            if self.listing.lookup(&target)?.is_none() {
                return Err(CopyError::LinkToNothing { path: path::show(&child.name) });
            }
        }
        Ok(())
    }
}

/// Puts what was selected where it goes.
struct Merge<'a, 'b> {
    one: &'a One<'a>,
    base: Option<&'b dyn Listing>,
    links: BTreeMap<LinkId, FileId>,
    from: Vec<u8>,
    to: Vec<u8>,
}

/// Whether a directory that exists takes the attributes of the one copied onto it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    Keep,
    Overwrite,
}

impl<'a, 'b> Merge<'a, 'b> {
    fn new(one: &'a One<'a>, base: Option<&'b dyn Listing>) -> Self {
        Self { one, base, links: BTreeMap::new(), from: Vec::new(), to: Vec::new() }
    }

    fn run(mut self, draft: &mut Draft<'_>, from: &[u8], to: &[u8], selected: Selected) -> Result<(), CopyError> {
        self.from = from.to_vec();
        self.to = to.to_vec();
        // Files are lent to the walk while a directory of the draft is.
        let mut files = std::mem::take(&mut draft.files);
        let result = if to.is_empty() {
            if selected.node.is_dir() {
                self.children(&mut draft.root, selected.children, &mut files)
            } else {
                Err(CopyError::OverDirectory { path: "/".to_owned() })
            }
        } else {
            let name = path::base(to);
            draft.dir(path::parent(to)).and_then(|dir| self.put(dir, name, selected, Existing::Keep, &mut files))
        };
        draft.files = files;
        result
    }

    fn children(&mut self, dir: &mut Dir, selected: Vec<Selected>, files: &mut Vec<File>) -> Result<(), CopyError> {
        dir.reserve(selected.len());
        let (from, to) = (self.from.len(), self.to.len());
        for mut child in selected {
            let name = std::mem::take(&mut child.name);
            for path in [&mut self.from, &mut self.to] {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(&name);
            }
            self.put(dir, &name, child, Existing::Overwrite, files)?;
            self.from.truncate(from);
            self.to.truncate(to);
        }
        Ok(())
    }

    fn put(
        &mut self,
        dir: &mut Dir,
        name: &[u8],
        selected: Selected,
        existing: Existing,
        files: &mut Vec<File>,
    ) -> Result<(), CopyError> {
        let found = dir.find(self.base, &self.to, name)?;
        if selected.node.is_dir() {
            let at = self.put_dir(dir, name, &selected, found, existing)?;
            let Some(dir) = dir.child_dir(at) else {
                return Err(CopyError::OverFile { path: path::show(&self.to) });
            };
            return self.children(dir, selected.children, files);
        }
        let over_dir = match &found {
            Found::Nothing => false,
            Found::Base(node) => node.is_dir(),
            Found::Draft(at) => matches!(dir.child(*at), Item::Dir(_)),
        };
        if over_dir && !self.one.copy.replace_existing {
            return Err(CopyError::OverDirectory { path: path::show(&self.to) });
        }
        let meta = self.meta(&selected.node);
        let item = match selected.node.kind {
            NodeKind::File(file) => Item::File(self.file(file, meta, files)),
            kind => Item::other(Node { kind, meta }),
        };
        dir.insert(name, item);
        Ok(())
    }

    /// Makes the directory, or takes the one that is there; says where among the children of `dir` it is.
    fn put_dir(
        &self,
        dir: &mut Dir,
        name: &[u8],
        selected: &Selected,
        found: Found,
        existing: Existing,
    ) -> Result<usize, CopyError> {
        let at = match found {
            Found::Draft(at) if matches!(dir.child(at), Item::Dir(_)) => at,
            Found::Base(node) if node.is_dir() => dir.insert(name, Item::dir(Dir::of_base(node.meta))),
            Found::Draft(_) | Found::Base(_) if !self.one.copy.replace_existing => {
                return Err(CopyError::OverFile { path: path::show(&self.to) });
            }
            Found::Nothing | Found::Draft(_) | Found::Base(_) => {
                let opaque = dir.hides(self.base, &self.to)?;
                return Ok(dir.insert(name, Item::dir(Dir::new(self.meta(&selected.node), opaque))));
            }
        };
        if let Some(there) = dir.child_dir(at) {
            let copied = self.meta(&selected.node);
            match existing {
                // Said of nobody: an archive holds something in it, and nothing of it.
                Existing::Overwrite if self.one.copy.unpack_archives && is_implied(&selected.node.meta) => {}
                Existing::Keep => there.meta.mtime = copied.mtime,
                Existing::Overwrite if selected.explicit => {
                    let xattrs = merge_xattrs(std::mem::take(&mut there.meta.xattrs), &copied.xattrs);
                    there.meta = Meta { xattrs, ..copied };
                }
                Existing::Overwrite => there.meta.mode = selected.node.meta.mode,
            }
        }
        Ok(at)
    }

    fn file(&mut self, node: FileNode, meta: Meta, files: &mut Vec<File>) -> FileId {
        if let Some(id) = node.link.and_then(|link| self.links.get(&link)) {
            return *id;
        }
        let bytes = match node.place {
            Place::Here => Bytes::Local { from: self.one.copy.from, path: self.from.as_slice().into() },
            Place::Layer(layer) => Bytes::Layer { layer, path: self.from.as_slice().into() },
        };
        let id = add_file(files, File { meta, size: node.size, content: node.content, bytes });
        if let Some(link) = node.link {
            self.links.insert(link, id);
        }
        id
    }

    /// What the copy of `node` gets.
    fn meta(&self, node: &Node) -> Meta {
        let mut meta = node.meta.clone();
        if let Some(ids) = self.one.ids {
            (meta.uid, meta.gid) = (ids.uid, ids.gid);
        }
        if matches!(node.kind, NodeKind::Symlink { .. }) {
            meta.mode = LINK_MODE;
        } else if let Some(chmod) = self.one.chmod {
            meta.mode = chmod.apply(meta.mode, node.is_dir());
        }
        if let Some(mtime) = time(self.one.copy.mtime) {
            meta.mtime = mtime;
        }
        meta
    }
}

fn is_implied(meta: &Meta) -> bool {
    *meta == oci::tree::Entry::implied_dir(b"").meta
}

fn merge_xattrs(old: Vec<Xattr>, new: &[Xattr]) -> Vec<Xattr> {
    let mut all: BTreeMap<_, _> = old.into_iter().collect();
    all.extend(new.iter().cloned());
    all.into_iter().collect()
}

fn new_dir(mode: u32, ids: Option<Ids>, mtime: Option<i64>) -> NewDir {
    NewDir { mode, ids, mtime: time(mtime).unwrap_or_default() }
}

fn time(mtime: Option<i64>) -> Option<Mtime> {
    mtime.map(|secs| Mtime { secs, nanos: 0 })
}
