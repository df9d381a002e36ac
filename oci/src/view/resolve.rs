//! Follows symbolic links inside a view. Knows no disk.
//!
//! The path still to be walked is a stack of components; a link puts those of its target on top. `..` goes to the
//! directory that holds the one reached so far, and stays at the root. What does not exist is walked by name alone,
//! as it will have to be made: from there on `..` takes off a name.

use std::collections::VecDeque;

use super::{Found, View};
use crate::tree::{Kind, path};

/// How many links are followed for one path: as many as containerd and BuildKit follow.
const MAX_LINKS: usize = 255;

/// What is done when the last component of a path is a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// It is followed, as `stat` does.
    Follow,
    /// It is the answer, as of `lstat`.
    Keep,
}

/// What a path leads to.
#[derive(Debug, Clone)]
pub struct Resolved<'a> {
    /// Where that is, free of links in its directories. Empty for the root.
    pub path: Vec<u8>,
    pub place: Place<'a>,
    /// All that was found on the way, in the order it was met: directories, links, and at last the place itself.
    pub trail: Vec<Found<'a>>,
}

/// What is there.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    Root,
    Entry(Found<'a>),
    /// Nothing; `known` bytes of the path are that of a directory that exists.
    Missing {
        known: usize,
    },
}

/// Why a path leads nowhere.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ResolveError {
    #[error("`{path}`: more than {MAX_LINKS} symbolic links lead on, one to the next")]
    TooManyLinks { path: String },
    #[error("`{path}`: `{file}` is not a directory")]
    NotADirectory { path: String, file: String },
    #[error("`{path}`: the path is longer than {} bytes when its links are followed", path::MAX_PATH)]
    TooLong { path: String },
}

impl View {
    /// What `path` leads to, from the root.
    pub fn resolve(&self, path: &[u8], last: Last) -> Result<Resolved<'_>, ResolveError> {
        let mut walk =
            Walk { view: self, asked: path, at: Vec::new(), known: 0, trail: Vec::new(), links: 0, at_file: false };
        let mut rest: VecDeque<Vec<u8>> = components(path).collect();
        while let Some(component) = rest.pop_front() {
            let keep = rest.is_empty() && last == Last::Keep;
            if let Some(target) = walk.step(&component, keep)? {
                components(&target).rev().for_each(|component| rest.push_front(component));
            }
        }
        Ok(walk.arrive())
    }
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> + '_ {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").map(<[u8]>::to_vec)
}

struct Walk<'a, 'p> {
    view: &'a View,
    asked: &'p [u8],
    /// What has been reached, free of links, and how much of it exists.
    at: Vec<u8>,
    known: usize,
    trail: Vec<Found<'a>>,
    links: usize,
    /// What has been reached exists and is no directory, so that there is no way on.
    at_file: bool,
}

impl<'a> Walk<'a, '_> {
    /// Goes on by one component. Returns the target of a link that is to be followed.
    fn step(&mut self, component: &[u8], keep_link: bool) -> Result<Option<Vec<u8>>, ResolveError> {
        if self.at_file {
            return Err(ResolveError::NotADirectory { path: path::display(self.asked), file: path::display(&self.at) });
        }
        if component == b".." {
            self.at.truncate(path::parent(&self.at).len());
            self.known = self.known.min(self.at.len());
            return Ok(None);
        }
        let exists = self.known == self.at.len();
        let next = path::join(&self.at, component);
        if next.len() > path::MAX_PATH {
            return Err(ResolveError::TooLong { path: path::display(self.asked) });
        }
        let found = if exists { self.view.lookup(&next) } else { None };
        let Some(found) = found else {
            self.at = next;
            return Ok(None);
        };
        self.trail.push(found);
        match &found.entry.kind {
            Kind::Symlink { target } if !keep_link => self.follow(target).map(Some),
            _ => {
                self.at_file = !found.entry.is_dir();
                self.known = next.len();
                self.at = next;
                Ok(None)
            }
        }
    }

    fn follow(&mut self, target: &[u8]) -> Result<Vec<u8>, ResolveError> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(ResolveError::TooManyLinks { path: path::display(self.asked) });
        }
        if target.starts_with(b"/") {
            self.at.clear();
            self.known = 0;
        }
        Ok(target.to_vec())
    }

    fn arrive(self) -> Resolved<'a> {
        let place = if self.at.is_empty() {
            Place::Root
        } else if self.known == self.at.len() {
            self.view.lookup(&self.at).map_or(Place::Missing { known: 0 }, Place::Entry)
        } else {
            Place::Missing { known: self.known }
        };
        Resolved { path: self.at, place, trail: self.trail }
    }
}
