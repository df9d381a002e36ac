//! What a copy takes: wildcards in the source, and include and exclude patterns. Knows no destination.
//!
//! The rules are those of `tonistiigi/fsutil/copy`. A directory that no include pattern matches is taken only if
//! something in it is; such a directory is not [`Selected::explicit`].

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
    let components: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    let Some(wild) = components.iter().position(|part| has_wildcard(part)) else {
        return Ok(vec![cleaned]);
    };
    let fixed = components[..wild].join("/");
    let start = path::resolve(listing, fixed.as_bytes(), last)?;
    let node = listing.lookup(&start)?.ok_or_else(|| CopyError::not_found(listing, src, &start))?;
    // A pattern that makes no sense matches nothing, as in Go's `filepath.Match` with its error left out.
    let Ok(globs) = components[wild..].iter().map(|part| Glob::new(part)).collect::<Result<Vec<_>, _>>() else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    if node.is_dir() {
        descend(listing, &start, &globs, &mut found)?;
    }
    Ok(found)
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
