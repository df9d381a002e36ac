//! Paths as Go's `path/filepath` reads them, and links resolved inside a root. Text alone; knows no file system.

use super::CopyError;
use super::listing::{Lookup, NodeKind};

/// As many links as `openat2` and Go's `RootPath` follow before they call it a loop.
const MAX_LINKS: usize = 255;

/// `path` from the root, without a leading `/`: no `.`, no `..`, no double slash. `..` at the root is the root.
pub fn clean(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join(&b'/')
}

/// Go's `filepath.Clean`, for patterns: a leading `/` and leading `..` stay.
pub fn clean_relative(text: &str) -> String {
    let absolute = text.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if absolute && parts.is_empty() => {}
            ".." if parts.last().is_some_and(|&last| last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// `path` said to be a directory, by a slash or a `.` at its end.
pub fn names_directory(path: &str) -> bool {
    path.is_empty() || path.ends_with('/') || path.ends_with("/.") || path == "."
}

/// The directory that clean `path` is in.
pub fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|&byte| byte == b'/').map_or(b"", |slash| &path[..slash])
}

/// The last component of clean `path`.
pub fn base(path: &[u8]) -> &[u8] {
    path.iter().rposition(|&byte| byte == b'/').map_or(path, |slash| &path[slash + 1..])
}

pub fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    match (dir, name) {
        (_, b"" | b".") => dir.to_vec(),
        (b"", name) => name.to_vec(),
        (dir, name) => [dir, name].join(&b'/'),
    }
}

/// As people read it: `/usr/bin`.
pub fn show(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}

/// What to do with a link that is a path's last component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastLink {
    Follow,
    Keep,
}

/// The path that `path` stands for in `listing`, links followed inside the root. What does not exist stays as written.
pub fn resolve(listing: &dyn Lookup, path: &[u8], last: LastLink) -> Result<Vec<u8>, CopyError> {
    let mut todo: Vec<Vec<u8>> = components(path);
    let mut done: Vec<u8> = Vec::new();
    let mut links = 0;
    while let Some(part) = todo.pop() {
        if part == b".." {
            done.truncate(parent(&done).len());
            continue;
        }
        let here = join(&done, &part);
        if todo.is_empty() && last == LastLink::Keep {
            return Ok(here);
        }
        match listing.lookup(&here)?.map(|node| node.kind) {
            Some(NodeKind::Symlink { target }) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(CopyError::LinkLoop { path: show(&clean(path)) });
                }
                if target.starts_with(b"/") {
                    done.clear();
                }
                todo.extend(components(&target));
            }
            Some(_) | None => done = here,
        }
    }
    Ok(done)
}

/// Last first, as a stack of what is still to walk.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == b'/').rev().filter(|part| !matches!(*part, b"" | b".")).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, expected) in [("/", ""), ("a//b/", "a/b"), ("/../a", "a"), ("a/./b/..", "a"), ("", "")] {
            assert_eq!(clean(path.as_bytes()), expected.as_bytes(), "{path}");
        }
        for (path, expected) in [("", "."), ("../a", "../a"), ("a/../..", ".."), ("/..", "/"), ("./a/", "a")] {
            assert_eq!(clean_relative(path), expected, "{path}");
        }
        assert_eq!(
            (parent(b"a/b"), base(b"a/b"), parent(b"a"), base(b"a")),
            (&b"a"[..], &b"b"[..], &b""[..], &b"a"[..])
        );
    }
}
