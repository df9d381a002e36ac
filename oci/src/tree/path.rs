//! Paths within a layer: which are allowed, and their order. Knows nothing of what is at them.
//!
//! The order is depth-first by component: as of byte strings in which `/` comes before every other byte. So a
//! directory is followed by all that is below it, and only then by a sibling such as `name-2` or `name.d`.

use std::borrow::Cow;
use std::cmp::Ordering;

/// The kernel's `PATH_MAX`, less its NUL.
pub const MAX_PATH: usize = 4095;
/// The kernel's `NAME_MAX`.
pub const MAX_NAME: usize = 255;
/// Directories within directories. The kernel has no limit; what walks a tree should.
pub const MAX_DEPTH: usize = 1024;

/// Why a path cannot be in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    #[error("it is empty")]
    Empty,
    #[error("it begins or ends with `/`, or has an empty component")]
    EmptyComponent,
    #[error("it has a `.` or `..` component")]
    Dots,
    #[error("it holds a NUL byte")]
    Nul,
    #[error("it is longer than {MAX_PATH} bytes")]
    TooLong,
    #[error("a component is longer than {MAX_NAME} bytes")]
    NameTooLong,
    #[error("it is deeper than {MAX_DEPTH} directories")]
    TooDeep,
}

/// Says whether `path` may stand in a [`crate::Tree`].
pub fn check(path: &[u8]) -> Result<(), BadPath> {
    match path {
        [] => return Err(BadPath::Empty),
        _ if path.len() > MAX_PATH => return Err(BadPath::TooLong),
        _ if path.contains(&0) => return Err(BadPath::Nul),
        _ => {}
    }
    let mut depth = 0;
    for component in path.split(|byte| *byte == b'/') {
        match component {
            [] => return Err(BadPath::EmptyComponent),
            b"." | b".." => return Err(BadPath::Dots),
            _ if component.len() > MAX_NAME => return Err(BadPath::NameTooLong),
            _ => depth += 1,
        }
    }
    if depth > MAX_DEPTH { Err(BadPath::TooDeep) } else { Ok(()) }
}

/// The order of a tree.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let at = first_difference(a, b);
    let rank = |path: &[u8]| match path.get(at) {
        None => 0,
        Some(b'/') => 1,
        Some(byte) => 1 + u16::from(*byte),
    };
    rank(a).cmp(&rank(b))
}

/// The length of the longest common prefix.
pub fn first_difference(a: &[u8], b: &[u8]) -> usize {
    let (words_a, _) = a.as_chunks::<8>();
    let (words_b, _) = b.as_chunks::<8>();
    let same = words_a.iter().zip(words_b).take_while(|(x, y)| x == y).count() * 8;
    same + a[same..].iter().zip(&b[same..]).take_while(|(x, y)| x == y).count()
}

/// Says whether `path` is below the directory `dir`; everything is below the root, which is empty.
pub fn is_below(path: &[u8], dir: &[u8]) -> bool {
    dir.is_empty() && !path.is_empty() || path.len() > dir.len() && path[dir.len()] == b'/' && path.starts_with(dir)
}

/// The directory that holds `path`; empty for the root.
pub fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(&[], |slash| &path[..slash])
}

/// The last component.
pub fn name(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(path, |slash| &path[slash + 1..])
}

/// `name` in the directory `dir`, which is empty for the root.
pub fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(dir.len() + 1 + name.len());
    path.extend_from_slice(dir);
    if !dir.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// As messages show it: absolute, bytes that are no text replaced.
pub fn display(path: &[u8]) -> String {
    let text: Cow<'_, str> = String::from_utf8_lossy(path);
    format!("/{}", text.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_depth_first() {
        let sorted: [&[u8]; 9] = [b"a", b"a/b", b"a/b/c", b"a/b-", b"a\x01", b"a-", b"a-/x", b"a0", b"b"];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{} {}", display(a), display(b));
            }
        }
        assert_eq!(compare(b"12345678/a", b"12345678-a"), Ordering::Less);
    }

    #[test]
    fn bad_paths_are_refused() {
        let deep = "d/".repeat(MAX_DEPTH) + "d";
        let cases: &[(&[u8], BadPath)] = &[
            (b"", BadPath::Empty),
            (b"/a", BadPath::EmptyComponent),
            (b"a/", BadPath::EmptyComponent),
            (b"a//b", BadPath::EmptyComponent),
            (b"a/../b", BadPath::Dots),
            (b".", BadPath::Dots),
            (b"a\0", BadPath::Nul),
            (&[b'a'; MAX_NAME + 1], BadPath::NameTooLong),
            (&[b'a'; MAX_PATH + 1], BadPath::TooLong),
            (deep.as_bytes(), BadPath::TooDeep),
        ];
        for (path, bad) in cases {
            assert_eq!(check(path), Err(*bad), "{}", display(path));
        }
        for good in ["a", "..a/...", "a/b", "x y"] {
            assert_eq!(check(good.as_bytes()), Ok(()));
        }
    }

    #[test]
    fn below_is_by_component() {
        assert!(is_below(b"a/b", b"a") && is_below(b"a", b""));
        assert!(!is_below(b"ab", b"a") && !is_below(b"a", b"a") && !is_below(b"", b""));
        assert_eq!((parent(b"a/b"), name(b"a/b")), (&b"a"[..], &b"b"[..]));
        assert_eq!((parent(b"a"), name(b"a")), (&b""[..], &b"a"[..]));
    }
}
