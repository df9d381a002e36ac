//! What a copy takes: wildcards in the source, and include and exclude patterns. Knows no destination.
//!
//! The rules are those of `tonistiigi/fsutil/copy`. A directory that no include pattern matches is taken only if
//! something in it is; such a directory is not [`Selected::explicit`].
//!
//! A build context is there only as far as the copies of the build ask for it: what none of their paths names or
//! matches is not sent to BuildKit. So a pattern that matches nothing is no copy, but an error when even the directory
//! before its first wildcard would not have been sent.

use super::CopyError;
use super::listing::{Listing, Node};
use super::path::{self, LastLink};
use super::pattern::{Glob, Matched, Patterns, has_wildcard};

/// An entry that is copied, with what is copied of that it holds.
#[derive(Debug, Clone)]
pub struct Selected {
    pub name: Box<[u8]>,
    pub node: Node,
    /// Taken for itself, not for what it holds.
    pub explicit: bool,
    /// By name.
    pub children: Vec<Selected>,
}

/// The include and exclude patterns of one copy.
#[derive(Debug, Default)]
pub struct Filter {
    pub include: Patterns,
    pub exclude: Patterns,
}

/// The paths that `src`, which may hold wildcards, stands for in `listing`, in order.
pub fn expand(listing: &dyn Listing, src: &str, last: LastLink) -> Result<Vec<Vec<u8>>, CopyError> {
    let cleaned = path::clean(src.as_bytes());
    let text = String::from_utf8_lossy(&cleaned).into_owned();
    let (fixed, wild) = split(&text);
    if wild.is_empty() {
        return Ok(vec![cleaned]);
    }
    let start = path::resolve(listing, fixed.as_bytes(), last)?;
    let node = listing.lookup(&start)?.ok_or_else(|| CopyError::not_found(listing, src, &start))?;
    // A pattern that makes no sense matches nothing, as in Go's `filepath.Match` with its error left out.
    let Ok(globs) = wild.iter().map(|part| Glob::new(part)).collect::<Result<Vec<_>, _>>() else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    if node.is_dir() {
        descend(listing, &start, &globs, &mut found)?;
    }
    if found.is_empty() && !is_sent(listing, &start)? {
        return Err(CopyError::NothingMatches { pattern: src.to_owned(), dir: path::show(&start) });
    }
    Ok(found)
}

/// Whether something that the build asks for is at `path`, or in it, or has it within.
fn is_sent(listing: &dyn Listing, path: &[u8]) -> Result<bool, CopyError> {
    let Some(asked) = listing.asked().filter(|_| !path.is_empty()) else { return Ok(true) };
    let is_in = |inner: &[u8], outer: &[u8]| {
        outer.is_empty() || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    };
    for pattern in asked {
        for found in matching(listing, pattern)? {
            if is_in(&found, path) || is_in(path, &found) {
                return Ok(true);
            }
        }
    }
    // What is sent is chosen by patterns in which `**` is any number of directories.
    let patterns: Vec<String> = asked.iter().map(|asked| path::clean_relative(asked.trim_start_matches('/'))).collect();
    let filter = Filter { include: Patterns::new(&patterns)?, exclude: Patterns::default() };
    let Some(root) = listing.lookup(b"")? else { return Ok(false) };
    let sent = select(listing, b"", root, &filter)?;
    let inner = |dir: Option<Selected>, name: &[u8]| dir?.children.into_iter().find(|child| *child.name == *name);
    Ok(path.split(|&byte| byte == b'/').fold(Some(sent), inner).is_some())
}

