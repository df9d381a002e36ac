//! Offsets in a text ↔ lines and columns as the protocol counts them. Knows no Dockerfile.
//!
//! A line ends at `\n`, `\r\n` or a lone `\r`. A column counts bytes or UTF-16 units, as client and server agreed when they
//! met. A position behind a line's end means its end, one behind the last line the end of the text.

use std::ops::Range;

use tower_lsp_server::ls_types::{self, Position, PositionEncodingKind};

/// What a column counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    Utf8,
    #[default]
    Utf16,
}

impl Encoding {
    /// The best of what a client offers; without an offer the protocol has UTF-16.
    pub fn agree(offered: Option<&[PositionEncodingKind]>) -> Self {
        match offered {
            Some(kinds) if kinds.contains(&PositionEncodingKind::UTF8) => Encoding::Utf8,
            Some(_) | None => Encoding::Utf16,
        }
    }

    pub fn kind(self) -> PositionEncodingKind {
        match self {
            Encoding::Utf8 => PositionEncodingKind::UTF8,
            Encoding::Utf16 => PositionEncodingKind::UTF16,
        }
    }

    fn width(self, c: char) -> usize {
        match self {
            Encoding::Utf8 => c.len_utf8(),
            Encoding::Utf16 => c.len_utf16(),
        }
    }
}

/// Where the lines of a text begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    starts: Vec<usize>,
    encoding: Encoding,
}

impl Lines {
    pub fn new(text: &str, encoding: Encoding) -> Self {
        let bytes = text.as_bytes();
        let ends_line = |at: usize| match bytes[at] {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        let starts = (0..bytes.len()).filter(|at| ends_line(*at)).map(|at| at + 1);
        Lines { starts: std::iter::once(0).chain(starts).collect(), encoding }
    }

    /// The number, from 0, of the line that holds `offset`.
    pub fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// Where a line is, without its ending.
    pub fn range(&self, text: &str, line: usize) -> Range<usize> {
        let Some(start) = self.starts.get(line).copied() else { return text.len()..text.len() };
        let end = self.starts.get(line + 1).copied().unwrap_or(text.len());
        let content = text[start..end].trim_end_matches(['\r', '\n']);
        start..start + content.len()
    }

    pub fn position(&self, text: &str, offset: usize) -> Position {
        let offset = floor(text, offset);
        let line = self.line(offset);
        let before = &text[self.starts[line]..offset];
        let column: usize = before.chars().map(|c| self.encoding.width(c)).sum();
        Position::new(number(line), number(column))
    }

    pub fn offset(&self, text: &str, position: Position) -> usize {
        let line = self.range(text, usize::try_from(position.line).unwrap_or(usize::MAX));
        let mut left = usize::try_from(position.character).unwrap_or(usize::MAX);
        for (at, c) in text[line.clone()].char_indices() {
            let width = self.encoding.width(c);
            if left < width {
                return line.start + at;
            }
            left -= width;
        }
        line.end
    }

    pub fn to_protocol(&self, text: &str, range: Range<usize>) -> ls_types::Range {
        ls_types::Range::new(self.position(text, range.start), self.position(text, range.end.max(range.start)))
    }
}

/// The last boundary between characters that is not behind `offset`.
pub(crate) fn floor(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_count_what_was_agreed() {
        let text = "aé😀b\r\nx\ry";
        let at = |encoding, line, character| Lines::new(text, encoding).offset(text, Position::new(line, character));
        assert_eq!(at(Encoding::Utf8, 0, 7), 7);
        assert_eq!(at(Encoding::Utf16, 0, 4), 7);
        assert_eq!(at(Encoding::Utf16, 0, 3), 3, "the middle of a character is its beginning");
        assert_eq!(at(Encoding::Utf16, 0, 99), 8, "behind the end is the end");
        assert_eq!(at(Encoding::Utf16, 1, 1), 11);
        assert_eq!(at(Encoding::Utf16, 2, 0), 12);
        assert_eq!(at(Encoding::Utf16, u32::MAX, u32::MAX), text.len());
    }

    #[test]
    fn utf8_is_taken_where_it_is_offered() {
        let offer = [PositionEncodingKind::UTF16, PositionEncodingKind::UTF8];
        assert_eq!(Encoding::agree(Some(&offer)), Encoding::Utf8);
        assert_eq!(Encoding::agree(Some(&offer[..1])), Encoding::Utf16);
        assert_eq!(Encoding::agree(None), Encoding::Utf16);
    }

    proptest! {
        #[test]
        fn a_place_is_found_again(text in "[aé😀\r\n]{0,30}", offset in 0..60_usize) {
            for encoding in [Encoding::Utf8, Encoding::Utf16] {
                let lines = Lines::new(&text, encoding);
                let offset = floor(&text, offset);
                let position = lines.position(&text, offset);
                // Within a line's ending there is no position of its own: the line's end stands for it.
                let expected = offset.min(lines.range(&text, lines.line(offset)).end);
                prop_assert_eq!(lines.offset(&text, position), expected);
            }
        }
    }
}
