//! `testdata/parser/*.dockerfile`, with the tree beside it as `.ast`, and what is wrong as `.diagnostics`.
//! `UPDATE_EXPECT=1 cargo test -p parser --test golden` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect_file;

fn dockerfiles() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/parser");
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("the golden files").map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "dockerfile"));
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

#[test]
fn trees_and_diagnostics() {
    for path in dockerfiles() {
        let file = parser::parse(&fs::read(&path).unwrap());
        let name = path.file_name().unwrap().to_str().unwrap();
        let rendered: Vec<_> =
            file.diagnostics.iter().map(|d| parser::diagnostic::render(d, name, &file.source)).collect();
        expect_file![path.with_extension("ast")].assert_eq(&(file.tree.dump() + "\n"));
        expect_file![path.with_extension("diagnostics")].assert_eq(&rendered.join("\n"));
    }
}