/// What `pattern` stands for, and what the links in that lead to.
fn matching(listing: &dyn Listing, pattern: &str) -> Result<Vec<Vec<u8>>, CopyError> {
    let cleaned = path::clean(pattern.as_bytes());
    let text = String::from_utf8_lossy(&cleaned).into_owned();
    let (fixed, wild) = split(&text);
    let start = path::resolve(listing, fixed.as_bytes(), LastLink::Follow)?;
    let Some(node) = listing.lookup(&start)? else { return Ok(Vec::new()) };
    let globs: Result<Vec<_>, _> = wild.iter().map(|part| Glob::new(part)).collect();
    let mut found = Vec::new();
    match globs {
        Ok(globs) if globs.is_empty() => found.push(start),
        Ok(globs) if node.is_dir() => descend(listing, &start, &globs, &mut found)?,
        Ok(_) | Err(_) => {}
    }
    let led: Vec<_> = found.iter().filter_map(|path| path::resolve(listing, path, LastLink::Follow).ok()).collect();
    found.extend(led);
    Ok(found)
}

/// What is before the first component of a clean path that has a wildcard, and the components from that on.
fn split(text: &str) -> (String, Vec<&str>) {
    let components: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    let wild = components.iter().position(|part| has_wildcard(part)).unwrap_or(components.len());
    (components[..wild].join("/"), components[wild..].to_vec())
}

fn descend(listing: &dyn Listing, dir: &[u8], globs: &[Glob], found: &mut Vec<Vec<u8>>) -> Result<(), CopyError> {
    let Some((glob, deeper)) = globs.split_first() else {
        return Ok(());
    };
    for (name, node) in listing.children(dir)? {
        if !glob.matches(&name) {
            continue;
        }
        let here = path::join(dir, &name);
        if deeper.is_empty() {
            found.push(here);
        } else if node.is_dir() {
            descend(listing, &here, deeper, found)?;
        }
    }
    Ok(())
}

/// The entry at `path`, which is `node`, with all in it that `filter` lets through.
pub fn select(listing: &dyn Listing, path: &[u8], node: Node, filter: &Filter) -> Result<Selected, CopyError> {
    let mut walk = Walk { listing, filter, path: path.to_vec(), top: path.len() };
    let children = if node.is_dir() {
        if filter.include.is_empty() {
            listing.prefetch(path)?;
        }
        walk.children(&Matched::default(), &Matched::default())?
    } else {
        Vec::new()
    };
    Ok(Selected { name: path::base(path).into(), node, explicit: true, children })
}

struct Walk<'a> {
    listing: &'a dyn Listing,
    filter: &'a Filter,
    /// The directory being walked.
    path: Vec<u8>,
    /// How much of `path` names the source itself; patterns see what comes after.
    top: usize,
}

impl Walk<'_> {
    fn children(&mut self, included: &Matched, excluded: &Matched) -> Result<Vec<Selected>, CopyError> {
        let entries = self.listing.children(&self.path)?;
        let mut selected = Vec::with_capacity(entries.len());
        let length = self.path.len();
        for (name, node) in entries {
            if length > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(&name);
            let one = self.one(name, node, included, excluded);
            self.path.truncate(length);
            selected.extend(one?);
        }
        Ok(selected)
    }

    fn one(
        &mut self,
        name: Box<[u8]>,
        node: Node,
        included: &Matched,
        excluded: &Matched,
    ) -> Result<Option<Selected>, CopyError> {
        let Filter { include, exclude } = self.filter;
        let relative = &self.path[self.top..];
        let relative = relative.strip_prefix(b"/").unwrap_or(relative);
        let (wanted, included) =
            if include.is_empty() { (true, Matched::default()) } else { include.matches(relative, included) };
        let (unwanted, excluded) =
            if exclude.is_empty() { (false, Matched::default()) } else { exclude.matches(relative, excluded) };
        let explicit = wanted && !unwanted;
        let is_dir = node.is_dir();
        if !explicit && (!is_dir || (unwanted && !exclude.has_exceptions())) {
            return Ok(None);
        }
        // Not even read, where no pattern reaches: a build context may hold much that is not asked for.
        if !explicit && !wanted && !include.may_match_in(relative) {
            return Ok(None);
        }
        let children = if is_dir { self.children(&included, &excluded)? } else { Vec::new() };
        Ok((explicit || !children.is_empty()).then_some(Selected { name, node, explicit, children }))
    }
}
