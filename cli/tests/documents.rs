//! What the documents say of the tests is true: each test that they name is there, and each line of a support table
//! names one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 2] = ["docs/dockerfile.md", "docs/build-flags.md"];
/// The heading of the column with the tests.
const COLUMN: &str = "shown by";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The tests of a source file.
fn tests(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[test]").skip(1).filter_map(|rest| {
        let (_, name) = rest.split_once("fn ")?;
        name.split(|c: char| !c.is_alphanumeric() && c != '_').next()
    })
}

/// `parser/src/lower::mistakes`: where a test is, without `.rs` and without the `tests.rs` of a folder.
fn all_tests(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).expect("a directory of the workspace").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            all_tests(&path, found);
        } else if let Some(stem) = path.to_string_lossy().strip_suffix(".rs") {
            let text = fs::read_to_string(&path).expect("text");
            let place = stem.strip_suffix("/tests").unwrap_or(stem);
            found.extend(tests(&text).map(|test| format!("{place}::{test}")));
        }
    }
}

/// What stands between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Whether `word` has the form of a test's name: `sources::add_of_an_address`.
fn names_a_test(word: &str) -> bool {
    let is_name =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    word.contains("::") && word.split("::").all(is_name)
}

fn exists(word: &str, tests: &BTreeSet<String>) -> bool {
    let Some((module, test)) = word.rsplit_once("::") else { return false };
    let end = format!("/{}::{test}", module.replace("::", "/"));
    tests.iter().any(|known| known.ends_with(&end))
}

/// `builds`, where the document says "`builds` is `cli/tests/e2e/corpus.rs`".
fn is_alias(word: &str, document: &str) -> bool {
    let whole = document.replace('\n', " ");
    let Some((_, rest)) = whole.split_once(&format!("`{word}` is `")) else { return false };
    rest.split('`').next().is_some_and(|file| file.ends_with(".rs") && root().join(file).exists())
}

#[test]
fn the_tests_that_are_named_are_there() {
    let mut known = BTreeSet::new();
    all_tests(&root(), &mut known);
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(root().join(document)).expect("the document is there");
        for word in text.lines().flat_map(quoted).filter(|word| names_a_test(word)) {
            if !exists(word, &known) {
                missing.push(format!("{document}: {word}"));
            }
        }
    }
    assert!(missing.is_empty(), "no such test:\n{}", missing.join("\n"));
}

#[test]
fn each_line_of_a_support_table_names_a_test() {
    let mut bare = Vec::new();
    let mut rows = 0;
    for document in DOCUMENTS {
        let text = fs::read_to_string(root().join(document)).expect("the document is there");
        let mut is_support = false;
        for line in text.lines() {
            if !line.starts_with('|') {
                is_support = false;
                continue;
            }
            // A `\|` is a character in a cell.
            let line = line.replace("\\|", "/");
            let last = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim().to_owned();
            if last == COLUMN {
                is_support = true;
            } else if is_support && !last.starts_with("---") {
                rows += 1;
                if !quoted(&last).any(|word| names_a_test(word) || is_alias(word, &text)) {
                    bare.push(format!("{document}: {line}"));
                }
            }
        }
    }
    assert!(rows > 100, "the tables were not found: {rows} lines");
    assert!(bare.is_empty(), "no test is named for:\n{}", bare.join("\n"));
}
