//! One open text: its lines, what the parser understands of it, and how it changes. Knows no feature.
//!
//! A document never changes: an edit gives a new one. So whoever looks at one sees one version, whatever is typed
//! meanwhile. It is parsed when somebody asks for it first.

use std::ops::Range;
use std::sync::OnceLock;

use parser::{Dockerfile, Span};
use tower_lsp_server::ls_types::{self, Position, TextDocumentContentChangeEvent};

use crate::index::Index;
use crate::position::{Encoding, Lines};

/// A version of a text.
#[derive(Debug)]
pub struct Document {
    text: String,
    encoding: Encoding,
    lines: Lines,
    parsed: OnceLock<Dockerfile>,
    index: OnceLock<Index>,
}

impl Document {
    pub fn new(text: impl Into<String>, encoding: Encoding) -> Self {
        let text = text.into();
        let lines = Lines::new(&text, encoding);
        Document { text, encoding, lines, parsed: OnceLock::new(), index: OnceLock::new() }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    pub fn dockerfile(&self) -> &Dockerfile {
        self.parsed.get_or_init(|| parser::parse(self.text.as_bytes()))
    }

    /// Its stages and variables, and who refers to them.
    pub fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(self.dockerfile()))
    }

    pub fn offset(&self, position: Position) -> usize {
        self.lines.offset(&self.text, position)
    }

    pub fn range(&self, range: Range<usize>) -> ls_types::Range {
        self.lines.to_protocol(&self.text, range)
    }

    /// The part of the text that `range` names.
    pub fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    /// The text after `changes`, each of which is about what the one before it left.
    pub fn edited(&self, changes: Vec<TextDocumentContentChangeEvent>) -> Document {
        let mut text = self.text.clone();
        let mut lines = self.lines.clone();
        for change in changes {
            match change.range {
                None => text = change.text,
                Some(range) => {
                    let (a, b) = (lines.offset(&text, range.start), lines.offset(&text, range.end));
                    text.replace_range(a.min(b)..a.max(b), &change.text);
                }
            }
            lines = Lines::new(&text, self.encoding);
        }
        Document { text, encoding: self.encoding, lines, parsed: OnceLock::new(), index: OnceLock::new() }
    }
}

/// The bytes that a span means.
pub(crate) fn bytes(span: Span) -> Range<usize> {
    span.start as usize..span.end as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn change(from: (u32, u32), to: (u32, u32), text: &str) -> TextDocumentContentChangeEvent {
        let range = ls_types::Range::new(Position::new(from.0, from.1), Position::new(to.0, to.1));
        TextDocumentContentChangeEvent { range: Some(range), range_length: None, text: text.to_owned() }
    }

    #[test]
    fn edits_are_made_one_after_the_other() {
        let document = Document::new("FROM a\nRUN 😀x\n", Encoding::Utf16);
        let edited = document.edited(vec![
            change((1, 6), (1, 7), "y"),
            change((0, 5), (0, 6), "bb"),
            change((0, 7), (1, 0), "\n\n"),
        ]);
        assert_eq!(edited.text(), "FROM bb\n\nRUN 😀y\n");
        let whole = TextDocumentContentChangeEvent { range: None, range_length: None, text: "new".into() };
        assert_eq!(edited.edited(vec![whole]).text(), "new");
    }

    #[test]
    fn edits_out_of_range_do_what_they_can() {
        let document = Document::new("FROM a", Encoding::Utf16);
        assert_eq!(document.edited(vec![change((7, 3), (9, 9), "\nRUN x")]).text(), "FROM a\nRUN x");
        assert_eq!(document.edited(vec![change((0, 99), (0, 4), "!")]).text(), "FROM!");
    }

    proptest! {
        #[test]
        fn any_edit_gives_a_text(text in "[aé😀\r\n]{0,20}", with in "[b\n]{0,5}", at in any::<[u8; 4]>()) {
            let [a, b, c, d] = at.map(|n| u32::from(n) % 24);
            for encoding in [Encoding::Utf8, Encoding::Utf16] {
                let edited = Document::new(text.clone(), encoding).edited(vec![change((a, b), (c, d), &with)]);
                prop_assert!(edited.text().contains(&with));
            }
        }
    }
}
