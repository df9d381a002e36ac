//! A logical line with its places: continuations joined as the parser joins them, and where in the file each part stands.
//! Knows no instruction.

use std::ops::Range;

use parser::ast::Escape;
use parser::lines::{End, is_comment, split_continuation};

/// An instruction's text as the parser sees it, without here-documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logical {
    pub text: String,
    pieces: Vec<Piece>,
    /// The end of its last line in the file.
    pub end: usize,
}

/// Text that stands in one line of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    /// Where it begins in the logical line.
    logical: usize,
    /// Where it begins in the file.
    source: usize,
    length: usize,
}

impl Logical {
    /// The logical line that begins at `start`, where its first word is.
    pub fn read(source: &str, start: usize, escape: Escape) -> Self {
        let mut logical = Logical::default();
        let mut at = start;
        let mut continued = End::Later;
        while continued == End::Later {
            let rest = source.get(at..).unwrap_or_default();
            let length = rest.find('\n').map_or(rest.len(), |newline| newline + 1);
            let line = rest[..length].trim_end_matches(['\r', '\n']);
            logical.end = at + line.len();
            if at == start || !is_comment(line) {
                let (text, end) = split_continuation(line, escape);
                let is_empty = at != start && line.trim_start().is_empty();
                logical.push(if is_empty { "" } else { text }, at);
                continued = if is_empty { End::Later } else { end };
            }
            at += length;
            if at >= source.len() {
                break;
            }
        }
        logical
    }

    fn push(&mut self, text: &str, source: usize) {
        self.pieces.push(Piece { logical: self.text.len(), source, length: text.len() });
        self.text.push_str(text);
    }

    /// Where an offset in the file is in the logical line; nowhere if it is in a comment or at a line's end.
    pub fn place(&self, source: usize) -> Option<usize> {
        let piece = self.pieces[..self.pieces.partition_point(|piece| piece.source <= source)].last()?;
        let within = source - piece.source;
        (within <= piece.length).then_some(piece.logical + within)
    }

    /// Where a part of the logical line is in the file.
    pub fn range(&self, part: Range<usize>) -> Range<usize> {
        let after = self.pieces.partition_point(|piece| piece.logical <= part.start);
        let start = self.pieces[..after].last().map_or(0, |piece| piece.source + part.start - piece.logical);
        let before = self.pieces.partition_point(|piece| piece.logical + piece.length < part.end);
        let end =
            self.pieces.get(before).map_or(self.end, |piece| piece.source + part.end.saturating_sub(piece.logical));
        start..end.max(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_in_the_file() {
        let source = "RUN a \\\n# no\n  b\\\n\nc\nRUN d";
        let logical = Logical::read(source, 0, Escape::Backslash);
        assert_eq!(logical.text, "RUN a   bc");
        assert_eq!(logical.end, source.find("\nRUN d").expect("it is there"));
        for word in ["RUN", "a", "  b", "c"] {
            let at = logical.text.find(word).expect("it is there");
            assert_eq!(&source[logical.range(at..at + word.len())], word);
        }
        assert_eq!(logical.place(source.find("b\\").expect("it is there")), Some(8));
        assert_eq!(logical.place(source.find("no").expect("it is there")), None);
    }

    #[test]
    fn it_is_what_the_parser_reads() {
        for text in crate::marker::corpus() {
            let file = parser::parse(text.as_bytes());
            for node in &file.tree.nodes {
                let logical = Logical::read(&file.source, node.span.start as usize, file.tree.escape);
                assert_eq!(logical.text, node.original.as_str());
            }
        }
    }
}
