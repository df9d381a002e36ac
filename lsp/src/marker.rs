//! Texts for tests, with the cursor in them: `FROM a‸`.

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
