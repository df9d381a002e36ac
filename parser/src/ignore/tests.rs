//! Which paths an ignore file leaves out.

use proptest::prelude::*;

use super::*;

fn ignore(text: &str) -> Ignore {
    Ignore::parse(text).expect("a valid file")
}

#[test]
fn the_last_match_wins() {
    let table = [
        ("*.log", "a.log", true),
        ("*.log", "a/b.log", false),
        ("**/*.log", "a/b.log", true),
        ("**/*.log", "b.log", true),
        ("/build/", "build/x/y", true),
        ("build", "src/build", false),
        ("**\n!a/b", "a/b/c", false),
        ("**\n!a/b", "a", true),
        ("a\n!a/b\na/b/c", "a/b/c/d", true),
        ("a/**", "a", false),
        ("a/**", "a/b", true),
        ("a/**/z", "a/z", true),
        ("a/**/z", "a/b/c/z", true),
        ("a?c", "a/c", false),
        ("a[^b]c", "axc", true),
        ("a[^b]c", "abc", false),
        ("\\*", "*", true),
        ("# a\n #b", "#b", true),
        ("./a/../b", "b", true),
        ("**foo", "x/afoo", true),
        ("**/a/**", "a/b", true),
        ("**/a/**", "x/a/b/c", true),
        ("**/a/**", "x/a", false),
        ("**/a/**", "x/ba/b", false),
    ];
    for (text, path, hidden) in table {
        assert_eq!(ignore(text).excludes(path.as_bytes()), hidden, "{text:?} {path}");
    }
}

#[test]
fn the_line_that_hides_is_told() {
    let ignore = ignore("# what is built\n\ntarget\n!target/keep\n*.o\n");
    let line = |path: &str| ignore.hidden_by(path.as_bytes()).map(|rule| (rule.line, rule.pattern.as_str()));
    assert_eq!(line("target/debug/x"), Some((3, "target")));
    assert_eq!(line("target/keep/x"), None);
    assert_eq!(line("x.o"), Some((5, "*.o")));
    assert_eq!(line("src"), None);
}

#[test]
fn a_directory_is_skipped_when_nothing_in_it_can_be_kept() {
    let table = [
        ("a", "a", true),
        ("a\n!a/b", "a", false),
        ("a\n!b", "a", true),
        ("!a/b\na", "a", true),
        ("a\n!a/*/c", "a/b", false),
        ("a\n!a/*/c", "a/b/x", true),
        ("a\n!**/c", "a", false),
        ("a\n!a/b/**", "a/b/c", false),
        ("a\n!x*/b", "a", true),
        ("b", "a", false),
    ];
    for (text, dir, skipped) in table {
        let ignore = ignore(text);
        let mut scope = Scope::default();
        let ends = dir.match_indices('/').map(|(at, _)| at).chain([dir.len()]);
        for end in ends {
            scope = ignore.enter(&scope, &dir.as_bytes()[..end]);
        }
        assert_eq!(ignore.excludes_all_in(&scope, dir.as_bytes()), skipped, "{text:?} {dir}");
    }
}

#[test]
fn what_is_no_pattern_is_refused() {
    for (text, line) in
        [("ok\n!", 2), ("a[", 1), ("a[]", 1), ("a\\", 1), ("[-x]", 1), ("[x-]", 1), ("[z-a]", 1), ("!  ", 1)]
    {
        assert_eq!(Ignore::parse(text).expect_err(text).line, line, "{text:?}");
    }
}

#[test]
fn patterns_cost_no_more_than_their_length_times_the_path_s() {
    let ignore = ignore(&format!("{}b", "*a".repeat(200)));
    assert!(!ignore.excludes("a".repeat(5_000).as_bytes()));
    let ignore = Ignore::parse(&format!("{}b", "**/a/".repeat(200))).expect("valid");
    assert!(!ignore.excludes("a/".repeat(5_000).as_bytes()));
}

#[test]
fn many_paths_are_matched_quickly() {
    let ignore = ignore(
        "node_modules\n**/*.log\n**/.git\ntarget/**\ndist\n*.md\n!README.md\n**/__pycache__/**\n/build/\n.env*\n",
    );
    let start = std::time::Instant::now();
    let mut kept = 0;
    for dir in 0..1_000 {
        let dir = format!("packages/p{dir}/src");
        let scope = ignore.enter(&Scope::default(), dir.as_bytes());
        for file in 0..100 {
            kept += usize::from(ignore.hidden_in(&scope, format!("{dir}/component-{file}.ts").as_bytes()).is_none());
        }
    }
    println!("100,000 paths, 10 lines: {:?}", start.elapsed());
    assert_eq!(kept, 100_000);
}

/// A scan from the root sees what a look at the whole path sees when no line is an exception, and skips nothing that is
/// kept.
fn assert_scopes_agree(ignore: &Ignore, path: &str) {
    let mut scope = Scope::default();
    let mut skipped = false;
    for (end, _) in path.match_indices('/') {
        let dir = &path.as_bytes()[..end];
        scope = ignore.enter(&scope, dir);
        skipped |= ignore.excludes_all_in(&scope, dir);
    }
    let hidden = ignore.hidden_in(&scope, path.as_bytes()).is_some();
    if !ignore.rules().iter().any(|rule| rule.exception) {
        assert_eq!(hidden, ignore.excludes(path.as_bytes()), "{path}");
    }
    assert!(hidden || !skipped, "{path} is in a directory that is skipped");
}

/// As `patternmatcher.MatchesUsingParentResults` does, by which BuildKit's client reads a context.
#[test]
fn a_scan_forgets_an_exception_that_changed_nothing() {
    let seen = |text: &str, path: &str| {
        let ignore = ignore(text);
        let scope = ignore.enter(&Scope::default(), b"x");
        ignore.hidden_in(&scope, path.as_bytes()).is_none()
    };
    assert!(!seen("x/y\n!x\n", "x/y") && !ignore("x/y\n!x\n").excludes(b"x/y"));
    assert!(seen("x\nx/y\n!x\n", "x/y"));
    assert!(seen("*\n!x\n", "x/y"));
}

proptest! {
    #[test]
    fn scans_agree_with_whole_paths(text in "([!]?[ab*?/\\[\\]\\\\-]{1,8}\n){0,4}", path in "[ab](/[ab]{1,2}){0,4}") {
        if let Ok(ignore) = Ignore::parse(&text) {
            assert_scopes_agree(&ignore, &path);
        }
    }
}
