//! Texts for tests: with the cursor in them, `FROM a‸`; and all those that the parser is tested with.

use crate::{Document, Encoding};

const CURSOR: char = '‸';

/// The document without its cursor, and where the cursor was.
pub(crate) fn at_cursor(marked: &str) -> (Document, usize) {
    let at = marked.find(CURSOR).expect("the text has a cursor");
    (Document::new(marked.replacen(CURSOR, "", 1), Encoding::Utf16), at)
}

/// `[line:column-line:column]` from 1, and the text there.
pub(crate) fn show(document: &Document, range: tower_lsp_server::ls_types::Range) -> String {
    let text = document.slice(document.offset(range.start)..document.offset(range.end));
    let (from, to) = (range.start, range.end);
    format!("{}:{}-{}:{} {text:?}", from.line + 1, from.character + 1, to.line + 1, to.character + 1)
}

/// The golden files of the parser, and the files of the corpus where it is there.
pub(crate) fn corpus() -> Vec<String> {
    let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["testdata/parser", "../shared/corpus/dockerfiles"].map(|folder| workspace.join(folder));
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).ok());
    let texts: Vec<String> = texts.collect();
    assert!(texts.len() > 10);
    texts
}
