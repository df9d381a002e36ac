//! Unix paths as text: cleaned and joined lexically. Knows no file system.
//!
//! The rules are those of Go's `path` package, which is what Docker's path rules are told in: `.` and empty parts
//! vanish, `..` takes the part before it away, and nothing leads above the root of an absolute path.

/// The shortest path that means the same. Empty becomes `.`.
pub fn clean(path: &str) -> String {
    if is_clean(path) {
        return path.to_owned();
    }
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    match (absolute, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// Whether there is nothing to take away: so it is with most paths.
fn is_clean(path: &str) -> bool {
    let mut parts = path.strip_prefix('/').unwrap_or(path).as_bytes().split(|byte| *byte == b'/');
    path == "/" || parts.all(|part| !matches!(part, b"" | b"." | b".."))
}

/// `path` as seen from the absolute `base`; an absolute `path` stays itself, uncleaned.
pub fn resolve(base: &str, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { clean(&["/", base, "/", path].concat()) }
}

/// `path` taken as absolute, whatever it starts with, and cleaned.
pub fn rooted(path: &str) -> String {
    if path.starts_with('/') { clean(path) } else { clean(&["/", path].concat()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning() {
        let table = [
            ("", "."),
            (".", "."),
            ("/", "/"),
            ("//a//b/", "/a/b"),
            ("a/./b/../c", "a/c"),
            ("../a", "../a"),
            ("a/../..", ".."),
            ("../../a/..", "../.."),
            ("/../a", "/a"),
        ];
        for (path, cleaned) in table {
            assert_eq!(clean(path), cleaned, "{path}");
        }
    }

    #[test]
    fn resolving() {
        assert_eq!(resolve("/src", "a/"), "/src/a");
        assert_eq!(resolve("/src", "../a"), "/a");
        assert_eq!(resolve("/src", "/a/"), "/a/");
        assert_eq!(rooted("../a/"), "/a");
    }
}
