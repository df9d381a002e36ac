//! Contexts on real directories.

use std::fs;
use std::time::Duration;

use oci::ContentDigest;
use tempfile::TempDir;

use super::*;

/// Hides the paths that are listed, what is in them too, unless it is listed with `!`.
struct Rules(&'static [&'static str]);

impl IgnoreRules for Rules {
    fn verdict(&self, path: &[u8]) -> Verdict {
        let path = String::from_utf8_lossy(path);
        let under = |rule: &str| *path == *rule || path.starts_with(&format!("{rule}/"));
        let mut hidden = false;
        for rule in self.0 {
            match rule.strip_prefix('!') {
                Some(rule) if under(rule) => hidden = false,
                None if under(rule) => hidden = true,
                _ => {}
            }
        }
        match hidden {
            false => Verdict::Seen,
            true if self.0.iter().any(|rule| rule.starts_with('!')) => Verdict::HiddenUnlessWithin,
            true => Verdict::Hidden,
        }
    }

    fn rule_for(&self, path: &[u8]) -> Option<String> {
        (self.verdict(path) != Verdict::Seen).then(|| self.0[0].to_owned())
    }
}

fn make(files: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for file in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    dir
}

fn open(dir: &TempDir, rules: &'static [&'static str]) -> Context {
    Context::open(dir.path(), Arc::new(Rules(rules)), StatFile::empty()).unwrap()
}

fn names(context: &Context, path: &str) -> Vec<String> {
    let children = context.children(path.as_bytes()).unwrap();
    children.into_iter().map(|(name, _)| String::from_utf8_lossy(&name).into_owned()).collect()
}

#[test]
fn hidden_paths_are_not_there() {
    let dir = make(&["a", "b/c", "b/d/e", "f/g"]);
    let context = open(&dir, &["b"]);
    assert_eq!(names(&context, ""), ["a", "f"]);
    assert_eq!(context.lookup(b"b/c").unwrap(), None);
    assert_eq!(context.hidden_by(b"b/c"), Some("b".to_owned()));
    assert_eq!(context.hidden_by(b"nope"), None);
    let context = open(&dir, &["b", "f", "!b/d"]);
    assert_eq!(names(&context, ""), ["a", "b"]);
    assert_eq!(names(&context, "b"), ["d"]);
    assert!(context.lookup(b"b/d/e").unwrap().is_some());
    assert_eq!(context.lookup(b"f").unwrap(), None);
}

#[test]
fn files_are_read_once_and_known_in_the_next_build() {
    let dir = make(&["a", "b/c"]);
    // Younger files are not trusted.
    std::thread::sleep(Duration::from_millis(50));
    let saved = dir.path().join("saved");
    let context = open(&dir, &["saved"]);
    context.prefetch(b"").unwrap();
    let read = context.read(&[b"a", b"b/c"]).unwrap();
    assert_eq!(read[1].content, ContentDigest::of(b"b/c"));
    context.save(&saved).unwrap();
    let again = Context::open(dir.path(), Arc::new(NothingIgnored), StatFile::open(&saved)).unwrap();
    let content = |path: &[u8]| match again.lookup(path).unwrap().unwrap().kind {
        NodeKind::File(file) => file.content,
        _ => None,
    };
    assert_eq!(content(b"a"), Some(ContentDigest::of(b"a")));
    assert_eq!(content(b"saved"), None);
}

#[test]
fn a_file_of_the_same_size_and_time_with_other_bytes_is_seen() {
    let dir = make(&["a"]);
    std::thread::sleep(Duration::from_millis(50));
    let time = fs::metadata(dir.path().join("a")).unwrap().modified().unwrap();
    let saved = dir.path().join("saved");
    let context = open(&dir, &["saved"]);
    context.read(&[b"a"]).unwrap();
    context.save(&saved).unwrap();
    fs::write(dir.path().join("a"), "b").unwrap();
    fs::File::open(dir.path().join("a")).unwrap().set_modified(time).unwrap();
    let again = Context::open(dir.path(), Arc::new(NothingIgnored), StatFile::open(&saved)).unwrap();
    assert_eq!(again.read(&[b"a"]).unwrap()[0].content, ContentDigest::of(b"b"));
}

#[test]
fn a_file_that_changes_after_it_was_listed_is_told() {
    let dir = make(&["a"]);
    let context = open(&dir, &[]);
    context.prefetch(b"").unwrap();
    fs::write(dir.path().join("a"), "other").unwrap();
    assert!(matches!(context.read(&[b"a"]), Err(ContextError::Changed { path }) if path == "a"));
    fs::remove_file(dir.path().join("a")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("a")).unwrap();
    assert!(matches!(context.open_file(b"a"), Err(ContextError::Changed { .. })));
}

/// BuildKit is sent what the paths of all copies name or match, with the directories on the way.
#[test]
fn a_pattern_may_match_nothing_only_where_something_is_taken() {
    use crate::copy::path::LastLink;
    use crate::copy::select::expand;

    let dir = make(&["x/1", "x/y/2", "t"]);
    std::os::unix::fs::symlink("x", dir.path().join("l")).unwrap();
    let finds = |asked: &[&str], pattern: &str| {
        let context = open(&dir, &[]).asked_for(asked.iter().map(ToString::to_string).collect());
        expand(&context, pattern, LastLink::Follow).map(|found| found.len()).ok()
    };
    assert_eq!(finds(&["/x/*"], "/x/*"), Some(2));
    assert_eq!(finds(&["/x/n*"], "/x/n*"), None);
    assert_eq!(finds(&["/n*"], "/n*"), Some(0), "the root is there");
    for other in ["/x", "/", "/x/y/2", "/x/1*", "/*/y", "/l"] {
        assert_eq!(finds(&["/x/n*", other], "/x/n*"), Some(0), "{other}");
    }
    for other in ["/**/2", "/x/**/y/2"] {
        assert_eq!(finds(&["/x/n*", other], "/x/n*"), Some(0), "{other}");
    }
    for other in ["/t", "/x/z*", "/y", "/x/**/3"] {
        assert_eq!(finds(&["/x/n*", other], "/x/n*"), None, "{other}");
    }
}
